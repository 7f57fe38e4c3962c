//! Why a client could not be made.

use std::path::PathBuf;

use claude_wire::BoxError;

/// Why a client could not be made from its configuration. Names the file or the setting.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ClientError(#[from] Repr);

#[derive(Debug, thiserror::Error)]
pub(super) enum Repr {
    #[error("{}: no certificate or key can be read from it", .0.display())]
    Pem(PathBuf, #[source] BoxError),
    #[error("{}: there is no certificate in it", .0.display())]
    NoCertificate(PathBuf),
    #[error("the client certificate and its key do not go together")]
    Identity(#[source] rustls::Error),
    #[error("the system's certificate authorities cannot be read")]
    NativeRoots(#[source] BoxError),
    #[error("the configuration does not hold together")]
    Config(#[source] crate::config::ConfigError),
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    #[cfg(feature = "reqwest")]
    #[error("reqwest refuses the settings")]
    Reqwest(#[source] reqwest::Error),
}
