//! What the sections of a gateway's configuration must be together, and what its command line sets.

#![allow(clippy::unwrap_used, reason = "tests, their helpers too")]

use std::path::PathBuf;

use claude_tower::config::{Config, ConfigError, ConfigProblemKind as Kind, Loader};
use claude_tower::secrets::door::TokenHash;
use claude_tower::secrets::{SecretString, SecretsError, SecretsErrorKind};
use claude_tower::wire::call::Caller;
use claude_tower::wire::{Body, BoxError};
use tower::{Layer, ServiceExt};

/// A file of this text, removed at the end.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gateway-{}-{number}.toml", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// As the gateway loads it; the file's name is `FILE` in errors.
fn gateway(text: &str) -> Result<Config, String> {
    let file = File::new(text);
    let named = |error: ConfigError| error.to_string().replace(&file.0.display().to_string(), "FILE");
    Loader::new().with_file(&file.0).load_gateway().map_err(named)
}

fn client(name: &str, lines: &str) -> String {
    let hash = TokenHash::of(&SecretString::from(name)).to_text();
    format!("[[gateway.clients]]\nname = '{name}'\ntoken_sha256 = '{hash}'\n{lines}\n")
}

fn key(name: &str, lines: &str) -> String {
    format!("[[secrets.keys]]\nname = '{name}'\nenv = 'NO_SUCH_KEY'\n{lines}\n")
}

#[test]
fn clients_need_a_key_or_an_upstream() {
    let clients = client("a", "");
    let message = "need a key, since their tokens end here: name one in [[secrets.keys]], with env = \"ANTHROPIC_API_KEY\" for \
                   that of the environment, or set gateway.upstream to what needs none";
    assert_eq!(gateway(&clients).unwrap_err(), format!("FILE:1:11: gateway.clients: {message}"));
    assert!(gateway(&format!("{clients}{}", key("k", ""))).is_ok());
    let with_upstream = gateway(&format!("gateway.upstream = 'http://127.0.0.1:1'\n{clients}")).unwrap();
    let expected = ["the requests of clients go on without a key: there is none in [[secrets.keys]]"];
    assert_eq!(with_upstream.gateway_warnings(), expected);
    // Who has keys from elsewhere may have clients alone.
    let config = Config::from_toml(&clients, "f.toml").unwrap();
    let error = config.validate_gateway().unwrap_err();
    assert_eq!(error.to_string(), format!("gateway.clients: {message}"));
    assert!(error.has(Kind::Conflict));
}

#[test]
fn keys_that_were_emptied_lead_to_no_simulator() {
    let emptied = |upstream: &str| {
        let environment = [("KEYS", ""), ("UPSTREAM", upstream)];
        let [keys, upstream] = environment;
        Loader::new()
            .with_environment([
                (format!("CLAUDE_TOWER__SECRETS__{}", keys.0), keys.1.to_owned()),
                (format!("CLAUDE_TOWER__GATEWAY__{}", upstream.0), upstream.1.to_owned()),
            ])
            .load_gateway()
    };
    assert_eq!(
        emptied("").unwrap_err().to_string(),
        "environment variable CLAUDE_TOWER__SECRETS__KEYS: must not be empty, unless gateway.upstream says what is called then: \
         leave it out to have none"
    );
    assert!(emptied("http://127.0.0.1:1").is_ok());
}

#[test]
fn keys_may_go_to_the_api_if_that_is_called() {
    let text = key("k", "origins = ['http://127.0.0.1:8081']");
    assert_eq!(
        gateway(&text).unwrap_err(),
        "FILE:4:1: secrets.keys[0].origins: must go together: secrets.keys[0].origins has to name https://api.anthropic.com, \
         which is called, since gateway.upstream is not set"
    );
    assert!(gateway(&format!("gateway.upstream = 'http://127.0.0.1:8081'\n{text}")).is_ok());
    // Who sends requests elsewhere needs no gateway for it.
    assert!(Config::from_toml(&text, "f.toml").is_ok());
}

#[test]
fn what_requests_carry_ends_at_the_door() {
    for existing in ["keep", "refuse"] {
        let text = format!("secrets.existing = '{existing}'\n{}", key("k", ""));
        assert!(gateway(&text).is_ok());
        assert_eq!(
            gateway(&format!("{text}{}", client("a", ""))).unwrap_err(),
            "FILE:1:9: secrets.existing: has no effect behind [[gateway.clients]]: what their requests carry ends at the door"
        );
    }
}

#[test]
fn each_client_gets_a_key() {
    let refused = "the calls of this client would be refused";
    for (top, clients, keys, expected) in [
        ("", client("a", ""), key("k", ""), None),
        ("", client("a", "line = 'x'"), key("k", "lines = ['x']"), None),
        ("", client("a", "line = 'x'"), key("k", "lines = ['y']") + &key("l", ""), None),
        ("", client("a", "environment = 'test'"), key("k", "environment = 'test'"), None),
        ("secrets.environment = 'prod'", client("a", "environment = 'prod'"), key("k", "environment = 'prod'"), None),
        ("secrets.environment = 'prod'", client("a", ""), key("k", "environment = 'prod'"), None),
        (
            "secrets.environment = 'prod'",
            client("a", "environment = 'test'"),
            key("k", ""),
            Some(format!("FILE:5:1: gateway.clients[0].environment: must be prod, as secrets.environment is: {refused}")),
        ),
        (
            "",
            client("a", "environment = 'test'"),
            key("k", "environment = 'prod'"),
            Some(format!(
                "FILE:5:1: gateway.clients[0].environment: must be that of a key in [[secrets.keys]]: {refused}"
            )),
        ),
        (
            "",
            client("b", "line = 'x'") + &client("a", "line = 'researhc'"),
            "secrets.strict_lines = true\n".to_owned() + &key("k", "lines = ['research', 'x']") + &key("l", ""),
            Some(format!("FILE:9:1: gateway.clients[1].line: must be that of a key in [[secrets.keys]]: {refused}")),
        ),
        (
            "",
            client("a", ""),
            key("k", "lines = ['x']"),
            Some(format!("FILE:2:1: gateway.clients[0].line: must be that of a key in [[secrets.keys]]: {refused}")),
        ),
        (
            "",
            String::new(),
            key("k", "lines = ['x']"),
            Some(
                "FILE:2:11: secrets.keys: must have one for all: each is for a line or an environment, and without \
                 [[gateway.clients]] no call is of one"
                    .to_owned(),
            ),
        ),
    ] {
        // What belongs to no table stands first.
        let (policy, keys) = match keys.strip_prefix("secrets.strict_lines = true\n") {
            Some(keys) => ("secrets.strict_lines = true", keys),
            None => (top, &*keys),
        };
        let text = format!("{policy}\n{clients}{keys}");
        assert_eq!(gateway(&text).err(), expected, "{text}");
    }
}

/// What is said beforehand is what the ring does: all keys, clients and policies of two lines and two environments.
#[tokio::test]
async fn a_client_is_refused_here_if_the_ring_would_refuse_it() {
    let words =
        |key: &str, value: Option<&str>| value.map_or(String::new(), |value| format!("{key} = {value}\n"));
    let (environments, lines) = ([None, Some("'prod'"), Some("'test'")], [None, Some("'x'"), Some("'y'")]);
    let (mut good, mut bad) = (0, 0);
    for own in environments {
        for strict in ["true", "false"] {
            for (of_first, for_first) in
                [(None, Some("['x']")), (Some("'prod'"), Some("['x']")), (Some("'prod'"), None)]
            {
                for (of_second, for_second) in
                    [(None, None), (Some("'test'"), Some("['y']")), (Some("'prod'"), Some("['y']"))]
                {
                    let keys = format!(
                        "[secrets]\nstrict_lines = {strict}\n{}{}{}",
                        words("environment", own),
                        key("a", &(words("environment", of_first) + &words("lines", for_first))),
                        key("b", &(words("environment", of_second) + &words("lines", for_second)))
                    );
                    if Config::from_toml(&keys, "f.toml").is_err() {
                        // No key is of this stack: that is said already.
                        continue;
                    }
                    for environment in environments {
                        for line in lines {
                            let of_client = words("environment", environment) + &words("line", line);
                            let expected = gateway(&format!("{}{keys}", client("c", &of_client)));
                            let refused = is_refused(&keys, environment, line).await;
                            assert_eq!(expected.is_err(), refused, "{of_client}{keys}\n{expected:?}");
                            *(if refused { &mut bad } else { &mut good }) += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(good > 50 && bad > 50, "{good} {bad}");
}

/// Whether the ring has no key for a caller, whatever its source may have.
async fn is_refused(keys: &str, environment: Option<&str>, line: Option<&str>) -> bool {
    let layer = Config::from_toml(keys, "f.toml").unwrap().secrets.layer().unwrap().unwrap();
    let service = tower::service_fn(async |_: http::Request<Body>| {
        Ok::<_, BoxError>(http::Response::new(Body::empty()))
    });
    let mut caller = Caller::new();
    caller.environment = environment.map(|name| name.trim_matches('\'').into());
    caller.line = line.map(|name| name.trim_matches('\'').into());
    let mut request =
        http::Request::post("https://api.anthropic.com/v1/messages").body(Body::empty()).unwrap();
    request.extensions_mut().insert(caller);
    // There is no such variable.
    let error = layer.layer(service).oneshot(request).await.unwrap_err();
    match SecretsError::find(&*error).unwrap().kind() {
        SecretsErrorKind::NoKey(_) => false,
        SecretsErrorKind::UnmappedLine | SecretsErrorKind::WrongEnvironment => true,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_should_be_known_is_said() {
    let warnings = |text: &str| gateway(text).unwrap().gateway_warnings();
    assert_eq!(warnings(""), [""; 0]);
    assert_eq!(warnings(&(client("a", "") + &key("k", ""))), [""; 0]);
    assert_eq!(
        warnings(&key("k", "")),
        [
            "whoever reaches 127.0.0.1:8080 spends the keys of [[secrets.keys]]: name who may call in [[gateway.clients]]"
        ]
    );
    assert_eq!(
        warnings("gateway.listen = '0.0.0.0:1'\ngateway.allow_open = true"),
        ["whoever reaches 0.0.0.0:1 may call (gateway.allow_open)"]
    );
    let clients = client("a", "line = 'x'") + &client("b", "line = 'y'") + &client("c", "line = 'x'");
    assert_eq!(
        warnings(&(clients + &key("k", "lines = ['y']") + &key("l", ""))),
        ["no key is for the line x: its clients use those that are for all"]
    );
}

#[test]
fn an_argument_stands_over_everything() {
    let file = File::new("gateway.listen = '0.0.0.0:80'\n");
    let loader = || {
        Loader::new()
            .with_file(&file.0)
            .with_environment([("CLAUDE_TOWER__GATEWAY__LISTEN".to_owned(), "nonsense".to_owned())])
    };
    assert!(loader().load().is_err());
    let config = loader().with_argument("--listen", "gateway.listen", "127.0.0.1:81").load().unwrap();
    assert_eq!(config.gateway.listen.port(), 81);
    for (key, value, expected) in [
        (
            "gateway.listen",
            "nowhere",
            "argument --listen: must be an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080, but is \"nowhere\"",
        ),
        (
            "gateway.listen",
            "0.0.0.0:81",
            "argument --listen: must be an address of this machine alone, such as 127.0.0.1:8080, but is 0.0.0.0:81, where anyone \
             may call: name who may in [[gateway.clients]], or set gateway.allow_open = true",
        ),
        ("gateway.lisen", "127.0.0.1:81", "argument --listen: sets what is no key"),
        ("gateway.clients", "[]", "argument --listen: sets what is no key"),
        (
            "gateway.listen",
            "sk-ant-api03-canary",
            "argument --listen: an API key stands here; write where it is kept instead: env = \"NAME\", file = \"path\", aws = \
             \"id\" or vault = \"path\" in [[secrets.keys]]",
        ),
    ] {
        let error = Loader::new().with_argument("--listen", key, value).load().unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.problems()[0].argument(), Some("--listen"));
    }
}
