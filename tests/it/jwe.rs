//! Decryption against what others encrypt: every algorithm with every kind of key by two independent
//! implementations, the examples of the standards, and each of these tokens spoilt.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parapet::jose::jwe::{
    ContentEncryption, DecryptionKey, DecryptionKeys, JweError, KeyManagement, Policy, decrypt,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Vector {
    key: String,
    alg: String,
    enc: String,
    plaintext: String,
    token: String,
}

#[derive(Deserialize)]
struct Examples {
    opened: Vec<Example>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Example {
    source: String,
    jwk: Value,
    plaintext: String,
    token: String,
}

#[derive(Deserialize)]
struct Refused {
    source: String,
    token: String,
}

fn read<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let text = std::fs::read_to_string(format!("tests/fixtures/jwe/{file}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<_> =
        ["jwcrypto.json", "jose.json"].into_iter().flat_map(read::<Vec<_>>).collect();
    assert_eq!(vectors.len(), 112);
    vectors
}

fn keys() -> DecryptionKeys {
    let keys = read::<Vec<Value>>("keys.json").into_iter();
    DecryptionKeys::new(keys.map(|key| DecryptionKey::from_jwk(&key["jwk"]).unwrap()).collect())
}

fn all() -> Policy {
    Policy {
        algs: KeyManagement::ALL.to_vec(),
        encs: ContentEncryption::ALL.to_vec(),
        max_bytes: 64 * 1024,
    }
}

/// The token with one part changed.
fn with_part(token: &str, index: usize, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    let mut bytes = URL_SAFE_NO_PAD.decode(&parts[index]).unwrap();
    change(&mut bytes);
    parts[index] = URL_SAFE_NO_PAD.encode(bytes);
    parts.join(".")
}

/// The parts of a token that have something to spoil.
fn full_parts(token: &str) -> impl Iterator<Item = usize> {
    token.split('.').enumerate().filter(|(_, part)| !part.is_empty()).map(|(index, _)| index)
}

#[test]
fn every_token_of_two_implementations_opens() {
    let keys = keys();
    for vector in vectors() {
        let name = &vector.plaintext;
        let found = decrypt(&vector.token, &keys, &all()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(found.plaintext.as_slice(), name.as_bytes());
        assert_eq!(found.header.alg.name(), vector.alg);
        assert_eq!(found.header.enc.name(), vector.enc);
        assert_eq!(found.header.kid.as_deref(), Some(vector.key.as_str()));
        assert_eq!(found.header.cty.as_deref(), Some("JWT"));
    }
}

#[test]
fn every_part_of_every_token_is_authentic() {
    let (keys, mut spoilt) = (keys(), 0);
    for vector in vectors() {
        for index in full_parts(&vector.token) {
            let flip = |bytes: &mut Vec<u8>| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            };
            let error = decrypt(&with_part(&vector.token, index, flip), &keys, &all()).unwrap_err();
            // The header is read before anything is authenticated.
            let legal = index == 0 || error == JweError::Undecryptable;
            assert!(legal, "{} part {index}: {error}", vector.plaintext);
            spoilt += 1;
        }
    }
    assert_eq!(spoilt, 528);
}

#[test]
fn every_part_of_every_token_is_whole() {
    let keys = keys();
    for vector in vectors() {
        for index in full_parts(&vector.token) {
            let token = &vector.token;
            let shorter = with_part(token, index, |bytes| bytes.truncate(bytes.len() - 1));
            let empty = with_part(token, index, Vec::clear);
            for changed in [shorter, empty] {
                assert!(decrypt(&changed, &keys, &all()).is_err(), "{} {index}", vector.plaintext);
            }
        }
    }
}

/// The header counts as it is spelt, not as it is understood.
#[test]
fn the_spelling_of_the_header_is_authentic() {
    let keys = keys();
    for vector in vectors() {
        let respelt = with_part(&vector.token, 0, |bytes| bytes.insert(1, b' '));
        let error = decrypt(&respelt, &keys, &all()).unwrap_err();
        assert_eq!(error, JweError::Undecryptable, "{}", vector.plaintext);
    }
}

#[test]
fn the_examples_of_the_standards_open() {
    let examples: Examples = read("rfc.json");
    assert_eq!(examples.opened.len(), 4);
    for example in examples.opened {
        let source = &example.source;
        let key = DecryptionKey::from_jwk(&example.jwk).unwrap_or_else(|e| panic!("{source}: {e}"));
        let keys = DecryptionKeys::new(vec![key]);
        let found =
            decrypt(&example.token, &keys, &all()).unwrap_or_else(|e| panic!("{source}: {e}"));
        assert_eq!(found.plaintext.as_slice(), example.plaintext.as_bytes(), "{source}");
    }
}

/// `RSA1_5`, passwords, `dir` and shared keys: RFC 7520 §5.1, §5.3 and §5.6 to §5.9.
#[test]
fn the_other_examples_are_refused() {
    let examples: Examples = read("rfc.json");
    assert_eq!(examples.refused.len(), 6);
    for example in examples.refused {
        let error = decrypt(&example.token, &keys(), &all()).unwrap_err();
        let legal = matches!(error, JweError::UnsupportedAlg | JweError::UnsupportedExtension);
        assert!(legal, "{}: {error}", example.source);
    }
}
