//! HashiCorp Vault and OpenBao.

mod address;
mod answer;
mod auth;
mod client;
mod failure;
mod kv;
mod lease;
mod server;
mod session;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use kv::VaultSource;

use self::address::Address;
use self::auth::{Auth, Login};
use self::kv::Engine;
use self::server::{Server, Settings};
use self::tls::Authorities;
use super::{FileSource, SecretSource, SourceError};

/// Where a pod has the token of its service account.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

const TIMEOUT: Duration = Duration::from_secs(5);

/// A server of HashiCorp Vault or OpenBao, and how one logs in there.
///
/// ```no_run
/// use claude_secrets::source::{FileSource, Vault};
///
/// # fn sources() -> Result<(), claude_secrets::source::SourceError> {
/// let vault = Vault::new("https://vault.internal:8200")?
///     .with_namespace("team-a")
///     .with_ca_file("/etc/vault/ca.pem")
///     .with_app_role("8d5b3a3e-…", FileSource::new("/run/secrets/secret-id"));
///
/// let production = vault.kv2("secret", "claude/prod").with_field("api_key");
/// let batches = vault.kv2("secret", "claude/batches").with_field("api_key");
/// # drop((production, batches));
/// # Ok(())
/// # }
/// ```
///
/// # What is shared
///
/// A `Vault` is a handle. Its clones and the sources it makes share one login and their connections, until one of them is given
/// another setting: from then on that one is on its own. So set everything first.
///
/// # Logins
///
/// Nothing is read, connected or begun before the first fetch. The token of a login is kept and used until the server refuses it or its
/// lease is over. A fetch that comes when two thirds of the lease are over renews it; if it cannot be renewed, or only for much
/// less than before because the limit of its life is near, the fetch logs in anew. Nothing is renewed in between fetches: a lease that
/// is shorter than the time from one to the next means a login for each, which works.
///
/// A read that is refused with a token that the server no longer knows is repeated once, after a login. One that the server
/// knows lacks the permission, and the fetch fails as [`Denied`](super::SourceErrorKind::Denied); only a login more than ten minutes
/// old is then made anew, since it may have been given its policies before they were changed.
///
/// Many sources that need a login at once cause one, and if it fails, it fails for all of them. One that was refused is not tried again
/// with the same secret for 15 seconds, and then for a minute, for four, and at last for 16: servers lock a role out after
/// the fifth wrong secret (see [`with_app_role`](Self::with_app_role)). With another secret it is tried at once.
///
/// # Dropping a fetch
///
/// A fetch may be dropped at any point. A login that it has begun goes on in a task of its own, and the next fetch finds
/// what it brought. The task ends within a few [time limits](Self::with_timeout).
///
/// # What is never shown
///
/// Errors and logs hold names, paths, statuses and our own words: no token, no id of a secret, and nothing that the server said.
/// Requests go straight to the server, past any proxy in the environment (`HTTPS_PROXY` and the like): it is expected in the
/// same network. A redirect, with which the standby of a cluster leads to its active server, is followed once, if it has
/// status 307 and leads to the same path and query, and never from `https` to `http`.
#[derive(Clone)]
pub struct Vault {
    server: Arc<Server>,
}

impl Vault {
    /// A server by its address, such as `https://vault.internal:8200`. A path in it stands before the `/v1` of each request.
    ///
    /// As it is, requests carry no token, which is right for an agent that puts one on. Otherwise set one way to get a token; the last
    /// one set counts.
    ///
    /// # Errors
    ///
    /// When the address is none, is not of `https` or `http`, or has a password or a query in it. The error is
    /// [`Misconfigured`](super::SourceErrorKind::Misconfigured) and does not show the address.
    pub fn new(address: &str) -> Result<Self, SourceError> {
        let address = Address::parse(address).map_err(|failure| failure.into_error("vault"))?;
        let settings = Settings {
            address,
            namespace: None,
            authorities: Authorities::System,
            timeout: TIMEOUT,
            auth: Auth::Nothing,
            auth_mount: None,
        };
        Ok(Self { server: Arc::new(Server::new(settings)) })
    }

    /// The namespace, sent with each request, the login too.
    #[must_use]
    pub fn with_namespace(self, namespace: impl Into<Arc<str>>) -> Self {
        self.with(|settings| settings.namespace = Some(namespace.into()))
    }

    /// The authority that has signed the server's certificate, as a PEM file, which is read before the first request. It is then the
    /// only one that is trusted. Otherwise the system's are.
    #[must_use]
    pub fn with_ca_file(self, path: impl Into<PathBuf>) -> Self {
        self.with(|settings| settings.authorities = Authorities::File(path.into()))
    }

    /// The same, as the text itself.
    #[must_use]
    pub fn with_ca_pem(self, pem: impl AsRef<[u8]>) -> Self {
        self.with(|settings| settings.authorities = Authorities::Pem(pem.as_ref().into()))
    }

    /// How long one request may take, from connecting to the end of its answer: 5 seconds unless set. A fetch is one request to three,
    /// and up to three more when it has to log in. What is read for the version before takes two seconds at the most, and
    /// no more than this counted from the beginning of the fetch: with what was slow until then, the key comes alone.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.timeout = timeout)
    }

    /// A token that somebody else makes, such as [`EnvironmentSource`](super::EnvironmentSource) of `VAULT_TOKEN`, or a file
    /// that an agent writes. It is renewed if it can be, and fetched again when it ends or is refused.
    #[must_use]
    pub fn with_token(self, token: impl SecretSource) -> Self {
        self.with(|settings| settings.auth = Auth::Token(Arc::new(token)))
    }

    /// A login as an AppRole. The secret id is fetched anew for each login.
    ///
    /// Vault and OpenBao lock a role out for a quarter of an hour after five refused logins with less than that in between (their
    /// defaults, 2026-11), for everybody who uses it. One handle does not come that far; several processes with the same
    /// wrong secret id do.
    #[must_use]
    pub fn with_app_role(self, role_id: impl Into<Arc<str>>, secret_id: impl SecretSource) -> Self {
        let login = Login::app_role(role_id.into(), Arc::new(secret_id));
        self.with(|settings| settings.auth = Auth::Login(login))
    }

    /// A login as this role with the token of the pod's service account,
    /// `/var/run/secrets/kubernetes.io/serviceaccount/token`. It is read anew for each login, since Kubernetes replaces it.
    #[must_use]
    pub fn with_kubernetes(self, role: impl Into<Arc<str>>) -> Self {
        self.with_kubernetes_token(role, FileSource::new(SERVICE_ACCOUNT_TOKEN))
    }

    /// The same with a token from elsewhere, such as one projected for the audience of this server.
    #[must_use]
    pub fn with_kubernetes_token(self, role: impl Into<Arc<str>>, token: impl SecretSource) -> Self {
        let login = Login::jwt("kubernetes", role.into(), Arc::new(token));
        self.with(|settings| settings.auth = Auth::Login(login))
    }

    /// A login as this role with a JSON Web Token, by the method `jwt`. The token is fetched anew for each login.
    #[must_use]
    pub fn with_jwt(self, role: impl Into<Arc<str>>, token: impl SecretSource) -> Self {
        let login = Login::jwt("jwt", role.into(), Arc::new(token));
        self.with(|settings| settings.auth = Auth::Login(login))
    }

    /// Where the method of the login is mounted below `auth/`, if not by its own name: `approle`, `kubernetes`, `jwt`.
    #[must_use]
    pub fn with_auth_mount(self, mount: impl Into<Arc<str>>) -> Self {
        self.with(|settings| settings.auth_mount = Some(mount.into()))
    }

    /// A secret in the engine of KV version 2 that is mounted at `mount`. The path is the one that people see, without `data`; the
    /// one of the API, `<mount>/data/<path>`, is taken for the same.
    #[must_use]
    pub fn kv2(&self, mount: &str, path: &str) -> VaultSource {
        VaultSource::new(self.clone(), Engine::Kv2, mount, path)
    }

    /// A secret in the engine of KV version 1 that is mounted at `mount`.
    #[must_use]
    pub fn kv1(&self, mount: &str, path: &str) -> VaultSource {
        VaultSource::new(self.clone(), Engine::Kv1, mount, path)
    }

    /// With other settings, nothing is shared any more.
    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.server.settings.clone();
        change(&mut settings);
        Self { server: Arc::new(Server::new(settings)) }
    }

    fn namespace(&self) -> Option<&str> {
        self.server.settings.namespace.as_deref()
    }

    fn timeout(&self) -> Duration {
        self.server.settings.timeout
    }

    const fn server(&self) -> &Arc<Server> {
        &self.server
    }
}

/// Where it is and how one logs in, with the names of sources and nothing of what they hold.
impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.server.settings;
        f.debug_struct("Vault")
            .field("address", &format_args!("{}", settings.address))
            .field("namespace", &settings.namespace)
            .field("auth", &settings.auth)
            .finish_non_exhaustive()
    }
}
