//! The vectors of `tests/fixtures/jwe`, for the tests of this folder.

use serde::Deserialize;
use serde_json::Value;

/// A private key in all its forms.
#[derive(Deserialize)]
pub(super) struct Key {
    pub(super) jwk: Value,
    pub(super) public_jwk: Value,
    pub(super) thumbprint: String,
    pub(super) pems: Vec<String>,
}

/// A token that another implementation made.
#[derive(Deserialize)]
pub(super) struct Vector {
    pub(super) key: String,
    pub(super) alg: String,
    pub(super) enc: String,
    pub(super) plaintext: String,
    pub(super) token: String,
}

pub(super) fn keys() -> Vec<Key> {
    serde_json::from_str(include_str!("../../../tests/fixtures/jwe/keys.json")).unwrap()
}

/// The tokens that jose made.
pub(super) fn tokens() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../../tests/fixtures/jwe/jose.json")).unwrap()
}
