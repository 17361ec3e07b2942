//! Keys that sign: a client's own out of a PEM file, its secret, or a new one for a proof.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use zeroize::{Zeroize as _, Zeroizing};

use crate::config::Secret;
use crate::jose::Algorithm;
use crate::jose::algorithm::Family;

/// A key and the algorithm that it signs by.
pub struct Signer {
    algorithm: Algorithm,
    kid: Option<String>,
    key: Key,
}

enum Key {
    Octets(Zeroizing<Vec<u8>>),
    Rsa(Box<RsaKeyPair>),
    Elliptic(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// Why a key does not sign.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// Not readable, or no private key in PEM.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A key of another kind than the algorithm needs, or of a kind that is not known.
    #[error("{}: no private key that {needed} can be made with", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// The algorithm, or all.
        needed: String,
    },
    /// An algorithm that the key cannot sign by.
    #[error("{0} cannot be made with this secret")]
    Algorithm(Algorithm),
    /// The library refuses.
    #[error("the signature cannot be made")]
    Failed,
    /// No random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// What a key signs by where nothing is said.
const STANDARD: [Algorithm; 5] =
    [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa, Algorithm::Ps256];

impl Signer {
    /// The private key in a PEM file (PKCS #8, PKCS #1 or SEC 1), for this algorithm or the usual one
    /// of its kind.
    ///
    /// # Errors
    /// [`SignError`]
    pub fn from_pem(
        path: &Path,
        algorithm: Option<Algorithm>,
        kid: Option<String>,
    ) -> Result<Self, SignError> {
        let problem = |problem: String| SignError::File { path: path.to_owned(), problem };
        let pem = std::fs::read(path).map(Zeroizing::new).map_err(|e| problem(e.to_string()))?;
        let mut der =
            PrivateKeyDer::from_pem_slice(&pem).map_err(|error| problem(error.to_string()))?;
        let candidates = algorithm.as_ref().map_or(&STANDARD[..], std::slice::from_ref);
        let found = candidates.iter().find_map(|&one| Some((one, key(one.family(), &der)?)));
        der.zeroize();
        let needed = || algorithm.map_or("a signature".to_owned(), |one| one.to_string());
        let (algorithm, key) =
            found.ok_or_else(|| SignError::Kind { path: path.to_owned(), needed: needed() })?;
        Ok(Self { algorithm, kid, key })
    }

    /// A client secret (RFC 7518 §3.2).
    ///
    /// # Errors
    /// [`SignError::Algorithm`] for another algorithm than HS256, HS384 and HS512.
    pub fn with_secret(secret: &Secret, algorithm: Algorithm) -> Result<Self, SignError> {
        if !algorithm.is_symmetric() {
            return Err(SignError::Algorithm(algorithm));
        }
        let octets = Zeroizing::new(secret.expose().as_bytes().to_vec());
        Ok(Self { algorithm, kid: None, key: Key::Octets(octets) })
    }

    /// A new key for ES256.
    ///
    /// # Errors
    /// [`SignError::Random`]
    pub fn fresh() -> Result<Self, SignError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let pair = pair.map_err(|_| SignError::Random)?;
        Ok(Self { algorithm: Algorithm::Es256, kid: None, key: Key::Elliptic(Box::new(pair)) })
    }

    /// The public key of one that [`Signer::fresh`] made, as a JWK (RFC 7518 §6.2); null of others.
    pub(super) fn public_jwk(&self) -> Value {
        let Key::Elliptic(pair) = &self.key else {
            return Value::Null;
        };
        let point = pair.public_key().as_ref();
        let half = |range| URL_SAFE_NO_PAD.encode(point.get(range).unwrap_or_default());
        json!({ "kty": "EC", "crv": "P-256", "x": half(1..33), "y": half(33..65) })
    }

    /// A JWS in compact form (RFC 7515 §7.1) with this `typ` and, where it is not null, `jwk`.
    pub(super) fn token(
        &self,
        typ: &str,
        jwk: &Value,
        claims: &Value,
    ) -> Result<String, SignError> {
        let mut header = json!({ "alg": self.algorithm.name(), "typ": typ });
        if let Some(members) = header.as_object_mut() {
            if let Some(kid) = &self.kid {
                members.insert("kid".to_owned(), json!(kid));
            }
            if !jwk.is_null() {
                members.insert("jwk".to_owned(), jwk.clone());
            }
        }
        let [header, claims] =
            [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.signature(message.as_bytes())?);
        Ok(format!("{message}.{signature}"))
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let random: &dyn SecureRandom = &SystemRandom::new();
        let signature = match &self.key {
            Key::Octets(octets) => {
                let key = hmac::Key::new(hmac_algorithm(self.algorithm), octets);
                Ok(hmac::sign(&key, message).as_ref().to_vec())
            }
            Key::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let encoding = rsa_encoding(self.algorithm);
                pair.sign(encoding, random, message, &mut signature).map(|()| signature)
            }
            Key::Elliptic(pair) => pair.sign(random, message).map(|one| one.as_ref().to_vec()),
            Key::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        };
        signature.map_err(|_| SignError::Failed)
    }
}

/// The key in `der`, if it is of this family.
fn key(family: Family, der: &PrivateKeyDer<'_>) -> Option<Key> {
    let bytes = der.secret_der();
    let is_pkcs8 = matches!(der, PrivateKeyDer::Pkcs8(_));
    let elliptic = |curve: &'static EcdsaSigningAlgorithm| {
        let pair = if is_pkcs8 {
            EcdsaKeyPair::from_pkcs8(curve, bytes)
        } else {
            EcdsaKeyPair::from_private_key_der(curve, bytes)
        };
        pair.ok().map(|pair| Key::Elliptic(Box::new(pair)))
    };
    match family {
        Family::Secret => None,
        Family::Rsa => {
            let pair =
                if is_pkcs8 { RsaKeyPair::from_pkcs8(bytes) } else { RsaKeyPair::from_der(bytes) };
            pair.ok().map(|pair| Key::Rsa(Box::new(pair)))
        }
        Family::P256 => elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING),
        Family::P384 => elliptic(&ECDSA_P384_SHA384_FIXED_SIGNING),
        Family::P521 => elliptic(&ECDSA_P521_SHA512_FIXED_SIGNING),
        Family::Ed25519 => {
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).ok().map(Box::new).map(Key::Ed25519)
        }
    }
}

fn hmac_algorithm(algorithm: Algorithm) -> hmac::Algorithm {
    match algorithm.shortest_secret() {
        48 => hmac::HMAC_SHA384,
        64 => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    }
}

fn rsa_encoding(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm.name() {
        "RS256" => &RSA_PKCS1_SHA256,
        "RS384" => &RSA_PKCS1_SHA384,
        "RS512" => &RSA_PKCS1_SHA512,
        "PS384" => &RSA_PSS_SHA384,
        "PS512" => &RSA_PSS_SHA512,
        _ => &RSA_PSS_SHA256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_key() {
        let signer =
            Signer::with_secret(&Secret::new("hunter2".to_owned()), Algorithm::Hs256).unwrap();
        assert_eq!(
            format!("{signer:?}"),
            "Signer { algorithm: HS256, .. }".replace("HS256", "Hs256")
        );
        assert!(Signer::with_secret(&Secret::new("a".to_owned()), Algorithm::Es256).is_err());
    }

    #[test]
    fn keys_are_known_by_their_kind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        for (kind, algorithm, other) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::Es256, Algorithm::Es384),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Algorithm::Es384, Algorithm::Ps256),
            (&rcgen::PKCS_ED25519, Algorithm::EdDsa, Algorithm::Es256),
        ] {
            let pem = rcgen::KeyPair::generate_for(kind).unwrap().serialize_pem();
            std::fs::write(&file, pem).unwrap();
            let signer = Signer::from_pem(&file, None, Some("k".to_owned())).unwrap();
            assert_eq!(signer.algorithm, algorithm);
            let token = signer.token("JWT", &Value::Null, &json!({})).unwrap();
            let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
            let header: Value = serde_json::from_slice(&header).unwrap();
            assert_eq!(header, json!({"alg": algorithm.name(), "typ": "JWT", "kid": "k"}));
            let error = Signer::from_pem(&file, Some(other), None).unwrap_err().to_string();
            assert!(error.contains(other.name()), "{error}");
        }
        std::fs::write(&file, "no key").unwrap();
        assert!(matches!(Signer::from_pem(&file, None, None), Err(SignError::File { .. })));
    }
}
