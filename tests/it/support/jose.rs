//! Keys of every kind, made for one run, and tokens signed with them: good ones and ones that no
//! library would sign.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parapet::jose::Algorithm;
use parapet::jose::algorithm::Family;
use serde_json::{Value, json};

/// Somebody with a key, who signs whatever is asked.
pub struct Signer {
    algorithm: Algorithm,
    key: Secret,
}

enum Secret {
    Octets(Vec<u8>),
    Rsa(&'static RsaKeyPair),
    Elliptic(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// A new key for the algorithm. All RSA signers have one key, as making one takes long.
    pub fn new(algorithm: Algorithm) -> Self {
        let elliptic = |curve| Secret::Elliptic(EcdsaKeyPair::generate(curve).unwrap());
        let key = match algorithm.family() {
            Family::Secret => {
                let mut octets = vec![0; 64];
                aws_lc_rs::rand::fill(&mut octets).unwrap();
                Secret::Octets(octets)
            }
            Family::Rsa => Secret::Rsa(rsa_key()),
            Family::P256 => elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Family::P384 => elliptic(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Family::P521 => elliptic(&ECDSA_P521_SHA512_FIXED_SIGNING),
            Family::Ed25519 => Secret::Ed25519(Ed25519KeyPair::generate().unwrap()),
        };
        Self { algorithm, key }
    }

    /// One who signs with an HMAC under these octets.
    pub fn with_secret(algorithm: Algorithm, octets: &[u8]) -> Self {
        Self { algorithm, key: Secret::Octets(octets.to_vec()) }
    }

    /// The public key as JSON.
    pub fn jwk(&self) -> Value {
        match &self.key {
            Secret::Octets(octets) => json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(octets) }),
            Secret::Rsa(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                json!({
                    "kty": "RSA",
                    "n": URL_SAFE_NO_PAD.encode(n.big_endian_without_leading_zero()),
                    "e": URL_SAFE_NO_PAD.encode(e.big_endian_without_leading_zero()),
                })
            }
            Secret::Elliptic(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..]
                    .split_at((pair.public_key().as_ref().len() - 1) / 2);
                let curve = match x.len() {
                    48 => "P-384",
                    66 => "P-521",
                    _ => "P-256",
                };
                let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
                json!({ "kty": "EC", "crv": curve, "x": x, "y": y })
            }
            Secret::Ed25519(pair) => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
            }
        }
    }

    /// The public key as JSON, with a name.
    pub fn jwk_named(&self, kid: &str) -> Value {
        let mut jwk = self.jwk();
        jwk["kid"] = json!(kid);
        jwk
    }

    /// A JWK Set of this key alone.
    pub fn jwks(&self) -> String {
        json!({ "keys": [self.jwk()] }).to_string()
    }

    /// The public key in PEM; a secret has none.
    pub fn pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = match &self.key {
            Secret::Octets(_) => return String::new(),
            Secret::Rsa(pair) => pair.public_key().as_der().unwrap(),
            Secret::Elliptic(pair) => pair.public_key().as_der().unwrap(),
            Secret::Ed25519(pair) => pair.public_key().as_der().unwrap(),
        };
        pem("PUBLIC KEY", der.as_ref())
    }

    /// The private key in PEM (PKCS #8) of an RSA signer; empty for others.
    pub fn private_pem(&self) -> String {
        let Secret::Rsa(pair) = &self.key else { return String::new() };
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        pem("PRIVATE KEY", der.as_ref())
    }

    /// A token with `alg` and `typ: JWT` in its header.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({ "alg": self.algorithm.name(), "typ": "JWT" }), claims)
    }

    /// A token with this header, whatever it says.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        self.token_of_texts(&header.to_string(), &claims.to_string())
    }

    /// A token of these texts, which need not be JSON.
    pub fn token_of_texts(&self, header: &str, payload: &str) -> String {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(self.signature(message.as_bytes()));
        format!("{message}.{signature}")
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Secret::Octets(octets) => {
                let hash = match self.algorithm.name() {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(hash, octets), message).as_ref().to_vec()
            }
            Secret::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match self.algorithm.name() {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Secret::Elliptic(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Secret::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<_> = encoded.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn rsa_key() -> &'static RsaKeyPair {
    static KEY: OnceLock<rsa::KeyPair> = OnceLock::new();
    KEY.get_or_init(|| rsa::KeyPair::generate(KeySize::Rsa2048).unwrap())
}
