//! The list at the door.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::{Admitted, Client, DoorError, NotAdmitted, NotAdmittedReason, TokenHash, headers, metrics};

/// How many tokens a door may know. Each request's is compared with all of them.
pub const MAX_TOKENS: usize = 4_096;

/// Knows the clients by their tokens. A clone shares them.
#[derive(Clone)]
pub struct Door {
    list: Arc<List>,
}

struct List {
    clients: Vec<Client>,
    /// Each token with the place of its client in the list above.
    tokens: Vec<(TokenHash, u32)>,
}

impl Door {
    /// A door for these clients. Without any, nobody comes in.
    ///
    /// # Errors
    ///
    /// If a client's name is no name or another's as well; if a client has no token, or one that is there already; if there
    /// are more than [`MAX_TOKENS`].
    pub fn new(clients: impl IntoIterator<Item = Client>) -> Result<Self, DoorError> {
        let clients: Vec<Client> = clients.into_iter().collect();
        let mut names = BTreeSet::new();
        let mut owners: BTreeMap<&[u8; 32], &Client> = BTreeMap::new();
        let mut tokens = Vec::new();
        for (index, client) in clients.iter().enumerate() {
            let name = &client.name;
            if !Client::is_name(name) {
                return Err(DoorError::Name { index });
            }
            if !names.insert(name) {
                return Err(DoorError::SameName { name: Arc::clone(name) });
            }
            if client.tokens.is_empty() {
                return Err(DoorError::NoToken { client: Arc::clone(name) });
            }
            for token in &client.tokens {
                if let Some(owner) = owners.insert(token.bytes(), client) {
                    let (first, second) = (Arc::clone(&owner.name), Arc::clone(name));
                    return Err(DoorError::SameToken { first, second });
                }
                // More clients than this are more tokens than are allowed.
                tokens.push((*token, u32::try_from(index).unwrap_or(u32::MAX)));
            }
        }
        if tokens.len() > MAX_TOKENS {
            return Err(DoorError::TooManyTokens { count: tokens.len() });
        }
        Ok(Self { list: Arc::new(List { clients, tokens }) })
    }

    /// Finds out whose request this is, and removes `x-api-key` and `authorization` whatever comes of it.
    ///
    /// # Errors
    ///
    /// If there is no token, more than one, or one that no client has.
    pub fn admit(&self, headers: &mut HeaderMap) -> Result<Admitted, NotAdmitted> {
        let found = headers::take(headers).and_then(|token| {
            let client = whose(&token, &self.list.tokens).and_then(|index| self.list.clients.get(index));
            client.map(Admitted::new).ok_or(NotAdmittedReason::Unknown)
        });
        metrics::admission(found.as_ref());
        found.map_err(NotAdmitted::new)
    }
}

/// The client with this token. Each token is looked at to its end, so that the time says nothing about which it was, or
/// how much of it was right.
fn whose<'a>(token: &TokenHash, tokens: impl IntoIterator<Item = &'a (TokenHash, u32)>) -> Option<usize> {
    let nobody = u32::MAX;
    let client = tokens
        .into_iter()
        .fold(nobody, |found, (other, client)| u32::conditional_select(&found, client, token.ct_eq(other)));
    (client != nobody).then(|| usize::try_from(client).ok()).flatten()
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.list.clients.iter().map(Client::name).collect();
        f.debug_struct("Door").field("clients", &names).field("tokens", &self.list.tokens.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn every_token_is_compared_whichever_is_the_right_one() {
        let tokens: Vec<(TokenHash, u32)> =
            (0..100_u32).map(|index| (TokenHash::of_bytes(&index.to_be_bytes()), index)).collect();
        for (wanted, expected) in [(0_u32, Some(0)), (50, Some(50)), (99, Some(99)), (100, None)] {
            let looked_at = Cell::new(0);
            let counted = tokens.iter().inspect(|_| looked_at.set(looked_at.get() + 1));
            assert_eq!(whose(&TokenHash::of_bytes(&wanted.to_be_bytes()), counted), expected);
            assert_eq!(looked_at.get(), 100, "{wanted}");
        }
    }
}
