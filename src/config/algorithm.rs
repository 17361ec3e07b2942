//! Names of algorithms (RFC 7518, RFC 8037, RFC 9864), as registrations and key sets write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a JWT of a client is signed (RFC 7518 §3.1). `none` is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SigningAlgorithm {
    /// HMAC with SHA-256
    HS256,
    /// HMAC with SHA-384
    HS384,
    /// HMAC with SHA-512
    HS512,
    /// RSASSA-PKCS1-v1_5 with SHA-256
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512
    RS512,
    /// RSASSA-PSS with SHA-256
    PS256,
    /// RSASSA-PSS with SHA-384
    PS384,
    /// RSASSA-PSS with SHA-512
    PS512,
    /// ECDSA on P-256
    ES256,
    /// ECDSA on P-384
    ES384,
    /// ECDSA on P-521
    ES512,
    /// Ed25519, by its older name (RFC 8037)
    EdDSA,
    /// Ed25519 (RFC 9864)
    Ed25519,
}

impl SigningAlgorithm {
    /// Keyed with the client secret rather than with a key of the client's own.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }

    /// The value of `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }
}

/// How the content key of a request object is encrypted (RFC 7518 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KeyEncryption {
    /// RSAES OAEP with SHA-1
    #[serde(rename = "RSA-OAEP")]
    RsaOaep,
    /// RSAES OAEP with SHA-256
    #[serde(rename = "RSA-OAEP-256")]
    RsaOaep256,
    /// Direct key agreement
    #[serde(rename = "ECDH-ES")]
    EcdhEs,
    /// Key agreement with AES-128 key wrap
    #[serde(rename = "ECDH-ES+A128KW")]
    EcdhEsA128Kw,
    /// Key agreement with AES-256 key wrap
    #[serde(rename = "ECDH-ES+A256KW")]
    EcdhEsA256Kw,
}

impl KeyEncryption {
    /// The value of `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA128Kw => "ECDH-ES+A128KW",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
        }
    }
}

/// How the content of a request object is encrypted (RFC 7518 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ContentEncryption {
    /// AES-128 GCM
    #[serde(rename = "A128GCM")]
    A128Gcm,
    /// AES-256 GCM
    #[serde(rename = "A256GCM")]
    A256Gcm,
    /// AES-128 CBC with HMAC SHA-256; what is meant where a registration names none
    #[serde(rename = "A128CBC-HS256")]
    A128CbcHs256,
    /// AES-256 CBC with HMAC SHA-512
    #[serde(rename = "A256CBC-HS512")]
    A256CbcHs512,
}

impl ContentEncryption {
    /// The value of `enc`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A128Gcm => "A128GCM",
            Self::A256Gcm => "A256GCM",
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A256CbcHs512 => "A256CBC-HS512",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ContentEncryption as C, KeyEncryption as K, SigningAlgorithm as S};

    #[test]
    fn names_are_those_of_the_file() {
        for algorithm in [
            S::HS256,
            S::HS384,
            S::HS512,
            S::RS256,
            S::RS384,
            S::RS512,
            S::PS256,
            S::PS384,
            S::PS512,
            S::ES256,
            S::ES384,
            S::ES512,
            S::EdDSA,
            S::Ed25519,
        ] {
            assert_eq!(json!(algorithm), json!(algorithm.as_str()));
            assert_eq!(algorithm.is_symmetric(), algorithm.as_str().starts_with("HS"));
        }
        for algorithm in [K::RsaOaep, K::RsaOaep256, K::EcdhEs, K::EcdhEsA128Kw, K::EcdhEsA256Kw] {
            assert_eq!(json!(algorithm), json!(algorithm.as_str()));
        }
        for algorithm in [C::A128Gcm, C::A256Gcm, C::A128CbcHs256, C::A256CbcHs512] {
            assert_eq!(json!(algorithm), json!(algorithm.as_str()));
        }
    }
}
