//! A signed token in compact form (RFC 7515 §7.1) and what makes us believe it: an algorithm that
//! the policy allows, a type that it expects, and a signature by a key that the caller chose. The
//! token itself decides nothing (RFC 8725 §3).

use std::fmt;

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::header::{Header, HeaderError};
use super::json::{self, JsonError};
use super::keys::{Key, KeyFault, KeySet, SharedSecret, ShortSecret};

/// What the caller expects of a token.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// The algorithms that the signer may use: those registered or configured.
    pub algorithms: &'a [Algorithm],
    /// What `typ` may be.
    pub types: Types<'a>,
    /// Longest token, in bytes.
    pub max_bytes: usize,
}

/// What `typ` may be (RFC 8725 §3.11).
#[derive(Debug, Clone, Copy)]
pub struct Types<'a> {
    /// Media types in lower case, without `application/`.
    pub named: &'a [&'a str],
    /// Whether `typ` may be absent.
    pub or_absent: bool,
}

/// Whose signature is believed.
#[derive(Debug, Clone, Copy)]
pub enum Authority<'a> {
    /// That of one of these public keys.
    Keys(&'a KeySet),
    /// That of whoever knows the secret.
    Secret(&'a SharedSecret),
    /// That of the key in the header: the token proves that its sender has it (RFC 9449 §4.3).
    Embedded,
}

/// A token that was read. Nothing in it is proven. `Debug` shows the header alone: the token is a
/// credential, and its claims may be a pushed request.
pub struct Unverified<'a> {
    message: &'a str,
    signature: Vec<u8>,
    header: Header,
    payload: Vec<u8>,
    claims: Map<String, Value>,
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").field("header", &self.header).finish_non_exhaustive()
    }
}

/// A token whose signature was verified under a policy. Its claims are still to be judged.
/// `Debug` does not show them.
pub struct Verified {
    /// The protected header.
    pub header: Header,
    /// The payload. Every member was named once, at every depth.
    pub claims: Map<String, Value>,
    /// The payload as the signer wrote it.
    pub payload: Vec<u8>,
    /// `kid` of the key that verified, if it was a public key with a name.
    pub kid: Option<String>,
    /// Thumbprint of the key that verified (RFC 7638), if it was a public key.
    pub thumbprint: Option<String>,
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("header", &self.header).finish_non_exhaustive()
    }
}

/// The public key that verified; nothing where it was a secret.
#[derive(Default)]
struct SignedBy {
    kid: Option<String>,
    thumbprint: Option<String>,
}

/// Why a token is not believed. No text repeats what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Longer than the policy allows.
    #[error("the token is too long")]
    TooLong,
    /// Not three parts with dots between them.
    #[error("the token does not have the three parts of a signed JWT")]
    Parts,
    /// The header is not accepted.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The payload is not one JSON object in base64url.
    #[error("the payload cannot be read: {0}")]
    Payload(JsonError),
    /// The signature is not base64url.
    #[error("the signature cannot be read: {0}")]
    SignatureEncoding(JsonError),
    /// `alg` is not among those allowed.
    #[error("the signature algorithm is not allowed")]
    Algorithm,
    /// `typ` is not what is expected here, or is missing.
    #[error("the typ of the token is not what is expected here")]
    Type,
    /// No key for this `kid` and algorithm.
    #[error("no key fits the kid and the algorithm of the token")]
    NoKey,
    /// No `jwk` in the header, where the token must bring its key.
    #[error("the header has no jwk")]
    NoEmbeddedKey,
    /// A `jwk` in the header that is no public key that can verify.
    #[error("the jwk in the header is not accepted: {0}")]
    EmbeddedKey(KeyFault),
    /// A shared secret that is too short for the algorithm.
    #[error(transparent)]
    ShortSecret(#[from] ShortSecret),
    /// The signature is wrong.
    #[error("the signature is wrong")]
    Signature,
}

/// Reads a token and verifies its signature.
pub fn verify(
    token: &str,
    policy: &Policy<'_>,
    authority: Authority<'_>,
) -> Result<Verified, JwsError> {
    Unverified::parse(token, policy.max_bytes)?.verify(policy, authority)
}

impl<'a> Unverified<'a> {
    /// Reads a token of at most `max_bytes`.
    pub fn parse(token: &'a str, max_bytes: usize) -> Result<Self, JwsError> {
        if token.len() > max_bytes {
            return Err(JwsError::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(JwsError::Parts)?;
        let (header, payload) = message.split_once('.').ok_or(JwsError::Parts)?;
        if payload.contains('.') {
            return Err(JwsError::Parts);
        }
        let header = Header::parse(header)?;
        let payload = json::base64url(payload).map_err(JwsError::Payload)?;
        let claims = json::object(&payload).map_err(JwsError::Payload)?;
        let signature = json::base64url(signature).map_err(JwsError::SignatureEncoding)?;
        Ok(Self { message, signature, header, payload, claims })
    }

    /// What a claim says if it is text: enough to find out whose keys to ask, and for nothing else.
    #[must_use]
    pub fn claimed(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// What the header says.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Verifies the signature.
    pub fn verify(
        self,
        policy: &Policy<'_>,
        authority: Authority<'_>,
    ) -> Result<Verified, JwsError> {
        let SignedBy { kid, thumbprint } = self.signer(policy, authority)?;
        let Self { header, payload, claims, .. } = self;
        Ok(Verified { header, claims, payload, kid, thumbprint })
    }

    /// The claims, once the signature is verified.
    pub fn verified_claims(
        &self,
        policy: &Policy<'_>,
        authority: Authority<'_>,
    ) -> Result<&Map<String, Value>, JwsError> {
        self.signer(policy, authority).map(|_| &self.claims)
    }

    fn signer(&self, policy: &Policy<'_>, authority: Authority<'_>) -> Result<SignedBy, JwsError> {
        if !policy.algorithms.contains(&self.header.algorithm) {
            return Err(JwsError::Algorithm);
        }
        if !policy.types.admit(&self.header) {
            return Err(JwsError::Type);
        }
        match authority {
            Authority::Embedded => {
                let jwk = self.header.jwk.as_ref().ok_or(JwsError::NoEmbeddedKey)?;
                let key = Key::from_jwk(jwk).map_err(JwsError::EmbeddedKey)?;
                self.verify_with(std::iter::once(&key))
            }
            _ if self.header.jwk.is_some() => Err(HeaderError::Refused("jwk").into()),
            Authority::Keys(set) => {
                let candidates = set.candidates(self.header.kid.as_deref(), self.header.algorithm);
                let candidates: Vec<_> = candidates.collect();
                self.verify_with(candidates.into_iter())
            }
            Authority::Secret(secret) => self.verify_with_secret(secret),
        }
    }

    fn verify_with<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> Result<SignedBy, JwsError> {
        let (algorithm, message) = (self.header.algorithm, self.message.as_bytes());
        let mut fitting = keys.filter(|key| key.fits(algorithm)).peekable();
        fitting.peek().ok_or(JwsError::NoKey)?;
        let key = fitting.find(|key| key.verifies(algorithm, message, &self.signature));
        let key = key.ok_or(JwsError::Signature)?;
        Ok(SignedBy {
            kid: key.kid().map(str::to_owned),
            thumbprint: Some(key.thumbprint().to_owned()),
        })
    }

    fn verify_with_secret(&self, secret: &SharedSecret) -> Result<SignedBy, JwsError> {
        let algorithm = self.header.algorithm;
        if !algorithm.is_symmetric() {
            return Err(JwsError::NoKey);
        }
        secret.fits(algorithm)?;
        if secret.verifies(algorithm, self.message.as_bytes(), &self.signature) {
            Ok(SignedBy::default())
        } else {
            Err(JwsError::Signature)
        }
    }
}

impl Types<'_> {
    fn admit(&self, header: &Header) -> bool {
        header
            .media_type()
            .map_or(self.or_absent, |found| self.named.iter().any(|name| *name == found))
    }
}
