//! A signed request object pushed by who proves itself by certificate (B-083).

use parapet::jose::Algorithm;
use serde_json::{Value, json};

use super::*;
use crate::support::jose::Signer;

/// The client `jar`: its certificate by an authority, its request objects by a key of its own.
fn jar(signer: &Signer) -> String {
    let jwk = signer.jwk();
    format!(
        "[[clients]]\nclient_id = \"jar\"\nauthentication = \"tls_client_auth\"\n\
         tls_client_auth_san_dns = \"jar.example\"\nredirect_uris = [\"https://c.example/cb\"]\n\
         require_signed_request_object = true\n\
         jwks = {{ keys = [{{ kty = \"EC\", crv = \"P-256\", x = {}, y = {} }}] }}\n",
        jwk["x"], jwk["y"]
    )
}

/// A request of `jar`; `null` takes a member out.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "jar", "aud": "https://login.example", "client_id": "jar", "response_type": "code",
        "redirect_uri": "https://c.example/cb", "scope": "openid", "state": "inner",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[tokio::test]
async fn b083_client_id_and_signed_request_are_enough_with_a_certificate() {
    let lab = Lab::new();
    let (signer, stranger) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
    let toml = format!("{}{}", lab.toml(&format!("[server.tls]\n{}", lab.files())), jar(&signer));
    let gateway = Gateway::start(&toml).await;
    let mut parameters = named("jar");
    parameters.subject_alt_names = vec![SanType::DnsName("jar.example".try_into().unwrap())];
    let own = lab.authority.sign(&parameters);
    let other = lab.authority.sign(&named("other"));
    let good = signer.token(&claims(&json!({})));
    let cases = [
        (Some(&own), "jar", good.clone(), 201, ""),
        (None, "jar", good.clone(), 401, "invalid_client"),
        (Some(&other), "jar", good.clone(), 401, "invalid_client"),
        (Some(&own), "dns", good, 401, "invalid_client"),
        (Some(&own), "jar", stranger.token(&claims(&json!({}))), 400, "invalid_request_object"),
        (
            Some(&own),
            "jar",
            signer.token(&claims(&json!({"client_id": "dns"}))),
            400,
            "invalid_request_object",
        ),
    ];
    for (holder, client_id, request, status, error) in cases {
        let form = [("client_id", client_id), ("request", request.as_str())];
        let config = client_config(&lab.authority, holder);
        let answer = push(&gateway.url, config, &form, &[]).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{client_id} {}", answer.text());
        if status == 201 {
            let request_uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
            assert!(request_uri.starts_with("urn:ietf:params:oauth:request_uri:"), "{request_uri}");
        } else {
            assert_eq!(answer.json()["error"], error);
        }
    }
    // The certificate alone is not enough where requests must be signed.
    let config = client_config(&lab.authority, Some(&own));
    let plain = push(&gateway.url, config, &form("jar"), &[]).await.unwrap();
    assert_eq!((plain.status.as_u16(), &plain.json()["error"]), (400, &json!("invalid_request")));
}
