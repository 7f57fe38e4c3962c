//! A server as one handle sees it: its settings, its connections and its token.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::Instant;

use super::address::{Address, encoded};
use super::answer::{Answer, Json};
use super::auth::{Auth, Login};
use super::client::{Client, Question};
use super::failure::Failure;
use super::lease::{Lease, Next};
use super::session::{Held, Session, Try};
use super::tls::{self, Authorities};
use crate::source::{SecretSource, SourceErrorKind};

/// A token that is refused, though the server still knows it, is used on for this long: it is the policies that refuse, and a
/// login would bring the same ones. After that a login is worth its cost, as a new token has the policies of now.
const POLICIES_CHANGE: Duration = Duration::from_secs(600);

/// All that a [`Vault`](super::Vault) can be told.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) address: Address,
    pub(super) namespace: Option<Arc<str>>,
    pub(super) authorities: Authorities,
    pub(super) timeout: Duration,
    pub(super) auth: Auth,
    pub(super) auth_mount: Option<Arc<str>>,
}

pub(super) struct Server {
    pub(super) settings: Settings,
    client: OnceLock<Client>,
    session: Session,
}

impl Server {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, client: OnceLock::new(), session: Session::default() }
    }

    /// Reads what is at this path, with the token; with another one if this one has come to its end.
    pub(super) async fn read(self: &Arc<Self>, path: &str) -> Result<Answer, Failure> {
        let before = self.session.tries();
        let held = self.token(None).await?;
        let answer = self.ask(Method::GET, path, held.as_ref(), Bytes::new()).await?;
        let Some(held) = held.filter(|_| answer.status == StatusCode::FORBIDDEN) else { return Ok(answer) };
        if held.by > before || !self.is_worth_another(&held).await? {
            return Ok(answer);
        }
        let other = self.token(Some(&held)).await?;
        match other {
            Some(other) if !other.is(&held) => self.ask(Method::GET, path, Some(&other), Bytes::new()).await,
            _ => Ok(answer),
        }
    }

    /// Whether another token could be allowed what this one is not.
    async fn is_worth_another(&self, held: &Held) -> Result<bool, Failure> {
        match &self.settings.auth {
            Auth::Nothing => Ok(false),
            // To look at its source again costs nothing.
            Auth::Token(_) => Ok(true),
            Auth::Login(_) => {
                let known = self.ask(Method::GET, "auth/token/lookup-self", Some(held), Bytes::new()).await?;
                if known.status == StatusCode::FORBIDDEN {
                    return Ok(true);
                }
                known.success()?;
                Ok(Instant::now().saturating_duration_since(held.since) >= POLICIES_CHANGE)
            }
        }
    }

    /// A token that can be used, and is another than the refused one if there is another. `None` if none is needed.
    ///
    /// Whoever waits here may be dropped, or be left lying. So what there is to do for the token is done by a task: it goes on, and what
    /// it brings is there for the next one. The task ends by itself, as each of its requests does.
    async fn token(self: &Arc<Self>, refused: Option<&Held>) -> Result<Option<Held>, Failure> {
        if matches!(self.settings.auth, Auth::Nothing) {
            return Ok(None);
        }
        let asked = self.session.tries();
        if let Some(held) = self.session.usable(Instant::now(), refused) {
            return Ok(Some(held));
        }
        let (server, refused) = (Arc::clone(self), refused.cloned());
        let task = tokio::spawn(async move { server.another(asked, refused.as_ref()).await });
        let cut_short = |_| Failure::new(SourceErrorKind::Unavailable, "the login was cut short");
        task.await.map_err(cut_short)?.map(Some)
    }

    /// Renews the token, or gets one: one task after the other, and those who have waited take what the first one brought.
    async fn another(&self, asked: Try, refused: Option<&Held>) -> Result<Held, Failure> {
        let _turn = self.session.turn.lock().await;
        if let Some(failure) = self.session.failed_since(asked) {
            return Err(failure);
        }
        let now = Instant::now();
        if let Some(held) = self.session.usable(now, refused) {
            return Ok(held);
        }
        let held = self.session.held();
        let had =
            match held.filter(|held| held.next(now) == Next::Renew && !refused.is_some_and(|r| r.is(held))) {
                Some(held) => Ok(self.renewed(held).await),
                None => self.fresh().await,
            };
        self.session.end(&had);
        had
    }

    /// The token with its lease renewed, or a fresh one if it cannot be, or the same if nothing can be had now: it is still good.
    async fn renewed(&self, held: Held) -> Held {
        let Some(lease) = held.lease else { return held };
        let renewal =
            self.ask(Method::POST, "auth/token/renew-self", Some(&held), Bytes::from_static(b"{}")).await;
        let renewed = renewal.and_then(Answer::success).map(|json| auth_of(&json).lease());
        let now = Instant::now();
        let refused = match renewed {
            Ok((length, renewable)) => match lease.renewed(now, length, renewable) {
                Some(lease) => return Held { lease: Some(lease), ..held },
                None if length.is_zero() => return Held { lease: None, ..held },
                None => true,
            },
            Err(failure) => {
                matches!(failure.kind(), SourceErrorKind::Denied | SourceErrorKind::Misconfigured)
            }
        };
        let fresh = if refused { self.fresh().await.ok() } else { None };
        fresh.filter(|fresh| !fresh.is(&held)).unwrap_or_else(|| {
            let now = Instant::now();
            let lease = if refused && matches!(self.settings.auth, Auth::Token(_)) {
                lease.last()
            } else {
                lease.put_off(now)
            };
            Held { lease: Some(lease), ..held }
        })
    }

    /// A token from where they come from.
    async fn fresh(&self) -> Result<Held, Failure> {
        match &self.settings.auth {
            Auth::Nothing => Err(Failure::new(SourceErrorKind::Misconfigured, "no way to log in is set")),
            Auth::Token(source) => self.given(&**source).await,
            Auth::Login(login) => self.logged_in(login).await,
        }
    }

    /// The token that somebody else made. What it is good for is asked once.
    async fn given(&self, source: &dyn SecretSource) -> Result<Held, Failure> {
        let token = self.fetched("the token", source).await?;
        let now = Instant::now();
        let same = self.session.held().filter(|held| held.token.expose_secret() == token.expose_secret());
        if let Some(same) = same.filter(|same| same.next(now) != Next::Replace) {
            return Ok(same);
        }
        let mut held = Held { token: Arc::new(token), since: now, by: self.session.tries() + 1, lease: None };
        let known = self.ask(Method::GET, "auth/token/lookup-self", Some(&held), Bytes::new()).await?;
        // A token need not be allowed to look at itself; whether it is good, the read will tell.
        if let Ok(json) = known.success() {
            let data = json.get("data").unwrap_or(&Value::Null);
            let renewable = data.get("renewable").and_then(Value::as_bool).unwrap_or(false);
            held.lease = Lease::new(now, seconds(data.get("ttl")), renewable);
        }
        Ok(held)
    }

    async fn logged_in(&self, login: &Login) -> Result<Held, Failure> {
        let secret = self.fetched(&format!("the {}", login.secret.0), &*login.secret.1).await?;
        let mount = self.settings.auth_mount.as_deref().unwrap_or(login.method);
        let at = format!("logging in at auth/{mount}");
        let bad = || Failure::new(SourceErrorKind::Misconfigured, "that is no path");
        let path =
            encoded(mount.trim_matches('/')).ok_or_else(bad).map_err(|failure| failure.while_at(&at))?;
        let now = Instant::now();
        if let Some(failure) = self.session.refused(&secret, now) {
            return Err(
                failure.and(&format!("it is not tried again at once with the same {}", login.secret.0))
            );
        }
        // Zeroed once it is sent.
        let body = Bytes::from_owner(login.body(&secret));
        let answer = self.ask(Method::POST, &format!("auth/{path}/login"), None, body).await;
        let accepted = answer.and_then(accepted).map_err(|failure| failure.while_at(&at));
        self.session.logged_in(&secret, Instant::now(), &accepted);
        let json = accepted?;
        let auth = auth_of(&json);
        let token = auth.token().ok_or_else(|| {
            Failure::new(SourceErrorKind::Malformed, "the answer has no token in it").while_at(&at)
        })?;
        let (length, renewable) = auth.lease();
        tracing::debug!(server = %self.settings.address, method = login.method, mount, lease = ?length, renewable, "logged in");
        Ok(Held {
            token: Arc::new(token),
            since: now,
            by: self.session.tries() + 1,
            lease: Lease::new(now, length, renewable),
        })
    }

    /// What a source within has, without the line's end that files have after it.
    async fn fetched(&self, what: &str, source: &dyn SecretSource) -> Result<SecretString, Failure> {
        let fetched = tokio::time::timeout(self.settings.timeout, source.fetch()).await;
        let slow =
            |_| Failure::new(SourceErrorKind::TimedOut, format!("{}: did not answer in time", source.id()));
        let fetched =
            fetched.map_err(slow).and_then(|fetched| fetched.map_err(|error| Failure::of_source(&error)));
        let secret = fetched.map_err(|failure| failure.while_at(what))?.secret;
        let text = secret.expose_secret().trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if text.is_empty() {
            return Err(
                Failure::new(SourceErrorKind::Empty, format!("{}: is empty", source.id())).while_at(what)
            );
        }
        Ok(SecretString::from(text))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        held: Option<&Held>,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let client = self.client().await?;
        let question = Question {
            method,
            uri: self.settings.address.at(path)?,
            namespace: self.settings.namespace.as_deref(),
            token: held.map(|held| &*held.token),
            body,
        };
        client.ask(question, self.settings.timeout).await
    }

    /// Made at the first request, since it reads files. Two that come first both make one, and one of the two is kept: nobody waits
    /// for another who may have been left lying.
    async fn client(&self) -> Result<&Client, Failure> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let (authorities, https) = (self.settings.authorities.clone(), self.settings.address.is_https());
        let tls = tokio::task::spawn_blocking(move || tls::client_config(&authorities, https)).await;
        let shut = |_| Failure::new(SourceErrorKind::Unavailable, "the runtime is shutting down");
        let client = Client::new(tls.map_err(shut)??);
        Ok(self.client.get_or_init(|| client))
    }
}

/// The success of a login. Wrong ids are a bad request to the server; to us they are a login that is denied.
fn accepted(answer: Answer) -> Result<Json, Failure> {
    if answer.status == StatusCode::BAD_REQUEST {
        return Err(Failure::new(SourceErrorKind::Denied, "refused (400)"));
    }
    answer.success()
}

/// The part of an answer that has a token in it.
struct Given<'a>(&'a Value);

fn auth_of(json: &Json) -> Given<'_> {
    Given(json.get("auth").unwrap_or(&Value::Null))
}

impl Given<'_> {
    fn token(&self) -> Option<SecretString> {
        let token = self.0.get("client_token")?.as_str()?;
        (!token.is_empty()).then(|| SecretString::from(token))
    }

    fn lease(&self) -> (Duration, bool) {
        let renewable = self.0.get("renewable").and_then(Value::as_bool).unwrap_or(false);
        (seconds(self.0.get("lease_duration")), renewable)
    }
}

fn seconds(value: Option<&Value>) -> Duration {
    Duration::from_secs(value.and_then(Value::as_u64).unwrap_or(0))
}
