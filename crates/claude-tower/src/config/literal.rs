//! Keys and tokens that were written where only their sources belong.
//!
//! Looked for in the text itself, comments included, before anything else reads it: whatever was found further on might be
//! told in words of the text. Only what is unmistakable counts; a name like `task-ant-colony` does not.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{
    environment,
    error::{ConfigError, ConfigProblemKind},
    finding::{Finding, Place, Source},
    load::Argument,
    secret::printable,
};

/// How long what follows the prefix of a key or token must at least be, so that a word about keys is none.
const API_KEY: usize = 20;
const TOKEN: usize = 16;
const VAULT: usize = 20;
/// The same behind the kind and number of an API key, as in `api03-`, which no word has.
const NUMBERED_API_KEY: usize = 6;
/// The old forms of Vault's tokens (before Vault 1.10): `s.` and exactly this many letters and digits, and in a namespace its
/// id behind them; and with `b.` and `r.` at least so many.
const OLD_VAULT: usize = 24;
/// `AKIA` or `ASIA` and so many, and the secret that belongs to it.
const AWS_ID: usize = 16;
const AWS_SECRET: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ApiKey,
    ClientToken,
    VaultToken,
    AwsSecret,
}

impl Kind {
    fn message(self) -> &'static str {
        match self {
            Self::ApiKey => {
                "an API key stands here; write where it is kept instead: env = \"NAME\", file = \"path\", aws = \"id\" or \
                 vault = \"path\" in [[secrets.keys]]"
            }
            Self::ClientToken => {
                "a client's token stands here; write its hash instead: token_sha256 = \"sha256:…\" in [[gateway.clients]]"
            }
            Self::VaultToken => {
                "a token of Vault stands here; write where it is kept instead: a file or a variable, as token_file or \
                 token_env in [secrets.vault]"
            }
            Self::AwsSecret => {
                "an AWS access key with its secret stands here; leave both to the AWS profile, role or environment, and \
                 name the profile in [secrets.aws]"
            }
        }
    }
}

/// Whether there is one in this text.
pub(super) fn is_in(text: &str) -> bool {
    !find(text).is_empty()
}

/// All that there are, in the file, in our variables and in the arguments.
pub(super) fn findings(
    source: Option<Source<'_>>,
    environment: &[(String, String)],
    arguments: &[Argument],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let found = source.map(|source| (source.text, find(source.text)));
    if let Some((text, found)) = found.filter(|(_, found)| !found.is_empty()) {
        let (table, _) = DeTable::parse_recoverable(text);
        for (index, (kind, range)) in found.into_iter().enumerate() {
            // Findings beyond the cap are only counted.
            let key = (index < ConfigError::KEPT).then(|| key_at(text, table.get_ref(), &range)).flatten();
            findings.push(Finding {
                place: Place::File(range.start),
                kind: ConfigProblemKind::LiteralSecret,
                key,
                message: kind.message().to_owned(),
            });
        }
    }
    for (name, value) in environment.iter().filter(|(name, _)| environment::is_for_us(name)) {
        for (kind, _) in find(name).into_iter().chain(find(value)) {
            findings.push(Finding {
                place: Place::Variable(name.as_str().into()),
                kind: ConfigProblemKind::LiteralSecret,
                key: None,
                message: kind.message().to_owned(),
            });
        }
    }
    for argument in arguments {
        for (kind, _) in find(&argument.value) {
            findings.push(Finding {
                place: Place::Argument(argument.option.as_str().into()),
                kind: ConfigProblemKind::LiteralSecret,
                key: None,
                message: kind.message().to_owned(),
            });
        }
    }
    findings
}

/// Whether what stands behind a prefix is that of a key or token.
type IsSecret<'a> = &'a dyn Fn(&str) -> bool;

fn find(text: &str) -> Vec<(Kind, Range<usize>)> {
    let mut found = Vec::new();
    // The names of hosts may begin like Vault's tokens, and are in lower case.
    let is_no_host = |rest: &str| rest.len() >= VAULT && rest.contains(|c: char| c.is_ascii_uppercase());
    let is_old = |rest: &str| rest.len() >= OLD_VAULT && is_mixed(rest);
    let forms: [(&str, &[u8], IsSecret<'_>, Kind); 7] = [
        ("sk-ant-", b"", &is_api_key, Kind::ApiKey),
        ("ctk_", b"", &|rest| rest.len() >= TOKEN, Kind::ClientToken),
        ("hvs.", b"", &is_no_host, Kind::VaultToken),
        ("hvb.", b"", &is_no_host, Kind::VaultToken),
        ("hvr.", b"", &is_no_host, Kind::VaultToken),
        ("b.", b"_.", &is_old, Kind::VaultToken),
        ("r.", b"_.", &is_old, Kind::VaultToken),
    ];
    for (prefix, not_behind, is_secret, kind) in forms {
        let candidates = text.match_indices(prefix).map(|(start, _)| start..start + prefix.len());
        for candidate in candidates.filter(|candidate| is_free_before(text, candidate.start, not_behind)) {
            let rest = run(text, candidate.end, |byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
            if is_secret(&text[rest.clone()]) {
                found.push((kind, candidate.start..rest.end));
            }
        }
    }
    for (start, _) in text.match_indices("s.").filter(|(start, _)| is_free_before(text, *start, b"_.")) {
        let token = run(text, start + 2, |byte| byte.is_ascii_alphanumeric());
        let rest = run(text, token.end, |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let is_whole = rest.is_empty() || text[rest.clone()].starts_with('.');
        if token.len() == OLD_VAULT && is_whole && is_mixed(&text[token]) {
            found.push((Kind::VaultToken, start..rest.end));
        }
    }
    if has_aws_id(text) {
        let is_of_secret = |byte: u8| byte.is_ascii_alphanumeric() || b"/+".contains(&byte);
        let mut at = 0;
        while at < text.len() {
            let word = run(text, at, is_of_secret);
            if word.len() == AWS_SECRET && is_mixed(&text[word.clone()]) {
                found.push((Kind::AwsSecret, word.clone()));
            }
            at = word.end.max(at) + 1;
        }
    }
    found
}

/// Whether this, behind `sk-ant-`, is that of a key. Of paths and placeholders it is not.
fn is_api_key(rest: &str) -> bool {
    if rest.len() >= API_KEY && is_mixed(rest) {
        return !is_filler(rest.rsplit('-').next().unwrap_or_default());
    }
    // As in api03, oat01, admin01.
    rest.split_once('-').is_some_and(|(kind, key)| {
        let number = kind.trim_start_matches(|c: char| c.is_ascii_lowercase());
        let is_numbered = number.len() == 2
            && number.len() < kind.len()
            && number.bytes().all(|byte| byte.is_ascii_digit());
        is_numbered && key.len() >= NUMBERED_API_KEY && !is_filler(key)
    })
}

/// Whether it is one character again and again, as in `XXXX`.
fn is_filler(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| bytes.all(|byte| byte == first))
}

fn has_aws_id(text: &str) -> bool {
    ["AKIA", "ASIA"].iter().any(|prefix| {
        text.match_indices(prefix).any(|(start, _)| {
            let rest = run(text, start + prefix.len(), |byte| byte.is_ascii_alphanumeric());
            let id = &text[rest];
            is_free_before(text, start, b"")
                && id.len() == AWS_ID
                && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        })
    })
}

/// From `start` on as many bytes as belong. They are all ASCII.
fn run(text: &str, start: usize, belongs: impl Fn(u8) -> bool) -> Range<usize> {
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    start..start + rest.iter().take_while(|byte| belongs(**byte)).count()
}

/// Whether a word begins at `start`: behind neither a letter or digit nor one of `others`.
fn is_free_before(text: &str, start: usize, others: &[u8]) -> bool {
    let before = start.checked_sub(1).and_then(|before| text.as_bytes().get(before));
    before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !others.contains(byte))
}

/// Upper and lower case and digits: what was drawn by lot, and no word.
fn is_mixed(text: &str) -> bool {
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
}

/// The key with the value that a finding is in; behind a syntax error or in a comment, what has the look of one.
fn key_at(text: &str, table: &DeTable<'_>, found: &Range<usize>) -> Option<String> {
    let mut key = String::new();
    if in_table(table, found, &mut key) {
        return Some(key).filter(|key| !key.is_empty());
    }
    let line = text.get(..found.start)?.rsplit('\n').next()?;
    let (key, _) = line.trim_start_matches(['#', ' ', '\t']).split_once('=')?;
    let key = key.trim();
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (!key.is_empty() && key.bytes().all(is_bare) && !is_in(key)).then(|| printable(key))
}

/// Whether it is in this table, and if so, with which key.
fn in_table(table: &DeTable<'_>, found: &Range<usize>, key: &mut String) -> bool {
    table.iter().any(|(name, value)| {
        let before = key.len();
        if name.span().contains(&found.start) {
            // A key that is a secret is not told; where it stands is.
            return true;
        }
        if !key.is_empty() {
            key.push('.');
        }
        key.push_str(&printable(name.get_ref()));
        let is_here = in_value(value.get_ref(), value.span(), found, key);
        if !is_here {
            key.truncate(before);
        }
        is_here
    })
}

fn in_value(value: &DeValue<'_>, span: Range<usize>, found: &Range<usize>, key: &mut String) -> bool {
    match value {
        DeValue::Table(table) => in_table(table, found, key),
        DeValue::Array(values) => values.iter().enumerate().any(|(index, value)| {
            let before = key.len();
            key.push_str(&format!("[{index}]"));
            let is_here = in_value(value.get_ref(), value.span(), found, key);
            if !is_here {
                key.truncate(before);
            }
            is_here
        }),
        _ => span.contains(&found.start),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        find(text).into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn what_is_unmistakable_is_found_wherever_it_stands() {
        let hex = "0123456789abcdef".repeat(4);
        let table = [
            ("sk-ant-api03-canary-canary".to_owned(), Kind::ApiKey),
            ("sk-ant-oat01-canary_canary".to_owned(), Kind::ApiKey),
            ("sk-ant-api03-canary".to_owned(), Kind::ApiKey),
            ("sk-ant-canaryCANARY0123456789".to_owned(), Kind::ApiKey),
            (format!("ctk_{hex}"), Kind::ClientToken),
            ("hvs.CAESIcanarycanarycanary".to_owned(), Kind::VaultToken),
            ("hvb.AAAAAQcanarycanarycanary".to_owned(), Kind::VaultToken),
            ("s.canaryCANARY0123456789ab".to_owned(), Kind::VaultToken),
            ("s.canaryCANARY0123456789ab.c4N4r".to_owned(), Kind::VaultToken),
            ("b.AAAAAQcanary0123456789canary".to_owned(), Kind::VaultToken),
            ("r.canaryCANARY0123456789ab".to_owned(), Kind::VaultToken),
        ];
        for (secret, kind) in table {
            for text in [
                secret.clone(),
                format!("key = \"{secret}\"\n"),
                format!("# {secret}"),
                format!("{secret} = 1"),
                format!("x = ['{secret}', 1]"),
                format!("x = \"Bearer {secret}\"broken"),
                format!("é{secret}é"),
                format!("${{NAME:-{secret}}}"),
            ] {
                assert_eq!(kinds(&text), [kind], "{text}");
                assert_eq!(&text[find(&text)[0].1.clone()], secret, "{text}");
            }
        }
        let pair = "id = 'AKIAIOSFODNN7EXAMPLE'\nsecret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'";
        assert_eq!(kinds(pair), [Kind::AwsSecret]);
        assert_eq!(kinds(&pair.replace("AKIA", "ASIA")), [Kind::AwsSecret]);
        assert_eq!(kinds(&pair.replace("AKIA", "BKIA")), []);
    }

    #[test]
    fn what_only_looks_a_little_like_one_is_let_through() {
        for text in [
            "sk-ant-",
            "sk-ant-…",
            "keys that begin with sk-ant-api03-",
            "/run/secrets/sk-ant-research/key",
            "/run/secrets/sk-ant-research-and-development/key",
            "sk-ant-api03-XXXXXXXX",
            "sk-ant-api03-XXXXXXXXXXXXXXXXXXXXXXXX",
            "sk-ant-api03-…",
            "task-ant-colony-optimisation",
            "ctk_",
            "ctk_… is a token",
            "doctk_0123456789abcdef0123456789abcdef",
            "hvs.example",
            "https://hvs.example.com/a-path-that-is-rather-long",
            "https://hvs.a-host-with-a-rather-long-name.example",
            "s.example.com",
            "https://s.abcdefghijklmnopqrstuvwx/",
            "s.ABCDEFabcdef0123456789ab-example",
            "s.ABCDEFabcdef0123456789abc.example",
            "b.example.com/a-path-that-is-rather-long",
            "lib.SomeName0123456789abcdefgh",
            "paths.canaryCANARY0123456789ab",
            "AKIAIOSFODNN7EXAMPLE",
            "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "AKIAIOSFODNN7EXAMPLE da39a3ee5e6b4b0d3255bfef95601890afd80709",
        ] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }

    #[test]
    fn as_many_as_a_file_can_hold_are_found_before_anyone_has_gone() {
        let text = "x = 's.sk-ant-hvs.ctk_'\n".repeat(40_000);
        assert_eq!(kinds(&text), []);
        let text = "x = 'sk-ant-api03-canary'\n".repeat(40_000);
        assert_eq!(findings(Some(Source::new(Path::new("f.toml"), &text)), &[], &[]).len(), 40_000);
    }

    #[test]
    fn its_key_is_named_as_far_as_there_is_one() {
        let secret = "sk-ant-api03-canary";
        for (text, key) in [
            (format!("a = '{secret}'"), Some("a")),
            (format!("[a]\nb.c = '{secret}'"), Some("a.b.c")),
            (format!("[[a]]\n[[a]]\nb = ['x', \"{secret}\"]"), Some("a[1].b[1]")),
            (format!("[a]\nb = {{ c = '''\n{secret}''' }}"), Some("a.b.c")),
            // In a comment, and where there is no TOML.
            (format!("# {secret}"), None),
            (format!("[a]\n# b.c = '{secret}'"), Some("b.c")),
            (format!("a = 5 # {secret}"), Some("a")),
            (format!("[a\nb = {secret}"), Some("b")),
            (format!("b = \"{secret}\nc = 5"), Some("b")),
            // The key itself.
            (format!("{secret} = 5"), None),
            (format!("[a]\n'{secret}' = 5"), Some("a")),
            (format!("{secret}= = {secret}"), None),
        ] {
            let found = findings(Some(Source::new(Path::new("f.toml"), &text)), &[], &[]);
            assert_eq!(found[0].key.as_deref(), key, "{text}");
        }
    }
}
