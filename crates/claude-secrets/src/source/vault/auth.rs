//! How one gets a token.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::answer::Json;
use crate::source::SecretSource;

/// How a handle gets its token.
#[derive(Clone)]
pub(super) enum Auth {
    /// There is none: an agent in between puts it on.
    Nothing,
    /// One that somebody else made.
    Token(Arc<dyn SecretSource>),
    /// By a name and a secret, of which the server makes one.
    Login(Login),
}

/// A login: two fields of JSON to `auth/<mount>/login`.
#[derive(Clone)]
pub(super) struct Login {
    /// Also the name of the mount, unless another is set.
    pub(super) method: &'static str,
    /// What is known: the name of its field, and itself.
    pub(super) known: (&'static str, Arc<str>),
    /// What is secret: the name of its field, and its source.
    pub(super) secret: (&'static str, Arc<dyn SecretSource>),
}

impl Login {
    pub(super) fn app_role(role_id: Arc<str>, secret_id: Arc<dyn SecretSource>) -> Self {
        Self { method: "approle", known: ("role_id", role_id), secret: ("secret_id", secret_id) }
    }

    pub(super) fn jwt(method: &'static str, role: Arc<str>, jwt: Arc<dyn SecretSource>) -> Self {
        Self { method, known: ("role", role), secret: ("jwt", jwt) }
    }

    /// What is sent.
    pub(super) fn body(&self, secret: &SecretString) -> Zeroizing<Vec<u8>> {
        let (known, secret) = ((self.known.0, &*self.known.1), (self.secret.0, secret.expose_secret()));
        // Longer than it can become, each character escaped: it does not grow, which would leave copies behind.
        let mut body = Zeroizing::new(Vec::with_capacity(64 + 6 * (known.1.len() + secret.1.len())));
        let fields = Json::from(json!({ known.0: known.1, secret.0: secret.1 }));
        // Into memory, JSON of two texts cannot fail.
        serde_json::to_writer(&mut *body, &*fields as &Value).unwrap_or_default();
        body
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::Token(source) => write!(f, "token of {}", source.id()),
            Self::Login(login) => write!(f, "{} with {}", login.method, login.secret.1.id()),
        }
    }
}
