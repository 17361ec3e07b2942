//! What can be wrong with a request object as a JWT. What is wrong with the request in it is a
//! [`RequestError`](crate::par::RequestError), as in a plain push.

use std::borrow::Cow;

use super::LONGEST;
use crate::jose::JwsError;
use crate::jose::claims::ClaimError;
use crate::jose::jwe::JweError;
use crate::oauth::error::ErrorCode;

/// Why a request object is refused. The code is always `invalid_request_object` (RFC 9101 §7). No
/// text repeats what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// Longer than [`LONGEST`].
    #[error("the request object has more than {LONGEST} bytes")]
    TooLong,
    /// Nothing to verify it with.
    #[error("no key is known to verify request objects of this client")]
    NoKeys,
    /// It is encrypted, and we have no key for that.
    #[error("encrypted request objects are not supported")]
    NoDecryptionKey,
    /// The client is registered to encrypt (RFC 9101 §10.5).
    #[error("the request object of this client must be encrypted as registered")]
    NotEncrypted,
    /// The encryption is not acceptable, as everybody can see who has the token.
    #[error("the request object is not acceptable: {0}")]
    Encryption(JweError),
    /// A signed token that is not acceptable, whatever its signature is.
    #[error("the request object is not acceptable: {0}")]
    Token(JwsError),
    /// The signature does not hold; or, of an encrypted one, anything that comes before the claims.
    /// One text for all, so that nobody learns from it whether we could decrypt (RFC 7516 §11.5).
    #[error("the request object cannot be verified")]
    Unverified,
    /// The claims are no strict JSON.
    #[error("the claims of the request object cannot be read")]
    Unreadable,
    /// A registered claim.
    #[error("the request object is not acceptable: {0}")]
    Claim(#[from] ClaimError),
    /// `client_id` of somebody else (RFC 9126 §3).
    #[error("client_id in the request object is not that of the authenticated client")]
    OtherClientId,
    /// `iss` of somebody else.
    #[error("iss in the request object is not the client_id")]
    OtherIssuer,
    /// `aud` without our issuer (RFC 9101 §4).
    #[error("aud in the request object does not name the issuer")]
    OtherAudience,
    /// `sub` makes a client assertion of it (RFC 9101 §10.8).
    #[error("sub in the request object must not be the client_id")]
    Subject,
    /// `request` or `request_uri` inside (RFC 9101 §4).
    #[error("request and request_uri are not allowed in a request object")]
    Nested,
    /// A parameter of another JSON type than it may have (RFC 9101 §4).
    #[error("a parameter in the request object has another JSON type than it may have")]
    Type,
    /// A name that no parameter may have, or too many of them.
    #[error("the request object has too many parameters, or one with an illegal name")]
    Names,
    /// `redirect_uri` is missing inside; one outside does not count.
    #[error("redirect_uri is missing in the request object")]
    NoRedirectUri,
}

impl ObjectError {
    /// The wire code.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        ErrorCode::InvalidRequestObject
    }

    /// What the client is told: which check failed, nothing of what was sent.
    #[must_use]
    pub fn description(self) -> Cow<'static, str> {
        Cow::Owned(self.to_string())
    }
}

impl From<JwsError> for ObjectError {
    fn from(error: JwsError) -> Self {
        match error {
            JwsError::TooLong => Self::TooLong,
            JwsError::Signature | JwsError::NoKey | JwsError::ShortSecret(_) => Self::Unverified,
            JwsError::Parts
            | JwsError::Header(_)
            | JwsError::Payload(_)
            | JwsError::SignatureEncoding(_)
            | JwsError::Algorithm
            | JwsError::Type
            | JwsError::NoEmbeddedKey
            | JwsError::EmbeddedKey(_) => Self::Token(error),
        }
    }
}
