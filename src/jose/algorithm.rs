//! The signature algorithms that can be verified here (RFC 7518 §3.1, RFC 8037, RFC 9864).

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One `alg` of a JWS, as headers, registrations and key sets write it. `none` is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// HMAC with SHA-256
    #[serde(rename = "HS256")]
    Hs256,
    /// HMAC with SHA-384
    #[serde(rename = "HS384")]
    Hs384,
    /// HMAC with SHA-512
    #[serde(rename = "HS512")]
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384
    #[serde(rename = "RS384")]
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512
    #[serde(rename = "RS512")]
    Rs512,
    /// RSASSA-PSS with SHA-256
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PSS with SHA-384
    #[serde(rename = "PS384")]
    Ps384,
    /// RSASSA-PSS with SHA-512
    #[serde(rename = "PS512")]
    Ps512,
    /// ECDSA on P-256
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384
    #[serde(rename = "ES384")]
    Es384,
    /// ECDSA on P-521
    #[serde(rename = "ES512")]
    Es512,
    /// Ed25519, by its older name (RFC 8037)
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// Ed25519 (RFC 9864)
    Ed25519,
}

/// What kind of key an algorithm needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// A secret that both sides know.
    Secret,
    /// An RSA key.
    Rsa,
    /// A key on the P-256 curve.
    P256,
    /// A key on the P-384 curve.
    P384,
    /// A key on the P-521 curve.
    P521,
    /// A key on the Ed25519 curve.
    Ed25519,
}

/// A name that stands for no algorithm of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature algorithm is not supported")]
pub struct UnknownAlgorithm;

/// The smallest RSA modulus, in bits (RFC 7518 §3.3).
pub const SMALLEST_RSA_BITS: usize = 2_048;

/// The largest RSA modulus, in bits: verification stays cheap.
pub const LARGEST_RSA_BITS: usize = 8_192;

impl Algorithm {
    /// Every algorithm, as metadata may advertise them.
    pub const ALL: [Self; 14] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Ed25519,
    ];

    /// The value of `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// The kind of key that it needs.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => Family::Secret,
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                Family::Rsa
            }
            Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            Self::Es512 => Family::P521,
            Self::EdDsa | Self::Ed25519 => Family::Ed25519,
        }
    }

    /// Whether whoever verifies could also have signed.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self.family(), Family::Secret)
    }

    /// The fewest bytes that a secret may have: those of the hash (RFC 7518 §3.2). 0 for public keys.
    #[must_use]
    pub const fn shortest_secret(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
            Self::Rs256
            | Self::Rs384
            | Self::Rs512
            | Self::Ps256
            | Self::Ps384
            | Self::Ps512
            | Self::Es256
            | Self::Es384
            | Self::Es512
            | Self::EdDsa
            | Self::Ed25519 => 0,
        }
    }

    /// Whether both names mean one algorithm: `EdDSA` and `Ed25519` are made with the same keys.
    #[must_use]
    pub fn is_same_as(self, other: Self) -> bool {
        self == other || (self.family() == Family::Ed25519 && other.family() == Family::Ed25519)
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Names are compared letter by letter (RFC 7515 §4.1.1).
    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or(UnknownAlgorithm)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_no_other() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
            assert_eq!(serde_json::json!(algorithm), algorithm.name());
        }
        for name in ["none", "None", "", "hs256", "ES256K", "RSA-OAEP", "EDDSA", "Ed448", "HS256 "]
        {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name}");
        }
    }

    #[test]
    fn secrets_and_public_keys_never_share_a_family() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.is_symmetric(), algorithm.name().starts_with("HS"));
            assert_eq!(algorithm.is_symmetric(), algorithm.shortest_secret() > 0);
        }
        assert!(Algorithm::EdDsa.is_same_as(Algorithm::Ed25519));
        assert!(!Algorithm::Rs256.is_same_as(Algorithm::Ps256));
    }
}
