//! Tokens as clients send them, and as attackers do: what is believed and what is not.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parapet::jose::header::HeaderError;
use parapet::jose::json::JsonError;
use parapet::jose::keys::KeyFault;
use parapet::jose::{
    Algorithm, Authority, JwsError, KeySet, Policy, SharedSecret, Types, Unverified, Verified, jws,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::jose::Signer;

const POLICY: Policy<'static> = Policy {
    algorithms: &Algorithm::ALL,
    types: Types { named: &["jwt", "client-authentication+jwt"], or_absent: true },
    max_bytes: 8_192,
};

fn key_set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn verified(token: &str, keys: &KeySet) -> Result<Verified, JwsError> {
    jws::verify(token, &POLICY, Authority::Keys(keys))
}

fn refused(token: &str, keys: &KeySet) -> JwsError {
    verified(token, keys).unwrap_err()
}

fn claims() -> Value {
    json!({ "iss": "app", "sub": "app", "aud": "https://as.example", "exp": 1_800_000_060 })
}

fn public_algorithms() -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric())
}

#[test]
fn every_algorithm_verifies_with_keys_as_json_and_as_pem() {
    for algorithm in public_algorithms() {
        let signer = Signer::new(algorithm);
        let token = signer.token(&claims());
        let keys = key_set(&[signer.jwk_named("one")]);
        let believed = verified(&token, &keys).unwrap();
        assert_eq!(believed.claims["iss"], "app", "{algorithm}");
        assert_eq!(believed.header.algorithm, algorithm);
        assert_eq!(believed.kid.as_deref(), Some("one"));
        assert_eq!(believed.thumbprint.as_deref(), Some(keys.keys()[0].thumbprint()));
        let pem = KeySet::from_pem(signer.pem().as_bytes()).unwrap();
        assert!(pem.findings().is_empty(), "{algorithm}: {:?}", pem.findings());
        assert_eq!(pem.keys()[0].thumbprint(), keys.keys()[0].thumbprint());
        let named = json!({ "alg": algorithm.name(), "kid": "any name" });
        assert!(verified(&signer.token_with(&named, &claims()), &pem).is_ok(), "{algorithm}");
    }
}

#[test]
fn secrets_verify_when_they_are_long_enough() {
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        let octets = vec![b's'; algorithm.shortest_secret()];
        let token = Signer::with_secret(algorithm, &octets).token(&claims());
        let verify = |secret: &[u8]| {
            jws::verify(&token, &POLICY, Authority::Secret(&SharedSecret::new(secret)))
        };
        let believed = verify(&octets).unwrap();
        assert_eq!((believed.kid, believed.thumbprint), (None, None));
        assert!(matches!(verify(&octets[1..]), Err(JwsError::ShortSecret(_))));
        assert_eq!(verify(&[&octets[..], b"s"].concat()).unwrap_err(), JwsError::Signature);
    }
}

#[test]
fn a_public_key_is_no_secret_and_a_secret_no_public_key() {
    let signer = Signer::new(Algorithm::Rs256);
    let keys = key_set(&[signer.jwk()]);
    // Whoever verifies an HMAC with the text of the public key believes everybody.
    for text in [signer.pem(), signer.jwks(), signer.jwk().to_string()] {
        let token = Signer::with_secret(Algorithm::Hs256, text.as_bytes()).token(&claims());
        assert_eq!(refused(&token, &keys), JwsError::NoKey);
    }
    let secret = Signer::new(Algorithm::Hs256);
    let oct = key_set(&[secret.jwk()]);
    assert_eq!(oct.findings()[0].fault, KeyFault::Secret);
    assert_eq!(refused(&secret.token(&claims()), &oct), JwsError::NoKey);
    let shared = SharedSecret::new(&[7; 64]);
    let token = signer.token(&claims());
    let by_secret = jws::verify(&token, &POLICY, Authority::Secret(&shared));
    assert_eq!(by_secret.unwrap_err(), JwsError::NoKey);
}

#[test]
fn another_key_or_family_does_not_verify() {
    let (one, other) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
    let ed = Signer::new(Algorithm::EdDsa);
    let token = one.token(&claims());
    assert_eq!(refused(&token, &key_set(&[other.jwk()])), JwsError::Signature);
    assert_eq!(refused(&token, &key_set(&[ed.jwk()])), JwsError::NoKey);
    assert_eq!(refused(&token, &KeySet::default()), JwsError::NoKey);
    assert!(verified(&token, &key_set(&[ed.jwk(), other.jwk(), one.jwk()])).is_ok());
    let fifth = [&other, &other, &other, &other, &one].map(Signer::jwk);
    assert_eq!(refused(&token, &key_set(&fifth)), JwsError::Signature, "four are tried");
    let unknown = one.token_with(&json!({ "alg": "ES256", "kid": "new" }), &claims());
    assert_eq!(refused(&unknown, &key_set(&[one.jwk_named("old")])), JwsError::NoKey);
}

#[test]
fn a_name_shared_over_kinds_and_uses_finds_the_key() {
    let (es, rs, ed) = (Algorithm::Es256, Algorithm::Ps256, Algorithm::Ed25519);
    let signers = [es, rs, ed].map(Signer::new);
    let mut encryption = Signer::new(es).jwk_named("schlüssel ✓");
    encryption["use"] = json!("enc");
    let mut jwks = vec![encryption];
    jwks.extend(signers.iter().map(|signer| signer.jwk_named("schlüssel ✓")));
    let keys = key_set(&jwks);
    for (signer, algorithm) in signers.iter().zip([es, rs, ed]) {
        let header = json!({ "alg": algorithm.name(), "kid": "schlüssel ✓" });
        let believed = verified(&signer.token_with(&header, &claims()), &keys).unwrap();
        assert_eq!(believed.kid.as_deref(), Some("schlüssel ✓"));
    }
}

#[test]
fn the_policy_decides_algorithm_type_and_length() {
    let signer = Signer::new(Algorithm::Rs256);
    let keys = key_set(&[signer.jwk()]);
    let token = signer.token(&claims());
    let judged = |token: &str, policy: &Policy<'_>| {
        jws::verify(token, policy, Authority::Keys(&keys)).map(|_| ())
    };
    let fapi = Policy { algorithms: &[Algorithm::Ps256, Algorithm::Es256], ..POLICY };
    assert_eq!(judged(&token, &fapi), Err(JwsError::Algorithm));
    let short = Policy { max_bytes: token.len() - 1, ..POLICY };
    assert_eq!(judged(&token, &short), Err(JwsError::TooLong));
    assert_eq!(judged(&token, &Policy { max_bytes: token.len(), ..POLICY }), Ok(()));
    let typed = |typ: &str| signer.token_with(&json!({ "alg": "RS256", "typ": typ }), &claims());
    for typ in ["JWT", "jwt", "application/JWT", "client-authentication+jwt"] {
        assert_eq!(judged(&typed(typ), &POLICY), Ok(()), "{typ}");
    }
    for typ in ["dpop+jwt", "oauth-authz-req+jwt", "at+jwt", "text/jwt"] {
        assert_eq!(judged(&typed(typ), &POLICY), Err(JwsError::Type), "{typ}");
    }
    let untyped = signer.token_with(&json!({ "alg": "RS256" }), &claims());
    assert_eq!(judged(&untyped, &POLICY), Ok(()));
    let strict = Policy { types: Types { or_absent: false, ..POLICY.types }, ..POLICY };
    assert_eq!(judged(&untyped, &strict), Err(JwsError::Type));
}

#[test]
fn headers_that_ask_for_more_are_refused() {
    let signer = Signer::new(Algorithm::Es256);
    let keys = key_set(&[signer.jwk()]);
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("jku", json!("https://attacker.example/jwks")),
        ("x5u", json!("https://attacker.example/x5u")),
        ("x5c", json!(["AAAA"])),
        ("jwk", signer.jwk()),
    ] {
        let header = json!({ "alg": "ES256", name: value });
        let error = refused(&signer.token_with(&header, &claims()), &keys);
        assert_eq!(error, JwsError::Header(HeaderError::Refused(name)));
    }
    let none = signer.token_with(&json!({ "alg": "none" }), &claims());
    let (unsigned, _) = none.rsplit_once('.').unwrap();
    assert_eq!(refused(&none, &keys), JwsError::Header(HeaderError::Unsigned));
    assert_eq!(refused(&format!("{unsigned}."), &keys), JwsError::Header(HeaderError::Unsigned));
}

#[test]
fn what_is_not_exactly_a_signed_object_is_refused() {
    let signer = Signer::new(Algorithm::Es256);
    let keys = key_set(&[signer.jwk()]);
    let token = signer.token(&claims());
    let payload = |text: &str| refused(&signer.token_of_texts(r#"{"alg":"ES256"}"#, text), &keys);
    assert_eq!(payload(r#"{"iss":"a","iss":"b"}"#), JwsError::Payload(JsonError::Syntax));
    assert_eq!(payload(r#"{"a":{"b":1,"b":2}}"#), JwsError::Payload(JsonError::Syntax));
    assert_eq!(payload(r#"{"iss":"a"} {}"#), JwsError::Payload(JsonError::Syntax));
    assert_eq!(payload("[]"), JwsError::Payload(JsonError::NotAnObject));
    let twice = signer.token_of_texts(r#"{"alg":"none","alg":"ES256"}"#, "{}");
    assert_eq!(refused(&twice, &keys), JwsError::Header(HeaderError::Json(JsonError::Syntax)));
    for text in [format!("{token}.a.b"), format!("{token}."), "a.b".into(), String::new()] {
        assert_eq!(refused(&text, &keys), JwsError::Parts, "{text}");
    }
    for text in [format!("{token}="), format!("{token} "), format!("{token}\n")] {
        assert_eq!(refused(&text, &keys), JwsError::SignatureEncoding(JsonError::Encoding));
    }
    let (message, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(refused(&format!("{message}."), &keys), JwsError::Signature);
    assert_eq!(refused(&format!("{message}.{signature}AAAA"), &keys), JwsError::Signature);
    let (header, body) = message.split_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(r#"{"iss":"attacker"}"#);
    assert_eq!(refused(&format!("{header}.{other}.{signature}"), &keys), JwsError::Signature);
    let padded = refused(&format!("{header}=.{body}.{signature}"), &keys);
    assert_eq!(padded, JwsError::Header(HeaderError::Json(JsonError::Encoding)));
}

#[test]
fn a_proof_brings_its_public_key() {
    let signer = Signer::new(Algorithm::Es256);
    let policy = Policy {
        types: Types { named: &["dpop+jwt"], or_absent: false },
        algorithms: &[Algorithm::Es256],
        ..POLICY
    };
    let judged = |jwk: Value| {
        let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk });
        let token = signer.token_with(&header, &claims());
        jws::verify(&token, &policy, Authority::Embedded).map(|proof| proof.thumbprint)
    };
    let thumbprint = key_set(&[signer.jwk()]).keys()[0].thumbprint().to_owned();
    assert_eq!(judged(signer.jwk()), Ok(Some(thumbprint)));
    let mut private = signer.jwk();
    private["d"] = json!("AA");
    assert_eq!(judged(private), Err(JwsError::EmbeddedKey(KeyFault::Private)));
    let secret = Signer::new(Algorithm::Hs256).jwk();
    assert_eq!(judged(secret), Err(JwsError::EmbeddedKey(KeyFault::Secret)));
    assert_eq!(judged(Signer::new(Algorithm::Es256).jwk()), Err(JwsError::Signature));
    assert_eq!(judged(Signer::new(Algorithm::Ed25519).jwk()), Err(JwsError::NoKey));
    let without = signer.token_with(&json!({ "alg": "ES256", "typ": "dpop+jwt" }), &claims());
    let judged = jws::verify(&without, &policy, Authority::Embedded);
    assert_eq!(judged.unwrap_err(), JwsError::NoEmbeddedKey);
}

#[test]
fn a_certificate_belongs_to_its_key() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["client.example".into()]).unwrap();
    let certificate = parameters.self_signed(&pair).unwrap();
    let (x, y) = pair.public_key_raw()[1..].split_at(32);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let x5c = json!([STANDARD.encode(certificate.der())]);
    let keys =
        key_set(&[json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "x5c": x5c.clone() })]);
    assert_eq!(keys.keys()[0].certificate(), Some(&certificate.der()[..]));
    let pem = KeySet::from_pem(certificate.pem().as_bytes()).unwrap();
    assert_eq!(pem.keys()[0].thumbprint(), keys.keys()[0].thumbprint());
    assert_eq!(pem.keys()[0].certificate(), Some(&certificate.der()[..]));
    let mut other = Signer::new(Algorithm::Es256).jwk();
    other["x5c"] = x5c;
    let keys = key_set(&[other]);
    assert_eq!(keys.findings()[0].fault, KeyFault::Certificate);
    assert!(keys.keys()[0].certificate().is_none());
    let private = KeySet::from_pem(pair.serialize_pem().as_bytes()).unwrap();
    assert_eq!(private.findings()[0].fault, KeyFault::Private);
}

#[test]
fn who_a_token_claims_to_be_from_is_known_before_it_is_verified() {
    let token = Signer::new(Algorithm::Es256).token(&json!({ "sub": "app", "iss": 5 }));
    let unverified = Unverified::parse(&token, 4_096).unwrap();
    assert_eq!(unverified.claimed("sub"), Some("app"));
    assert_eq!(unverified.claimed("iss"), None);
    assert_eq!(unverified.header().algorithm, Algorithm::Es256);
}

#[test]
fn no_error_repeats_what_the_token_says() {
    let signer = Signer::new(Algorithm::Es256);
    let keys = key_set(&[signer.jwk()]);
    for header in [
        r#"{"alg":"canary"}"#,
        r#"{"alg":"ES256","typ":"canary"}"#,
        r#"{"alg":"ES256","kid":["canary"]}"#,
        r#"{"alg":"ES256","crit":["canary"]}"#,
        r#"{"alg":"ES256",canary}"#,
    ] {
        let error = refused(&signer.token_of_texts(header, r#"{"canary":"canary"}"#), &keys);
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
    let error = refused(&signer.token_of_texts(r#"{"alg":"ES256"}"#, r#"{"canary"}"#), &keys);
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
}

proptest! {
    #[test]
    fn no_altered_token_is_believed(
        at in 0_usize..400,
        change in 1_u8..=127,
        cut in 0_usize..400,
        noise in "\\PC{0,60}",
    ) {
        let signer = Signer::new(Algorithm::Es256);
        let keys = key_set(&[signer.jwk()]);
        let token = signer.token(&claims());
        let mut bytes = token.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = (bytes[at] ^ change) & 0x7f;
        let altered = String::from_utf8(bytes).unwrap();
        prop_assert!(altered == token || verified(&altered, &keys).is_err());
        let truncated = &token[..cut % token.len()];
        prop_assert!(verified(truncated, &keys).is_err());
        prop_assert!(verified(&noise, &keys).is_err());
        let odd = signer.token_of_texts(&noise, &noise);
        prop_assert!(verified(&odd, &keys).is_err());
        let odd = signer.token_of_texts(r#"{"alg":"ES256"}"#, &noise);
        prop_assert_eq!(verified(&odd, &keys).is_ok(), noise.parse::<Value>().is_ok_and(|v| v.is_object()));
    }
}
