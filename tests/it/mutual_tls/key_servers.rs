//! Keys of a client behind https (B-227): a server whose authority the system does not know.

use super::*;
use parapet::jose::Algorithm;

use crate::support::http::post_form;
use crate::support::jose::Signer;
use crate::support::upstream::{Seen, Step, Upstream};

const ISSUER: &str = "https://login.example";

/// A gateway of the client `bank`, whose keys are at `jwks_uri`.
async fn gateway(jwks_uri: &str, ca: &str) -> Gateway {
    Gateway::start(&format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"{ISSUER}\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"http://127.0.0.1:9\"\n\
         authorization_path = \"/authorize\"\n\
         [client_keys]\nallow_private_addresses = [\"127.0.0.1\"]\n{ca}\n\
         [[clients]]\nclient_id = \"bank\"\nauthentication = \"private_key_jwt\"\n\
         jwks_uri = \"{jwks_uri}\"\nredirect_uris = [\"https://c.example/cb\"]\n"
    ))
    .await
}

async fn push_with_assertion(gateway: &Gateway, signer: &Signer, jti: &str) -> Answer {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let assertion = signer.token(&json!({
        "iss": "bank", "sub": "bank", "aud": ISSUER, "jti": jti, "exp": now.as_secs() + 60,
    }));
    let mut form = form("bank");
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    form.extend([("client_assertion_type", kind), ("client_assertion", assertion.as_str())]);
    post_form(&format!("{}/par", gateway.url), &form, None).await
}

#[tokio::test]
async fn b227_keys_come_over_tls_from_a_server_of_a_known_authority_only() {
    let lab = Lab::new();
    let signer = Signer::new(Algorithm::Es256);
    let jwks = signer.jwks();
    let keys = Upstream::scripted(move |_: &Seen| {
        let length = jwks.len();
        vec![Step::Bytes(
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{jwks}").into_bytes(),
        )]
    })
    .await;
    // A gateway that only ends TLS stands in front of the keys.
    let folder = lab.path().display();
    let front = Gateway::start(&format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"https://keys.example\"\n[server.tls]\n\
         certificate = \"{folder}/server.crt\"\nkey = \"{folder}/server.key\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"http://{}\"\n\
         authorization_path = \"/authorize\"\n[par]\nenabled = false\n",
        keys.address
    ))
    .await;
    let jwks_uri = format!("{}/bank.jwks", front.url);
    assert!(jwks_uri.starts_with("https://"), "{jwks_uri}");

    let trusting = gateway(&jwks_uri, &format!("ca = \"{folder}/ca.pem\"")).await;
    let answer = push_with_assertion(&trusting, &signer, "a").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let fetched = || keys.seen().iter().filter(|seen| seen.target == "/bank.jwks").count();
    assert_eq!(fetched(), 1);

    let wary = gateway(&jwks_uri, "").await;
    refused(&push_with_assertion(&wary, &signer, "b").await);
    assert_eq!(fetched(), 1);
}
