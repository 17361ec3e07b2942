//! Who signed, how, and what the header may say.

use super::*;

const UNVERIFIED: &str = "the request object cannot be verified";

/// The token with one letter of its last part changed.
fn altered_signature(token: &str) -> String {
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{rest}.{first}{}", &signature[1..])
}

#[tokio::test]
async fn b088_signatures_that_do_not_hold() {
    let office = Office::open(Profile::Fapi1);
    let good = office.signed(&claims());
    assert_created(&office.push_token(&good).await);
    assert_object_refused(&office.push_token(&altered_signature(&good)).await, UNVERIFIED);
    let payload = office.signed(&changed(&json!({"state": "evil"})));
    let parts: Vec<_> = [&good, &payload].map(|token| token.split('.').collect()).into();
    let (good, payload): (&Vec<&str>, &Vec<&str>) = (&parts[0], &parts[1]);
    let spliced = format!("{}.{}.{}", good[0], payload[1], good[2]);
    assert_object_refused(&office.push_token(&spliced).await, UNVERIFIED);
    for header in [json!({"alg": "ES256", "kid": "ec"}), json!({"alg": "ES256"})] {
        let by_other = office.other.token_with(&header, &claims());
        assert_object_refused(&office.push_token(&by_other).await, UNVERIFIED);
    }
    let unknown = office.signer.token_with(&json!({"alg": "ES256", "kid": "who"}), &claims());
    assert_object_refused(&office.push_token(&unknown).await, UNVERIFIED);
    for alg in ["none", "None"] {
        let token = office.signer.token_with(&json!({"alg": alg}), &claims());
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        for token in [token, unsigned] {
            let answer = office.push_token(&token).await;
            let text = "the request object is not acceptable: the token is not signed: alg is none";
            assert_object_refused(&answer, text);
        }
    }
}

#[tokio::test]
async fn b088_b089_algorithms_are_those_of_profile_and_registration() {
    let alg = "the request object is not acceptable: the signature algorithm is not allowed";
    for (profile, tables, of_client, rs256, ps256) in [
        (Profile::Oauth, "", "", true, true),
        (Profile::Fapi1, "", "", false, true),
        (Profile::Oauth, "[request_object]\nsigning_algs = [\"ES256\"]", "", false, false),
        (Profile::Oauth, "", "request_object_signing_alg = \"PS256\"", false, true),
        (Profile::Oauth, "", "request_object_signing_alg = \"ES256\"", false, false),
    ] {
        let office = Office::with(profile, tables, of_client);
        let rs = Signer::new(Algorithm::Rs256);
        for (signer, name, accepted) in [(&rs, "RS256", rs256), (&office.rsa, "PS256", ps256)] {
            let token = signer.token_with(&json!({"alg": name, "kid": "rsa"}), &claims());
            let answer = office.push_token(&token).await;
            if accepted {
                assert_created(&answer);
            } else {
                assert_object_refused(&answer, alg);
            }
        }
        if profile == Profile::Oauth {
            assert_created(&office.push_form(&altered(&[("client_id", Some("jar"))])).await);
        }
    }
    let office = Office::open(Profile::Oauth);
    for octets in [b"jar-secret-jar-secret-jar-secret".to_vec(), office.rsa.pem().into_bytes()] {
        let hmac = Signer::with_secret(Algorithm::Hs256, &octets).token(&claims());
        assert_object_refused(&office.push_token(&hmac).await, alg);
    }
}

#[tokio::test]
async fn b100_b101_types() {
    let office = Office::open(Profile::Fapi1);
    for typ in
        ["oauth-authz-req+jwt", "OautH-auThZ-REQ+jWt", "JWT", "application/oauth-authz-req+jwt"]
    {
        let token = office.signer.token_with(&json!({"alg": "ES256", "typ": typ}), &claims());
        assert_created(&office.push_token(&token).await);
    }
    for typ in ["client-authentication+jwt", "dpop+jwt", "at+jwt", "application/x/jwt"] {
        let token = office.signer.token_with(&json!({"alg": "ES256", "typ": typ}), &claims());
        let text = "the request object is not acceptable: the typ of the token is not what is \
                    expected here";
        assert_object_refused(&office.push_token(&token).await, text);
    }
    let assertion = json!({"iss": "jar", "sub": "jar", "aud": ISSUER, "exp": NOW + 60,
        "nbf": NOW, "jti": "x"});
    let answer = office.push(&assertion).await;
    assert_refused(&answer, 400, "invalid_request_object");
}

#[tokio::test]
async fn b109_what_is_no_jwt_is_no_request_object() {
    let office = Office::open(Profile::Oauth);
    let five = "a.b.c.d.e";
    for token in ["x", "a.b", "a.b.c.d", five, "a.b.c.d.e.f", "....", "..", "a b.c.d", "\u{e4}.b.c"]
    {
        let answer = office.push_token(token).await;
        assert_refused(&answer, 400, "invalid_request_object");
    }
    let answer = office.push_token(five).await;
    assert_object_refused(&answer, "encrypted request objects are not supported");
    for (header, payload) in [
        ("[]", "{}"),
        ("{}", "{}"),
        (r#"{"alg":"ES256"}"#, "[]"),
        (r#"{"alg":"ES256"}"#, "null"),
        (r#"{"alg":"ES256"}"#, "not JSON"),
        (r#"{"alg":"ES256"}"#, r#"{"client_id":"jar","client_id":"jar"}"#),
        (r#"{"alg":"ES256","alg":"ES256"}"#, "{}"),
    ] {
        let answer = office.push_token(&office.signer.token_of_texts(header, payload)).await;
        assert_refused(&answer, 400, "invalid_request_object");
    }
}

#[tokio::test]
async fn b109_length_is_bounded() {
    let office = Office::with(Profile::Oauth, "[par]\nmax_body_bytes = 131072", "");
    let large = office.push(&changed(&json!({"x_large": "x".repeat(45 * 1024)}))).await;
    assert_object_refused(&large, "the request object has more than 51200 bytes");
    let travels = office.push(&changed(&json!({"x_large": "x".repeat(20 * 1024)}))).await;
    let text = json(&travels)["error_description"].as_str().unwrap().to_owned();
    assert!(text.contains("request target"), "{text}");
    // Claims of the envelope do not travel.
    let audience: Vec<_> = std::iter::once(ISSUER.to_owned())
        .chain((0..10).map(|n| format!("https://{n}.{}", "x".repeat(3000))))
        .collect();
    assert_created(&office.push(&changed(&json!({"aud": audience}))).await);
}

#[tokio::test]
async fn b111_headers_bring_neither_keys_nor_extensions() {
    let office = Office::open(Profile::Oauth);
    for (name, value) in [
        ("crit", json!(["x"])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["AAAA"])),
        ("jwk", office.other.jwk()),
        ("jwk", office.signer.jwk()),
    ] {
        for signer in [&office.signer, &office.other] {
            let mut header = json!({"alg": "ES256"});
            header[name] = value.clone();
            let answer = office.push_token(&signer.token_with(&header, &claims())).await;
            assert_refused(&answer, 400, "invalid_request_object");
        }
    }
}

#[tokio::test]
async fn b120_unsigned_pushes_are_refused_where_a_signature_is_required() {
    let by_client = "require_signed_request_object = true";
    for (profile, tables, of_client) in
        [(Profile::Oauth, "[request_object]\nrequired = true", ""), (Profile::Oauth, "", by_client)]
    {
        let office = Office::with(profile, tables, of_client);
        let answer = office.push_form(&altered(&[("client_id", Some("jar"))])).await;
        assert_refused(&answer, 400, "invalid_request");
        assert_eq!(json(&answer)["error_description"], "a signed request object is required");
        assert_created(&office.push(&claims()).await);
    }
}

#[tokio::test]
async fn clients_without_keys_cannot_sign() {
    let desk = Desk::open();
    let answer = desk.push(&[("request", "a.b.c")]).await;
    assert_object_refused(&answer, "no key is known to verify request objects of this client");
}
