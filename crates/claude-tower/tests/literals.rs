//! Keys and tokens that stand in a configuration are refused, and not repeated, whatever else is wrong with it.

#![allow(clippy::unwrap_used, reason = "tests, their helpers too")]

use claude_tower::config::{Config, ConfigError, ConfigProblemKind as Kind};

const API_KEY: &str = "sk-ant-api03-canary-0123456789";
const CLIENT_TOKEN: &str = "ctk_canary0123456789abcdef";
const VAULT_TOKEN: &str = "hvs.CAESIcanary0123456789abcdef";

/// What is instead of each.
const SECRETS: [(&str, &str); 3] = [
    (
        API_KEY,
        "an API key stands here; write where it is kept instead: env = \"NAME\", file = \"path\", aws = \"id\" or vault = \
         \"path\" in [[secrets.keys]]",
    ),
    (
        CLIENT_TOKEN,
        "a client's token stands here; write its hash instead: token_sha256 = \"sha256:…\" in [[gateway.clients]]",
    ),
    (
        VAULT_TOKEN,
        "a token of Vault stands here; write where it is kept instead: a file or a variable, as token_file or token_env in \
         [secrets.vault]",
    ),
];

/// The error's lines, none of which has anything of a secret.
fn lines(outcome: Result<Config, ConfigError>, what: &str) -> Vec<String> {
    let error = outcome.expect_err(what);
    assert!(error.problems().iter().all(|problem| problem.kind() == Kind::LiteralSecret), "{error}");
    let words = format!("{error} {error:?} {error:#?}");
    assert!(!words.to_lowercase().contains("canary"), "{what}\n{words}");
    error.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn in_a_file_they_are_refused_with_their_place_and_their_key() {
    for (secret, message) in SECRETS {
        for (text, place) in [
            (format!("[gateway]\nupstream = '{secret}'"), "2:13: gateway.upstream: "),
            (format!("[gateway]\nlisten = 5\nx = \"{secret}\""), "3:6: gateway.x: "),
            (format!("[client]\n  # proxy = \"http://{secret}@host\""), "2:21: proxy: "),
            (format!("# {secret}"), "1:3: "),
            (format!("'{secret}' = 1"), "1:2: "),
            (
                format!("[[gateway.clients]]\nname = 'a'\ntoken_sha256 = ['x', '{secret}']"),
                "3:23: gateway.clients[0].token_sha256[1]: ",
            ),
            // What is no TOML, of which the parser would show a part.
            (format!("[gateway\nlisten = '{secret}'"), "2:11: listen: "),
            (format!("listen = {secret}"), "1:10: listen: "),
            (format!("a = 1\na = 2 # {secret}\n"), "2:9: a: "),
        ] {
            let found = lines(Config::from_toml(&text, "f.toml"), &text);
            assert_eq!(found, [format!("f.toml:{place}{message}")], "{text}");
        }
    }
}

#[test]
fn in_our_variables_they_are_refused_by_name_and_in_others_they_are_nobodys_business() {
    for (secret, message) in SECRETS {
        for name in [
            "CLAUDE_TOWER__GATEWAY__UPSTREAM",
            "CLAUDE_TOWER__GATEWAY__CLIENTS",
            "claude_tower__x",
            "CLAUDE_TOWER_GATEWAY__LISTEN",
            "CLAUDE_TOWER",
        ] {
            for value in
                [secret.to_owned(), format!("[{{ name = '{secret}'"), format!("http://{secret}@host")]
            {
                let found = lines(Config::load(None, [(name.to_owned(), value.clone())]), &value);
                assert_eq!(found, [format!("environment variable {name}: {message}")], "{value}");
            }
        }
        let name = format!("CLAUDE_TOWER__{secret}");
        let found = lines(Config::load(None, [(name.clone(), "x".to_owned())]), &name);
        assert_eq!(found.len(), 1);
        for name in ["ANTHROPIC_API_KEY", "PATH", "MY_CLAUDE_TOWER__X"] {
            assert!(Config::load(None, [(name.to_owned(), secret.to_owned())]).is_ok(), "{name}");
        }
    }
}

#[test]
fn all_of_them_are_found_at_once_and_nothing_else_is_said() {
    let text = format!("x = '{API_KEY}'\nnonsense = [\n# {CLIENT_TOKEN} and {VAULT_TOKEN}\n");
    let found = lines(Config::from_toml(&text, "f.toml"), &text);
    let places: Vec<&str> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["f.toml:1:6", "f.toml:3:3", "f.toml:3:34"]);

    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("literals.toml");
    std::fs::write(&path, format!("\u{feff}# {API_KEY}\r\n")).unwrap();
    let variable = ("CLAUDE_TOWER__X".to_owned(), CLIENT_TOKEN.to_owned());
    let found = lines(Config::load(Some(&path), [variable]), "both");
    assert!(found[0].starts_with(&format!("{}:1:3: an API key", path.display())), "{}", found[0]);
    assert!(found[1].starts_with("environment variable CLAUDE_TOWER__X: a client's token"), "{}", found[1]);
    assert_eq!(found.len(), 2);
}

#[test]
fn an_access_key_of_aws_is_refused_with_its_secret() {
    let text = "[secrets.aws]\naccess_key_id = 'AKIAIOSFODNN7EXAMPLE'\nsecret = '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'\n";
    let found = lines(Config::from_toml(text, "f.toml"), text);
    assert_eq!(
        found,
        [
            "f.toml:3:11: secrets.aws.secret: an AWS access key with its secret stands here; leave both to the AWS profile, \
          role or environment, and name the profile in [secrets.aws]"
        ]
    );
}
