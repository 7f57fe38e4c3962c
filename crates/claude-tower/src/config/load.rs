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
    literal,
    reason::Reason,
    schema::{KeyPath, Node, Step, dotted, only},
    value::{Item, Reader, Value},
};

/// An argument of the command line: its option, the key that it sets, and its value.
#[derive(Clone)]
pub(super) struct Argument {
    pub(super) option: String,
    pub(super) key: String,
    pub(super) value: String,
}

/// The values that are set, by their keys.
pub(super) type Settings = BTreeMap<KeyPath, Item>;

/// Loads a `T` from the text of a file, if there is one, and an environment over it.
///
/// Each key is read alone first, so that one wrong value does not hide the next; then all the good ones together.
/// What a variable or an argument overrides is not looked at: it has no effect.
pub(super) fn load<T>(
    source: Option<Source<'_>>,
    folder: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    findings: Vec<Finding>,
) -> Result<T, ConfigError>
where
    T: DeserializeOwned + Validate,
{
    load_under(&[], source, folder, environment, findings)
}

/// The same with the arguments of a command line over it.
pub(super) fn load_under<T>(
    arguments: &[Argument],
    source: Option<Source<'_>>,
    folder: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    mut findings: Vec<Finding>,
) -> Result<T, ConfigError>
where
    T: DeserializeOwned + Validate,
{
    let environment: Vec<(String, String)> = environment.into_iter().collect();
    let literals = literal::findings(source, &environment, arguments);
    if !literals.is_empty() {
        // Nothing else is said: it might be in the words of a text that has secrets in it.
        return Err(error(literals, source));
    }
    let schema = Node::of::<T>();
    let mut settings = Settings::new();
    if let Some(source) = source {
        file::collect(source.text, &schema, &mut settings, &mut findings);
    }
    environment::collect(environment, &schema, &mut settings, &mut findings);
    environment::collect_arguments(arguments, &schema, &mut settings, &mut findings);

    let mut places = Places::new();
    let mut unread = BTreeSet::new();
    let mut good = Vec::new();
    for (path, item) in settings {
        let key = dotted(&path);
        places.insert(key.clone(), item.place.clone());
        let wrong = match Part::of(&path, &schema) {
            Part::List => not_a_list(&key, &item),
            Part::Table => not_a_table(&key, &item),
            Part::Key => only::<T, _>(&path, Reader::new(&item, folder))
                .err()
                .map(|reason| finding(&reason, &key, item.place.clone())),
        };
        let Some(wrong) = wrong else {
            good.push((path, item));
            continue;
        };
        findings.push(wrong);
        unread.insert(key);
        if let Some(Step::Index(_)) = path.last() {
            // The tables behind it keep their numbers.
            good.push((path, Item::table(item.place)));
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

/// What stands at a path.
enum Part {
    Key,
    /// A list of tables, without the tables.
    List,
    /// A table of such a list, without its keys.
    Table,
}

impl Part {
    fn of(path: &KeyPath, schema: &Node) -> Self {
        if let Some(Step::Index(_)) = path.last() {
            return Self::Table;
        }
        let mut node = schema;
        for step in path {
            let Step::Name(name) = step else { continue };
            match node.entries().iter().find(|(known, _)| known == name) {
                Some((_, inner)) => node = inner,
                None => return Self::Key,
            }
        }
        match node {
            Node::Tables(_) => Self::List,
            Node::Section(_) | Node::Key => Self::Key,
        }
    }
}

fn not_a_list(key: &str, item: &Item) -> Option<Finding> {
    let found = match &item.value {
        Value::List(_) => return None,
        Value::Untyped(_) => {
            "must be a list of tables, written as TOML: [{ key = value, … }, …], but is text that is no TOML"
                .to_owned()
        }
        other => format!("must be a list of tables, written [[{key}]] each, but is {}", other.describe()),
    };
    Some(invalid(key, item, found))
}

fn not_a_table(key: &str, item: &Item) -> Option<Finding> {
    if let Value::Table(_) = item.value {
        return None;
    }
    Some(invalid(key, item, format!("must be a table, but is {}", item.value.describe())))
}

fn invalid(key: &str, item: &Item, message: String) -> Finding {
    let kind = ConfigProblemKind::InvalidValue;
    Finding { place: item.place.clone(), kind, key: Some(key.to_owned()), message }
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

/// The settings as one table. They are sorted, so what belongs to one section, or to one table of a list, stands together.
fn tree(settings: &[(KeyPath, Item)], depth: usize) -> Value {
    let same_step = |left: &(KeyPath, Item), right: &(KeyPath, Item)| left.0.get(depth) == right.0.get(depth);
    let mut tables = Vec::new();
    let mut entries = Vec::new();
    for group in settings.chunk_by(same_step) {
        let Some((path, first)) = group.first() else { continue };
        // A list or a table stands before what is in it.
        let item = match group {
            [_] if path.len() == depth + 1 => first.clone(),
            [_, inner @ ..] if path.len() == depth + 1 => {
                Item { value: tree(inner, depth + 1), place: first.place.clone() }
            }
            inner => Item { value: tree(inner, depth + 1), place: Place::Nowhere },
        };
        match path.get(depth) {
            Some(Step::Name(name)) => entries.push(((*name).to_owned(), item)),
            _ => tables.push(item),
        }
    }
    if tables.is_empty() { Value::Table(entries) } else { Value::List(tables) }
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
        inner: Inner,
        places: Vec<Place>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Place {
        name: String,
        #[serde(deserialize_with = "path::optional")]
        file: Option<PathBuf>,
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
            check.tables("endpoints", &self.endpoints);
            let mut names =
                self.endpoints.iter().map(|endpoint| &endpoint.name).filter(|name| !name.is_empty());
            let mut seen = BTreeSet::new();
            let unique = names.all(|name| seen.insert(name));
            check.together(unique, &["endpoints", "share"], "must have different names");
        }
    }

    impl Validate for Endpoint {
        fn check(&self, check: &mut Check<'_>) {
            check.require(!self.name.is_empty(), "name", "must be set");
            check.number("inner.depth", self.inner.depth, 0..=9);
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
            endpoints: vec![
                Endpoint { name: "eu".to_owned(), limit: Duration::from_secs(1), ..Endpoint::default() },
                Endpoint {
                    name: "us".to_owned(),
                    inner: Inner { depth: 3 },
                    places: vec![
                        Place::default(),
                        Place { name: "p".to_owned(), file: Some(files[0].into()) },
                    ],
                    ..Endpoint::default()
                },
            ],
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
            [[endpoints]]
            name = "us"
            inner.depth = 3
            [[endpoints.places]]
            [[endpoints.places]]
            name = "p"
            file = "a.pem"
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
            (
                "ENDPOINTS",
                " [{ name = 'eu', limit = '1s' },\n {name = 'us', inner.depth = 3, places = [{}, {name = 'p', file = 'a.pem'}]}]",
            ),
            ("INNER__DEPTH", "7"),
            ("API_TOKEN", "no"),
        ];
        assert_eq!(from_environment(&variables), Ok(sample(["a.pem", "/b.pem"])));
    }

    #[test]
    fn what_is_wrong_inside_of_a_value_is_found_there() {
        let text = "small = 256\n[[endpoints]]\nname = 'a'\n[[endpoints]]\nname = 'b'\nlimt = '1s'\n[weights]\n'a.b' = true\n";
        let expected = "f.toml:1:1: small: must be a whole number from 0 to 255, but is 256\n\
                        f.toml:6:1: endpoints[1].limt: unknown key; did you mean endpoints[1].limit?\n\
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
                        environment variable CLAUDE_TOWER__ENDPOINTS: endpoints[0].limit: must be a duration with its unit, \
                        such as 500ms, 30s, 10m or 1h30m, but is a number\n\
                        environment variable CLAUDE_TOWER__ENDPOINTS: endpoints[0].name: must be set\n\
                        environment variable CLAUDE_TOWER__NUMBERS: numbers[1]: must be a whole number from 0 to 65535, but is \"x\"\n\
                        environment variable CLAUDE_TOWER__SHARE: must be between 0 and 1, but is NaN\n\
                        environment variable CLAUDE_TOWER__WEIGHTS: must be a table, but is text that is no TOML table";
        assert_eq!(from_environment(&variables), Err(expected.to_owned()));
    }

    #[test]
    fn everything_that_is_wrong_in_a_list_of_tables_is_found_with_its_place() {
        let text = "[[endpoints]]\nname = 5\nlimit = 'x'\n[[endpoints]]\ninner.depth = 10\nplaces = [{ name = 'a' }, 7, { nme = 1 }]\n\
                    inner.dept = 1\nname = ''\n[[endpoints]]\nlimit = '2s'\n";
        let expected = "f.toml:2:1: endpoints[0].name: must be text, but is a number\n\
                        f.toml:3:1: endpoints[0].limit: must be a duration with its unit, such as 500ms, 30s, 10m or 1h30m, \
                        but is \"x\"\n\
                        f.toml:5:7: endpoints[1].inner.depth: must be between 0 and 9, but is 10\n\
                        f.toml:6:27: endpoints[1].places[1]: must be a table, but is a number\n\
                        f.toml:6:32: endpoints[1].places[2].nme: unknown key; did you mean endpoints[1].places[2].name?\n\
                        f.toml:7:7: endpoints[1].inner.dept: unknown key; did you mean endpoints[1].inner.depth?\n\
                        f.toml:8:1: endpoints[1].name: must be set\n\
                        f.toml:9:1: endpoints[2].name: must be set";
        assert_eq!(from_file(text), Err(expected.to_owned()));
        // One that cannot be read keeps its number, and two that lack the same lack it each.
        let expected = "f.toml:1:14: endpoints[0]: must be a table, but is a number\n\
                        f.toml:1:17: endpoints[1].name: must be set";
        assert_eq!(from_file("endpoints = [5, { limit = '1s' }]"), Err(expected.to_owned()));
        let lacks = |index| {
            format!("environment variable CLAUDE_TOWER__ENDPOINTS: endpoints[{index}].name: must be set")
        };
        assert_eq!(
            from_environment(&[("ENDPOINTS", "[{}, {}]")]),
            Err(format!("{}\n{}", lacks(0), lacks(1)))
        );
        // A rule over all of them is about the list.
        let expected = "f.toml:1:3: endpoints: must have different names";
        assert_eq!(
            from_file("[[endpoints]]\nname = 'a'\n[[endpoints]]\nname = 'a'"),
            Err(expected.to_owned())
        );
    }

    #[test]
    fn what_should_be_a_list_of_tables_and_is_none_is_said_once() {
        let wrong = |found| {
            format!("endpoints: must be a list of tables, written [[endpoints]] each, but is {found}")
        };
        for (text, message) in [
            ("endpoints = 5", format!("f.toml:1:1: {}", wrong("a number"))),
            ("[endpoints]\nname = 'a'", format!("f.toml:1:2: {}", wrong("a table"))),
            ("endpoints = [5]", "f.toml:1:14: endpoints[0]: must be a table, but is a number".to_owned()),
            ("name = 'a'", "f.toml:1:1: name: unknown key; did you mean endpoints[].name?".to_owned()),
        ] {
            assert_eq!(from_file(text), Err(message), "{text}");
        }
        let variable = "environment variable CLAUDE_TOWER__ENDPOINTS";
        let no_toml =
            "must be a list of tables, written as TOML: [{ key = value, … }, …], but is text that is no TOML";
        for (name, value, message) in [
            ("ENDPOINTS", "eu,us", no_toml),
            ("ENDPOINTS", "[{ name = 'a' }", no_toml),
            (
                "ENDPOINTS",
                "{ name = 'a' }",
                "must be a list of tables, written [[endpoints]] each, but is a table",
            ),
            (
                "ENDPOINTS",
                "[{ nme = 'a' }]",
                "endpoints[0].nme: unknown key; did you mean endpoints[0].name?",
            ),
        ] {
            let error = from_environment(&[(name, value)]).unwrap_err();
            assert_eq!(error.lines().next().unwrap(), format!("{variable}: {message}"), "{value}");
        }
        for name in ["ENDPOINTS__NAME", "ENDPOINTS__0__NAME", "ENDPOINTS__x"] {
            let expected = format!(
                "environment variable CLAUDE_TOWER__{name}: endpoints is a list of tables, and no variable sets a part of \
                 one; set the whole list in CLAUDE_TOWER__ENDPOINTS, as TOML, or the part in the file"
            );
            assert_eq!(from_environment(&[(name, "a")]), Err(expected));
        }
    }

    #[test]
    fn a_variable_replaces_the_whole_list_of_the_file_whatever_is_wrong_there() {
        let text = "[[endpoints]]\nname = 5\n[[endpoints]]\nname = 'b'\n[[endpoints.places]]\nname = 'p'\n";
        let names = |value: &str, text| {
            let source = Source::new(Path::new("f.toml"), text);
            let variable = ("CLAUDE_TOWER__ENDPOINTS".to_owned(), value.to_owned());
            let sample: Sample = load(Some(source), None, [variable], Vec::new()).unwrap();
            sample
                .endpoints
                .into_iter()
                .map(|endpoint| (endpoint.name, endpoint.places.len()))
                .collect::<Vec<_>>()
        };
        for text in [text, "endpoints = 5"] {
            assert_eq!(names("", text), []);
            assert_eq!(names("[]", text), []);
            assert_eq!(names("[{ name = 'c' }]", text), [("c".to_owned(), 0)]);
        }
        let twice = [("ENDPOINTS", "[]"), ("endpoints", "[]")];
        let expected =
            "environment variable CLAUDE_TOWER__endpoints: sets the same key as CLAUDE_TOWER__ENDPOINTS";
        assert_eq!(from_environment(&twice), Err(expected.to_owned()));
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
        let keys: Vec<String> = Node::of::<Sample>().keys().iter().map(|key| dotted(key)).collect();
        let expected = "share small signed max_body files numbers weights endpoints[].name endpoints[].limit \
                        endpoints[].inner.depth endpoints[].places[].name endpoints[].places[].file inner.depth api_token";
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
