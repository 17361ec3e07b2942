//! `DPoP` proofs of clients with certificates: `htu` is the address of the listener that was called.

use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use parapet::jose::Algorithm;
use serde_json::json;

use super::{Lab, form};
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::jose::Signer;
use crate::support::tls::{Holder, client_config, named, push};
use crate::support::upstream::Upstream;

const PUBLIC: &str = "login.example";
const ALIAS: &str = "mtls.login.example";

/// A gateway with both listeners before an upstream with `DPoP`.
struct Bench {
    lab: Lab,
    upstream: Upstream,
    gateway: Gateway,
    holder: Holder,
    signer: Signer,
}

impl Bench {
    async fn new() -> Self {
        let lab = Lab::new();
        let document = json!({
            "issuer": "https://login.example",
            "authorization_endpoint": "https://login.example/authorize",
            "token_endpoint": "https://login.example/token",
            "dpop_signing_alg_values_supported": ["ES256"],
        })
        .to_string();
        let upstream = Upstream::answering(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{document}",
            document.len()
        ))
        .await;
        let toml = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"https://{PUBLIC}\"\n\
             [server.tls]\n{files}[server.mtls]\nlisten = [\"127.0.0.1:0\"]\n\
             public_url = \"https://{ALIAS}\"\n{files}[admin]\nlisten = \"127.0.0.1:0\"\n\
             [upstream]\nurl = \"http://{}\"\nauthorization_path = \"/authorize\"\n{}",
            upstream.address,
            lab.clients(),
            files = lab.files(),
        );
        let gateway = Gateway::start(&toml).await;
        let holder = lab.authority.sign(&named("app"));
        Self { lab, upstream, gateway, holder, signer: Signer::new(Algorithm::Es256) }
    }

    /// A new proof for the push endpoint at `origin`.
    fn proof(&self, origin: &str) -> String {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).unwrap();
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.signer.jwk() });
        let claims = json!({
            "jti": format!("{:x}", u64::from_be_bytes(random)),
            "htm": "POST",
            "htu": format!("{origin}/par"),
            "iat": SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs(),
        });
        self.signer.token_with(&header, &claims)
    }

    /// Pushes to the listener of `host` with a proof for `origin`.
    async fn push(&self, host: &str, origin: &str) -> Answer {
        let alias = self.gateway.mtls_url.as_ref().unwrap();
        let url = if host == ALIAS { alias } else { &self.gateway.url };
        let proof = self.proof(origin);
        let fields = [("host", host), ("dpop", proof.as_str())];
        let config = client_config(&self.lab.authority, Some(&self.holder));
        push(url, config, &form("dn"), &fields).await.unwrap()
    }
}

#[tokio::test]
async fn b191_the_alias_is_the_address_on_its_own_listener_and_nowhere_else() {
    let bench = Bench::new().await;
    let internal = format!("http://{}", bench.upstream.address);
    let (public, alias) = (format!("https://{PUBLIC}"), format!("https://{ALIAS}"));
    let socket = bench.gateway.mtls_url.clone().unwrap();
    for (host, origin, holds) in [
        (ALIAS, &alias, true),
        (PUBLIC, &public, true),
        (PUBLIC, &alias, false),
        (ALIAS, &public, false),
        (ALIAS, &internal, false),
        (PUBLIC, &internal, false),
        (ALIAS, &socket, false),
    ] {
        let answer = bench.push(host, origin).await;
        if holds {
            assert_eq!(answer.status, StatusCode::CREATED, "{origin} {}", answer.text());
        } else {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{host} {origin}");
            assert_eq!(answer.json()["error"], "invalid_dpop_proof");
        }
    }
}
