//! Sets of public keys (RFC 7517), read once into keys that can verify. A key that cannot be used
//! is left out and reported; it does not make the others useless.

mod fault;
mod jwk;
mod public;
mod secret;
mod spki;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Map, Value};

pub use fault::{Finding, KeyFault, KeySetError};
pub use secret::{SharedSecret, ShortSecret};

use super::algorithm::Algorithm;
use super::json;
use public::PublicKey;

/// Most bytes of a document with keys.
pub const LARGEST_DOCUMENT: usize = 512 * 1_024;

/// Most keys in one set.
pub const MOST_KEYS: usize = 64;

/// Most keys that are tried for one token, so that a set full of keys makes no token expensive.
pub const MOST_CANDIDATES: usize = 4;

/// One public key that may verify signatures.
pub struct Key {
    name: Option<String>,
    algorithm: Option<Algorithm>,
    public: PublicKey,
    certificate: Option<Vec<u8>>,
}

/// The public keys of one client.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
    findings: Vec<Finding>,
}

impl Key {
    /// Reads a JWK; a private one is refused.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, KeyFault> {
        let public = jwk::public_key(jwk)?;
        let algorithm = jwk::algorithm(jwk)?;
        if algorithm.is_some_and(|algorithm| algorithm.family() != public.family()) {
            return Err(KeyFault::Algorithm);
        }
        Ok(Self { name: jwk::name(jwk)?, algorithm, public, certificate: None })
    }

    /// Reads a certificate in DER for its key.
    pub fn of_certificate(der: &[u8]) -> Result<Self, KeyFault> {
        let public = spki::of_certificate(der)?;
        Ok(Self { name: None, algorithm: None, public, certificate: Some(der.to_vec()) })
    }

    /// `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The SHA-256 thumbprint in base64url (RFC 7638), which is `jkt` elsewhere (RFC 9449 §6.1).
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        self.public.thumbprint()
    }

    /// The certificate of the key in DER: the first of `x5c`, for `self_signed_tls_client_auth`
    /// (RFC 8705 §2.2.2).
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// Whether the algorithm can be used with this key, and may be.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.public.family() == algorithm.family()
            && self.algorithm.is_none_or(|own| own.is_same_as(algorithm))
    }

    /// Whether `signature` over `message` was made with this key.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.fits(algorithm) && self.public.verifies(algorithm, message, signature)
    }
}

impl KeySet {
    /// Reads a JWK Set, or one JWK as a set of one.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        if document.len() > LARGEST_DOCUMENT {
            return Err(KeySetError::TooLarge);
        }
        let members = json::object(document)?;
        match members.get("keys") {
            Some(Value::Array(keys)) if keys.len() > MOST_KEYS => Err(KeySetError::TooMany),
            Some(Value::Array(keys)) => Ok(Self::from_jwks(keys)),
            None if members.contains_key("kty") => Ok(Self::from_jwks(&[Value::Object(members)])),
            _ => Err(KeySetError::NoKeys),
        }
    }

    /// Reads public keys and certificates in PEM. Keys from there have no name and answer to any.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeySetError> {
        if text.len() > LARGEST_DOCUMENT {
            return Err(KeySetError::TooLarge);
        }
        let blocks = spki::of_pem(text)?;
        if blocks.len() > MOST_KEYS {
            return Err(KeySetError::TooMany);
        }
        let mut set = Self::default();
        for (position, block) in blocks.into_iter().enumerate() {
            match block {
                Ok((public, certificate)) => {
                    set.keys.push(Key { name: None, algorithm: None, public, certificate });
                }
                Err(fault) => set.findings.push(Finding { position, fault }),
            }
        }
        Ok(set)
    }

    /// The keys, in their order.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// What was left out, and why.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Keys to try for a token, at most [`MOST_CANDIDATES`]: those of that name that fit the
    /// algorithm, or else those without a name. A token without `kid` may be from any that fits.
    /// None at all, and the client may have new keys.
    pub fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &Key> {
        let fitting = move || self.keys.iter().filter(move |key| key.fits(algorithm));
        let is_named = kid.is_some() && fitting().any(|key| key.kid() == kid);
        let wanted = if is_named { kid } else { None };
        fitting().filter(move |key| kid.is_none() || key.kid() == wanted).take(MOST_CANDIDATES)
    }

    fn from_jwks(jwks: &[Value]) -> Self {
        let mut set = Self::default();
        for (position, jwk) in jwks.iter().enumerate() {
            if let Err(fault) = set.add(jwk) {
                set.findings.push(Finding { position, fault });
            }
        }
        set
    }

    /// Adds a key. A fault is of the key, which is left out, or of its certificate alone.
    fn add(&mut self, jwk: &Value) -> Result<(), KeyFault> {
        let members = jwk.as_object().ok_or(KeyFault::NotAnObject)?;
        let mut key = Key::from_jwk(members)?;
        let certificate = jwk::certificate(members, &key.public);
        key.certificate = certificate.as_ref().ok().cloned().flatten();
        self.keys.push(key);
        certificate.map(|_| ())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.name)
            .field("family", &self.public.family())
            .field("thumbprint", &self.thumbprint())
            .finish_non_exhaustive()
    }
}
