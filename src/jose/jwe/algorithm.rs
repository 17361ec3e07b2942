//! The algorithms that a JWE may use (RFC 7518 §4 and §5). Left out on purpose: `RSA1_5` (padding
//! oracles), `dir` and `A*KW` (shared keys), `PBES2-*` (work that the sender chooses).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `alg`: how the content encryption key is wrapped or agreed on (RFC 7518 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum KeyManagement {
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

impl KeyManagement {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::RsaOaep, Self::RsaOaep256, Self::EcdhEs, Self::EcdhEsA128Kw, Self::EcdhEsA256Kw];

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA128Kw => "ECDH-ES+A128KW",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }

    /// Whether the key is an RSA key; otherwise it is one for key agreement.
    pub(super) const fn is_rsa(self) -> bool {
        matches!(self, Self::RsaOaep | Self::RsaOaep256)
    }
}

/// `enc`: how the content is encrypted (RFC 7518 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::A128Gcm, Self::A256Gcm, Self::A128CbcHs256, Self::A256CbcHs512];

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::A128Gcm => "A128GCM",
            Self::A256Gcm => "A256GCM",
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A256CbcHs512 => "A256CBC-HS512",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|enc| enc.name() == name)
    }

    /// Bytes of the content encryption key.
    pub(super) const fn key_length(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A256Gcm | Self::A128CbcHs256 => 32,
            Self::A256CbcHs512 => 64,
        }
    }

    /// Bytes of the initialization vector.
    pub(super) const fn iv_length(self) -> usize {
        match self {
            Self::A128Gcm | Self::A256Gcm => 12,
            Self::A128CbcHs256 | Self::A256CbcHs512 => 16,
        }
    }

    /// Bytes of the authentication tag.
    pub(super) const fn tag_length(self) -> usize {
        match self {
            Self::A128Gcm | Self::A256Gcm | Self::A128CbcHs256 => 16,
            Self::A256CbcHs512 => 32,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_those_of_the_file() {
        for algorithm in KeyManagement::ALL {
            assert_eq!(json!(algorithm), json!(algorithm.name()));
        }
        for algorithm in ContentEncryption::ALL {
            assert_eq!(json!(algorithm), json!(algorithm.name()));
        }
    }
}
