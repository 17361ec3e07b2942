use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

fn all() -> Policy {
    Policy {
        algs: KeyManagement::ALL.to_vec(),
        encs: ContentEncryption::ALL.to_vec(),
        max_bytes: 64 * 1024,
    }
}

fn keys() -> DecryptionKeys {
    let keys = vectors::keys();
    DecryptionKeys::new(keys.iter().map(|key| DecryptionKey::from_jwk(&key.jwk).unwrap()).collect())
}

/// jose's token for that key, `alg` and `enc`.
fn token(key: &str, alg: &str, enc: &str) -> String {
    let mut vectors = vectors::tokens().into_iter();
    vectors.find(|v| v.key == key && v.alg == alg && v.enc == enc).unwrap().token
}

fn part(token: &str, index: usize) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()
}

fn with_part(token: &str, index: usize, bytes: &[u8]) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts[index] = URL_SAFE_NO_PAD.encode(bytes);
    parts.join(".")
}

/// A token with another header; what is judged before the tag is judged all the same.
fn with_header(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut header: Value = serde_json::from_slice(&part(token, 0)).unwrap();
    change(&mut header);
    with_part(token, 0, &serde_json::to_vec(&header).unwrap())
}

fn error(token: &str) -> JweError {
    decrypt(token, &keys(), &all()).unwrap_err()
}

#[test]
fn header_and_plaintext_come_out() {
    let vectors = vectors::tokens();
    let vector = vectors.iter().find(|vector| vector.key == "p256").unwrap();
    let found = decrypt(&vector.token, &keys(), &all()).unwrap();
    assert_eq!(found.plaintext.as_slice(), vector.plaintext.as_bytes());
    assert_eq!(found.header.alg.name(), vector.alg);
    assert_eq!(found.header.enc.name(), vector.enc);
    assert_eq!(found.header.cty.as_deref(), Some("JWT"));
    assert_eq!(found.header.kid.as_deref(), Some("p256"));
}

#[test]
fn the_length_is_bounded() {
    let token = token("p256", "ECDH-ES", "A128GCM");
    let policy = |max_bytes| Policy { max_bytes, ..all() };
    assert!(decrypt(&token, &keys(), &policy(token.len())).is_ok());
    let error = decrypt(&token, &keys(), &policy(token.len() - 1)).unwrap_err();
    assert_eq!(error, JweError::TooLong);
}

#[test]
fn only_what_the_policy_names_is_accepted() {
    let token = token("p256", "ECDH-ES", "A128GCM");
    let algs = Policy { algs: vec![KeyManagement::EcdhEsA128Kw], ..all() };
    assert_eq!(decrypt(&token, &keys(), &algs).unwrap_err(), JweError::UnsupportedAlg);
    let encs = Policy { encs: vec![ContentEncryption::A256Gcm], ..all() };
    assert_eq!(decrypt(&token, &keys(), &encs).unwrap_err(), JweError::UnsupportedEnc);
}

#[test]
fn dangerous_algorithms_are_unknown() {
    let token = token("rsa", "RSA-OAEP", "A128GCM");
    for alg in ["RSA1_5", "dir", "A128KW", "A256GCMKW", "PBES2-HS256+A128KW", "none", "rsa-oaep"] {
        assert_eq!(
            error(&with_header(&token, |h| h["alg"] = json!(alg))),
            JweError::UnsupportedAlg
        );
    }
    for enc in ["A192GCM", "A192CBC-HS384", "none", ""] {
        assert_eq!(
            error(&with_header(&token, |h| h["enc"] = json!(enc))),
            JweError::UnsupportedEnc
        );
    }
}

#[test]
fn extensions_are_refused() {
    let token = token("p256", "ECDH-ES", "A128GCM");
    for (name, value) in [("zip", json!("DEF")), ("crit", json!(["exp"])), ("crit", json!([]))] {
        let changed = with_header(&token, |header| header[name] = value);
        assert_eq!(error(&changed), JweError::UnsupportedExtension);
    }
}

#[test]
fn header_members_have_their_types() {
    let token = token("p256", "ECDH-ES", "A128GCM");
    let values = [json!(null), json!(5), json!(true), json!([]), json!({})];
    for name in ["alg", "enc", "kid", "cty", "epk", "apu", "apv"] {
        for value in &values {
            let changed = with_header(&token, |header| header[name] = value.clone());
            assert_eq!(error(&changed), JweError::Malformed, "{name} {value}");
        }
    }
    for name in ["alg", "enc", "epk"] {
        let changed = with_header(&token, |header| {
            header.as_object_mut().unwrap().remove(name);
        });
        assert_eq!(error(&changed), JweError::Malformed, "{name}");
    }
}

#[test]
fn repeated_members_are_refused() {
    let token = token("p256", "ECDH-ES", "A128GCM");
    let text = String::from_utf8(part(&token, 0)).unwrap();
    for (from, to) in [
        ("\"alg\"", "\"alg\":\"ECDH-ES\",\"alg\""),
        ("\"crv\"", "\"crv\":\"P-256\",\"crv\""),
        ("\"alg\"", "\"x\":1,\"x\":1,\"alg\""),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        assert_eq!(error(&with_part(&token, 0, changed.as_bytes())), JweError::Malformed);
    }
}

#[test]
fn the_ephemeral_key_is_on_the_curve_of_the_key() {
    let [p256, p384, x25519] =
        ["p256", "p384", "x25519"].map(|key| token(key, "ECDH-ES", "A128GCM"));
    let epk =
        |token: &str| serde_json::from_slice::<Value>(&part(token, 0)).unwrap()["epk"].clone();
    for (token, other) in [(&p256, &p384), (&p256, &x25519), (&x25519, &p256)] {
        let changed = with_header(token, |header| header["epk"] = epk(other));
        assert_eq!(error(&changed), JweError::Undecryptable);
    }
    // No point: `y` is that of another one.
    let off = with_header(&p256, |header| header["epk"]["y"] = header["epk"]["x"].clone());
    assert_eq!(error(&off), JweError::Undecryptable);
    for (name, value) in [
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("kty", json!("OKP")),
        ("kty", Value::Null),
        ("x", json!("AAAA")),
        ("x", json!("?")),
        ("y", json!("")),
        ("y", Value::Null),
    ] {
        let changed = with_header(&p256, |header| header["epk"][name] = value.clone());
        assert_eq!(error(&changed), JweError::Malformed, "{name} {value}");
    }
}

#[test]
fn lengths_in_the_clear_are_exact() {
    for enc in ContentEncryption::ALL {
        let token = token("p256", "ECDH-ES", enc.name());
        for index in [2, 4] {
            let whole = part(&token, index);
            let longer = [&whole[..], &[0]].concat();
            for changed in [&whole[1..], &longer, &[]] {
                assert_eq!(error(&with_part(&token, index, changed)), JweError::Malformed);
            }
        }
        assert_eq!(error(&with_part(&token, 1, &[0; 16])), JweError::Malformed);
    }
}

#[test]
fn there_are_five_parts_of_plain_base64url() {
    let token = token("p256", "ECDH-ES", "A128GCM");
    for changed in [
        String::new(),
        "....".into(),
        "....................".into(),
        token.replacen('.', "", 1),
        format!("{token}."),
        format!("{token}="),
        format!(" {token}"),
        format!("{token}\n"),
        token.replacen('.', ".\u{fffd}", 1),
    ] {
        assert_eq!(error(&changed), JweError::Malformed, "{changed}");
    }
}

/// RFC 7516 §11.5: whatever is wrong with the encrypted key, the token fails like one with a wrong
/// tag. A key that decrypts to another length than `enc` wants is among the faults.
#[test]
fn every_fault_of_the_encrypted_key_is_the_same_error() {
    let short = token("rsa", "RSA-OAEP", "A128GCM");
    let long = token("rsa", "RSA-OAEP", "A256CBC-HS512");
    let other_length = with_part(&short, 1, &part(&long, 1));
    let other_tag = with_part(&short, 4, &[0; 16]);
    for changed in
        [other_length, other_tag, with_part(&short, 1, &[]), with_part(&short, 1, &[255; 256])]
    {
        assert_eq!(error(&changed), JweError::Undecryptable);
    }
    let wrapped = token("p521", "ECDH-ES+A256KW", "A128GCM");
    for bytes in [0, 1, 8, 16, 23, 24, 25, 1000] {
        assert_eq!(error(&with_part(&wrapped, 1, &vec![1; bytes])), JweError::Undecryptable);
    }
}

#[test]
fn another_key_opens_nothing() {
    let token = token("p256", "ECDH-ES", "A128GCM");
    let generated = aws_lc_rs::agreement::PrivateKey::generate(&aws_lc_rs::agreement::ECDH_P256);
    let der: aws_lc_rs::encoding::EcPrivateKeyRfc5915Der<'_> =
        aws_lc_rs::encoding::AsDer::as_der(&generated.unwrap()).unwrap();
    let base64 = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN EC PRIVATE KEY-----\n{base64}\n-----END EC PRIVATE KEY-----\n");
    let other = DecryptionKey::from_pem(&pem).unwrap().with_kid("p256".into());
    let error = decrypt(&token, &DecryptionKeys::new(vec![other]), &all()).unwrap_err();
    assert_eq!(error, JweError::Undecryptable);
    let none = decrypt(&token, &DecryptionKeys::default(), &all()).unwrap_err();
    assert_eq!(none, JweError::Undecryptable);
}

#[test]
fn kid_chooses_the_key() {
    let token = token("p256", "ECDH-ES", "A128GCM");
    let key = |kid: &str| {
        let keys = vectors::keys();
        let key = keys.iter().find(|key| key.jwk["kid"] == "p256").unwrap();
        DecryptionKey::from_jwk(&key.jwk).unwrap().with_kid(kid.into())
    };
    let opens = |keys| decrypt(&token, &DecryptionKeys::new(keys), &all()).is_ok();
    assert!(opens(vec![key("p256")]));
    assert!(!opens(vec![key("other")]));
    assert!(opens(vec![key("other"), key("p256")]));
    let restricted = key("p256").with_alg(KeyManagement::EcdhEsA128Kw).unwrap();
    assert!(!opens(vec![restricted]));
}

/// The header names no key: those that fit are tried, but not more than four.
#[test]
fn without_kid_a_few_fitting_keys_are_tried() {
    let header = |kid: Option<&str>| Header {
        alg: KeyManagement::EcdhEs,
        enc: ContentEncryption::A128Gcm,
        cty: None,
        kid: kid.map(str::to_owned),
        agreement: None,
    };
    let keys = keys();
    let kids = |kid| {
        let header = header(kid);
        keys.candidates(&header).map(|key| key.kid().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kids(None), ["p256", "p384", "p521", "x25519"]);
    assert_eq!(kids(Some("p384")), ["p384"]);
    assert!(kids(Some("rsa")).is_empty());
    let many = vectors::keys().into_iter().chain(vectors::keys());
    let many = many.map(|key| DecryptionKey::from_jwk(&key.jwk).unwrap()).collect();
    assert_eq!(DecryptionKeys::new(many).candidates(&header(None)).count(), MOST_TRIED);
}
