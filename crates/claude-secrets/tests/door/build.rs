//! Which doors can be built.

use std::sync::Arc;

use claude_secrets::door::{Client, Door, DoorError, MAX_TOKENS};

use crate::support::{CANARY, CHAT, REPORTS, chat, door, hash, headers, reports};

fn error(clients: impl IntoIterator<Item = Client>) -> DoorError {
    let error = Door::new(clients).unwrap_err();
    let words = format!("{error} {error:?}");
    assert!(!words.contains(CANARY), "{words}");
    error
}

#[test]
fn two_clients_need_two_names() {
    let other = Client::new("chat").with_token(hash("another-canary"));
    assert_eq!(error([chat(), other]), DoorError::SameName { name: Arc::from("chat") });
}

#[test]
fn a_token_belongs_to_one_client_once() {
    let thief = Client::new("thief").with_token(hash("another-canary")).with_token(hash(CHAT));
    let [chat_name, thief_name, reports_name] = ["chat", "thief", "reports"].map(Arc::from);
    let expected = DoorError::SameToken { first: chat_name, second: thief_name };
    assert_eq!(error([chat(), reports(), thief]), expected);
    let expected = DoorError::SameToken { first: Arc::clone(&reports_name), second: reports_name };
    assert_eq!(error([reports().with_token(hash(REPORTS))]), expected);
}

#[test]
fn a_client_without_a_token_is_a_mistake() {
    assert_eq!(error([Client::new("lost")]), DoorError::NoToken { client: Arc::from("lost") });
}

#[test]
fn a_name_can_stand_in_a_log() {
    for name in ["", "two words", "a\nb", "none", "ctk_0123-canary", "sk-ant-api03-canary", &"x".repeat(129)]
    {
        let clients = [chat(), Client::new(name).with_token(hash("another-canary"))];
        assert_eq!(error(clients), DoorError::Name { index: 1 }, "{name}");
    }
}

#[test]
fn there_is_a_limit_to_the_tokens() {
    let clients = |count: usize| {
        (0..count / 2).map(|index| {
            let client = Client::new(format!("client-{index}"));
            client.with_token(hash(&format!("{index}-a"))).with_token(hash(&format!("{index}-b")))
        })
    };
    let full = Door::new(clients(MAX_TOKENS)).unwrap();
    let last = format!("{}-b", MAX_TOKENS / 2 - 1);
    let admitted = full.admit(&mut headers([("x-api-key", &last)])).unwrap();
    assert_eq!(admitted.client(), "client-2047");
    let count = MAX_TOKENS + 2;
    assert_eq!(error(clients(count)), DoorError::TooManyTokens { count });
}

#[test]
fn a_door_without_clients_is_shut() {
    let door = Door::new([]).unwrap();
    assert!(door.admit(&mut headers([("x-api-key", CHAT)])).is_err());
}

#[test]
fn a_door_shows_names_and_no_hashes() {
    assert_eq!(format!("{:?}", door()), r#"Door { clients: ["chat", "reports"], tokens: 3 }"#);
    let shown = format!("{:?} {:#?}", chat(), reports());
    let text = hash(CHAT).to_text();
    assert!(!shown.contains(&text["sha256:".len()..][..8]), "{shown}");
}
