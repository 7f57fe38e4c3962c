//! TLS to the server.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::failure::Failure;
use crate::source::SourceErrorKind;

/// Who may have signed the server's certificate.
#[derive(Clone, Debug)]
pub(super) enum Authorities {
    /// Whom the system trusts.
    System,
    /// Those of this PEM text and nobody else.
    Pem(Arc<[u8]>),
    /// Those of this PEM file and nobody else.
    File(PathBuf),
}

/// What rustls needs. Reads files, blocking. Without TLS nobody is looked for.
pub(super) fn client_config(authorities: &Authorities, https: bool) -> Result<ClientConfig, Failure> {
    // The provider is named, since a program may hold several, and then the default is a panic.
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| Failure::new(SourceErrorKind::Misconfigured, "there is no version of TLS to speak"))?;
    let roots = if https { authorities.roots()? } else { RootCertStore::empty() };
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl Authorities {
    fn roots(&self) -> Result<RootCertStore, Failure> {
        let bad = |detail: String| Failure::new(SourceErrorKind::Misconfigured, detail);
        match self {
            Self::System => {
                let mut roots = RootCertStore::empty();
                // Systems carry certificates that no library reads; what counts is that some can be.
                let (added, _) =
                    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if added == 0 {
                    return Err(bad("the system has no certificate authorities; name one".to_owned()));
                }
                Ok(roots)
            }
            Self::Pem(pem) => roots_of(pem).map_err(|why| bad(format!("the PEM of the authority {why}"))),
            Self::File(path) => {
                let shown = path.display();
                let pem = std::fs::read(path).map_err(|error| {
                    bad(format!("the authority's file {shown} cannot be read: {}", error.kind()))
                })?;
                roots_of(&pem).map_err(|why| bad(format!("the authority's file {shown} {why}")))
            }
        }
    }
}

/// The certificates of a PEM text; at least one.
fn roots_of(pem: &[u8]) -> Result<RootCertStore, &'static str> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "is no PEM")?;
        roots.add(certificate).map_err(|_| "has a certificate that cannot be read")?;
    }
    if roots.is_empty() { Err("has no certificate in it") } else { Ok(roots) }
}
