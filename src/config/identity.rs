//! What a TLS listener needs of files: its certificate with the key that fits, and the authorities
//! of its clients. Read at the check of the configuration, at start, and whenever a file changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};
use rustls::sign::CertifiedKey;

/// Why files cannot serve. The texts show nothing of what is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A file that cannot be read, or holds no PEM of the expected kind.
    #[error("cannot read {}: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A key of a kind that TLS has no use for.
    #[error("the key in {} cannot be used: {problem}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The key of another certificate.
    #[error("the key in {} does not fit the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// An authority that is none.
    #[error("a certificate in {} cannot be an authority: {problem}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// A certificate chain, leaf first, and its key.
///
/// # Errors
/// [`IdentityError`]
pub fn read_identity(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, IdentityError> {
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| unreadable(key, &error))
        .and_then(|private| {
            default_provider().key_provider.load_private_key(private).map_err(|error| {
                IdentityError::Key { path: key.to_owned(), problem: error.to_string() }
            })
        })?;
    let identity = CertifiedKey::new(chain, private);
    match identity.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Arc::new(identity))
        }
        Err(rustls::Error::InconsistentKeys(_)) => Err(IdentityError::Mismatch {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        }),
        Err(error) => Err(unreadable(certificate, &error)),
    }
}

/// The authorities in a file.
///
/// # Errors
/// [`IdentityError`]
pub fn read_authorities(path: &Path) -> Result<Vec<TrustAnchor<'static>>, IdentityError> {
    certificates(path)?
        .iter()
        .map(|certificate| match webpki::anchor_from_trusted_cert(certificate) {
            Ok(anchor) => Ok(anchor.to_owned()),
            Err(error) => {
                Err(IdentityError::Authority { path: path.to_owned(), problem: error.to_string() })
            }
        })
        .collect()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(path, &error))?;
    if found.is_empty() {
        return Err(unreadable(path, &"no certificate in it"));
    }
    Ok(found)
}

fn unreadable(path: &Path, problem: &dyn std::fmt::Display) -> IdentityError {
    IdentityError::Unreadable { path: path.to_owned(), problem: problem.to_string() }
}
