//! TLS, the same for every client.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::error::Repr;
use crate::config::TlsConfig;

/// What rustls needs. Reads the files named in `config`; no protocols are set for ALPN.
pub(super) fn client_config(config: &TlsConfig) -> Result<ClientConfig, Repr> {
    // The provider is named, since a program may hold several, and then the default is a panic.
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Repr::Tls)?
        .with_root_certificates(roots(config)?);
    match (&config.client_cert, &config.client_key) {
        (Some(cert), Some(key)) => {
            let key =
                PrivateKeyDer::from_pem_file(key).map_err(|error| Repr::Pem(key.clone(), error.into()))?;
            builder.with_client_auth_cert(certificates(cert)?, key).map_err(Repr::Identity)
        }
        // One without the other has been refused by the configuration's own check.
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn roots(config: &TlsConfig) -> Result<RootCertStore, Repr> {
    let mut roots = RootCertStore::empty();
    if config.native_roots {
        let native = rustls_native_certs::load_native_certs();
        // Systems carry certificates that no library reads; what counts is that some can be.
        let (added, _) = roots.add_parsable_certificates(native.certs);
        if let Some(error) = native.errors.into_iter().next().filter(|_| added == 0) {
            return Err(Repr::NativeRoots(error.into()));
        }
    }
    for path in &config.extra_ca {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| Repr::Pem(path.clone(), error.into()))?;
        }
    }
    Ok(roots)
}

/// The certificates of a PEM file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Repr> {
    let unreadable = |error: rustls_pki_types::pem::Error| Repr::Pem(path.into(), error.into());
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(Repr::NoCertificate(path.into()));
    }
    Ok(certificates)
}
