//! `[[gateway.clients]]` and `gateway.allow_open`: who may call, and that nobody is let in by oversight.

#![allow(clippy::unwrap_used, reason = "tests, their helpers too")]

use claude_tower::config::{Config, ConfigError, ConfigProblemKind as Kind, GatewayClient};
use claude_tower::secrets::SecretString;
use claude_tower::secrets::door::{MAX_TOKENS, NotAdmittedReason, TokenHash};
use http::{HeaderMap, HeaderValue};

fn file(text: &str) -> Result<Config, ConfigError> {
    Config::from_toml(text, "f.toml")
}

fn variable(name: &str, value: &str) -> Result<Config, ConfigError> {
    Config::load(None, [(format!("CLAUDE_TOWER__GATEWAY__{name}"), value.to_owned())])
}

fn hash(token: &str) -> String {
    TokenHash::of(&SecretString::from(token)).to_text()
}

#[test]
fn the_door_of_a_configuration_lets_its_clients_in() {
    let text = format!(
        "[[gateway.clients]]\nname = 'chat'\ntoken_sha256 = '{}'\n\
         [[gateway.clients]]\nname = 'reports'\nline = 'research'\nenvironment = 'prod'\nuser = 'kiosk-7'\n\
         token_sha256 = ['{}', '{}']\n",
        hash("one"),
        hash("two"),
        hash("three"),
    );
    let inline = format!(
        "[{{ name = 'chat', token_sha256 = '{}' }}, {{ name = 'reports', line = 'research', environment = 'prod', user = \
         'kiosk-7', token_sha256 = ['{}', '{}'] }}]",
        hash("one"),
        hash("two"),
        hash("three"),
    );
    for config in [file(&text).unwrap(), variable("CLIENTS", &inline).unwrap()] {
        let door = config.gateway.door().unwrap().unwrap();
        let admit = |token| {
            let mut headers =
                HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static(token))]);
            door.admit(&mut headers)
        };
        assert_eq!(admit("Bearer one").unwrap().client(), "chat");
        for token in ["Bearer two", "Bearer three"] {
            let (client, caller) = admit(token).unwrap().into_parts();
            let parts = [caller.environment, caller.line, caller.user].map(Option::unwrap);
            assert_eq!(&*client, "reports");
            assert_eq!(parts.each_ref().map(|part| &**part), ["prod", "research", "kiosk-7"]);
        }
        assert_eq!(admit("Bearer four").unwrap_err().reason(), NotAdmittedReason::Unknown);
    }
}

#[test]
fn without_clients_there_is_no_door() {
    assert!(Config::default().gateway.door().unwrap().is_none());
    let both = [("CLIENTS", ""), ("ALLOW_OPEN", "true")];
    let both = both.map(|(name, value)| (format!("CLAUDE_TOWER__GATEWAY__{name}"), value.to_owned()));
    assert!(Config::load(None, both).unwrap().gateway.door().unwrap().is_none());
}

/// An empty list would take the door away from a gateway that has its own keys.
#[test]
fn a_list_of_clients_that_is_empty_is_no_list() {
    let message = "must not be empty, for then anyone may call: name who may, leave it out, or set gateway.allow_open = true";
    for empty in ["", "[]"] {
        let error = variable("CLIENTS", empty).unwrap_err();
        let place = "environment variable CLAUDE_TOWER__GATEWAY__CLIENTS";
        assert_eq!(error.to_string(), format!("{place}: {message}"), "{empty}");
        assert!(error.has(Kind::Conflict));
    }
    let text = "[gateway]\nclients = []";
    assert_eq!(file(text).unwrap_err().to_string(), format!("f.toml:2:1: gateway.clients: {message}"));
    assert!(file(&format!("{text}\nallow_open = true")).is_ok());
    // A variable that is empty stands over the clients of the file.
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("emptied-clients.toml");
    std::fs::write(&path, format!("[[gateway.clients]]\nname = 'a'\ntoken_sha256 = '{}'", hash("one")))
        .unwrap();
    let empty = || [("CLAUDE_TOWER__GATEWAY__CLIENTS".to_owned(), String::new())];
    assert!(Config::load(Some(&path), empty()).unwrap_err().to_string().contains(message));
    assert!(Config::load(Some(&path), []).is_ok());
}

const NAME: &str = "must be 1 to 128 letters, digits and _ - . : / @";
const TOKENS: &str =
    "must be the hash of a token, written sha256: and 64 hexadecimal digits, or a list of such";
const HIDDEN: &str = " (the value is not shown: it may be a secret)";

#[test]
fn what_is_wrong_with_a_client_is_said_where_it_is() {
    let [one, two] = [hash("one"), hash("two")];
    let table: &[(String, Kind, &[String])] = &[
        (
            "[[gateway.clients]]\n\n[[gateway.clients]]\nname = 'a'\n".to_owned(),
            Kind::OutOfRange,
            &[
                format!("f.toml:1:1: gateway.clients[0].name: {NAME}, and not none"),
                format!("f.toml:1:1: gateway.clients[0].token_sha256: {TOKENS}"),
                format!("f.toml:3:1: gateway.clients[1].token_sha256: {TOKENS}"),
            ],
        ),
        (
            format!("[[gateway.clients]]\nname = 'a'\ntoken_sha256 = '{one}'\n[[gateway.clients]]\nname = 'b'\ntoken_sha256 = 'sha256:hunter2'"),
            Kind::InvalidValue,
            &[format!("f.toml:6:1: gateway.clients[1].token_sha256: {TOKENS}{HIDDEN}")],
        ),
        (
            format!("gateway.clients = [\n  {{ name = 'a', token_sha256 = ['{one}',\n  'hunter2'] }},\n]"),
            Kind::InvalidValue,
            &[format!("f.toml:3:3: gateway.clients[0].token_sha256[1]: {}{HIDDEN}", &TOKENS[..TOKENS.len() - 19])],
        ),
        (
            "[[gateway.clients]]\nname = 'a'\ntoken_sha256 = 5".to_owned(),
            Kind::InvalidValue,
            &[format!("f.toml:3:1: gateway.clients[0].token_sha256: {TOKENS}, but is a number")],
        ),
        (
            format!("[[gateway.clients]]\nname = 'two words'\ntoken_sha256 = '{one}'\nline = ''\nuser = 'a b'\nenvironment = 5\n"),
            Kind::OutOfRange,
            &[
                format!("f.toml:2:1: gateway.clients[0].name: {NAME}, and not none"),
                format!("f.toml:4:1: gateway.clients[0].line: {NAME}"),
                format!("f.toml:5:1: gateway.clients[0].user: {NAME}"),
                "f.toml:6:1: gateway.clients[0].environment: must be text, but is a number".to_owned(),
            ],
        ),
        (
            format!("[[gateway.clients]]\nname = 'none'\ntoken = '{one}'\n"),
            Kind::UnknownKey,
            &[
                format!("f.toml:1:1: gateway.clients[0].token_sha256: {TOKENS}"),
                format!("f.toml:2:1: gateway.clients[0].name: {NAME}, and not none"),
                "f.toml:3:1: gateway.clients[0].token: unknown key; known here: name, token_sha256, environment, line, user"
                    .to_owned(),
            ],
        ),
        (
            format!("[[gateway.clients]]\nname = 'a'\ntoken_sha256 = '{one}'\n[[gateway.clients]]\nname = 'a'\ntoken_sha256 = ['{two}', '{one}', '{two}']"),
            Kind::Conflict,
            &[
                "f.toml:5:1: gateway.clients[1].name: is the name of gateway.clients[0] as well".to_owned(),
                "f.toml:6:1: gateway.clients[1].token_sha256: has a token that gateway.clients[0] has already".to_owned(),
                "f.toml:6:1: gateway.clients[1].token_sha256: has a token that gateway.clients[1] has already".to_owned(),
            ],
        ),
        (
            "[gateway.clients]\nname = 'a'".to_owned(),
            Kind::InvalidValue,
            &["f.toml:1:10: gateway.clients: must be a list of tables, written [[gateway.clients]] each, but is a table"
                .to_owned()],
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
fn a_client_in_a_variable_is_named_by_its_number() {
    let error =
        variable("CLIENTS", "[{ name = 'a', token_sha256 = 'sha256:0' }, { nme = 'b' }]").unwrap_err();
    let expected = [
        "gateway.clients[1].nme: unknown key; did you mean gateway.clients[1].name?".to_owned(),
        format!("gateway.clients[0].token_sha256: {TOKENS}{HIDDEN}"),
        format!("gateway.clients[1].name: {NAME}, and not none"),
        format!("gateway.clients[1].token_sha256: {TOKENS}"),
    ];
    let expected =
        expected.map(|line| format!("environment variable CLAUDE_TOWER__GATEWAY__CLIENTS: {line}"));
    assert_eq!(error.to_string(), expected.join("\n"));
    assert_eq!(error.problems()[1].key(), Some("gateway.clients[0].token_sha256"));
    assert_eq!(
        variable("CLIENTS__NAME", "a").unwrap_err().to_string(),
        "environment variable CLAUDE_TOWER__GATEWAY__CLIENTS__NAME: gateway.clients is a list of tables, and no variable \
         sets a part of one; set the whole list in CLAUDE_TOWER__GATEWAY__CLIENTS, as TOML, or the part in the file"
    );
}

#[test]
fn the_list_is_as_long_as_the_door_allows() {
    let client = |name: String, tokens: std::ops::Range<usize>| {
        let mut client = GatewayClient::default();
        client.name = name;
        client.token_sha256 = tokens.map(|token| hash(&token.to_string()).parse().unwrap()).collect();
        client
    };
    let mut gateway = Config::default().gateway;
    gateway.clients = vec![client("a".to_owned(), 0..1), client("b".to_owned(), 1..MAX_TOKENS)];
    assert!(gateway.door().unwrap().is_some());
    gateway.clients.push(client("c".to_owned(), MAX_TOKENS..MAX_TOKENS + 1));
    let expected = "gateway.clients: must have no more than 4096 tokens in all, but have 4097";
    assert_eq!(gateway.validate().unwrap_err().to_string(), expected);
    assert_eq!(gateway.door().unwrap_err().to_string(), expected);
}

#[test]
fn a_gateway_that_others_reach_has_clients_or_says_that_it_is_open() {
    let client = format!("[[gateway.clients]]\nname = 'a'\ntoken_sha256 = '{}'\n", hash("one"));
    for listen in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[::ffff:10.0.0.1]:80", "[2001:db8::1]:0"] {
        let text = format!("gateway.listen = '{listen}'\n");
        let error = file(&text).expect_err(listen);
        let message = format!(
            "gateway.listen: must be an address of this machine alone, such as 127.0.0.1:8080, but is {listen}, where anyone \
             may call: name who may in [[gateway.clients]], or set gateway.allow_open = true"
        );
        assert_eq!(error.to_string(), format!("f.toml:1:9: {message}"));
        assert!(error.has(Kind::Conflict));
        assert!(file(&format!("{text}gateway.allow_open = true")).is_ok(), "{listen}");
        assert!(file(&format!("{text}{client}")).is_ok(), "{listen}");
        // The same for what is set in code, as a command line does.
        let mut gateway = Config::default().gateway;
        gateway.listen = listen.parse().unwrap();
        assert_eq!(gateway.validate().unwrap_err().to_string(), message);
        // Clients that cannot be read are no reason to speak of none.
        let error = file(&format!("{text}gateway.clients = 5")).unwrap_err();
        assert_eq!(error.problems().len(), 1, "{error}");
    }
    for listen in ["127.0.0.1:80", "127.8.8.8:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert!(file(&format!("gateway.listen = '{listen}'")).is_ok(), "{listen}");
    }
    assert!(variable("LISTEN", "0.0.0.0:80").is_err());
}

#[test]
fn a_configuration_shows_who_and_not_how() {
    let text =
        format!("[[gateway.clients]]\nname = 'a'\nline = 'research'\ntoken_sha256 = '{}'\n", hash("one"));
    let shown = format!("{:?}", file(&text).unwrap());
    assert!(shown.contains("research") && !shown.contains(&hash("one")[7..15]), "{shown}");
}
