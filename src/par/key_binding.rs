//! `dpop_jkt`: the key that the code will be bound to (RFC 9449 §10).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::terms::Terms;
use crate::client::Client;
use crate::oauth::error::ErrorCode;

/// Why the key of a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyBindingError {
    /// The upstream would ignore it, and the client would think its code bound.
    #[error("dpop_jkt is refused: the authorization server does not support DPoP")]
    Unsupported,
    /// Nobody knows at the moment whether the upstream would keep the binding.
    #[error("the metadata of the authorization server cannot be had at the moment")]
    UpstreamUnknown,
    /// Not a SHA-256 thumbprint (RFC 7638).
    #[error("dpop_jkt is not the SHA-256 thumbprint of a key")]
    NotAThumbprint,
    /// The proof was made with another key (RFC 9449 §10.1).
    #[error("dpop_jkt is not the thumbprint of the key of the DPoP proof")]
    OtherKey,
    /// The client's tokens are bound to keys, so its codes are too.
    #[error("this client must push with a DPoP proof or dpop_jkt")]
    Missing,
}

impl KeyBindingError {
    /// The wire code.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Unsupported | Self::NotAThumbprint => ErrorCode::InvalidRequest,
            Self::UpstreamUnknown => ErrorCode::TemporarilyUnavailable,
            Self::OtherKey | Self::Missing => ErrorCode::InvalidDpopProof,
        }
    }
}

/// Judges a pushed `dpop_jkt`, or that there is none.
pub(super) fn judge(
    pushed: Option<&str>,
    client: &Client,
    terms: &Terms<'_>,
) -> Result<(), KeyBindingError> {
    let Some(pushed) = pushed else {
        let is_missing = client.dpop_bound_access_tokens && terms.proven_key.is_none();
        return if is_missing { Err(KeyBindingError::Missing) } else { Ok(()) };
    };
    if !is_thumbprint(pushed) {
        return Err(KeyBindingError::NotAThumbprint);
    }
    if terms.proven_key.is_some_and(|proven| proven != pushed) {
        return Err(KeyBindingError::OtherKey);
    }
    match terms.capabilities {
        None => Err(KeyBindingError::UpstreamUnknown),
        Some(upstream) if upstream.dpop_algorithms.is_empty() => Err(KeyBindingError::Unsupported),
        Some(_) => Ok(()),
    }
}

fn is_thumbprint(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|octets| octets.len() == 32)
}
