//! Signed objects inside encrypted ones (RFC 9101 §6.1), by the keys of `tests/fixtures/jwe`.

use std::time::Instant;

use tempfile::TempDir;

use super::*;
use crate::support::jwe::{encrypted, encrypted_with};

const UNVERIFIED: &str = "the request object cannot be verified";

/// The fixture's key of this name.
fn fixture(name: &str) -> Value {
    let text = std::fs::read_to_string("tests/fixtures/jwe/keys.json").unwrap();
    let keys: Vec<Value> = serde_json::from_str(&text).unwrap();
    keys.into_iter().find(|key| key["jwk"]["kid"] == name).unwrap()
}

/// `[[request_object.decryption_keys]]` of these fixture keys, each with further lines.
pub(in crate::par) fn tables(keys: &[(&str, &str)]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let tables = keys.iter().map(|(name, lines)| {
        let file = folder.path().join(format!("{name}.jwk"));
        std::fs::write(&file, fixture(name)["jwk"].to_string()).unwrap();
        format!(
            "[[request_object.decryption_keys]]\nkid = \"{name}\"\nkey_file = \"{}\"\n{lines}\n",
            file.display()
        )
    });
    let tables = tables.collect();
    (folder, tables)
}

fn office(keys: &[(&str, &str)], of_client: &str) -> Office {
    let (_folder, tables) = tables(keys);
    Office::with(Profile::Oauth, &tables, of_client)
}

fn public(name: &str) -> Value {
    fixture(name)["public_jwk"].clone()
}

#[tokio::test]
async fn b115_signed_object_is_decrypted_and_verified() {
    let office = office(&[("rsa", ""), ("p256", ""), ("x25519", "")], "");
    for key in &office.desk.config.request_object.published_keys {
        let pushed = office.push_token(&encrypted(key, &office.signed(&claims()))).await;
        assert_eq!(office.travelled(&pushed).await, travelling());
        let nameless = json!({"kid": "unknown-to-us"});
        let answer =
            office.push_token(&encrypted_with(key, &office.signed(&claims()), &nameless)).await;
        assert_object_refused(&answer, UNVERIFIED);
    }
    assert_eq!(office.desk.config.request_object.published_keys.len(), 3);
}

#[tokio::test]
async fn b116_b117_whatever_depends_on_the_decryption_has_one_text() {
    let office = office(&[("rsa", ""), ("p256", "")], "");
    let mut foreign = public("rsa");
    foreign["n"] = office.rsa.jwk()["n"].clone();
    for key in ["rsa", "p256"].map(public) {
        let good = encrypted(&key, &office.signed(&claims()));
        let mut last = String::new();
        for part in [1, 2, 3, 4] {
            let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
            if let Some(first) = parts[part].get(..1) {
                let other = if first == "A" { "B" } else { "A" };
                parts[part].replace_range(..1, other);
                last = parts.join(".");
                assert_object_refused(&office.push_token(&last).await, UNVERIFIED);
            }
        }
        assert_ne!(last, good);
        let unsigned = claims().to_string();
        let alg_none = format!("{}.", office.signer.token_with(&json!({"alg": "none"}), &claims()));
        let by_other = office.other.token(&claims());
        let by_alg = Signer::new(Algorithm::Es384).token(&claims());
        for inner in [unsigned.as_str(), "", "a.b.c", &alg_none, &by_other, &by_alg, &good] {
            let answer = office.push_token(&encrypted(&key, inner)).await;
            assert_object_refused(&answer, UNVERIFIED);
        }
    }
    let answer = office.push_token(&encrypted(&foreign, &office.signed(&claims()))).await;
    assert_object_refused(&answer, UNVERIFIED);
}

/// Not a measurement of nanoseconds: a missing verification would cut the time by half and more.
#[tokio::test]
async fn b116_token_that_does_not_decrypt_takes_as_long_as_a_bad_signature() {
    let office = office(&[("p256", "")], "request_object_signing_alg = \"ES256\"");
    let key = public("p256");
    let bad_signature = encrypted(&key, &office.other.token(&claims()));
    let bad_tag = {
        let (rest, tag) = bad_signature.rsplit_once('.').unwrap();
        let first = if tag.starts_with('A') { "B" } else { "A" };
        format!("{rest}.{first}{}", &tag[1..])
    };
    let bad_inner = encrypted(&key, &"x".repeat(300));
    let mut shortest = [Duration::MAX; 3];
    for _ in 0..30 {
        for (time, token) in shortest.iter_mut().zip([&bad_signature, &bad_tag, &bad_inner]) {
            let begun = Instant::now();
            let answer = office.push_token(token).await;
            *time = (*time).min(begun.elapsed());
            assert_object_refused(&answer, UNVERIFIED);
        }
    }
    let [signature, tag, inner] = shortest.map(|time| time.as_secs_f64());
    for other in [tag, inner] {
        assert!((0.6..1.6).contains(&(other / signature)), "{shortest:?}");
    }
}

#[tokio::test]
async fn b118_registered_encryption_is_required_as_registered() {
    let of_client = "request_object_encryption_alg = \"RSA-OAEP-256\"\n\
                     request_object_encryption_enc = \"A256GCM\"";
    let office = office(&[("rsa", ""), ("p256", "")], of_client);
    let signed = office.signed(&claims());
    assert_created(&office.push_token(&encrypted(&public("rsa"), &signed)).await);
    assert_object_refused(
        &office.push_token(&signed).await,
        "the request object of this client must be encrypted as registered",
    );
    let by_other_alg = office.push_token(&encrypted(&public("p256"), &signed)).await;
    let text = "the request object is not acceptable: the JWE's alg is not supported";
    assert_object_refused(&by_other_alg, text);
    let other_enc = json!({"enc": "A128CBC-HS256"});
    let answer = office.push_token(&encrypted_with(&public("rsa"), &signed, &other_enc)).await;
    let text = "the request object is not acceptable: the JWE's enc is not supported";
    assert_object_refused(&answer, text);
}

#[tokio::test]
async fn b119_costly_and_broken_algorithms_are_refused_at_once() {
    let office = office(&[("rsa", "")], "");
    let signed = office.signed(&claims());
    let begun = Instant::now();
    for members in [
        json!({"alg": "RSA1_5"}),
        json!({"alg": "PBES2-HS256+A128KW", "p2c": 2_000_000_000_u32, "p2s": "AAAA"}),
        json!({"alg": "dir"}),
        json!({"alg": "A128KW"}),
        json!({"zip": "DEF"}),
        json!({"crit": ["exp"], "exp": 1}),
        json!({"enc": "A192GCM"}),
        json!({"enc": "none"}),
    ] {
        let token = encrypted_with(&public("rsa"), &signed, &members);
        let answer = office.push_token(&token).await;
        assert_refused(&answer, 400, "invalid_request_object");
        assert_ne!(json(&answer)["error_description"], UNVERIFIED, "{members}");
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn b229_previous_key_decrypts_until_it_is_removed() {
    let signed = |office: &Office| office.signed(&claims());
    let before = office(&[("rsa", "")], "");
    let old = before.desk.config.request_object.published_keys[0].clone();
    assert_created(&before.push_token(&encrypted(&old, &signed(&before))).await);
    let grace = office(&[("p256", ""), ("rsa", "publish = false")], "");
    let published = &grace.desk.config.request_object.published_keys;
    assert_eq!(published.iter().map(|key| &key["kid"]).collect::<Vec<_>>(), ["p256"]);
    assert_created(&grace.push_token(&encrypted(&old, &signed(&grace))).await);
    assert_created(&grace.push_token(&encrypted(&published[0], &signed(&grace))).await);
    let after = office(&[("p256", "")], "");
    let answer = after.push_token(&encrypted(&old, &signed(&after))).await;
    assert_object_refused(&answer, UNVERIFIED);
}

#[tokio::test]
async fn a_key_for_one_algorithm_is_for_that_alone() {
    let office = office(&[("rsa", "alg = \"RSA-OAEP\"")], "");
    let key = &office.desk.config.request_object.published_keys[0];
    assert_eq!(key["alg"], "RSA-OAEP");
    let answer = office.push_token(&encrypted(key, &office.signed(&claims()))).await;
    assert_object_refused(&answer, UNVERIFIED);
}
