//! TLS towards the upstream: the system's authorities or a file of one's own, and our certificate
//! where the upstream asks for one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

pub(super) use super::watched::Shown;
use super::watched::Watched;
use crate::config::UpstreamTls;

/// Why the TLS files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not readable, or not PEM.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// The certificates do not serve.
    #[error(transparent)]
    Certificate(#[from] rustls::Error),
    /// The system has no authorities and no file names any.
    #[error("no certificate authority is known: set [upstream.tls] ca")]
    NoAuthorities,
}

/// The client side's TLS settings. Server certificates are always verified.
///
/// # Errors
/// [`TlsError`]
pub fn client_config(tls: &UpstreamTls) -> Result<ClientConfig, TlsError> {
    shows(tls, ClientConfig::builder().with_root_certificates(authorities(tls)?))
}

/// The same, for whoever wants to see what servers show.
pub(super) fn watched_client_config(
    tls: &UpstreamTls,
    shown: &Shown,
) -> Result<ClientConfig, TlsError> {
    let verifier = Watched::new(authorities(tls)?, shown.clone());
    let builder = ClientConfig::builder().dangerous();
    shows(tls, builder.with_custom_certificate_verifier(Arc::new(verifier)))
}

/// Our side of the handshake.
fn shows(
    tls: &UpstreamTls,
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
) -> Result<ClientConfig, TlsError> {
    Ok(match &tls.client_identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            builder.with_client_auth_cert(certificates(certificate)?, private_key(key)?)?
        }
    })
}

/// The client side's TLS settings towards servers anywhere: the system's authorities, and those of
/// the file `ca` beside them.
///
/// # Errors
/// [`TlsError`]
pub fn public_client_config(ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut store = of_the_system();
    if let Some(path) = ca {
        add_file(&mut store, path)?;
    }
    Ok(ClientConfig::builder().with_root_certificates(store).with_no_client_auth())
}

/// All certificates of a PEM file.
///
/// # Errors
/// [`TlsError::File`]
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file_error = |source| TlsError::File { path: path.to_owned(), source };
    CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(file_error)
}

/// The private key of a PEM file.
///
/// # Errors
/// [`TlsError::File`]
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|source| TlsError::File { path: path.to_owned(), source })
}

fn authorities(tls: &UpstreamTls) -> Result<RootCertStore, TlsError> {
    let store = match &tls.ca {
        Some(path) => {
            let mut store = RootCertStore::empty();
            add_file(&mut store, path)?;
            store
        }
        None => of_the_system(),
    };
    Ok(store)
}

fn add_file(store: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    for certificate in certificates(path)? {
        store.add(certificate)?;
    }
    Ok(())
}

fn of_the_system() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store
}
