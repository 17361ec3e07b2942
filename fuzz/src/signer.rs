//! A client's key, so that claims which the fuzzer makes get past the signature.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

static KEY: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"));

/// `x` and `y` of the public key, for P-256.
#[must_use]
pub fn point() -> [String; 2] {
    let (x, y) = KEY.public_key().as_ref()[1..].split_at(32);
    [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate))
}

/// A token of these two texts, whatever they are.
#[must_use]
pub fn sign(header: &str, claims: &[u8]) -> String {
    let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    let message = format!("{}.{}", encode(header.as_bytes()), encode(claims));
    let signature = KEY.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
    format!("{message}.{}", encode(signature.as_ref()))
}
