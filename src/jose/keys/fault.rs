//! What can be wrong with a key or a set of keys. No text repeats what was read.

use crate::jose::json::JsonError;

/// Why a key is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// An element of `keys` that is not an object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// No `kty`, or one that is neither `RSA`, `EC` nor `OKP`.
    #[error("its kty is not supported")]
    KeyType,
    /// `crv` is not `P-256`, `P-384`, `P-521` or `Ed25519`.
    #[error("its crv is not supported")]
    Curve,
    /// A shared secret (`oct`) among public keys (RFC 8725 §3.1).
    #[error("it is a shared secret, which has no place among public keys")]
    Secret,
    /// Members of a private key. Whoever sees this should make a new key.
    #[error("it is a private key; public keys belong here")]
    Private,
    /// `use` other than `sig`.
    #[error("its use is not sig")]
    Use,
    /// `key_ops` without `verify`.
    #[error("its key_ops does not contain verify")]
    Operations,
    /// `alg` names no signature algorithm of ours, or one for another kind of key.
    #[error("its alg is not a supported signature algorithm for this kind of key")]
    Algorithm,
    /// A member that is absent, of the wrong type or length, or not a number of the curve.
    #[error("its {0} is not what it must be")]
    Malformed(&'static str),
    /// An RSA modulus under 2048 bits (RFC 7518 §3.3).
    #[error("an RSA key must have 2048 bits or more")]
    ShortRsa,
    /// An RSA modulus above 8192 bits.
    #[error("an RSA key must have 8192 bits or fewer")]
    LongRsa,
    /// The first certificate of `x5c` cannot be read or has another key (RFC 7517 §4.7). The key is
    /// used, the certificate is not.
    #[error("the first certificate of its x5c cannot be read or has another key")]
    Certificate,
    /// A PEM block that is neither a public key nor a certificate.
    #[error("it is neither a public key nor a certificate")]
    Label,
}

/// One thing that was noticed in a set of keys that can be used nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("key {}: {fault}", .position + 1)]
pub struct Finding {
    /// Which key, counted from 0.
    pub position: usize,
    /// What is wrong.
    pub fault: KeyFault,
}

/// Why a document is not a set of keys at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// More bytes than [`super::LARGEST_DOCUMENT`].
    #[error("the document with the keys is too large")]
    TooLarge,
    /// Not one JSON object.
    #[error("the document with the keys cannot be read: {0}")]
    Json(#[from] JsonError),
    /// Neither a JWK Set (RFC 7517 §5) nor a JWK.
    #[error("the document has neither keys nor kty")]
    NoKeys,
    /// More than [`super::MOST_KEYS`].
    #[error("there are too many keys")]
    TooMany,
    /// Not PEM, or PEM without a block.
    #[error("the text is not PEM")]
    Pem,
}
