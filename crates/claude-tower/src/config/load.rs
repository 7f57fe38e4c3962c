//! From a file and an environment to a checked configuration, with all that is wrong in one report.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::de::DeserializeOwned;

use super::{
    check::{Check, Validate},
    environment,
    error::{ConfigError, ConfigProblemKind},
    file,
    finding::{Finding, Place, Places, Source, error},
    reason::Reason,
    schema::{KeyPath, Node, only},
    value::{Item, Reader, Value},
};

/// The values that are set, by their keys.
pub(super) type Settings = BTreeMap<KeyPath, Item>;

/// Loads a `T` from the text of a file, if there is one, and an environment over it.
///
/// Each key is read alone first, so that one wrong value does not hide the next; then all the good ones together.
/// What an environment variable overrides is not looked at: it has no effect.
pub(super) fn load<T>(
    source: Option<Source<'_>>,
    folder: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    mut findings: Vec<Finding>,
) -> Result<T, ConfigError>
where
    T: DeserializeOwned + Validate,
{
    let schema = Node::of::<T>();
    let mut settings = Settings::new();
    if let Some(source) = source {
        file::collect(source.text, &schema, &mut settings, &mut findings);
    }
    environment::collect(environment, &schema, &mut settings, &mut findings);

    let mut places = Places::new();
    let mut unread = BTreeSet::new();
    let mut good = Vec::new();
    for (path, item) in settings {
        let key = path.join(".");
        places.insert(key.clone(), item.place.clone());
        match only::<T, _>(&path, Reader::new(&item, folder)) {
            Ok(_) => good.push((path, item)),
            Err(reason) => {
                findings.push(finding(&reason, &key, item.place));
                unread.insert(key);
            }
        }
    }

    let root = Item {
        value: tree(&good, 0),
        place: Place::Nowhere,
    };
    let config = match T::deserialize(Reader::new(&root, folder)) {
        Ok(config) => config,
        Err(reason) => {
            findings.push(finding(&reason, "", Place::Nowhere));
            return Err(error(findings, source));
        }
    };
    let mut check = Check::new(&places, &unread);
    config.check(&mut check);
    findings.extend(check.into_findings());
    if findings.is_empty() {
        Ok(config)
    } else {
        Err(error(findings, source))
    }
}

fn finding(reason: &Reason, key: &str, place: Place) -> Finding {
    let kind = if reason.is_unknown_field() {
        ConfigProblemKind::UnknownKey
    } else {
        ConfigProblemKind::InvalidValue
    };
    let message = reason.message(key);
    let key = format!("{key}{}", reason.suffix);
    Finding {
        place: reason.place.clone().unwrap_or(place),
        kind,
        key: Some(key),
        message,
    }
}

/// The settings as one table. They are sorted, so what belongs to one section stands together.
fn tree(settings: &[(KeyPath, Item)], depth: usize) -> Value {
    let same_name = |left: &(KeyPath, Item), right: &(KeyPath, Item)| left.0.get(depth) == right.0.get(depth);
    let entries = settings.chunk_by(same_name).filter_map(|group| {
        let (path, item) = group.first()?;
        let item = if path.len() == depth + 1 {
            item.clone()
        } else {
            Item {
                value: tree(group, depth + 1),
                place: Place::Nowhere,
            }
        };
        Some(((*path.get(depth)?).to_owned(), item))
    });
    Value::Table(entries.collect())
}
