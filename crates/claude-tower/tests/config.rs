//! The configuration through its public API: what is read, what is refused, and with which words.

#![allow(clippy::unwrap_used, reason = "tests, their helpers too")]

use std::{
    collections::BTreeSet,
    error::Error as _,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use claude_tower::config::{
    Config, ConfigError, ConfigProblemKind as Kind, GatewayClient, HttpVersion, KeyConfig, KeyStart, Proxy,
    ProxyUrl,
};
use claude_tower::retry::{Backoff, Hold, MaybeExecuted, Quota, RetryLayer};
use claude_tower::secrets::{Affinity, Existing, Scheme};
use http::HeaderName;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn file(text: &str) -> Result<Config, ConfigError> {
    Config::from_toml(text, "f.toml")
}

/// Loads with variables whose names lack the prefix.
fn environment(path: Option<&Path>, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables =
        variables.iter().map(|(name, value)| (format!("CLAUDE_TOWER__{name}"), (*value).to_owned()));
    Config::load(path, variables)
}

/// The variable of a dotted key, without the prefix.
fn variable(key: &str) -> String {
    key.replace('.', "__").to_uppercase()
}

/// Puts a file into a folder of its own.
fn written(name: &str, bytes: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("config");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn proxy_url(text: &str) -> ProxyUrl {
    match text.parse() {
        Ok(Proxy::Url(url)) => url,
        other => panic!("{text}: {other:?}"),
    }
}

const DURATION: &str = "must be a duration with its unit, such as 500ms, 30s, 10m or 1h30m";
const PROXY: &str = "must be \"environment\", \"none\" or the URL of a proxy: http://host:port, https://host:port or \
                     socks5://host:port, with a user and a password if it needs them";
const UPSTREAM: &str =
    "must be an http or https URL without user, query and fragment, such as https://api.anthropic.com";
const HEADER: &str = "must be the name of a header, such as x-stainless-retry-count";
const HIDDEN: &str = " (the value is not shown: it may be a secret)";

#[test]
fn bad_files_are_refused_with_place_and_key() {
    let client_keys = "connect_timeout, tcp_keepalive, tcp_keepalive_interval, tcp_keepalive_retries, \
                       pool_idle_timeout, pool_max_idle_per_host, http_version, proxy, no_proxy, tls";
    let table: &[(&str, Kind, &[&str])] = &[
        // What is no TOML.
        ("[client\nx = 1", Kind::Syntax, &["f.toml:1:8: this is not TOML: unclosed table, expected `]`"]),
        (
            "\n[client]\nproxy",
            Kind::Syntax,
            &["f.toml:3:6: this is not TOML: key with no value, expected `=`"],
        ),
        (
            "[client]\nconnect_timeout = 5s",
            Kind::Syntax,
            &["f.toml:2:19: this is not TOML: string values must be quoted, expected literal string"],
        ),
        (
            "[client]\nproxy = \"none",
            Kind::Syntax,
            &["f.toml:2:14: this is not TOML: invalid basic string, expected `\"`"],
        ),
        // The same twice; what else is wrong is found all the same.
        (
            "[client]\nproxy = 'none'\nproxy = 'none'\nhttp_version = 'http3'",
            Kind::Duplicate,
            &[
                "f.toml:3:1: duplicate key proxy",
                "f.toml:4:1: client.http_version: must be \"auto\", \"http1\" or \"http2\", but is \"http3\"",
            ],
        ),
        ("[client]\n[gateway]\n[client]", Kind::Duplicate, &["f.toml:3:2: duplicate key client"]),
        // Unknown names.
        ("cleint = 1", Kind::UnknownKey, &["f.toml:1:1: cleint: unknown key; did you mean client?"]),
        ("[cleint]\nx = 1", Kind::UnknownKey, &["f.toml:1:2: cleint: unknown section; did you mean client?"]),
        (
            "[x]",
            Kind::UnknownKey,
            &["f.toml:1:2: x: unknown section; known here: client, gateway, retry, secrets"],
        ),
        (
            "[client]\nconect-timeout = '5s'",
            Kind::UnknownKey,
            &["f.toml:2:1: client.conect-timeout: unknown key; did you mean client.connect_timeout?"],
        ),
        (
            "connect_timeout = '5s'",
            Kind::UnknownKey,
            &["f.toml:1:1: connect_timeout: unknown key; did you mean client.connect_timeout?"],
        ),
        (
            "[gateway]\nnative_roots = true",
            Kind::UnknownKey,
            &["f.toml:2:1: gateway.native_roots: unknown key; did you mean client.tls.native_roots?"],
        ),
        (
            "[client]\n\"a\\nb\" = 1",
            Kind::UnknownKey,
            &[&format!("f.toml:2:1: client.a\\nb: unknown key; known here: {client_keys}")],
        ),
        // Wrong types.
        (
            "client = 5",
            Kind::InvalidValue,
            &["f.toml:1:1: client: must be a section, written [client], but is a number"],
        ),
        (
            "[[client.tls]]",
            Kind::InvalidValue,
            &["f.toml:1:10: client.tls: must be a section, written [client.tls], but is a list"],
        ),
        (
            "[client.proxy]\nx = 1",
            Kind::InvalidValue,
            &[&format!("f.toml:1:9: client.proxy: {PROXY}, but is a table")],
        ),
        (
            "[client]\nconnect_timeout = 5",
            Kind::InvalidValue,
            &[&format!("f.toml:2:1: client.connect_timeout: {DURATION}, but is a number")],
        ),
        (
            "[client]\nconnect_timeout = 2026-11-22",
            Kind::InvalidValue,
            &[&format!("f.toml:2:1: client.connect_timeout: {DURATION}, but is a date or time")],
        ),
        (
            "[client]\nconnect_timeout = ''",
            Kind::InvalidValue,
            &[&format!("f.toml:2:1: client.connect_timeout: {DURATION}, but is empty")],
        ),
        (
            "[client]\nconnect_timeout = '5'",
            Kind::InvalidValue,
            &[&format!("f.toml:2:1: client.connect_timeout: {DURATION}, but is \"5\"")],
        ),
        (
            "[client]\ntcp_keepalive_retries = '5'",
            Kind::InvalidValue,
            &[
                "f.toml:2:1: client.tcp_keepalive_retries: must be a whole number from 0 to 4294967295, but is text",
            ],
        ),
        (
            "[client]\ntcp_keepalive_retries = 5.0",
            Kind::InvalidValue,
            &[
                "f.toml:2:1: client.tcp_keepalive_retries: must be a whole number from 0 to 4294967295, but is a \
               decimal number",
            ],
        ),
        (
            "[client]\npool_max_idle_per_host = -1",
            Kind::InvalidValue,
            &["f.toml:2:1: client.pool_max_idle_per_host: must be a whole number from 0, but is -1"],
        ),
        (
            "[client]\npool_max_idle_per_host = 99999999999999999999",
            Kind::InvalidValue,
            &[
                "f.toml:2:1: client.pool_max_idle_per_host: must be a whole number from 0, but is a number of more \
               than 64 bits",
            ],
        ),
        (
            "[client]\nhttp_version = 2",
            Kind::InvalidValue,
            &["f.toml:2:1: client.http_version: must be \"auto\", \"http1\" or \"http2\", but is a number"],
        ),
        (
            "[client]\nhttp_version = 'HTTP1'",
            Kind::InvalidValue,
            &["f.toml:2:1: client.http_version: must be \"auto\", \"http1\" or \"http2\", but is \"HTTP1\""],
        ),
        (
            "[client.tls]\nextra_ca = 'a.pem'",
            Kind::InvalidValue,
            &["f.toml:2:1: client.tls.extra_ca: must be a list, but is text"],
        ),
        (
            "[client.tls]\nextra_ca = [\n  'a.pem',\n  5,\n]",
            Kind::InvalidValue,
            &["f.toml:4:3: client.tls.extra_ca[1]: must be text, but is a number"],
        ),
        (
            "[client.tls]\nextra_ca = ['']",
            Kind::InvalidValue,
            &["f.toml:2:13: client.tls.extra_ca[0]: must be the path of a file, but is empty"],
        ),
        (
            "[gateway]\naccess_log = 'yes'",
            Kind::InvalidValue,
            &["f.toml:2:1: gateway.access_log: must be true or false, but is text"],
        ),
        (
            "[gateway]\nlisten = 'localhost:8080'",
            Kind::InvalidValue,
            &["f.toml:2:1: gateway.listen: must be an IP address and a port, such as 127.0.0.1:8080 or \
               [::1]:8080, but is \"localhost:8080\""],
        ),
        (
            "[gateway]\nupstream = 'api.anthropic.com'",
            Kind::InvalidValue,
            &[&format!("f.toml:2:1: gateway.upstream: {UPSTREAM}, but is \"api.anthropic.com\"")],
        ),
        (
            "[gateway]\nupstream = 'https://host/?a=b'",
            Kind::InvalidValue,
            &[&format!("f.toml:2:1: gateway.upstream: {UPSTREAM}{HIDDEN}")],
        ),
        (
            "[retry]\nmaybe_executed = 'repeat_all'",
            Kind::InvalidValue,
            &[
                "f.toml:2:1: retry.maybe_executed: must be \"leave\", \"repeat-answers\" or \"repeat-all\", but is \
               \"repeat_all\"",
            ],
        ),
        (
            "[retry]\nmax_retries = -1",
            Kind::InvalidValue,
            &["f.toml:2:1: retry.max_retries: must be a whole number from 0 to 4294967295, but is -1"],
        ),
        (
            "[retry]\nquota_ratio = '20%'",
            Kind::InvalidValue,
            &["f.toml:2:1: retry.quota_ratio: must be a number, but is text"],
        ),
        (
            "[retry]\njitter = nan\nquota_ratio = inf",
            Kind::OutOfRange,
            &[
                "f.toml:2:1: retry.jitter: must be between 0 and 1, but is NaN",
                "f.toml:3:1: retry.quota_ratio: must be between 0 and 100, but is inf",
            ],
        ),
        (
            "[retry]\ntimeout = 600",
            Kind::InvalidValue,
            &[&format!("f.toml:2:1: retry.timeout: {DURATION}, but is a number")],
        ),
        (
            "[retry]\ntimeout = ''",
            Kind::InvalidValue,
            &[&format!("f.toml:2:1: retry.timeout: {DURATION}, but is empty")],
        ),
        (
            "[retry]\nhold_bytes = '64kib'\ncollect = -1\nhold_events = '200'",
            Kind::InvalidValue,
            &[
                "f.toml:2:1: retry.hold_bytes: must be a size such as 64KiB or 32MiB, or a whole number of bytes, but \
                 is \"64kib\"",
                "f.toml:3:1: retry.collect: must be a size such as 64KiB or 32MiB, or a whole number of bytes, but is -1",
                "f.toml:4:1: retry.hold_events: must be a whole number from 0, but is text",
            ],
        ),
        (
            "[retry]\nretry_count_header = 'retry count'",
            Kind::InvalidValue,
            &[&format!("f.toml:2:1: retry.retry_count_header: {HEADER}, but is \"retry count\"")],
        ),
        (
            "[retry]\nretry_count_header = false",
            Kind::InvalidValue,
            &[&format!("f.toml:2:1: retry.retry_count_header: {HEADER}, but is true or false")],
        ),
        (
            "[retry]\nretry_count_header = 'content-length'",
            Kind::OutOfRange,
            &["f.toml:2:1: retry.retry_count_header: must begin with x-, and not be x-api-key"],
        ),
        (
            "[retry]\nretry_count_header = 'X-Api-Key'",
            Kind::OutOfRange,
            &["f.toml:2:1: retry.retry_count_header: must begin with x-, and not be x-api-key"],
        ),
        // What does not go together.
        (
            "[client.tls]\nclient_cert = 'a.pem'",
            Kind::Conflict,
            &["f.toml:2:1: client.tls.client_cert: needs client.tls.client_key as well: set both or neither"],
        ),
        (
            "[client.tls]\nclient_key = 'a.pem'",
            Kind::Conflict,
            &["f.toml:2:1: client.tls.client_key: needs client.tls.client_cert as well: set both or neither"],
        ),
        (
            "[client.tls]\nnative_roots = false",
            Kind::Conflict,
            &[
                "f.toml:2:1: client.tls.native_roots: must be true unless client.tls.extra_ca names a file: no \
               server could be believed",
            ],
        ),
        (
            "[client]\nno_proxy = 'a.example'",
            Kind::Conflict,
            &[
                "f.toml:2:1: client.no_proxy: goes only with client.proxy as a URL; with \"environment\", set the \
               variable NO_PROXY",
            ],
        ),
        (
            "[retry]\nbackoff_base = '10s'",
            Kind::Conflict,
            &[
                "f.toml:2:1: retry.backoff_base: must not put retry.backoff_base (10s) above retry.backoff_max (8s)",
            ],
        ),
        (
            "[retry]\nbackoff_max = '100ms'",
            Kind::Conflict,
            &[
                "f.toml:2:1: retry.backoff_max: must not put retry.backoff_base (500ms) above retry.backoff_max \
               (100ms)",
            ],
        ),
        // Nor one that is out of its range for what does not go together.
        (
            "[retry]\nbackoff_max = '0s'",
            Kind::OutOfRange,
            &["f.toml:2:1: retry.backoff_max: must be between 1ms and 1h, but is 0s"],
        ),
        // A value that could not be read is not also blamed for its default.
        (
            "[client.tls]\nclient_cert = 'a.pem'\nclient_key = 5",
            Kind::InvalidValue,
            &["f.toml:3:1: client.tls.client_key: must be text, but is a number"],
        ),
        // Inline tables, dotted keys, and places after characters of several bytes.
        (
            "client = { connect_timeout = '0s', tls = { native_roots = 1 } }",
            Kind::OutOfRange,
            &[
                "f.toml:1:12: client.connect_timeout: must be between 100ms and 10m, but is 0s",
                "f.toml:1:44: client.tls.native_roots: must be true or false, but is a number",
            ],
        ),
        (
            "gateway = { listen = 'ä€', x = 1 }",
            Kind::UnknownKey,
            &[
                "f.toml:1:13: gateway.listen: must be an IP address and a port, such as 127.0.0.1:8080 or \
                 [::1]:8080, but is \"ä€\"",
                "f.toml:1:28: gateway.x: unknown key; known here: listen, upstream, shutdown_grace, \
                 max_buffered_request, access_log, worker_threads, allow_open, clients",
            ],
        ),
        // Everything at once, in the order of the file.
        (
            "x = 1\n[gateway]\nworker_threads = 2000\nlisten = 1\n[client]\ntcp_keepalive = '1500ms'\nprxy = 1\n",
            Kind::OutOfRange,
            &[
                "f.toml:1:1: x: unknown key; known here: client, gateway, retry, secrets",
                "f.toml:3:1: gateway.worker_threads: must be between 0 and 1024, but is 2000",
                "f.toml:4:1: gateway.listen: must be an IP address and a port, such as 127.0.0.1:8080 or \
                 [::1]:8080, but is a number",
                "f.toml:6:1: client.tcp_keepalive: must be in whole seconds, but is 1s500ms",
                "f.toml:7:1: client.prxy: unknown key; did you mean client.proxy?",
            ],
        ),
    ];
    for (text, kind, lines) in table {
        let error = file(text).expect_err(text);
        assert_eq!(error.to_string(), lines.join("\n"), "{text}");
        assert!(error.has(*kind), "{text}: {error:?}");
        assert_eq!(error.problems().len(), lines.len(), "{text}");
    }
}

#[test]
fn bad_variables_are_refused_by_name() {
    let table = [
        ("CLIENT__CONECT_TIMEOUT", "1s", "unknown key; did you mean CLAUDE_TOWER__CLIENT__CONNECT_TIMEOUT?"),
        ("CLEINT__CONNECT_TIMEOUT", "1s", "unknown key; did you mean CLAUDE_TOWER__CLIENT?"),
        ("CONNECT_TIMEOUT", "1s", "unknown key; did you mean CLAUDE_TOWER__CLIENT__CONNECT_TIMEOUT?"),
        ("CLIENT__TLS__NATIVE_ROOTS__X", "1", "unknown key"),
        ("", "1", "unknown key"),
        (
            "CLIENT__TLS",
            "x",
            "client.tls is a section; set one of its keys, such as CLAUDE_TOWER__CLIENT__TLS__NATIVE_ROOTS",
        ),
        ("CLIENT__TLS__EXTRA_CA", "['a'", "must be a list, but is text that is no TOML list"),
        ("CLIENT__TLS__EXTRA_CA", "a,,b", "client.tls.extra_ca[1]: must be the path of a file, but is empty"),
        ("CLIENT__TLS__CLIENT_KEY", "a", "needs client.tls.client_cert as well: set both or neither"),
        ("GATEWAY__ACCESS_LOG", "yes", "must be true or false, but is \"yes\""),
        ("GATEWAY__WORKER_THREADS", "", "must be a whole number from 0, but is empty"),
        ("GATEWAY__WORKER_THREADS", "2000", "must be between 0 and 1024, but is 2000"),
        ("GATEWAY__SHUTDOWN_GRACE", "25h", "must be between 0s and 24h, but is 25h"),
        ("RETRY__JITTER", "a quarter", "must be a number, but is \"a quarter\""),
        ("RETRY__QUOTA_BURST", "0.5", "must be a whole number from 0 to 4294967295, but is \"0.5\""),
        ("RETRY__HOLD_BYTES", "17MiB", "must be between 0B and 16MiB, but is 17MiB"),
    ];
    for (name, value, message) in table {
        let error = environment(None, &[(name, value)]).expect_err(name);
        assert_eq!(error.to_string(), format!("environment variable CLAUDE_TOWER__{name}: {message}"));
        let [problem] = error.problems() else { panic!("{error}") };
        assert_eq!(problem.variable(), Some(format!("CLAUDE_TOWER__{name}").as_str()));
        assert_eq!((problem.file(), problem.line(), problem.column()), (None, None, None));
    }
}

#[test]
fn names_of_variables_are_ours_or_left_alone() {
    let load =
        |names: &[&str]| Config::load(None, names.iter().map(|name| ((*name).to_owned(), "7s".to_owned())));

    for name in ["CLAUDE_TOWER__CLIENT__CONNECT_TIMEOUT", "claude_tower__client__connect_timeout"] {
        assert_eq!(load(&[name]).unwrap().client.connect_timeout, 7 * SECOND, "{name}");
    }
    for name in
        ["", "PATH", "CLAUDE_TOWER", "CLAUDE_TOWER_SERVICE_HOST", "CLAUDE_TOWER_PORT_8080_TCP", "É__É"]
    {
        assert_eq!(load(&[name]).unwrap(), Config::default(), "{name}");
    }
    assert_eq!(
        load(&["CLAUDE_TOWER_CLIENT__CONNECT_TIMEOUT"]).unwrap_err().to_string(),
        "environment variable CLAUDE_TOWER_CLIENT__CONNECT_TIMEOUT: is not read; did you mean \
         CLAUDE_TOWER__CLIENT__CONNECT_TIMEOUT?"
    );
    let error = load(&["CLAUDE_TOWER__CLIENT__CONNECT_TIMEOUT", "CLAUDE_TOWER__CLIENT__connect_timeout"])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment variable CLAUDE_TOWER__CLIENT__connect_timeout: sets the same key as \
         CLAUDE_TOWER__CLIENT__CONNECT_TIMEOUT"
    );
    assert!(error.has(Kind::Duplicate));
}

#[test]
fn the_environment_stands_over_the_file_and_the_file_over_the_defaults() {
    let path = written("precedence.toml", b"[client]\nconnect_timeout = '2s'\npool_idle_timeout = '3s'\n");
    let config = environment(Some(&path), &[("CLIENT__CONNECT_TIMEOUT", "4s")]).unwrap();
    assert_eq!(config.client.connect_timeout, 4 * SECOND);
    assert_eq!(config.client.pool_idle_timeout, 3 * SECOND);
    assert_eq!(config.client.tcp_keepalive, Config::default().client.tcp_keepalive);

    // An override also mends, and an empty one takes back.
    let path = written("mended.toml", b"[client]\nconnect_timeout = 'x'\n[gateway]\nupstream = 'http://a'\n");
    assert!(environment(Some(&path), &[]).is_err());
    let config =
        environment(Some(&path), &[("CLIENT__CONNECT_TIMEOUT", "4s"), ("GATEWAY__UPSTREAM", "")]).unwrap();
    assert_eq!(config.gateway.upstream, None);
    let path = written("taken-back.toml", b"[retry]\ntimeout = '1m'\nretry_count_header = 'x-attempt'\n");
    assert_ne!(environment(Some(&path), &[]).unwrap().retry, Config::default().retry);
    let config =
        environment(Some(&path), &[("RETRY__TIMEOUT", ""), ("RETRY__RETRY_COUNT_HEADER", "")]).unwrap();
    assert_eq!(config.retry, Config::default().retry);

    // A rule about two keys names the place of the one that is set, wherever that is.
    let path = written("half.toml", b"[client.tls]\nclient_cert = 'a.pem'\n");
    let error = environment(Some(&path), &[("CLIENT__NO_PROXY", "a")]).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{}:2:1: client.tls.client_cert: needs client.tls.client_key as well: set both or neither\n\
             environment variable CLAUDE_TOWER__CLIENT__NO_PROXY: goes only with client.proxy as a URL; with \
             \"environment\", set the variable NO_PROXY",
            path.display()
        )
    );
    let pair = environment(Some(&path), &[("CLIENT__TLS__CLIENT_KEY", "b.pem")]).unwrap().client.tls;
    assert_eq!(pair.client_cert, Some(path.with_file_name("a.pem")));
    assert_eq!(pair.client_key, Some("b.pem".into()));
}

/// A key with a value that is not its default, the variables that must go with it, and what they change.
type Setting = (&'static str, &'static str, &'static [(&'static str, &'static str)], fn(&mut Config));

const HASH: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER_HASH: &str = "sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const THIRD_HASH: &str = "sha256:2123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

const CLIENTS: &str = "[{ name = 'chat', token_sha256 = 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef' },
    { name = 'reports', environment = 'prod', line = 'research', user = 'kiosk-7', token_sha256 = [
        'sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
        'sha256:2123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef' ] }]";

const KEYS: &str = "[{ name = 'research', file = 'claude.key', field = 'a.b', lines = ['research', 'search'], environment = 'prod',
        weight = 2.5, limit_group = 'acme', origins = ['http://127.0.0.1:1', 'https://api.anthropic.com:443'],
        scheme = 'bearer' },
    { name = 'others', env = 'KEY' }]";

const SETTINGS: &[Setting] = &[
    ("client.connect_timeout", "1s", &[], |c| c.client.connect_timeout = SECOND),
    ("client.tcp_keepalive", "2s", &[], |c| c.client.tcp_keepalive = 2 * SECOND),
    ("client.tcp_keepalive_interval", "3s", &[], |c| c.client.tcp_keepalive_interval = 3 * SECOND),
    ("client.tcp_keepalive_retries", "4", &[], |c| c.client.tcp_keepalive_retries = 4),
    ("client.pool_idle_timeout", "5s", &[], |c| c.client.pool_idle_timeout = 5 * SECOND),
    ("client.pool_max_idle_per_host", "6", &[], |c| c.client.pool_max_idle_per_host = 6),
    ("client.http_version", "http2", &[], |c| c.client.http_version = HttpVersion::Http2),
    ("client.proxy", "none", &[], |c| c.client.proxy = Proxy::None),
    ("client.no_proxy", "a.example, 10.0.0.0/8", &[("client.proxy", "http://p:1")], |c| {
        c.client.proxy = Proxy::Url(proxy_url("http://p:1"));
        c.client.no_proxy = "a.example, 10.0.0.0/8".to_owned();
    }),
    ("client.tls.native_roots", "false", &[("client.tls.extra_ca", "a")], |c| {
        c.client.tls.native_roots = false;
        c.client.tls.extra_ca = vec!["a".into()];
    }),
    ("client.tls.extra_ca", "a.pem, b.pem", &[], |c| {
        c.client.tls.extra_ca = vec!["a.pem".into(), "b.pem".into()];
    }),
    ("client.tls.client_cert", "c", &[("client.tls.client_key", "k")], |c| {
        c.client.tls.client_cert = Some("c".into());
        c.client.tls.client_key = Some("k".into());
    }),
    ("client.tls.client_key", "k", &[("client.tls.client_cert", "c")], |c| {
        c.client.tls.client_cert = Some("c".into());
        c.client.tls.client_key = Some("k".into());
    }),
    ("gateway.listen", "[::1]:1", &[], |c| c.gateway.listen = "[::1]:1".parse().unwrap()),
    ("gateway.upstream", "https://h:1/path", &[], |c| {
        c.gateway.upstream = Some("https://h:1/path".parse().unwrap());
    }),
    ("gateway.shutdown_grace", "0s", &[], |c| c.gateway.shutdown_grace = Duration::ZERO),
    ("gateway.max_buffered_request", "17KiB", &[], |c| c.gateway.max_buffered_request = 17 << 10),
    ("gateway.access_log", "false", &[], |c| c.gateway.access_log = false),
    ("gateway.worker_threads", "8", &[], |c| c.gateway.worker_threads = 8),
    ("gateway.allow_open", "true", &[("gateway.listen", "0.0.0.0:1")], |c| {
        c.gateway.allow_open = true;
        c.gateway.listen = "0.0.0.0:1".parse().unwrap();
    }),
    ("gateway.clients", CLIENTS, &[], |c| {
        let mut chat = GatewayClient::default();
        chat.name = "chat".to_owned();
        chat.token_sha256 = vec![HASH.parse().unwrap()];
        let mut reports = GatewayClient::default();
        reports.name = "reports".to_owned();
        reports.token_sha256 = vec![OTHER_HASH.parse().unwrap(), THIRD_HASH.parse().unwrap()];
        reports.environment = Some("prod".to_owned());
        reports.line = Some("research".to_owned());
        reports.user = Some("kiosk-7".to_owned());
        c.gateway.clients = vec![chat, reports];
    }),
    ("retry.enabled", "false", &[], |c| c.retry.enabled = false),
    ("retry.max_retries", "1", &[], |c| c.retry.max_retries = 1),
    ("retry.backoff_base", "2s", &[], |c| c.retry.backoff_base = 2 * SECOND),
    ("retry.backoff_max", "3s", &[], |c| c.retry.backoff_max = 3 * SECOND),
    ("retry.jitter", "1", &[], |c| c.retry.jitter = 1.0),
    ("retry.overload_floor", "4s", &[], |c| c.retry.overload_floor = 4 * SECOND),
    ("retry.max_wait", "5s", &[], |c| c.retry.max_wait = 5 * SECOND),
    ("retry.timeout", "6s", &[], |c| c.retry.timeout = Some(6 * SECOND)),
    ("retry.quota_ratio", "0.5", &[], |c| c.retry.quota_ratio = 0.5),
    ("retry.quota_burst", "7", &[], |c| c.retry.quota_burst = 7),
    ("retry.maybe_executed", "leave", &[], |c| c.retry.maybe_executed = MaybeExecuted::Leave),
    ("retry.hold_time", "8s", &[], |c| c.retry.hold_time = 8 * SECOND),
    ("retry.hold_bytes", "9KiB", &[], |c| c.retry.hold_bytes = 9 << 10),
    ("retry.hold_events", "10", &[], |c| c.retry.hold_events = 10),
    ("retry.collect", "11", &[], |c| c.retry.collect = 11),
    ("retry.only_if_ready", "true", &[], |c| c.retry.only_if_ready = true),
    ("retry.retry_count_header", "X-Attempt", &[], |c| {
        c.retry.retry_count_header = Some(HeaderName::from_static("x-attempt"));
    }),
    ("retry.final_word", "false", &[], |c| c.retry.final_word = false),
    ("secrets.start", "lazy", &[], |c| c.secrets.start = KeyStart::Lazy),
    ("secrets.existing", "refuse", &[ONE_KEY], |c| {
        c.secrets.keys = one_key();
        c.secrets.existing = Existing::Refuse;
    }),
    ("secrets.environment", "prod", &[ONE_KEY], |c| {
        c.secrets.keys = one_key();
        c.secrets.environment = Some("prod".to_owned());
    }),
    ("secrets.strict_lines", "true", &[ONE_KEY], |c| {
        c.secrets.keys = one_key();
        c.secrets.strict_lines = true;
    }),
    ("secrets.affinity", "none", &[], |c| c.secrets.affinity = Affinity::None),
    ("secrets.slow_start_rate", "0.5", &[], |c| c.secrets.slow_start_rate = 0.5),
    ("secrets.slow_start_time", "1s", &[], |c| c.secrets.slow_start_time = SECOND),
    ("secrets.limited_for", "2s", &[], |c| c.secrets.limited_for = 2 * SECOND),
    ("secrets.ttl", "3s", &[], |c| c.secrets.ttl = Some(3 * SECOND)),
    ("secrets.jitter", "0.25", &[], |c| c.secrets.jitter = 0.25),
    ("secrets.refresh_advisory", "40s", &[], |c| c.secrets.refresh_advisory = 40 * SECOND),
    ("secrets.refresh_mandatory", "5s", &[], |c| c.secrets.refresh_mandatory = 5 * SECOND),
    ("secrets.fetch_timeout", "6s", &[], |c| c.secrets.fetch_timeout = 6 * SECOND),
    ("secrets.failure_backoff", "7s", &[], |c| c.secrets.failure_backoff = 7 * SECOND),
    ("secrets.failure_backoff_max", "8s", &[], |c| c.secrets.failure_backoff_max = 8 * SECOND),
    ("secrets.max_stale", "9s", &[], |c| c.secrets.max_stale = 9 * SECOND),
    ("secrets.overlap", "10s", &[], |c| c.secrets.overlap = 10 * SECOND),
    ("secrets.max_age", "1h", &[], |c| c.secrets.max_age = 3_600 * SECOND),
    ("secrets.keys", KEYS, &[], |c| {
        let mut research = KeyConfig::default();
        research.name = "research".to_owned();
        research.file = Some("claude.key".into());
        research.field = Some("a.b".to_owned());
        research.lines = vec!["research".to_owned(), "search".to_owned()];
        research.environment = Some("prod".to_owned());
        research.weight = 2.5;
        research.limit_group = Some("acme".to_owned());
        research.origins =
            vec!["http://127.0.0.1:1".parse().unwrap(), "https://api.anthropic.com".parse().unwrap()];
        research.scheme = Scheme::Bearer;
        let mut others = KeyConfig::default();
        others.name = "others".to_owned();
        others.env = Some("KEY".to_owned());
        c.secrets.keys = vec![research, others];
    }),
    ("secrets.aws.region", "eu-central-1", &[], |c| c.secrets.aws.region = Some("eu-central-1".to_owned())),
    ("secrets.aws.profile", "prod", &[], |c| c.secrets.aws.profile = Some("prod".to_owned())),
    ("secrets.aws.endpoint", "http://127.0.0.1:1", &[], |c| {
        c.secrets.aws.endpoint = Some("http://127.0.0.1:1".parse().unwrap());
    }),
    ("secrets.aws.timeout", "11s", &[], |c| c.secrets.aws.timeout = 11 * SECOND),
    ("secrets.vault.address", "https://h:1/path", &[], |c| {
        c.secrets.vault.address = Some("https://h:1/path".parse().unwrap());
    }),
    ("secrets.vault.mount", "kv", &[], |c| c.secrets.vault.mount = "kv".to_owned()),
    ("secrets.vault.kv_version", "1", &[], |c| c.secrets.vault.kv_version = 1),
    ("secrets.vault.namespace", "a", &[], |c| c.secrets.vault.namespace = Some("a".to_owned())),
    ("secrets.vault.ca_file", "a.pem", &[], |c| c.secrets.vault.ca_file = Some("a.pem".into())),
    ("secrets.vault.timeout", "12s", &[], |c| c.secrets.vault.timeout = 12 * SECOND),
    ("secrets.vault.token_env", "T", &[], |c| c.secrets.vault.token_env = Some("T".to_owned())),
    ("secrets.vault.token_file", "t", &[], |c| c.secrets.vault.token_file = Some("t".into())),
    ("secrets.vault.role_id", "r", &[("secrets.vault.secret_id_env", "S")], |c| {
        c.secrets.vault.role_id = Some("r".to_owned());
        c.secrets.vault.secret_id_env = Some("S".to_owned());
    }),
    ("secrets.vault.secret_id_env", "S", &[("secrets.vault.role_id", "r")], |c| {
        c.secrets.vault.role_id = Some("r".to_owned());
        c.secrets.vault.secret_id_env = Some("S".to_owned());
    }),
    ("secrets.vault.secret_id_file", "s", &[("secrets.vault.role_id", "r")], |c| {
        c.secrets.vault.role_id = Some("r".to_owned());
        c.secrets.vault.secret_id_file = Some("s".into());
    }),
    ("secrets.vault.kubernetes_role", "r", &[], |c| c.secrets.vault.kubernetes_role = Some("r".to_owned())),
    ("secrets.vault.jwt_role", "r", &[("secrets.vault.jwt_env", "J")], |c| {
        c.secrets.vault.jwt_role = Some("r".to_owned());
        c.secrets.vault.jwt_env = Some("J".to_owned());
    }),
    ("secrets.vault.jwt_env", "J", &[("secrets.vault.jwt_role", "r")], |c| {
        c.secrets.vault.jwt_role = Some("r".to_owned());
        c.secrets.vault.jwt_env = Some("J".to_owned());
    }),
    ("secrets.vault.jwt_file", "j", &[("secrets.vault.jwt_role", "r")], |c| {
        c.secrets.vault.jwt_role = Some("r".to_owned());
        c.secrets.vault.jwt_file = Some("j".into());
    }),
    ("secrets.vault.auth_mount", "m", &[("secrets.vault.kubernetes_role", "r")], |c| {
        c.secrets.vault.kubernetes_role = Some("r".to_owned());
        c.secrets.vault.auth_mount = Some("m".to_owned());
    }),
];

/// Without a key some settings have no effect.
const ONE_KEY: (&str, &str) = ("secrets.keys", "[{ name = 'a', env = 'A' }]");

fn one_key() -> Vec<KeyConfig> {
    let mut key = KeyConfig::default();
    key.name = "a".to_owned();
    key.env = Some("A".to_owned());
    vec![key]
}

#[test]
fn each_key_can_be_set_by_a_variable() {
    let keys: Vec<&str> = SETTINGS.iter().map(|(key, ..)| *key).collect();
    // A list of tables is one setting, with all its keys.
    let mut expected: Vec<String> =
        Config::keys().iter().map(|key| key.split("[]").next().unwrap().to_owned()).collect();
    expected.dedup();
    assert_eq!(keys, expected, "a key lacks its line in SETTINGS");
    for (key, value, others, change) in SETTINGS {
        let mut expected = Config::default();
        change(&mut expected);
        assert_ne!(expected, Config::default(), "{key}");
        let variables: Vec<(String, &str)> =
            others.iter().chain([&(*key, *value)]).map(|(key, value)| (variable(key), *value)).collect();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(environment(None, &variables).unwrap(), expected, "{key}");
        expected.validate().unwrap();
    }
}

#[test]
fn the_retry_has_the_defaults_of_its_layer_and_what_a_gateway_adds() {
    let layer = Config::default().retry.layer().unwrap().unwrap();
    let expected = RetryLayer::new().with_collect(1 << 20).with_final_word(true);
    assert_eq!(format!("{layer:?}"), format!("{expected:?}"));
}

#[test]
fn the_layer_of_the_retry_is_as_its_section_says() {
    let text = r#"
        max_retries = 1
        backoff_base = "2s"
        backoff_max = "3s"
        jitter = 0.5
        overload_floor = "4s"
        max_wait = "5s"
        timeout = "6s"
        quota_ratio = 0.7
        quota_burst = 8
        maybe_executed = "repeat-all"
        hold_time = "9s"
        hold_bytes = "10KiB"
        hold_events = 11
        collect = "12KiB"
        only_if_ready = true
        retry_count_header = "x-attempt"
        final_word = false
    "#;
    let layer = file(&format!("[retry]{text}")).unwrap().retry.layer().unwrap().unwrap();
    let backoff = Backoff::new(2 * SECOND, 3 * SECOND).unwrap().with_jitter(0.5).unwrap();
    let expected = RetryLayer::new()
        .with_max_retries(1)
        .with_backoff(backoff.with_overload_floor(4 * SECOND))
        .with_max_wait(5 * SECOND)
        .with_timeout(6 * SECOND)
        .with_quota(Quota::new(0.7, 8).unwrap())
        .with_maybe_executed(MaybeExecuted::RepeatAll)
        .with_hold(Hold::default().with_time(9 * SECOND).with_bytes(10 << 10).with_events(11))
        .with_collect(12 << 10)
        .with_only_if_ready(true)
        .with_retry_count_header(HeaderName::from_static("x-attempt"));
    assert_eq!(format!("{layer:?}"), format!("{expected:?}"));

    // No key is without effect, nor will be one that comes later.
    let plain = format!("{:?}", Config::default().retry.layer().unwrap());
    for (key, _, _, change) in SETTINGS.iter().filter(|(key, ..)| key.starts_with("retry.")) {
        let mut config = Config::default();
        change(&mut config);
        assert_ne!(format!("{:?}", config.retry.layer().unwrap()), plain, "{key}");
    }
}

/// Nor is one of the keys' own without effect.
#[test]
fn each_setting_of_the_secrets_has_an_effect_on_the_ring() {
    let shown = |config: &Config| {
        let builder = config.secrets.key_ring_builder().unwrap().unwrap();
        let layer = config.secrets.layer().unwrap().unwrap();
        format!("{builder:?} {layer:?}")
    };
    let mut plain = Config::default();
    plain.secrets.keys = one_key();
    // When it starts is for whoever starts it.
    let without = ["secrets.aws.", "secrets.vault.", "secrets.start"];
    for (name, _, _, change) in SETTINGS.iter().filter(|(name, ..)| name.starts_with("secrets.")) {
        let mut config = plain.clone();
        change(&mut config);
        let is_without = without.iter().any(|part| name.starts_with(part));
        assert_eq!(shown(&config) == shown(&plain), is_without, "{name}");
    }
}

#[test]
fn a_retry_that_is_off_has_no_layer_and_a_wrong_one_is_an_error() {
    let mut retry = Config::default().retry;
    retry.enabled = false;
    assert!(retry.layer().unwrap().is_none());
    retry.jitter = f64::NAN;
    assert_eq!(retry.layer().unwrap_err().to_string(), "retry.jitter: must be between 0 and 1, but is NaN");
    retry.enabled = true;
    assert!(retry.layer().is_err());
}

/// Each border of the configuration is within those of the layer.
#[test]
fn whatever_the_section_allows_makes_a_layer() {
    let low = "backoff_base = '1ms'\nbackoff_max = '1ms'\njitter = 0\nquota_ratio = 0\nquota_burst = 0\n\
               hold_time = '0s'\nhold_bytes = 0\nhold_events = 0\ncollect = 0";
    let high = "backoff_base = '10m'\nbackoff_max = '1h'\njitter = 1\nquota_ratio = 100\nquota_burst = 1000000\n\
                hold_time = '1m'\nhold_bytes = '16MiB'\nhold_events = 1000\ncollect = '64MiB'";
    for text in [low, high] {
        let config = file(&format!("[retry]\n{text}")).unwrap();
        assert!(config.retry.layer().unwrap().is_some(), "{text}");
    }
}

#[test]
fn lists_in_a_variable_are_toml_or_have_commas() {
    let list = |value| environment(None, &[("CLIENT__TLS__EXTRA_CA", value)]).unwrap().client.tls.extra_ca;
    assert_eq!(list(""), Vec::<PathBuf>::new());
    assert_eq!(list("[]"), Vec::<PathBuf>::new());
    assert_eq!(list("a.pem"), ["a.pem"].map(PathBuf::from));
    assert_eq!(list(" a.pem ,b.pem"), ["a.pem", "b.pem"].map(PathBuf::from));
    assert_eq!(list("['a,b.pem', \"c.pem\"]"), ["a,b.pem", "c.pem"].map(PathBuf::from));
}

#[test]
fn ranges_hold_at_both_borders() {
    let table = [
        ("client.connect_timeout", "'99ms'", "'100ms'", "'10m'", "'10m1ms'"),
        ("client.tcp_keepalive", "'0s'", "'1s'", "'2h'", "'2h1s'"),
        ("client.tcp_keepalive_interval", "'0s'", "'1s'", "'2h'", "'2h1s'"),
        ("client.tcp_keepalive_retries", "0", "1", "127", "128"),
        ("client.pool_idle_timeout", "'999ms'", "'1s'", "'1h'", "'1h1ns'"),
        ("client.pool_max_idle_per_host", "", "0", "10000", "10001"),
        ("gateway.shutdown_grace", "", "'0s'", "'24h'", "'24h1s'"),
        ("gateway.max_buffered_request", "", "'0B'", "'1GiB'", "'1073741825B'"),
        ("gateway.worker_threads", "", "0", "1024", "1025"),
        ("retry.max_retries", "", "0", "20", "21"),
        ("retry.backoff_base", "'999us'", "'1ms'", "'10m'", "'10m1ms'"),
        ("retry.backoff_max", "'999us'", "'1ms'", "'1h'", "'1h1ms'"),
        ("retry.jitter", "-0.1", "0", "1", "1.1"),
        ("retry.overload_floor", "", "'0s'", "'10m'", "'10m1ms'"),
        ("retry.max_wait", "", "'0s'", "'24h'", "'24h1s'"),
        ("retry.timeout", "'999us'", "'1ms'", "'24h'", "'24h1s'"),
        ("retry.quota_ratio", "-0.1", "0", "100", "100.5"),
        ("retry.quota_burst", "", "0", "1000000", "1000001"),
        ("retry.hold_time", "", "'0s'", "'1m'", "'1m1ms'"),
        ("retry.hold_bytes", "", "'0B'", "'16MiB'", "'16777217B'"),
        ("retry.hold_events", "", "0", "1000", "1001"),
        ("retry.collect", "", "'0B'", "'64MiB'", "'67108865B'"),
        ("secrets.slow_start_rate", "0.05", "0.1", "1000000", "1000000.5"),
        ("secrets.slow_start_time", "", "'0s'", "'1h'", "'1h1s'"),
        ("secrets.limited_for", "'999ms'", "'1s'", "'1h'", "'1h1s'"),
        ("secrets.ttl", "'999ms'", "'1s'", "'24h'", "'24h1s'"),
        ("secrets.jitter", "-0.1", "0", "1", "1.1"),
        ("secrets.refresh_advisory", "", "'0s'", "'1h'", "'1h1s'"),
        ("secrets.refresh_mandatory", "", "'0s'", "'1h'", "'1h1s'"),
        ("secrets.fetch_timeout", "'99ms'", "'100ms'", "'5m'", "'5m1s'"),
        ("secrets.failure_backoff", "'99ms'", "'100ms'", "'1h'", "'1h1s'"),
        ("secrets.failure_backoff_max", "'99ms'", "'100ms'", "'1h'", "'1h1s'"),
        ("secrets.max_stale", "", "'0s'", "'720h'", "'720h1s'"),
        ("secrets.overlap", "", "'0s'", "'720h'", "'720h1s'"),
        ("secrets.max_age", "'59m'", "'1h'", "'87600h'", "'87600h1s'"),
        ("secrets.aws.timeout", "'99ms'", "'100ms'", "'5m'", "'5m1s'"),
        ("secrets.vault.timeout", "'99ms'", "'100ms'", "'5m'", "'5m1s'"),
        ("secrets.vault.kv_version", "0", "1", "2", "3"),
    ];
    // What must be set with a key for the whole of its range.
    let also = |key| match key {
        "retry.backoff_base" => "\nretry.backoff_max = '1h'",
        "retry.backoff_max" => "\nretry.backoff_base = '1ms'",
        "secrets.refresh_advisory" => "\nsecrets.refresh_mandatory = '0s'",
        "secrets.refresh_mandatory" => "\nsecrets.refresh_advisory = '1h'",
        "secrets.failure_backoff" => "\nsecrets.failure_backoff_max = '1h'",
        "secrets.failure_backoff_max" => "\nsecrets.failure_backoff = '100ms'",
        _ => "",
    };
    for (key, below, low, high, above) in table {
        for value in [low, high] {
            let text = format!("{key} = {value}{}", also(key));
            assert!(file(&text).is_ok(), "{text}: {}", file(&text).unwrap_err());
        }
        for value in [below, above] {
            if value.is_empty() {
                continue; // There is nothing below zero.
            }
            let error = file(&format!("{key} = {value}")).expect_err(key);
            let range = format!("{low} and {high}, but is {value}").replace('\'', "");
            let column = key.rfind('.').unwrap() + 2;
            assert_eq!(error.to_string(), format!("f.toml:1:{column}: {key}: must be between {range}"));
            assert_eq!(error.problems()[0].kind(), Kind::OutOfRange);
        }
    }
}

#[test]
fn proxies_are_words_or_urls_that_clients_understand() {
    let load = |value: &str| environment(None, &[("CLIENT__PROXY", value)]).map(|config| config.client.proxy);
    assert_eq!(load("environment").unwrap(), Proxy::Environment);
    assert_eq!(load("none").unwrap(), Proxy::None);
    for url in [
        "http://proxy",
        "http://proxy:3128",
        "https://user:pa%40ss@proxy.example:443/",
        "socks5://127.0.0.1:1080",
        "socks5://user:pass@[::1]:1080",
    ] {
        assert_eq!(load(url).unwrap(), Proxy::Url(proxy_url(url)), "{url}");
        let Ok(Proxy::Url(proxy)) = load(url) else { panic!("{url}") };
        assert_eq!(proxy.expose().to_string().trim_end_matches('/'), url.trim_end_matches('/'));
    }
    for url in [
        "",
        "None",
        "proxy:3128",
        "ftp://proxy",
        "socks4://proxy:1",
        "SOCKS5://proxy:1",
        "socks5://proxy",
        "http://",
        "http://:3128",
        "http://proxy:",
        "http://proxy:0",
        "http://proxy:65536",
        "http://proxy:x",
        "http://proxy/path",
        "http://proxy/?query",
        "http://proxy/#fragment",
        "http://user:pa@ss@proxy",
        "http://user:pa/ss@proxy",
        "http://pro xy",
    ] {
        let error = load(url).expect_err(url);
        let hidden = if url.is_empty() { ", but is empty" } else { HIDDEN };
        assert_eq!(
            error.to_string(),
            format!("environment variable CLAUDE_TOWER__CLIENT__PROXY: {PROXY}{hidden}")
        );
        assert_eq!(url.parse::<Proxy>().unwrap_err().to_string(), PROXY);
    }
}

#[test]
fn upstreams_are_plain_http_urls() {
    let load = |value: &str| environment(None, &[("GATEWAY__UPSTREAM", value)]);
    for url in
        ["http://127.0.0.1:9", "https://api.anthropic.com", "https://host/some/path", "http://[::1]:1/"]
    {
        assert_eq!(load(url).unwrap().gateway.upstream, Some(url.parse().unwrap()));
    }
    for url in [
        "x",
        "/v1",
        "ws://host",
        "https://",
        "https://user@host",
        "https://host?q",
        "https://host#f",
        "http://h:0",
    ] {
        assert!(load(url).expect_err(url).has(Kind::InvalidValue), "{url}");
    }
}

#[test]
fn entries_of_no_proxy_can_match_something() {
    let load = |no: &str| environment(None, &[("CLIENT__PROXY", "http://p"), ("CLIENT__NO_PROXY", no)]);
    for no in ["", "*", "a.example", ".example, b", "10.0.0.1,10.0.0.0/8", "::1, fd00::/8", "bücher.example"]
    {
        assert_eq!(load(no).unwrap().client.no_proxy, no);
    }
    for no in [
        ",",
        "a,",
        "http://a",
        "a:80",
        "*.example",
        "10.0.0.0/33",
        "fd00::/129",
        "10.0.0.0/x",
        "[::1]",
        "a b",
        ".",
    ] {
        assert_eq!(
            load(no).expect_err(no).to_string(),
            "environment variable CLAUDE_TOWER__CLIENT__NO_PROXY: must be hosts, addresses or networks with commas \
             between them, without schemes and ports"
        );
    }
}

#[test]
fn values_set_in_code_are_checked_by_the_same_rules() {
    let mut config = Config::default();
    config.validate().unwrap();
    config.client.connect_timeout = Duration::ZERO;
    config.client.tls.client_key = Some("k".into());
    config.gateway.upstream = Some("ftp://host".parse().unwrap());
    config.retry.backoff_base = 9 * SECOND;
    config.retry.jitter = f64::NAN;
    let client = "client.connect_timeout: must be between 100ms and 10m, but is 0s\n\
                  client.tls.client_key: needs client.tls.client_cert as well: set both or neither";
    let gateway = format!("gateway.upstream: {UPSTREAM}");
    let retry = "retry.backoff_base: must not put retry.backoff_base (9s) above retry.backoff_max (8s)\n\
                 retry.jitter: must be between 0 and 1, but is NaN";
    assert_eq!(config.client.validate().unwrap_err().to_string(), client);
    assert_eq!(config.gateway.validate().unwrap_err().to_string(), gateway);
    assert_eq!(config.retry.validate().unwrap_err().to_string(), retry);
    assert_eq!(config.validate().unwrap_err().to_string(), format!("{client}\n{gateway}\n{retry}"));
}

#[test]
fn a_problem_can_be_taken_apart() {
    let error = Config::from_toml("\n  client.connect_timeout = '0s'", "some/f.toml").unwrap_err();
    let [problem] = error.problems() else { panic!("{error}") };
    assert_eq!(problem.kind(), Kind::OutOfRange);
    assert_eq!(problem.file(), Some(Path::new("some/f.toml")));
    assert_eq!((problem.line(), problem.column()), (Some(2), Some(10)));
    assert_eq!(problem.key(), Some("client.connect_timeout"));
    assert_eq!(problem.variable(), None);
    assert_eq!(problem.message(), "must be between 100ms and 10m, but is 0s");
    assert_eq!(error.omitted(), 0);
    assert!(error.source().is_none());
}

#[test]
fn a_hundred_problems_are_enough() {
    let text: String = (0..1_000).map(|i| format!("x{i} = 1\n")).collect();
    let error = file(&text).unwrap_err();
    assert_eq!((error.problems().len(), error.omitted()), (100, 900));
    let shown = error.to_string();
    assert!(shown.starts_with("f.toml:1:1: x0: unknown key"), "{shown}");
    assert!(shown.ends_with("\nand 900 more"), "{shown}");
}

#[test]
fn what_cannot_be_read_says_why() {
    let folder = written("a", b"").parent().unwrap().to_owned();
    let message = |path: &Path| {
        let error = Config::load(Some(path), []).unwrap_err();
        (error.to_string().replace(&path.display().to_string(), "PATH"), error.problems()[0].kind(), error)
    };

    let (text, kind, error) = message(&folder.join("missing.toml"));
    assert_eq!((text.as_str(), kind), ("PATH: there is no such file", Kind::Unreadable));
    assert!(error.source().unwrap().is::<std::io::Error>());
    let (text, kind, _) = message(&folder);
    assert_eq!((text.as_str(), kind), ("PATH: this is a folder, not a file", Kind::Unreadable));
    let (text, kind, _) = message(&written("large.toml", &vec![b'\n'; (1 << 20) + 1]));
    assert_eq!((text.as_str(), kind), ("PATH: the file is larger than 1MiB", Kind::Unreadable));
    assert!(Config::load(Some(&written("full.toml", &vec![b'\n'; 1 << 20])), []).is_ok());
    let (text, kind, _) = message(&written("latin1.toml", b"[client]\n# caf\xe9\n"));
    assert_eq!((text.as_str(), kind), ("PATH:2:6: the file is not UTF-8 text here", Kind::NotUtf8));
    let (text, kind, _) = message(&written("utf16.toml", b"\xff\xfe[\0c\0]\0"));
    assert_eq!((text.as_str(), kind), ("PATH:1:1: the file is UTF-16; save it as UTF-8", Kind::NotUtf8));
    let (text, kind, _) = message(&written("syntax.toml", b"[client]\n\n[gateway\n"));
    assert_eq!(
        (text.as_str(), kind),
        ("PATH:3:9: this is not TOML: unclosed table, expected `]`", Kind::Syntax)
    );
}

#[test]
fn byte_order_marks_and_carriage_returns_move_nothing() {
    let path = written("windows.toml", b"\xef\xbb\xbf[client]\r\nconnect_timeout = \"7s\"\r\n");
    assert_eq!(environment(Some(&path), &[]).unwrap().client.connect_timeout, 7 * SECOND);
    let error = file("\u{feff}x = 1\r\n\r\n[client]\r\nconnect_timeout = \"0s\"\r\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "f.toml:1:1: x: unknown key; known here: client, gateway, retry, secrets\n\
         f.toml:4:1: client.connect_timeout: must be between 100ms and 10m, but is 0s"
    );
    assert_eq!(
        file("[client]\rproxy = 'none'").unwrap_err().to_string(),
        "f.toml:1:10: this is not TOML: carriage return must be followed by newline, expected newline"
    );
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let text =
        b"[client.tls]\nextra_ca = ['a.pem', '/b.pem', '../c.pem']\nclient_cert = 'd'\nclient_key = '/e'\n";
    let path = written("paths.toml", text);
    let folder = path.parent().unwrap();
    let tls = Config::load(Some(&path), []).unwrap().client.tls;
    assert_eq!(tls.extra_ca, [folder.join("a.pem"), "/b.pem".into(), folder.join("../c.pem")]);
    assert_eq!(tls.client_cert, Some(folder.join("d")));
    assert_eq!(tls.client_key, Some("/e".into()));

    let tls = environment(Some(&path), &[("CLIENT__TLS__EXTRA_CA", "x.pem")]).unwrap().client.tls;
    assert_eq!(tls.extra_ca, [PathBuf::from("x.pem")]);
    let tls = file("client.tls.extra_ca = ['x.pem']").unwrap().client.tls;
    assert_eq!(tls.extra_ca, [PathBuf::from("x.pem")]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_is_no_utf8_needs_absolute_paths() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(OsStr::from_bytes(b"config-\xff"));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("f.toml");
    fs::write(&path, "client.tls.extra_ca = ['/a.pem']").unwrap();
    assert_eq!(Config::load(Some(&path), []).unwrap().client.tls.extra_ca, [PathBuf::from("/a.pem")]);
    fs::write(&path, "client.tls.extra_ca = ['a.pem']").unwrap();
    assert_eq!(
        Config::load(Some(&path), []).unwrap_err().problems()[0].message(),
        "must be an absolute path, because the name of the file's folder is not UTF-8"
    );
}

#[test]
fn no_secret_is_repeated() {
    let values = [
        "http://user:hunter2@host:1",
        "user:hunter2@host:1",
        "ftp://hunter2",
        "https://host/?key=hunter2",
        "sk-ant-api03-hunter2",
        "hunter2-and-some-more-to-make-it-long-enough",
    ];
    for key in Config::keys() {
        for value in values {
            let by_variable = environment(None, &[(&variable(&key), value)]);
            for text in [
                format!("{key} = '{value}'"),
                format!("{key} = ['{value}']"),
                format!("{key} = {{ x = '{value}' }}"),
                format!("{key} = '{value}"),
                format!("{key} = {value}"),
                format!("{key} = '{value}'\n{key} = '{value}'"),
            ] {
                if let Err(error) = file(&text) {
                    assert!(!format!("{error} {error:?} {error:#?}").contains("hunter2"), "{text}\n{error}");
                }
            }
            match by_variable {
                Err(error) => assert!(!format!("{error} {error:?}").contains("hunter2"), "{key}\n{error}"),
                Ok(config) if key == "client.proxy" => {
                    assert!(!format!("{config:?} {config:#?}").contains("hunter2"), "{config:?}");
                }
                Ok(_) => {}
            }
        }
    }
    // The password is there for the client alone, and a value set in code is no exception.
    let mut config = environment(None, &[("CLIENT__PROXY", values[0])]).unwrap();
    config.gateway.upstream = Some(values[0].parse().unwrap());
    let Proxy::Url(url) = &config.client.proxy else { panic!("{config:?}") };
    assert_eq!(url.expose().to_string(), "http://user:hunter2@host:1/");
    let shown = format!("{config:?}");
    assert!(shown.contains("http://***@host:1/") && !shown.contains("hunter2"), "{shown}");
    // Nor a key that was pasted where a name belongs.
    let error = file("sk-ant-api03-hunter2 = 1").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
}

#[test]
fn the_reference_file_is_the_defaults() {
    let config = Config::from_toml(Config::reference(), "claude-tower.reference.toml").unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(file("").unwrap(), Config::default());
    assert_eq!(Config::load(None, []).unwrap(), Config::default());
}

#[test]
fn the_reference_file_has_every_key_and_no_other() {
    let mut uncommented = String::new();
    let mut optional = Vec::new();
    let mut before = "";
    for line in Config::reference().lines() {
        if let Some(table) = line.strip_prefix("# ").filter(|line| line.starts_with("[[")) {
            uncommented.push_str(table);
            uncommented.push('\n');
            before = line;
            continue;
        }
        let setting = line.strip_prefix("# ").filter(|line| is_setting(line));
        if setting.is_some() || is_setting(line) {
            assert!(before.starts_with("# ") && !is_setting(&before[2..]), "no explanation above: {line}");
        }
        optional.extend(setting.and_then(|line| line.split(' ').next()));
        uncommented.push_str(setting.unwrap_or(line));
        uncommented.push('\n');
        before = line;
    }
    let of_clients = ["name", "token_sha256", "environment", "line", "user"];
    let others = ["client_cert", "client_key", "upstream", "timeout", "retry_count_header"];
    let of_keys = [
        "name",
        "env",
        "file",
        "aws",
        "vault",
        "stage",
        "version_id",
        "mount",
        "kv_version",
        "version",
        "field",
        "lines",
        "environment",
        "weight",
        "limit_group",
        "origins",
        "scheme",
    ];
    let of_aws = ["region", "profile", "endpoint"];
    let of_vault = [
        "address",
        "namespace",
        "ca_file",
        "token_env",
        "token_file",
        "role_id",
        "secret_id_env",
        "secret_id_file",
        "kubernetes_role",
        "jwt_role",
        "jwt_env",
        "jwt_file",
        "auth_mount",
    ];
    let expected =
        [&others[..3], &of_clients, &others[3..], &["environment", "ttl"], &of_keys, &of_aws, &of_vault]
            .concat();
    assert_eq!(optional, expected);
    // Of what is set one instead of the other, all together is a mistake, and each is read all the same.
    let error = file(&uncommented).unwrap_err();
    let only_conflicts = error.problems().iter().all(|problem| {
        let message = problem.message();
        message.starts_with("must be the only ") || message.starts_with("is not built in")
    });
    assert!(only_conflicts, "{error}");

    let table: toml::Table = uncommented.parse().unwrap();
    let mut found = BTreeSet::new();
    collect_keys("", &table, &mut found);
    assert_eq!(found, Config::keys().into_iter().collect());
}

fn is_setting(line: &str) -> bool {
    let is_key = |key: &str| key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    line.split_once(" = ").is_some_and(|(key, _)| is_key(key))
}

fn collect_keys(prefix: &str, table: &toml::Table, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => collect_keys(&format!("{prefix}{key}."), inner, keys),
            toml::Value::Array(list) if list.first().is_some_and(toml::Value::is_table) => {
                for table in list {
                    collect_keys(&format!("{prefix}{key}[]."), table.as_table().unwrap(), keys);
                }
            }
            _ => assert!(keys.insert(format!("{prefix}{key}"))),
        }
    }
}

/// The environment of a process cannot be changed under other threads, so this test runs itself in a second one.
#[test]
#[cfg(unix)]
fn the_environment_of_the_process_is_read() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, process::Command};

    const CHILD: &str = "CONFIG_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        match Config::load_with_process_environment(None) {
            Ok(config) => println!("\n<{:?}>", config.client.connect_timeout),
            Err(error) => println!("\n<{error}>"),
        }
        return;
    }
    let child = |name: &[u8], value: &[u8]| {
        let output = Command::new(std::env::current_exe().unwrap())
            .env_clear()
            .args(["--exact", "the_environment_of_the_process_is_read", "--nocapture"])
            .env(CHILD, "1")
            .env(OsStr::from_bytes(name), OsStr::from_bytes(value))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix('<')?.strip_suffix('>'));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    assert_eq!(child(b"CLAUDE_TOWER__CLIENT__CONNECT_TIMEOUT", b"7s"), "7s");
    assert_eq!(child(b"OTHER", b"\xff"), "5s");
    assert_eq!(
        child(b"CLAUDE_TOWER__CLIENT__CONNECT_TIMEOUT", b"7\xff"),
        "environment variable CLAUDE_TOWER__CLIENT__CONNECT_TIMEOUT: its name or its value is not UTF-8 text"
    );
    assert!(child(b"CLAUDE_TOWER__\xff", b"7s").ends_with("its name or its value is not UTF-8 text"));
}

/// Nothing panics, and every problem is one line that says where and what.
fn check_outcome(outcome: &Result<Config, ConfigError>) {
    match outcome {
        Ok(config) => config.validate().unwrap(),
        Err(error) => {
            assert!(!error.problems().is_empty());
            for problem in error.problems() {
                let line = problem.to_string();
                assert!(!line.contains(char::is_control), "{line:?}");
                assert!(!problem.message().is_empty(), "{line:?}");
                assert!(problem.line().is_some() || problem.variable().is_some(), "{line:?}");
            }
        }
    }
}

/// Text that is nearly a configuration.
fn almost_toml() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        proptest::sample::select(Config::keys()),
        proptest::sample::select(vec![
            "[client]",
            "[client.tls]",
            "[[gateway]]",
            "[[gateway.clients]]",
            "gateway.clients",
            "x",
            "client",
            "'é\\n'",
        ])
        .prop_map(str::to_owned),
    ];
    let value = prop_oneof![
        "[0-9]{0,25}(ms|s|m|h|MiB|\\.5|e9)?".prop_map(|text| format!("'{text}'")),
        "-?(0x|0b)?[0-9]{0,40}",
        "\\PC{0,20}",
        "[\\[\\]{}'\",= \n\r\ta-c0-9]{0,30}",
        proptest::sample::select(vec![
            "true",
            "nan",
            "-inf",
            "1e400",
            "2026-11-22",
            "['a', 1]",
            "{ a = { b = 1 } }",
            "[{}]",
            "[{ name = 'a' }, { name = 5, x = [] }]",
        ])
        .prop_map(str::to_owned),
        "(http|https|socks5|ftp)://\\PC{0,20}".prop_map(|text| format!("'{text}'")),
    ];
    let line = (key, value).prop_map(|(key, value)| format!("{key} = {value}\n"));
    proptest::collection::vec(prop_oneof![line, "\\PC{0,20}\n", Just("[client]\n".to_owned())], 0..8)
        .prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "(?s).{0,300}") {
        check_outcome(&file(&text));
    }

    #[test]
    fn no_text_like_toml_panics(text in almost_toml()) {
        check_outcome(&file(&text));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        check_outcome(&file(&text));
    }

    #[test]
    fn no_variable_panics(
        key in prop_oneof![proptest::sample::select(Config::keys()).prop_map(|key| variable(&key)), "(?s).{0,30}"],
        value in "(?s).{0,60}|[\\[{][\\]}'\",= a-c0-9]{0,30}|[a-z]{0,6}://\\PC{0,30}",
    ) {
        check_outcome(&environment(None, &[(&key, &value)]));
    }
}
