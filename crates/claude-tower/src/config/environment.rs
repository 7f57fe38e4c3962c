//! The environment: `CLAUDE_TOWER__CLIENT__CONNECT_TIMEOUT=2s` sets `client.connect_timeout`.

use std::sync::Arc;

use toml::de::DeValue;

use super::{
    error::ConfigProblemKind,
    finding::{Finding, Place},
    load::{Argument, Settings},
    schema::{KeyPath, Node, Step, dotted},
    value::{Item, Value},
    walk::{Walk, meant},
};

/// What the names of our variables begin with.
pub(super) const PREFIX: &str = "CLAUDE_TOWER__";

/// The part of a variable's name after our prefix, in whatever case, if it is ours.
pub(super) fn ours(name: &str) -> Option<&str> {
    let (prefix, rest) = (name.get(..PREFIX.len())?, name.get(PREFIX.len()..)?);
    prefix.eq_ignore_ascii_case(PREFIX).then_some(rest)
}

/// Whether the name is one of ours, or is meant to be.
pub(super) fn is_for_us(name: &str) -> bool {
    let short = PREFIX.trim_end_matches('_');
    name.get(..short.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(short))
}

/// Puts our variables over what the file has set.
pub(super) fn collect(
    environment: impl IntoIterator<Item = (String, String)>,
    schema: &Node,
    settings: &mut Settings,
    findings: &mut Vec<Finding>,
) {
    for (name, value) in environment {
        let place = Place::Variable(Arc::from(name.as_str()));
        let mut find = |kind, key: &KeyPath, message| {
            let key = (!key.is_empty()).then(|| dotted(key));
            findings.push(Finding { place: place.clone(), kind, key, message });
        };
        let Some(rest) = ours(&name) else {
            if let Some(key) = misspelt(&name, schema) {
                let message = format!("is not read; did you mean {}?", variable(&key));
                find(ConfigProblemKind::UnknownKey, &key, message);
            }
            continue;
        };
        match locate(rest, schema) {
            Found::Key(key) => {
                let item = Item { value: Value::Untyped(value), place: place.clone() };
                let before = settings.insert(key.clone(), item);
                if let Some(Item { place: Place::Variable(other), .. }) = before {
                    let message = format!("sets the same key as {other}");
                    find(ConfigProblemKind::Duplicate, &key, message);
                }
            }
            Found::Section(section, example) => {
                let example = variable(&example);
                let message =
                    format!("{} is a section; set one of its keys, such as {example}", dotted(&section));
                find(ConfigProblemKind::UnknownKey, &section, message);
            }
            Found::Tables(key, node) => {
                // The whole list is replaced, not one table of it.
                let before = settings.get(&key).map(|item| item.place.clone());
                settings.retain(|path, _| !path.starts_with(&key));
                if let Some(Place::Variable(other)) = before {
                    let message = format!("sets the same key as {other}");
                    find(ConfigProblemKind::Duplicate, &key, message);
                }
                let walk = Walk { root: schema, settings, findings, variable: Some(place.clone()) };
                tables(walk, &value, place, key, node);
            }
            Found::InTables(list) => {
                let list_variable = variable(&list);
                let message = format!(
                    "{} is a list of tables, and no variable sets a part of one; set the whole list in {list_variable}, \
                     as TOML, or the part in the file",
                    dotted(&list)
                );
                find(ConfigProblemKind::UnknownKey, &list, message);
            }
            Found::Nothing(Some(meant)) => {
                let message = format!("unknown key; did you mean {}?", variable(&meant));
                find(ConfigProblemKind::UnknownKey, &Vec::new(), message);
            }
            Found::Nothing(None) => {
                find(ConfigProblemKind::UnknownKey, &Vec::new(), "unknown key".to_owned());
            }
        }
    }
}

/// Puts the arguments over all of it.
pub(super) fn collect_arguments(
    arguments: &[Argument],
    schema: &Node,
    settings: &mut Settings,
    findings: &mut Vec<Finding>,
) {
    for Argument { option, key, value } in arguments {
        let place = Place::Argument(Arc::from(option.as_str()));
        if let Found::Key(path) = locate(&key.replace('.', "__"), schema) {
            settings.insert(path, Item { value: Value::Untyped(value.clone()), place });
        } else {
            let (kind, message) = (ConfigProblemKind::UnknownKey, "sets what is no key".to_owned());
            findings.push(Finding { place, kind, key: Some(key.clone()), message });
        }
    }
}

enum Found<'a> {
    Key(KeyPath),
    /// A section, and a key in it.
    Section(KeyPath, KeyPath),
    /// A list of tables.
    Tables(KeyPath, &'a Node),
    /// Something in the list of tables at this path.
    InTables(KeyPath),
    /// Nothing, and what may have been meant.
    Nothing(Option<KeyPath>),
}

fn locate<'a>(rest: &str, schema: &'a Node) -> Found<'a> {
    let mut node = schema;
    let mut path = KeyPath::new();
    for segment in rest.split("__") {
        if matches!(node, Node::Tables(_)) {
            return Found::InTables(path);
        }
        match node.entries().iter().find(|(name, _)| name.eq_ignore_ascii_case(segment)) {
            Some((name, inner)) => {
                path.push(Step::Name(name));
                node = inner;
            }
            None => return Found::Nothing(meant(segment, schema, node, &path)),
        }
    }
    match node {
        Node::Key => Found::Key(path),
        Node::Tables(_) => Found::Tables(path, node),
        Node::Section(_) => {
            let example = node.keys().into_iter().next().unwrap_or_default();
            let example = path.iter().copied().chain(example).collect();
            Found::Section(path, example)
        }
    }
}

/// Reads the list of tables in a variable: a TOML array.
fn tables(mut walk: Walk<'_>, text: &str, place: Place, mut key: KeyPath, schema: &Node) {
    let text = text.trim();
    if text.is_empty() {
        walk.settings.insert(key, Item::list(place));
        return;
    }
    match DeValue::parse(text) {
        Ok(list) => walk.tables(list.get_ref(), place, schema, &mut key),
        Err(_) => {
            walk.settings.insert(key, Item { value: Value::Untyped(text.to_owned()), place });
        }
    }
}

/// The key that a name with one underscore after `CLAUDE_TOWER` would set if it had two. Names that are none of ours
/// (`CLAUDE_TOWER_SERVICE_HOST`, which Kubernetes sets for a service of this name) are left alone.
fn misspelt(name: &str, schema: &Node) -> Option<KeyPath> {
    let short = &PREFIX[..PREFIX.len() - 1];
    let (prefix, rest) = (name.get(..short.len())?, name.get(short.len()..)?);
    match locate(rest, schema) {
        Found::Key(key) | Found::Tables(key, _) if prefix.eq_ignore_ascii_case(short) => Some(key),
        _ => None,
    }
}

/// The variable that sets a key, or the list of tables that the key is in.
fn variable(key: &KeyPath) -> String {
    let names = key.iter().map_while(|step| match step {
        Step::Name(name) => Some(*name),
        Step::Index(_) | Step::Any => None,
    });
    format!("{PREFIX}{}", names.collect::<Vec<_>>().join("__").to_ascii_uppercase())
}
