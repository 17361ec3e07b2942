//! The other opinion: josekit, held to the same algorithms and keys.

use std::sync::LazyLock;

use josekit::jwe::{
    ECDH_ES, ECDH_ES_A128KW, ECDH_ES_A256KW, JweDecrypter, JweEncrypter, RSA_OAEP, RSA_OAEP_256,
};
use josekit::jwk::Jwk;

use crate::jwe::JWKS;

/// One algorithm with one key.
struct Pair {
    kid: String,
    encrypter: Box<dyn JweEncrypter + Send + Sync>,
    decrypter: Box<dyn JweDecrypter + Send + Sync>,
}

static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| JWKS.iter().flat_map(pairs).collect());

fn pairs(jwk: &serde_json::Value) -> Vec<Pair> {
    let kid = jwk["kid"].as_str().expect("a kid").to_owned();
    let mut members = jwk.as_object().expect("an object").clone();
    // Without `kid`, so that a header needs none either.
    members.remove("kid");
    let jwk = Jwk::from_map(members).expect("a JWK");
    if jwk.key_type() == "RSA" {
        let pair = |alg: josekit::jwe::alg::rsaes::RsaesJweAlgorithm| Pair {
            kid: kid.clone(),
            encrypter: Box::new(alg.encrypter_from_jwk(&jwk).expect("a public key")),
            decrypter: Box::new(alg.decrypter_from_jwk(&jwk).expect("a private key")),
        };
        return vec![pair(RSA_OAEP), pair(RSA_OAEP_256)];
    }
    let pair = |alg: josekit::jwe::alg::ecdh_es::EcdhEsJweAlgorithm| Pair {
        kid: kid.clone(),
        encrypter: Box::new(alg.encrypter_from_jwk(&jwk).expect("a public key")),
        decrypter: Box::new(alg.decrypter_from_jwk(&jwk).expect("a private key")),
    };
    vec![pair(ECDH_ES), pair(ECDH_ES_A128KW), pair(ECDH_ES_A256KW)]
}

/// Reads the keys, which takes its time.
pub fn prepare() {
    LazyLock::force(&PAIRS);
    let _ = crate::jwe::KEYS.iter().count();
}

/// The plaintext, if one of the keys opens the token.
#[must_use]
pub fn open(token: &str) -> Option<Vec<u8>> {
    PAIRS.iter().find_map(|pair| {
        let opened = josekit::jwe::deserialize_compact(token, pair.decrypter.as_ref());
        opened.ok().map(|(plaintext, _)| plaintext)
    })
}

/// An algorithm with a key to encrypt to, and the key's `kid`.
#[must_use]
pub fn encrypter(choice: usize) -> (&'static str, &'static dyn JweEncrypter) {
    let pairs: &'static [Pair] = &PAIRS;
    let pair = &pairs[choice % pairs.len()];
    (&pair.kid, pair.encrypter.as_ref())
}
