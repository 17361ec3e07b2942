//! The numbers of a public key, checked once and made ready for verification; and its thumbprint
//! (RFC 7638).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    EcdsaVerificationAlgorithm, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm::EdDSA;
use jsonwebtoken::DecodingKey;

use super::fault::KeyFault;
use crate::jose::algorithm::{Algorithm, Family, LARGEST_RSA_BITS, SMALLEST_RSA_BITS};

/// Longest RSA exponent, in bytes.
const LONGEST_EXPONENT: usize = 4;

/// An elliptic curve of RFC 7518 §6.2.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

/// A public key that can verify: its numbers were checked when it was made.
#[derive(Debug)]
pub(super) struct PublicKey {
    family: Family,
    engine: Engine,
    thumbprint: String,
}

/// What is kept of a key between requests: JSON, base64url and numbers are read and checked once.
/// `jsonwebtoken` would hand the raw numbers of curves and RSA to aws-lc for each signature, which
/// costs microseconds beside the verification itself (`cargo bench --bench jose`).
#[derive(Debug)]
enum Engine {
    /// Ed25519, whose key is its 32 bytes.
    Jsonwebtoken(DecodingKey),
    /// A point on a curve.
    Point(Box<ParsedPublicKey>),
    /// An RSA key for each algorithm that may be used with it.
    Rsa(Box<[(Algorithm, ParsedPublicKey)]>),
}

/// What an RSA key may be used for.
const RSA: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &RSA_PSS_2048_8192_SHA512),
];

impl Curve {
    /// The value of `crv`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Bytes of a coordinate.
    pub(super) const fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    const fn family(self) -> Family {
        match self {
            Self::P256 => Family::P256,
            Self::P384 => Family::P384,
            Self::P521 => Family::P521,
        }
    }

    const fn verification(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED,
            Self::P384 => &ECDSA_P384_SHA384_FIXED,
            Self::P521 => &ECDSA_P521_SHA512_FIXED,
        }
    }
}

impl PublicKey {
    /// An RSA key: modulus and exponent, big-endian, without leading zeros (RFC 7518 §6.3.1).
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyFault> {
        let top = modulus.first().filter(|byte| **byte != 0).ok_or(KeyFault::Malformed("n"))?;
        // An exponent of 1 signs nothing, and anybody can use it; an even one is no RSA. A long one
        // makes verification slow.
        let is_odd = exponent.last().is_some_and(|byte| byte % 2 == 1);
        let is_canonical = exponent.first().is_some_and(|byte| *byte != 0);
        if !is_odd || !is_canonical || exponent == [1] || exponent.len() > LONGEST_EXPONENT {
            return Err(KeyFault::Malformed("e"));
        }
        let bits = modulus.len() * 8 - top.leading_zeros() as usize;
        if bits < SMALLEST_RSA_BITS {
            return Err(KeyFault::ShortRsa);
        }
        if bits > LARGEST_RSA_BITS {
            return Err(KeyFault::LongRsa);
        }
        let numbers = PublicKeyComponents { n: modulus, e: exponent };
        let parsed = RSA.into_iter().map(|(algorithm, parameters)| {
            numbers.to_parsed_public_key(parameters).map(|key| (algorithm, key))
        });
        let parsed: Result<_, _> = parsed.collect();
        let parsed = parsed.map_err(|_| KeyFault::Malformed("n or e"))?;
        let (n, e) = (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode(exponent));
        Ok(Self {
            family: Family::Rsa,
            engine: Engine::Rsa(parsed),
            thumbprint: thumbprint(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)),
        })
    }

    /// A key on a curve: both coordinates in full length (RFC 7518 §6.2.1).
    pub(super) fn elliptic(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyFault> {
        for (name, coordinate) in [("x", x), ("y", y)] {
            if coordinate.len() != curve.coordinate_bytes() {
                return Err(KeyFault::Malformed(name));
            }
        }
        let point = [&[4], x, y].concat();
        let parsed = ParsedPublicKey::new(curve.verification(), &point)
            .map_err(|_| KeyFault::Malformed("x or y"))?;
        let engine = Engine::Point(Box::new(parsed));
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let name = curve.name();
        let members = format!(r#"{{"crv":"{name}","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Ok(Self { family: curve.family(), engine, thumbprint: thumbprint(&members) })
    }

    /// An Ed25519 key of 32 bytes (RFC 8037 §2).
    pub(super) fn ed25519(x: &[u8]) -> Result<Self, KeyFault> {
        ParsedPublicKey::new(&ED25519, x).map_err(|_| KeyFault::Malformed("x"))?;
        let encoded = URL_SAFE_NO_PAD.encode(x);
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{encoded}"}}"#);
        Ok(Self {
            family: Family::Ed25519,
            engine: Engine::Jsonwebtoken(DecodingKey::from_ed_der(x)),
            thumbprint: thumbprint(&members),
        })
    }

    pub(super) const fn family(&self) -> Family {
        self.family
    }

    /// SHA-256 over the key's own members, in base64url (RFC 7638 §3).
    pub(super) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Whether `signature` over `message` was made with this key.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if algorithm.family() != self.family {
            return false;
        }
        match &self.engine {
            Engine::Jsonwebtoken(key) => {
                let signature = URL_SAFE_NO_PAD.encode(signature);
                jsonwebtoken::crypto::verify(&signature, message, key, EdDSA).unwrap_or(false)
            }
            Engine::Point(key) => key.verify_sig(message, signature).is_ok(),
            Engine::Rsa(keys) => keys
                .iter()
                .find(|(name, _)| *name == algorithm)
                .is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok()),
        }
    }
}

fn thumbprint(members: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}
