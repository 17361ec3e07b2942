//! Published keys and signatures, and keys that are refused.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// RFC 7515 appendices A.1 to A.3 sign one payload.
const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

/// RFC 7520 §4 signs one payload.
const FRODO: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";

const RSA_7515: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RS256_7515: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

const RSA_7520: &str = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw";
const RS256_7520: &str = "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg";
const PS384_7520: &str = "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw";
const ES512_7520: &str = "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2";

const ES512_7515: &str = "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

/// One published signature: the key, the algorithm, what was signed and the signature.
struct Published {
    jwk: Value,
    algorithm: Algorithm,
    message: String,
    signature: &'static str,
}

fn make(
    jwk: Value,
    algorithm: Algorithm,
    (header, payload): (&str, &str),
    signature: &'static str,
) -> Published {
    Published { jwk, algorithm, message: format!("{header}.{payload}"), signature }
}

fn published() -> Vec<Published> {
    vec![
        make(rsa(RSA_7515), Algorithm::Rs256, ("eyJhbGciOiJSUzI1NiJ9", JOE), RS256_7515),
        make(
            p256(),
            Algorithm::Es256,
            ("eyJhbGciOiJFUzI1NiJ9", JOE),
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        make(
            p521(
                "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
                "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
            ),
            Algorithm::Es512,
            ("eyJhbGciOiJFUzUxMiJ9", "UGF5bG9hZA"),
            ES512_7515,
        ),
        make(
            rsa(RSA_7520),
            Algorithm::Rs256,
            ("eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9", FRODO),
            RS256_7520,
        ),
        make(
            rsa(RSA_7520),
            Algorithm::Ps384,
            ("eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9", FRODO),
            PS384_7520,
        ),
        make(
            p521(
                "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
                "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1",
            ),
            Algorithm::Es512,
            ("eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9", FRODO),
            ES512_7520,
        ),
        make(
            ed25519(),
            Algorithm::EdDsa,
            ("eyJhbGciOiJFZERTQSJ9", "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ]
}

fn rsa(n: &str) -> Value {
    json!({ "kty": "RSA", "n": n, "e": "AQAB" })
}

fn p256() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

fn p521(x: &str, y: &str) -> Value {
    json!({ "kty": "EC", "crv": "P-521", "x": x, "y": y })
}

fn ed25519() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

fn key(jwk: &Value) -> Result<Key, KeyFault> {
    Key::from_jwk(jwk.as_object().unwrap())
}

fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

fn set(keys: Value) -> KeySet {
    let document = Value::Object(Map::from_iter([("keys".to_owned(), keys)]));
    KeySet::parse(document.to_string().as_bytes()).unwrap()
}

#[test]
fn published_signatures_verify_and_altered_ones_do_not() {
    for Published { jwk, algorithm, message, signature } in published() {
        let key = key(&jwk).unwrap();
        let signature = json::base64url(signature).unwrap();
        assert!(key.verifies(algorithm, message.as_bytes(), &signature), "{algorithm} {message}");
        assert!(!key.verifies(algorithm, format!("{message}x").as_bytes(), &signature));
        for altered in [0, signature.len() / 2, signature.len() - 1] {
            let mut altered_signature = signature.clone();
            altered_signature[altered] ^= 1;
            assert!(!key.verifies(algorithm, message.as_bytes(), &altered_signature));
        }
        let longer = [&signature[..], &[0]].concat();
        assert!(!key.verifies(algorithm, message.as_bytes(), &longer));
        assert!(!key.verifies(algorithm, message.as_bytes(), &signature[1..]));
        assert!(!key.verifies(algorithm, message.as_bytes(), b""));
        for other in Algorithm::ALL.into_iter().filter(|other| !other.is_same_as(algorithm)) {
            assert!(!key.verifies(other, message.as_bytes(), &signature), "{other}");
        }
    }
}

#[test]
fn a_published_code_verifies() {
    let octets = json::base64url(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    );
    let secret = SharedSecret::new(&octets.unwrap());
    let message = format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}");
    let code = json::base64url("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
    assert!(secret.verifies(Algorithm::Hs256, message.as_bytes(), &code));
    assert!(!secret.verifies(Algorithm::Hs512, message.as_bytes(), &code));
    assert!(!secret.verifies(Algorithm::Rs256, message.as_bytes(), &code));
    assert!(!secret.verifies(Algorithm::Hs256, message.as_bytes(), &code[..20]));
    assert_eq!(format!("{secret:?}"), "SharedSecret(…)");
}

#[test]
fn thumbprints_are_as_published() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let rsa = with(with(rsa(n), "kid", json!("2011-04-29")), "alg", json!("RS256"));
    // RFC 7638 §3.1, RFC 8037 appendix A.3.
    for (jwk, thumbprint) in [
        (rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (ed25519(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ] {
        assert_eq!(key(&jwk).unwrap().thumbprint(), thumbprint);
    }
}

#[test]
fn keys_that_cannot_verify_are_refused() {
    for (jwk, fault) in [
        (with(p256(), "kty", json!("oct")), KeyFault::Secret),
        (with(p256(), "kty", json!("AKP")), KeyFault::KeyType),
        (with(p256(), "kty", json!(null)), KeyFault::KeyType),
        (with(p256(), "crv", json!("secp256k1")), KeyFault::Curve),
        (with(ed25519(), "crv", json!("Ed448")), KeyFault::Curve),
        (with(p256(), "d", json!("AA")), KeyFault::Private),
        (with(ed25519(), "d", json!(null)), KeyFault::Private),
        (with(p256(), "use", json!("enc")), KeyFault::Use),
        (with(p256(), "use", json!(5)), KeyFault::Malformed("use")),
        (with(p256(), "key_ops", json!(["sign"])), KeyFault::Operations),
        (with(p256(), "key_ops", json!("verify")), KeyFault::Malformed("key_ops")),
        (with(p256(), "alg", json!("ECDH-ES")), KeyFault::Algorithm),
        (with(p256(), "alg", json!("RS256")), KeyFault::Algorithm),
        (with(p256(), "alg", json!("HS256")), KeyFault::Algorithm),
        (with(p256(), "kid", json!(["a"])), KeyFault::Malformed("kid")),
        (with(p256(), "x", json!("AA")), KeyFault::Malformed("x")),
        (
            with(p256(), "y", json!("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU=")),
            KeyFault::Malformed("y"),
        ),
        (
            with(p256(), "y", json!("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")),
            KeyFault::Malformed("x or y"),
        ),
        (with(ed25519(), "x", json!("AA")), KeyFault::Malformed("x")),
        (with(rsa(RSA_7515), "e", json!("AA")), KeyFault::Malformed("e")),
        (with(rsa(RSA_7515), "e", json!("AQ")), KeyFault::Malformed("e")),
        (with(rsa(RSA_7515), "e", json!("Ag")), KeyFault::Malformed("e")),
        (with(rsa(RSA_7515), "e", json!("AQAAAAE")), KeyFault::Malformed("e")),
        (rsa("AAAA"), KeyFault::Malformed("n")),
        (rsa(&"_".repeat(168)), KeyFault::ShortRsa),
        (rsa(&format!("fw{}", &RSA_7515[2..])), KeyFault::ShortRsa),
        (rsa(&"_".repeat(1_368)), KeyFault::LongRsa),
    ] {
        assert_eq!(key(&jwk).unwrap_err(), fault, "{jwk}");
    }
}

#[test]
fn an_odd_key_does_not_make_the_others_useless() {
    let set = set(json!([
        5,
        { "kty": "oct", "k": "c2VjcmV0" },
        with(p256(), "use", json!("enc")),
        with(p256(), "key_ops", json!(["verify"])),
        with(ed25519(), "x5c", json!(["AAAA"])),
    ]));
    let faults: Vec<_> = set.findings().iter().map(|found| (found.position, found.fault)).collect();
    let expected = [
        (0, KeyFault::NotAnObject),
        (1, KeyFault::Secret),
        (2, KeyFault::Use),
        (4, KeyFault::Certificate),
    ];
    assert_eq!(faults, expected);
    assert_eq!(set.keys().len(), 2);
    assert!(set.keys().iter().all(|key| key.certificate().is_none()));
    assert_eq!(
        set.findings()[1].to_string(),
        "key 2: it is a shared secret, which has no place among public keys"
    );
}

#[test]
fn a_name_shared_by_several_kinds_finds_the_fitting_one() {
    let named = |jwk| with(jwk, "kid", json!("one"));
    let set = set(json!([
        named(rsa(RSA_7515)),
        with(named(rsa(RSA_7520)), "alg", json!("PS256")),
        named(p256()),
        ed25519(),
        with(named(p256()), "use", json!("enc")),
    ]));
    let count = |kid, algorithm| set.candidates(kid, algorithm).count();
    assert_eq!(count(Some("one"), Algorithm::Es256), 1);
    assert_eq!(count(Some("one"), Algorithm::Rs256), 1);
    assert_eq!(count(Some("one"), Algorithm::Ps256), 2);
    assert_eq!(count(Some("two"), Algorithm::Ps256), 0);
    assert_eq!(count(None, Algorithm::Ps256), 2);
    assert_eq!(count(None, Algorithm::Es384), 0);
    assert_eq!(count(Some("two"), Algorithm::Ed25519), 1, "a key without a name answers to any");
}

#[test]
fn few_keys_are_tried() {
    let set = set(Value::Array(vec![p256(); MOST_KEYS]));
    assert_eq!(set.candidates(None, Algorithm::Es256).count(), MOST_CANDIDATES);
    let named = self::set(Value::Array(vec![with(p256(), "kid", json!("k")); MOST_KEYS]));
    assert_eq!(named.candidates(Some("k"), Algorithm::Es256).count(), MOST_CANDIDATES);
}

#[test]
fn documents_are_sets_single_keys_or_refused() {
    assert_eq!(KeySet::parse(p256().to_string().as_bytes()).unwrap().keys().len(), 1);
    assert!(set(json!([])).keys().is_empty());
    let many = json!({ "keys": vec![p256(); MOST_KEYS + 1] }).to_string();
    for (document, error) in [
        (many.into_bytes(), KeySetError::TooMany),
        (vec![b' '; LARGEST_DOCUMENT + 1], KeySetError::TooLarge),
        (b"{}".to_vec(), KeySetError::NoKeys),
        (b"{\"keys\":{}}".to_vec(), KeySetError::NoKeys),
        (b"[]".to_vec(), KeySetError::Json(json::JsonError::NotAnObject)),
        (b"{\"keys\":[],\"keys\":[]}".to_vec(), KeySetError::Json(json::JsonError::Syntax)),
    ] {
        assert_eq!(KeySet::parse(&document).unwrap_err(), error);
    }
    for text in ["", "text", "-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----\n"] {
        assert_eq!(KeySet::from_pem(text.as_bytes()).unwrap_err(), KeySetError::Pem, "{text}");
    }
}

proptest! {
    #[test]
    fn no_document_makes_it_fall(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        cut in 0_usize..600,
        flip in 0_usize..600,
    ) {
        let _ = KeySet::parse(&bytes);
        let _ = KeySet::from_pem(&bytes);
        let whole = json!({ "keys": [p256(), rsa(RSA_7515), ed25519()] }).to_string();
        let mut mutated = whole.into_bytes();
        if let Some(byte) = mutated.get_mut(flip) {
            *byte ^= bytes.first().copied().unwrap_or(1);
        }
        let _ = KeySet::parse(&mutated);
        mutated.truncate(cut);
        let _ = KeySet::parse(&mutated);
    }
}
