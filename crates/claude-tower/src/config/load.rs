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

    let root = Item { value: tree(&good, 0), place: Place::Nowhere };
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
    if findings.is_empty() { Ok(config) } else { Err(error(findings, source)) }
}

fn finding(reason: &Reason, key: &str, place: Place) -> Finding {
    let kind = if reason.is_unknown_field() {
        ConfigProblemKind::UnknownKey
    } else {
        ConfigProblemKind::InvalidValue
    };
    let message = reason.message(key);
    let key = format!("{key}{}", reason.suffix);
    Finding { place: reason.place.clone().unwrap_or(place), kind, key: Some(key), message }
}

/// The settings as one table. They are sorted, so what belongs to one section stands together.
fn tree(settings: &[(KeyPath, Item)], depth: usize) -> Value {
    let same_name = |left: &(KeyPath, Item), right: &(KeyPath, Item)| left.0.get(depth) == right.0.get(depth);
    let entries = settings.chunk_by(same_name).filter_map(|group| {
        let (path, item) = group.first()?;
        let item = if path.len() == depth + 1 {
            item.clone()
        } else {
            Item { value: tree(group, depth + 1), place: Place::Nowhere }
        };
        Some(((*path.get(depth)?).to_owned(), item))
    });
    Value::Table(entries.collect())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf, time::Duration};

    use serde::Deserialize;

    use super::*;
    use crate::config::{duration, path, size};

    /// A section with every sort of value that sections to come may have.
    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        share: f64,
        small: u8,
        signed: i64,
        #[serde(deserialize_with = "size::deserialize")]
        max_body: u64,
        #[serde(deserialize_with = "path::list")]
        files: Vec<PathBuf>,
        numbers: Vec<u16>,
        weights: BTreeMap<String, f64>,
        endpoints: Vec<Endpoint>,
        inner: Option<Inner>,
        api_token: Option<Word>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Endpoint {
        name: String,
        #[serde(deserialize_with = "duration::deserialize")]
        limit: Duration,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        depth: u32,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Yes,
        No,
    }

    impl Validate for Sample {
        fn check(&self, check: &mut Check<'_>) {
            check.number("share", self.share, 0.0..=1.0);
        }
    }

    fn from_file(text: &str) -> Result<Sample, String> {
        let source = Source::new(Path::new("f.toml"), text);
        load(Some(source), Some(Path::new("dir")), [], Vec::new()).map_err(|error| error.to_string())
    }

    fn from_environment(variables: &[(&str, &str)]) -> Result<Sample, String> {
        let variables =
            variables.iter().map(|(name, value)| (format!("CLAUDE_TOWER__{name}"), (*value).to_owned()));
        load(None, Some(Path::new("dir")), variables, Vec::new()).map_err(|error| error.to_string())
    }

    fn sample(files: [&str; 2]) -> Sample {
        Sample {
            share: 0.5,
            small: 255,
            signed: -3,
            max_body: 32 << 20,
            files: files.map(PathBuf::from).to_vec(),
            numbers: vec![1, 2],
            weights: [("a.b".to_owned(), 2.0)].into(),
            endpoints: vec![Endpoint { name: "eu".to_owned(), limit: Duration::from_secs(1) }],
            inner: Some(Inner { depth: 7 }),
            api_token: Some(Word::No),
        }
    }

    #[test]
    fn a_file_and_an_environment_can_say_the_same() {
        let text = r#"
            share = 0.5
            small = 255
            signed = -3
            max_body = "32MiB"
            files = ["a.pem", "/b.pem"]
            numbers = [1, 2]
            weights = { "a.b" = 2 }
            api_token = "no"
            inner.depth = 7
            [[endpoints]]
            name = "eu"
            limit = "1s"
        "#;
        assert_eq!(from_file(text), Ok(sample(["dir/a.pem", "/b.pem"])));
        let variables = [
            ("SHARE", "0.5"),
            ("SMALL", " 255 "),
            ("SIGNED", "-3"),
            ("MAX_BODY", "33554432"),
            ("FILES", "a.pem, /b.pem"),
            ("NUMBERS", "[1, 2]"),
            ("WEIGHTS", "{ 'a.b' = 2 }"),
            ("ENDPOINTS", "[{ name = 'eu', limit = '1s' }]"),
            ("INNER__DEPTH", "7"),
            ("API_TOKEN", "no"),
        ];
        assert_eq!(from_environment(&variables), Ok(sample(["a.pem", "/b.pem"])));
    }

    #[test]
    fn what_is_wrong_inside_of_a_value_is_found_there() {
        let text = "small = 256\n[[endpoints]]\nname = 'a'\n[[endpoints]]\nname = 'b'\nlimt = '1s'\n[weights]\n'a.b' = true\n";
        let expected = "f.toml:1:1: small: must be a whole number from 0 to 255, but is 256\n\
                        f.toml:6:1: endpoints[1]: unknown key limt; did you mean limit?\n\
                        f.toml:8:1: weights.a.b: must be a number, but is true or false";
        assert_eq!(from_file(text), Err(expected.to_owned()));
        let variables = [
            ("ENDPOINTS", "[{ limit = 5 }]"),
            ("NUMBERS", "1,x"),
            ("SHARE", "nan"),
            ("WEIGHTS", "a=1"),
            ("API_TOKEN", "hunter2"),
        ];
        let expected = "environment variable CLAUDE_TOWER__API_TOKEN: must be \"yes\" or \"no\" \
                        (the value is not shown: it may be a secret)\n\
                        environment variable CLAUDE_TOWER__ENDPOINTS: must be a duration with its unit, such as 500ms, \
                        30s, 10m or 1h30m, but is a number\n\
                        environment variable CLAUDE_TOWER__NUMBERS: must be a whole number from 0 to 65535, but is \"x\"\n\
                        environment variable CLAUDE_TOWER__SHARE: must be between 0 and 1, but is NaN\n\
                        environment variable CLAUDE_TOWER__WEIGHTS: must be a table, but is text that is no TOML table";
        assert_eq!(from_environment(&variables), Err(expected.to_owned()));
    }

    #[test]
    fn an_empty_variable_unsets_what_is_optional() {
        let source = Source::new(Path::new("f.toml"), "api_token = 'yes'");
        let variable = ("CLAUDE_TOWER__API_TOKEN".to_owned(), String::new());
        let sample: Sample = load(Some(source), None, [variable], Vec::new()).unwrap();
        assert_eq!(sample.api_token, None);
    }

    #[test]
    fn the_schema_is_that_of_the_types() {
        let keys: Vec<String> = Node::of::<Sample>().keys().iter().map(|key| key.join(".")).collect();
        let expected = "share small signed max_body files numbers weights endpoints inner.depth api_token";
        assert_eq!(keys.join(" "), expected);
    }

    #[test]
    fn a_type_that_contains_itself_ends() {
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        struct Endless {
            inner: Option<Box<Endless>>,
        }
        assert_eq!(Node::of::<Endless>().keys().len(), 1);
        assert!(Endless::default().inner.is_none());
    }
}
