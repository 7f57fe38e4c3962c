//! Keys: whose they are, and who is asking.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::bill::BillItem;
use crate::errors::ApiError;
use crate::models::Serving;

/// The key of a simulator that was built with no other.
pub const DEFAULT_KEY: &str = "sk-ant-api03-simulator-000000000000000000000000";
/// The organisation of keys that name no other.
pub const DEFAULT_ORGANIZATION: &str = "00000000-0000-4000-8000-000000000001";
/// The workspace of keys that name no other.
pub const DEFAULT_WORKSPACE: &str = "wrkspc_01Simulator000000000000";

const ORGANIZATION_HEADER: HeaderName = HeaderName::from_static("anthropic-organization-id");
const WORKSPACE_HEADER: HeaderName = HeaderName::from_static("anthropic-workspace-id");

/// A valid key, and to whom it belongs.
///
/// A request may name another workspace of the key's organisation in `anthropic-workspace-id`, one that any key
/// belongs to: then its limits hold, and the bill names it. Another one is a 403. (Which keys the API lets choose
/// is not documented, 2026-11-22.)
#[derive(Clone)]
pub struct Key {
    secret: String,
    owner: Owner,
}

impl Key {
    /// A key of the default organisation and workspace. The name is what the request log calls it by.
    pub fn new(name: impl Into<String>, secret: impl Into<String>) -> Self {
        let owner = Owner {
            name: name.into(),
            organization: DEFAULT_ORGANIZATION.into(),
            workspace: DEFAULT_WORKSPACE.into(),
        };
        Self { secret: secret.into(), owner }
    }

    /// The organisation that it belongs to.
    #[must_use]
    pub fn with_organization(mut self, id: impl Into<String>) -> Self {
        self.owner.organization = id.into();
        self
    }

    /// The workspace that it belongs to.
    #[must_use]
    pub fn with_workspace(mut self, id: impl Into<String>) -> Self {
        self.owner.workspace = id.into();
        self
    }
}

/// Shows whose key it is, and not the key.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.owner).finish()
    }
}

/// Who a valid key belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    name: String,
    organization: String,
    workspace: String,
}

impl Owner {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn organization(&self) -> &str {
        &self.organization
    }

    pub(crate) fn workspace(&self) -> &str {
        &self.workspace
    }

    /// What the use of a model by this owner is billed as.
    pub(crate) fn bill_item(&self, by: &Serving, long_context: bool, service_tier: &'static str) -> BillItem {
        BillItem {
            key: self.name.clone(),
            organization: self.organization.clone(),
            workspace: self.workspace.clone(),
            model: by.model.clone(),
            service_tier,
            speed: by.speed,
            inference_geo: by.inference_geo,
            long_context,
        }
    }

    /// Says on a response whose request it answers. An id that cannot stand in a header is left out.
    pub(crate) fn sign(&self, headers: &mut HeaderMap) {
        for (name, id) in [(ORGANIZATION_HEADER, &self.organization), (WORKSPACE_HEADER, &self.workspace)] {
            if let Ok(id) = HeaderValue::from_str(id) {
                headers.insert(name, id);
            }
        }
    }
}

/// How an organisation stands with the API. See [`Simulator::set_standing`](crate::Simulator::set_standing).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// Everything is answered.
    #[default]
    Good,
    /// Messages are a 402 `billing_error`.
    NoCredit,
    /// Every request is a 400 with the code `organization_on_hold`.
    OnHold,
}

/// All keys, with those that were valid once.
pub(crate) struct KeyRing {
    /// `None` is a revoked key. Callers of the simulator add keys, and requests never do.
    keys: HashMap<Vec<u8>, Option<Held>>,
    /// To whom unknown keys belong, if they are let in.
    anyone: Option<Arc<Owner>>,
    /// By organisation; the others are in good standing.
    standings: HashMap<String, Standing>,
}

/// A key that is or was valid.
struct Held {
    owner: Arc<Owner>,
    /// When it stops to be valid, since the simulator was built.
    until: Option<Duration>,
}

impl Held {
    fn is_valid(&self, now: Duration) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl KeyRing {
    /// The default key is there only if no other is.
    pub(crate) fn new(keys: Vec<Key>, accept_any: bool) -> Self {
        let mut ring = Self {
            keys: HashMap::new(),
            anyone: accept_any.then(|| Arc::new(Key::new("any", String::new()).owner)),
            standings: HashMap::new(),
        };
        if keys.is_empty() {
            ring.add(Key::new("default", DEFAULT_KEY));
        }
        for key in keys {
            ring.add(key);
        }
        ring
    }

    pub(crate) fn add(&mut self, key: Key) {
        let held = Held { owner: Arc::new(key.owner), until: None };
        self.keys.insert(key.secret.into_bytes(), Some(held));
    }

    /// Also a key that is not known, so that it stays out where any other is let in.
    pub(crate) fn revoke(&mut self, secret: &str) {
        self.keys.insert(secret.as_bytes().to_vec(), None);
    }

    /// A valid key gets a successor, and stays valid until `until`. Whether there was one.
    pub(crate) fn rotate(&mut self, old: &str, new: &str, until: Duration, now: Duration) -> bool {
        let Some(Some(held)) = self.keys.get_mut(old.as_bytes()) else { return false };
        if !held.is_valid(now) {
            return false;
        }
        held.until = Some(until);
        let successor = Held { owner: Arc::clone(&held.owner), until: None };
        self.keys.insert(new.as_bytes().to_vec(), Some(successor));
        true
    }

    pub(crate) fn set_standing(&mut self, organization: String, standing: Standing) {
        self.standings.insert(organization, standing);
    }

    /// Whether anything is answered at all.
    pub(crate) fn check_hold(&self, owner: &Owner) -> Result<(), ApiError> {
        match self.standings.get(&owner.organization) {
            Some(Standing::OnHold) => {
                Err(ApiError::invalid("Your organization is on hold.").with_code("organization_on_hold"))
            }
            _ => Ok(()),
        }
    }

    /// Whether what costs is answered.
    pub(crate) fn check_credit(&self, owner: &Owner) -> Result<(), ApiError> {
        match self.standings.get(&owner.organization) {
            Some(Standing::NoCredit) => {
                Err(ApiError::billing("Your organization has no credit left for this request."))
            }
            _ => Ok(()),
        }
    }

    /// Who is asking, and for which workspace. `x-api-key` comes first where there are two credentials.
    pub(crate) fn authenticate(&self, headers: &HeaderMap, now: Duration) -> Result<Arc<Owner>, ApiError> {
        let (secret, complaint) = match (headers.get("x-api-key"), headers.get(AUTHORIZATION)) {
            (Some(key), _) => (key.as_bytes(), "invalid x-api-key"),
            (None, Some(authorization)) => {
                (bearer(authorization.as_bytes()).unwrap_or_default(), "Invalid bearer token")
            }
            (None, None) => return Err(ApiError::authentication("x-api-key header is required")),
        };
        let owner = match self.keys.get(secret) {
            Some(held) => held.as_ref().filter(|held| held.is_valid(now)).map(|held| &held.owner),
            None => self.anyone.as_ref().filter(|_| !secret.is_empty()),
        };
        let owner = owner.map(Arc::clone).ok_or_else(|| ApiError::authentication(complaint))?;
        match headers.get(WORKSPACE_HEADER) {
            Some(id) => self.in_workspace(owner, id),
            None => Ok(owner),
        }
    }

    /// The owner in this workspace of the same organisation.
    fn in_workspace(&self, owner: Arc<Owner>, id: &HeaderValue) -> Result<Arc<Owner>, ApiError> {
        if owner.workspace.as_bytes() == id.as_bytes() {
            return Ok(owner);
        }
        let owners = self.keys.values().flatten().map(|held| &held.owner);
        let mut siblings = owners.filter(|other| other.organization == owner.organization);
        match siblings.find(|other| other.workspace.as_bytes() == id.as_bytes()) {
            Some(other) => Ok(Arc::new(Owner { workspace: other.workspace.clone(), ..Owner::clone(&owner) })),
            None => Err(ApiError::permission("This key has no access to the workspace that is asked for.")),
        }
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}
