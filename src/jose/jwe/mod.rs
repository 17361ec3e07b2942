//! Decryption of JWEs in the compact serialization (RFC 7516): what a client encrypted to one of our
//! keys, by the few algorithms of RFC 7518 that are worth having.

use std::fmt;

use zeroize::Zeroizing;

pub use algorithm::{ContentEncryption, KeyManagement};
pub use decryption_key::{DecryptionKey, KeyError};
pub use header::Header;
use parts::Parts;

mod agreement;
mod algorithm;
mod cek;
mod content;
mod decryption_key;
mod header;
mod jwk;
mod parts;
mod pem;
#[cfg(test)]
mod vectors;

/// Most keys that are tried on one token.
const MOST_TRIED: usize = 4;

/// What is accepted.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Legal `alg` values.
    pub algs: Vec<KeyManagement>,
    /// Legal `enc` values.
    pub encs: Vec<ContentEncryption>,
    /// Longest token, in bytes.
    pub max_bytes: usize,
}

/// Our private keys.
#[derive(Debug, Default)]
pub struct DecryptionKeys(Vec<DecryptionKey>);

/// What was inside. `Debug` does not show the plaintext.
pub struct Decrypted {
    /// The plaintext, wiped when dropped.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// The protected header, now authenticated.
    pub header: Header,
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decrypted").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Why a JWE is refused. Whatever depends on a key is one error, so that nobody learns from it how
/// far a forged token came (RFC 7516 §11.5); the others are seen by everybody who has the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JweError {
    /// Longer than [`Policy::max_bytes`].
    #[error("the JWE is too long")]
    TooLong,
    /// Not five parts of base64url with a header and an IV, tag and key of the lengths that the
    /// algorithms have; or a header member stands twice.
    #[error("the JWE is malformed")]
    Malformed,
    /// `alg` is not in [`Policy::algs`].
    #[error("the JWE's alg is not supported")]
    UnsupportedAlg,
    /// `enc` is not in [`Policy::encs`].
    #[error("the JWE's enc is not supported")]
    UnsupportedEnc,
    /// `zip` or `crit` is in the header.
    #[error("the JWE's header asks for an extension that is not supported")]
    UnsupportedExtension,
    /// No key of ours opens it.
    #[error("the JWE cannot be decrypted")]
    Undecryptable,
}

impl DecryptionKeys {
    /// Keys in the order in which they are tried.
    #[must_use]
    pub const fn new(keys: Vec<DecryptionKey>) -> Self {
        Self(keys)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &DecryptionKey> {
        self.0.iter()
    }

    /// The key that the header's `kid` names, or all that fit its `alg`, at most [`MOST_TRIED`].
    fn candidates<'a>(&'a self, header: &'a Header) -> impl Iterator<Item = &'a DecryptionKey> {
        let named = |key: &&DecryptionKey| header.kid.as_ref().is_none_or(|kid| kid == key.kid());
        let fits = |key: &&DecryptionKey| key.fits(header.alg);
        self.iter().filter(named).filter(fits).take(MOST_TRIED)
    }
}

/// Decrypts `token` with the first of `keys` that opens it.
///
/// # Errors
/// [`JweError`]
pub fn decrypt(token: &str, keys: &DecryptionKeys, policy: &Policy) -> Result<Decrypted, JweError> {
    if token.len() > policy.max_bytes {
        return Err(JweError::TooLong);
    }
    let (header, parts) = Parts::read(token, policy)?;
    let plaintext = keys
        .candidates(&header)
        .find_map(|key| {
            let cek = cek::unwrap(key, &header, &parts.encrypted_key)?;
            content::decrypt(header.enc, &cek, &parts)
        })
        .ok_or(JweError::Undecryptable)?;
    Ok(Decrypted { plaintext, header })
}

#[cfg(test)]
mod tests;
