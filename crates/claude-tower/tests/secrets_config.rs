//! `[secrets]`: keys are named by where they are kept, and a ring is made of them.

#![allow(clippy::unwrap_used, reason = "tests, their helpers too")]

use std::path::Path;
use std::time::Duration;

use claude_tower::config::{
    Config, ConfigError, ConfigProblemKind as Kind, KeyConfig, KeyStart, SecretsConfig,
};
use claude_tower::secrets::source::{EnvironmentSource, FileSource};
use claude_tower::secrets::{Affinity, Existing, Key, KeyRing, Scheme, SecretsLayer, SlowStart};

const SECOND: Duration = Duration::from_secs(1);

fn file(text: &str) -> Result<Config, ConfigError> {
    Config::from_toml(text, "f.toml")
}

/// A configuration with these lines in its only key.
fn with_key(lines: &str) -> String {
    format!("[[secrets.keys]]\nname = 'a'\n{lines}\n")
}

#[test]
fn a_ring_is_as_its_section_says() {
    let text = r#"
        [secrets]
        existing = "keep"
        environment = "prod"
        strict_lines = true
        affinity = "caller"
        slow_start_rate = 3
        slow_start_time = "4s"
        limited_for = "6s"
        ttl = "7s"
        jitter = 0.5
        refresh_advisory = "9s"
        refresh_mandatory = "8s"
        fetch_timeout = "11s"
        failure_backoff = "12s"
        failure_backoff_max = "13s"
        max_stale = "14s"
        overlap = "15s"
        max_age = "16h"
        [[secrets.keys]]
        name = "research"
        file = "keys.json"
        field = "claude.api_key"
        lines = ["research", "search"]
        environment = "prod"
        weight = 2.5
        limit_group = "acme"
        origins = ["http://127.0.0.1:8081"]
        scheme = "bearer"
        [[secrets.keys]]
        name = "others"
        env = "SOME_KEY"
    "#;
    let secrets = file(text).unwrap().secrets;
    let research = Key::new("research", FileSource::new("keys.json").with_field("claude.api_key"))
        .with_line("research")
        .with_line("search")
        .with_environment("prod")
        .with_weight(2.5)
        .with_limit_group("acme")
        .with_origin("http://127.0.0.1:8081")
        .unwrap()
        .with_scheme(Scheme::Bearer);
    let expected = KeyRing::builder()
        .with_key(research)
        .with_key(Key::new("others", EnvironmentSource::new("SOME_KEY")))
        .with_environment("prod")
        .with_strict_lines(true)
        .with_affinity(Affinity::Caller)
        .with_slow_start(SlowStart::new(3.0, 4 * SECOND).unwrap())
        .with_limited_for(6 * SECOND)
        .with_ttl(7 * SECOND)
        .with_jitter(0.5)
        .with_refresh_before(9 * SECOND, 8 * SECOND)
        .with_fetch_timeout(11 * SECOND)
        .with_failure_backoff(12 * SECOND, 13 * SECOND)
        .with_max_stale(14 * SECOND)
        .with_overlap(15 * SECOND)
        .with_max_age(16 * 3_600 * SECOND);
    let builder = secrets.key_ring_builder().unwrap().unwrap();
    assert_eq!(format!("{builder:?}"), format!("{expected:?}"));
    let expected = SecretsLayer::new(expected.build().unwrap()).with_existing(Existing::Keep);
    assert_eq!(format!("{:?}", secrets.layer().unwrap().unwrap()), format!("{expected:?}"));
}

#[test]
fn the_defaults_are_those_of_the_ring() {
    let config = file(&with_key("env = 'KEY'")).unwrap();
    let expected = KeyRing::builder().with_key(Key::new("a", EnvironmentSource::new("KEY")));
    let builder = config.secrets.key_ring_builder().unwrap().unwrap();
    assert_eq!(format!("{builder:?}"), format!("{expected:?}"));
}

#[test]
fn without_keys_there_is_no_layer() {
    assert!(SecretsConfig::default().key_ring().unwrap().is_none());
    assert!(Config::default().secrets.layer().unwrap().is_none());
}

#[test]
fn files_are_looked_for_beside_the_configuration() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join("keys.toml");
    std::fs::write(&path, with_key("file = 'claude.key'")).unwrap();
    let ring = Config::load(Some(&path), []).unwrap().secrets.key_ring().unwrap().unwrap();
    let source = ring.status().first().unwrap().source.to_string();
    assert_eq!(source, format!("file:{}", folder.join("claude.key").display()));
}

const NAME: &str = "must be 1 to 128 letters, digits and _ - . : / @";
const ID: &str = "must be 1 to 2048 visible ASCII characters";
const VARIABLE: &str = "must be the name of a variable: letters, digits and _";
const ORIGIN: &str = "must be the origin that the key may go to: http or https, a host and perhaps a port, such as \
                      https://api.anthropic.com (the value is not shown: it may be a secret)";

#[test]
fn what_is_wrong_with_a_key_is_said_where_it_is() {
    let table: &[(String, Kind, &[&str])] = &[
        (
            "[[secrets.keys]]".to_owned(),
            Kind::OutOfRange,
            &[
                &format!("f.toml:1:1: secrets.keys[0].name: {NAME}"),
                "f.toml:1:1: secrets.keys[0].env: must be set, or file, aws or vault instead: where the key is kept",
            ],
        ),
        (
            with_key("file = 'x'\nenv = 'X'"),
            Kind::Conflict,
            &["f.toml:4:1: secrets.keys[0].env: must be the only source, but there are env and file"],
        ),
        // One that cannot be read is one all the same.
        (
            with_key("file = 5"),
            Kind::InvalidValue,
            &["f.toml:3:1: secrets.keys[0].file: must be text, but is a number"],
        ),
        (
            with_key(
                "env = 'a-b'\nfield = ''\nlines = ['a', 'b c']\nenvironment = ''\nweight = 0\nlimit_group = 'x y'",
            ),
            Kind::OutOfRange,
            &[
                &format!("f.toml:3:1: secrets.keys[0].env: {VARIABLE}"),
                &format!("f.toml:4:1: secrets.keys[0].field: {ID}"),
                &format!("f.toml:5:1: secrets.keys[0].lines: {NAME} each"),
                &format!("f.toml:6:1: secrets.keys[0].environment: {NAME}"),
                "f.toml:7:1: secrets.keys[0].weight: must be above 0 and at most 1000000, but is 0",
                &format!("f.toml:8:1: secrets.keys[0].limit_group: {NAME}"),
            ],
        ),
        (
            with_key(
                "env = 'A'\nweight = nan\norigins = ['https://h', 'https://user:hunter2@h']\nscheme = 'basic'",
            ),
            Kind::InvalidValue,
            &[
                "f.toml:4:1: secrets.keys[0].weight: must be above 0 and at most 1000000, but is NaN",
                &format!("f.toml:5:25: secrets.keys[0].origins[1]: {ORIGIN}"),
                "f.toml:6:1: secrets.keys[0].scheme: must be \"api-key\" or \"bearer\" (the value is not shown: it may be a \
                 secret)",
            ],
        ),
        (
            format!("{}{}", with_key("env = 'A'"), with_key("env = 'B'")),
            Kind::Conflict,
            &["f.toml:5:1: secrets.keys[1].name: is the name of secrets.keys[0] as well"],
        ),
        (
            format!("secrets.environment = 'prod'\n{}", with_key("env = 'A'\nenvironment = 'test'")),
            Kind::Conflict,
            &[
                "f.toml:1:9: secrets.environment: must be that of a key: each of secrets.keys has another environment",
            ],
        ),
        (
            "[secrets]\nrefresh_mandatory = '3m'\nfailure_backoff_max = '1s'".to_owned(),
            Kind::Conflict,
            &[
                "f.toml:2:1: secrets.refresh_mandatory: must not put secrets.refresh_mandatory (3m) above \
                 secrets.refresh_advisory (2m)",
                "f.toml:3:1: secrets.failure_backoff_max: must not put secrets.failure_backoff (5s) above \
                 secrets.failure_backoff_max (1s)",
            ],
        ),
        (
            "[secrets]\napi_key = 'x'\nkyes = []\n[secrets.valt]\n".to_owned(),
            Kind::UnknownKey,
            &[
                "f.toml:2:1: secrets.api_key: unknown key; known here: start, existing, environment, strict_lines, affinity, \
                 slow_start_rate, slow_start_time, limited_for, ttl, jitter, refresh_advisory, refresh_mandatory, \
                 fetch_timeout, failure_backoff, failure_backoff_max, max_stale, overlap, max_age, keys, aws, vault",
                "f.toml:3:1: secrets.kyes: unknown key; did you mean secrets.keys?",
                "f.toml:4:10: secrets.valt: unknown section; did you mean secrets.vault?",
            ],
        ),
    ];
    for (text, kind, lines) in table {
        let error = file(text).expect_err(text);
        assert_eq!(error.to_string(), lines.join("\n"), "{text}");
        assert!(error.has(*kind), "{text}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

#[test]
fn one_logs_in_at_vault_in_one_way() {
    for (text, lines) in [
        (
            "token_env = 'T'\nkubernetes_role = 'r'",
            "f.toml:2:1: secrets.vault.token_env: must be the only way to get a token, but there are token_env and \
             kubernetes_role",
        ),
        (
            "role_id = 'r'",
            "f.toml:2:1: secrets.vault.role_id: needs secrets.vault.secret_id_env or secrets.vault.secret_id_file as well",
        ),
        (
            "secret_id_file = 's'",
            "f.toml:2:1: secrets.vault.secret_id_file: needs secrets.vault.role_id as well",
        ),
        (
            "role_id = 'r'\nsecret_id_file = 's'\nsecret_id_env = 'S'",
            "f.toml:4:1: secrets.vault.secret_id_env: must be the only one: set secrets.vault.secret_id_env or \
             secrets.vault.secret_id_file",
        ),
        (
            "mount = ''\ntoken_env = 'a b'",
            "f.toml:2:1: secrets.vault.mount: must be a path of visible ASCII characters, without empty names, . and .. in it\n\
             f.toml:3:1: secrets.vault.token_env: must be the name of a variable: letters, digits and _",
        ),
        (
            "jwt_role = 'r'",
            "f.toml:2:1: secrets.vault.jwt_role: needs secrets.vault.jwt_env or secrets.vault.jwt_file as well",
        ),
        ("jwt_env = 'J'", "f.toml:2:1: secrets.vault.jwt_env: needs secrets.vault.jwt_role as well"),
        (
            "auth_mount = 'm'",
            "f.toml:2:1: secrets.vault.auth_mount: needs a login, by secrets.vault.role_id, secrets.vault.kubernetes_role or \
             secrets.vault.jwt_role",
        ),
        (
            "token_file = 't'\nauth_mount = 'm'",
            "f.toml:3:1: secrets.vault.auth_mount: needs a login, by secrets.vault.role_id, secrets.vault.kubernetes_role or \
             secrets.vault.jwt_role",
        ),
        (
            "role_id = 'r'\nsecret_id_file = '8d5b3a3e-1111-2222-3333-00000000cafe'\njwt_file = '/run/8D5B3A3E-1111-2222-3333-00000000CAFE'",
            "f.toml:3:1: secrets.vault.secret_id_file: must be the path of a file, but has the form of a secret id; write it into \
             a file and name that (the value is not shown)\n\
             f.toml:4:1: secrets.vault.jwt_file: must be the path of a file, but has the form of a secret id; write it into \
             a file and name that (the value is not shown)",
        ),
        (
            "address = 'https://user:hunter2@vault'",
            "f.toml:2:1: secrets.vault.address: must be an http or https URL without user, query and fragment, such as \
             https://vault.internal:8200 (the value is not shown: it may be a secret)",
        ),
    ] {
        assert_eq!(file(&format!("[secrets.vault]\n{text}")).expect_err(text).to_string(), lines);
    }
    for text in [
        "token_file = 't'",
        "role_id = 'r'\nsecret_id_env = 'S'",
        "kubernetes_role = 'r'\nauth_mount = 'm'",
        "jwt_role = 'r'\njwt_file = '/run/8d5b3a3e/token'\nauth_mount = 'a/b/'",
        "",
    ] {
        assert!(file(&format!("[secrets.vault]\n{text}")).is_ok(), "{text}");
    }
}

#[test]
fn a_store_that_is_not_built_in_names_its_feature() {
    for (name, is_there, more) in [
        ("aws", cfg!(feature = "aws"), ""),
        ("vault", cfg!(feature = "vault"), "[secrets.vault]\naddress = 'https://vault'\n"),
    ] {
        let text = format!("{}{more}", with_key(&format!("{name} = 'prod/claude'\nfield = 'api_key'")));
        if is_there {
            let ring = file(&text).unwrap().secrets.key_ring().unwrap().unwrap();
            let source = ring.status().first().unwrap().source.to_string();
            assert!(
                source.starts_with(&format!("{name}:")) && source.ends_with("prod/claude#api_key"),
                "{source}"
            );
        } else {
            let message = format!(
                "f.toml:3:1: secrets.keys[0].{name}: is not built in: build with the feature {name}, as in cargo run --features \
                 {name}"
            );
            assert_eq!(file(&text).unwrap_err().to_string(), message);
        }
    }
}

#[test]
fn what_belongs_to_one_store_is_refused_elsewhere() {
    let lines = "env = 'A'\nstage = 's'\nversion_id = 'v'\nmount = 'm'\nkv_version = 2\nversion = 1";
    let expected = [
        ("stage", "aws"),
        ("version_id", "aws"),
        ("mount", "vault"),
        ("kv_version", "vault"),
        ("version", "vault"),
    ];
    let expected: Vec<String> = (4..)
        .zip(expected)
        .map(|(line, (key, store))| {
            format!("f.toml:{line}:1: secrets.keys[0].{key}: is only for keys with {store}")
        })
        .collect();
    assert_eq!(file(&with_key(lines)).unwrap_err().to_string(), expected.join("\n"));
}

#[test]
#[cfg(feature = "aws")]
fn a_key_in_aws_is_as_its_table_says() {
    let text = format!(
        "secrets.overlap = '1h'\n{}",
        with_key("aws = 'prod/claude'\nstage = 'AWSPENDING'\nversion_id = 'v1'")
    );
    let builder = file(&text).unwrap().secrets.key_ring_builder().unwrap().unwrap();
    let source = claude_tower::secrets::source::Aws::new()
        .secret("prod/claude")
        .with_stage("AWSPENDING")
        .with_version_id("v1")
        .with_overlap(3_600 * SECOND);
    let expected = KeyRing::builder().with_overlap(3_600 * SECOND).with_key(Key::new("a", source));
    assert_eq!(format!("{builder:?}"), format!("{expected:?}"));
}

#[cfg(feature = "vault")]
fn in_vault(lines: &str) -> Result<Config, ConfigError> {
    file(&format!(
        "secrets.overlap = '1h'\n{}[secrets.vault]\naddress = 'http://127.0.0.1:1'\n",
        with_key(lines)
    ))
}

#[test]
#[cfg(feature = "vault")]
fn a_key_in_vault_is_as_its_table_says() {
    let vault =
        claude_tower::secrets::source::Vault::new("http://127.0.0.1:1").unwrap().with_timeout(5 * SECOND);
    for (lines, source) in [
        ("vault = 'claude/prod'\nversion = 3", vault.kv2("secret", "claude/prod").with_version(3)),
        ("vault = 'claude/prod'\nmount = 'kv'", vault.kv2("kv", "claude/prod")),
        ("vault = 'claude/prod'\nmount = 'kv'\nkv_version = 1", vault.kv1("kv", "claude/prod")),
        // Whole, as the API has it.
        ("vault = 'secret/data/claude/prod'", vault.kv2("secret", "claude/prod")),
        ("vault = 'secret/data/data/x'", vault.kv2("secret", "data/x")),
        ("vault = 'secret/data/secret/data/x'", vault.kv2("secret", "secret/data/secret/data/x")),
        ("vault = '/a/b/data/claude'\nmount = '/a/b/'", vault.kv2("a/b", "claude")),
        ("vault = 'secret/claude/prod'\nkv_version = 1", vault.kv1("secret", "claude/prod")),
        ("vault = 'data/claude/prod'\nkv_version = 1", vault.kv1("secret", "data/claude/prod")),
        ("vault = 'secrets/prod'", vault.kv2("secret", "secrets/prod")),
        ("vault = 'database'", vault.kv2("secret", "database")),
    ] {
        let builder = in_vault(lines).unwrap().secrets.key_ring_builder().unwrap().unwrap();
        let key = Key::new("a", source.with_overlap(3_600 * SECOND));
        let expected = KeyRing::builder().with_overlap(3_600 * SECOND).with_key(key);
        assert_eq!(format!("{builder:?}"), format!("{expected:?}"), "{lines}");
    }
}

#[test]
#[cfg(feature = "vault")]
fn a_path_in_vault_that_leads_nowhere_is_said_beforehand() {
    for (lines, key, message) in [
        (
            "vault = 'data/claude/prod'",
            "4:1: secrets.keys[0].vault",
            "must be the path below the mount, such as claude/prod, or the whole one of the API, secret/data/claude/prod, but is \
             neither",
        ),
        (
            "vault = 'secret/claude/prod'",
            "4:1: secrets.keys[0].vault",
            "must be the path below the mount, such as claude/prod, or the whole one of the API, secret/data/claude/prod, but is \
             neither",
        ),
        (
            "vault = 'claude//prod'",
            "4:1: secrets.keys[0].vault",
            "must be a path of visible ASCII characters, without empty names, . and .. in it",
        ),
        (
            "vault = 'claude/../prod'",
            "4:1: secrets.keys[0].vault",
            "must be a path of visible ASCII characters, without empty names, . and .. in it",
        ),
        (
            "vault = 'claude'\nmount = 'a//b'",
            "5:1: secrets.keys[0].mount",
            "must be a path of visible ASCII characters, without empty names, . and .. in it",
        ),
        (
            "vault = 'claude'\nkv_version = 3",
            "5:1: secrets.keys[0].kv_version",
            "must be between 1 and 2, but is 3",
        ),
        ("vault = 'claude'\nversion = 0", "5:1: secrets.keys[0].version", "must be at least 1"),
        (
            "vault = 'claude'\nversion = 2\nkv_version = 1",
            "5:1: secrets.keys[0].version",
            "needs an engine of KV version 2: version 1 keeps no versions",
        ),
    ] {
        assert_eq!(in_vault(lines).unwrap_err().to_string(), format!("f.toml:{key}: {message}"), "{lines}");
    }
}

/// Otherwise what went well would be lost with what is slow.
#[test]
fn no_store_may_take_longer_than_a_fetch() {
    for (store, more) in [("aws", ""), ("vault", "address = 'https://vault'\n")] {
        let text = |key: &str| {
            format!(
                "[secrets]\nfetch_timeout = '4s'\n[secrets.{store}]\n{more}timeout = '4500ms'\n{}",
                with_key(key)
            )
        };
        let error = file(&text(&format!("{store} = 'claude'"))).unwrap_err().to_string();
        let message = format!(
            "secrets.{store}.timeout: must not put secrets.{store}.timeout (4s500ms) above secrets.fetch_timeout (4s)"
        );
        assert!(error.contains(&message), "{error}");
        // It matters to nobody else.
        assert!(file(&text("env = 'A'")).is_ok());
    }
}

#[test]
fn what_keys_are_asked_for_is_a_mistake_where_there_are_none() {
    let text = "[secrets]\nexisting = 'keep'\nenvironment = 'prod'\nstrict_lines = true\n";
    let message = "has no effect without a key: name one in [[secrets.keys]]";
    let expected = format!(
        "f.toml:2:1: secrets.existing: {message}\nf.toml:3:1: secrets.environment: {message}\nf.toml:4:1: secrets.strict_lines: {message}"
    );
    assert_eq!(file(text).unwrap_err().to_string(), expected);
    assert!(file(&format!("{text}{}", with_key("env = 'A'"))).is_ok());
}

#[test]
fn keys_are_fetched_first_as_is_said() {
    assert_eq!(file("").unwrap().secrets.start, KeyStart::Eager);
    assert_eq!(file("secrets.start = 'lazy'").unwrap().secrets.start, KeyStart::Lazy);
    assert!(file("secrets.start = 'later'").is_err());
}

#[test]
fn a_key_in_vault_needs_its_address() {
    let error = file(&with_key("vault = 'prod/claude'")).unwrap_err().to_string();
    assert!(
        error.contains(
            "f.toml:3:1: secrets.keys[0].vault: needs secrets.vault.address as well: where Vault is"
        ),
        "{error}"
    );
}

/// Otherwise every request would be refused when it comes.
#[test]
fn keys_may_go_where_the_gateway_sends_them() {
    let config = |upstream: &str, lines: &str| {
        file(&format!("gateway.upstream = '{upstream}'\n{}", with_key(&format!("env = 'A'\n{lines}"))))
    };
    for (upstream, lines) in [
        ("https://api.anthropic.com", ""),
        ("https://API.anthropic.com:443/base", ""),
        ("http://127.0.0.1:8081/base", "origins = ['https://api.anthropic.com', 'http://127.0.0.1:8081']"),
    ] {
        assert!(config(upstream, lines).is_ok(), "{upstream}");
    }
    let message = "must go together: secrets.keys[0].origins has to name";
    for (upstream, lines, expected) in [
        (
            "http://api.anthropic.com",
            "",
            format!(
                "f.toml:1:9: gateway.upstream: {message} http://api.anthropic.com, where gateway.upstream is"
            ),
        ),
        (
            "http://127.0.0.1:8082",
            "origins = ['http://127.0.0.1:8081']",
            format!(
                "f.toml:5:1: secrets.keys[0].origins: {message} http://127.0.0.1:8082, where gateway.upstream is"
            ),
        ),
    ] {
        assert_eq!(config(upstream, lines).unwrap_err().to_string(), expected);
    }
    // A key of another environment is not used.
    let text = "gateway.upstream = 'http://127.0.0.1:8081'\nsecrets.environment = 'test'\n[[secrets.keys]]\nname = 'a'\n\
                env = 'A'\nenvironment = 'prod'\n[[secrets.keys]]\nname = 'b'\nenv = 'B'\norigins = ['http://127.0.0.1:8081']";
    assert!(file(text).is_ok(), "{}", file(text).unwrap_err());
}

#[test]
fn values_set_in_code_are_checked_too() {
    let mut secrets = SecretsConfig::default();
    secrets.keys = vec![KeyConfig::default()];
    secrets.jitter = 2.0;
    let error = secrets.key_ring().unwrap_err().to_string();
    let expected = format!(
        "secrets.jitter: must be between 0 and 1, but is 2\n\
         secrets.keys[0].name: {NAME}\n\
         secrets.keys[0].env: must be set, or file, aws or vault instead: where the key is kept"
    );
    assert_eq!(error, expected);
    // A password that somebody set in code is not shown either.
    secrets.vault.address = Some("https://user:hunter2@vault".parse().unwrap());
    secrets.aws.endpoint = Some("https://user:hunter2@aws".parse().unwrap());
    let shown = format!("{secrets:?} {}", secrets.validate().unwrap_err());
    assert!(!shown.contains("hunter2"), "{shown}");
}
