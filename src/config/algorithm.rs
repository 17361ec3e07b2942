//! Names of encryption algorithms (RFC 7518), as registrations write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

    use super::{ContentEncryption as C, KeyEncryption as K};

    #[test]
    fn names_are_those_of_the_file() {
        for algorithm in [K::RsaOaep, K::RsaOaep256, K::EcdhEs, K::EcdhEsA128Kw, K::EcdhEsA256Kw] {
            assert_eq!(json!(algorithm), json!(algorithm.as_str()));
        }
        for algorithm in [C::A128Gcm, C::A256Gcm, C::A128CbcHs256, C::A256CbcHs512] {
            assert_eq!(json!(algorithm), json!(algorithm.as_str()));
        }
    }
}
