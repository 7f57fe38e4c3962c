//! `[[gateway.clients]]`: who may call the gateway.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};

use claude_secrets::door::{Client, MAX_TOKENS, TokenHash};
use claude_wire::{call::Caller, shown};
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

use super::super::{
    check::{Check, Validate},
    text,
};

const TOKEN: &str = "the hash of a token, written sha256: and 64 hexadecimal digits";
const TOKENS: &str = "the hash of a token, written sha256: and 64 hexadecimal digits, or a list of such";

/// `[[gateway.clients]]`: somebody who may call the gateway, with tokens of the gateway's own.
///
/// | key | default | |
/// | --- | --- | --- |
/// | `name` | must be set | 1 to 128 letters, digits and `_ - . : / @`; another for each client |
/// | `token_sha256` | must be set | `sha256:` and 64 hexadecimal digits, or a list of such while a token is rotated |
/// | `environment`, `line`, `user` | not set | names as above: on whose behalf the calls are made |
///
/// The client's program is given the gateway's address and the token, in place of the API's and its key. A token and its hash
/// are made by [`generate_token`](claude_secrets::door::generate_token) and [`TokenHash::of`], or by the gateway with
/// `--new-token`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GatewayClient {
    /// The name, in logs and as a label of a metric.
    pub name: String,
    /// The SHA-256 of each token that admits the client.
    #[serde(deserialize_with = "tokens")]
    pub token_sha256: Vec<TokenHash>,
    /// The environment of the client's calls, such as `prod` or `test`.
    pub environment: Option<String>,
    /// The line of business or the team that they are made for.
    pub line: Option<String>,
    /// The single user or tenant within the line.
    pub user: Option<String>,
}

impl GatewayClient {
    pub(super) fn at_the_door(&self) -> Client {
        let mut caller = Caller::new();
        caller.environment = self.environment.as_deref().map(Into::into);
        caller.line = self.line.as_deref().map(Into::into);
        caller.user = self.user.as_deref().map(Into::into);
        let client = Client::new(self.name.as_str()).with_caller(caller);
        self.token_sha256.iter().fold(client, |client, token| client.with_token(*token))
    }
}

impl Validate for GatewayClient {
    fn check(&self, check: &mut Check<'_>) {
        let is_name = Client::is_name(&self.name);
        check.require(is_name, "name", "must be 1 to 128 letters, digits and _ - . : / @, and not none");
        check.require(!self.token_sha256.is_empty(), "token_sha256", format!("must be {TOKENS}"));
        for (key, part) in [("environment", &self.environment), ("line", &self.line), ("user", &self.user)] {
            let is_name = part.as_deref().is_none_or(|part| shown::name(part).is_some());
            check.require(is_name, key, "must be 1 to 128 letters, digits and _ - . : / @");
        }
    }
}

/// What is wrong with each of them, and with all together.
pub(super) fn check(clients: &[GatewayClient], check: &mut Check<'_>) {
    check.tables("clients", clients);
    let mut names = BTreeMap::new();
    let mut tokens = BTreeMap::new();
    for (index, client) in clients.iter().enumerate() {
        if !client.name.is_empty() {
            let first = *names.entry(&client.name).or_insert(index);
            let message = format!("is the name of gateway.clients[{first}] as well");
            check.together(first == index, &[&format!("clients[{index}].name")], message);
        }
        for token in &client.token_sha256 {
            match tokens.entry(token.to_text()) {
                Entry::Vacant(entry) => {
                    entry.insert(index);
                }
                Entry::Occupied(entry) => {
                    let message = format!("has a token that gateway.clients[{}] has already", entry.get());
                    check.together(false, &[&format!("clients[{index}].token_sha256")], message);
                }
            }
        }
    }
    let count: usize = clients.iter().map(|client| client.token_sha256.len()).sum();
    let message = format!("must have no more than {MAX_TOKENS} tokens in all, but have {count}");
    check.require(count <= MAX_TOKENS, "clients", message);
}

/// One or several.
fn tokens<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TokenHash>, D::Error> {
    deserializer.deserialize_any(Tokens)
}

struct Tokens;

impl<'de> Visitor<'de> for Tokens {
    type Value = Vec<TokenHash>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TOKENS)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<TokenHash>, E> {
        let token = text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
        Ok(vec![token])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<TokenHash>, A::Error> {
        let mut tokens = Vec::new();
        while let Some(Token(token)) = list.next_element()? {
            tokens.push(token);
        }
        Ok(tokens)
    }
}

struct Token(TokenHash);

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, TOKEN, |text| text.parse().ok().map(Self))
    }
}
