//! Our side: the keys and tokens of `tests/fixtures/jwe`.

use std::collections::HashSet;
use std::sync::LazyLock;

use parapet::jose::jwe::{ContentEncryption, DecryptionKey, DecryptionKeys, KeyManagement, Policy};
use serde_json::Value;

const VECTORS: [&str; 2] = [
    include_str!("../../tests/fixtures/jwe/jwcrypto.json"),
    include_str!("../../tests/fixtures/jwe/jose.json"),
];

/// The private keys as JWKs.
pub static JWKS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let keys: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/fixtures/jwe/keys.json")).expect("JSON");
    keys.into_iter().map(|mut key| key["jwk"].take()).collect()
});

/// The same, read.
pub static KEYS: LazyLock<DecryptionKeys> = LazyLock::new(|| {
    let keys = JWKS.iter().map(|jwk| DecryptionKey::from_jwk(jwk).expect("a key of ours"));
    DecryptionKeys::new(keys.collect())
});

static TOKENS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let vectors =
        VECTORS.iter().flat_map(|text| serde_json::from_str::<Vec<Value>>(text).expect("JSON"));
    vectors.map(|vector| vector["token"].as_str().expect("a token").to_owned()).collect()
});

/// Whether the token is one of the vectors, which open of course.
#[must_use]
pub fn is_vector(token: &str) -> bool {
    TOKENS.contains(token)
}

/// A policy that accepts whatever is implemented.
#[must_use]
pub fn everything() -> Policy {
    Policy {
        algs: KeyManagement::ALL.to_vec(),
        encs: ContentEncryption::ALL.to_vec(),
        max_bytes: 64 * 1024,
    }
}
