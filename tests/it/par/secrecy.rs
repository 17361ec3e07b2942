//! What never shows in any output, however much is logged (B-045, B-214).

use std::time::{SystemTime, UNIX_EPOCH};

use parapet::jose::Algorithm;
use serde_json::json;

use super::assertions::TYPE;
use super::travel::Road;
use super::*;
use crate::support::gateway::Gateway;
use crate::support::http::{get, post_form, send};
use crate::support::jose::Signer;
use crate::support::upstream::Upstream;

/// Planted values; each is looked for as it is, form-encoded, and without its last byte.
const PLANTED: &[(&str, &str)] = &[
    ("client_secret", "planted-secret~one"),
    ("id_token_hint", "eyJwbGFudGVk.aGludA.c2ln"),
    ("login_hint", "planted+login@example.com"),
    ("state", "planted-state-7e1a"),
    ("nonce", "planted-nonce-93bd"),
    ("code_challenge", CHALLENGE),
    ("kc_idp_hint", "planted-vendor-value"),
    ("redirect_uri", "https://c.example/planted"),
];

fn planted(client_id: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut form = vec![("client_id", client_id), ("response_type", "code")];
    form.extend(PLANTED.iter().filter(|(name, _)| *name != "redirect_uri"));
    form.push(("redirect_uri", CALLBACK));
    form
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b214_planted_secrets_show_nowhere_at_trace() {
    let libraries = "trace,pingora_core=trace,pingora_proxy=trace,hyper=trace,hyper_util=trace";
    for (format, level) in [("json", "trace"), ("text", libraries)] {
        let bank = Bank::new();
        let tables = format!("[log]\nlevel = \"{level}\"\nformat = \"{format}\"\n{}", bank.table());
        let road = open(&tables).await;
        let mut secrets: Vec<String> = PLANTED.iter().map(|(_, value)| (*value).into()).collect();
        secrets.extend(["web-secret".to_owned(), "post-secret".to_owned()]);
        secrets.push(credentials("web-secret"));
        secrets.extend(without_credentials(&road).await);
        secrets.extend(with_bad_parameters(&road).await);
        secrets.extend(redeemed_and_not(&road).await);
        secrets.extend(bank.assertions(&road).await);
        secrets.extend(bank.request_objects(&road).await);
        secrets.extend(bank.proofs(&road).await);

        let admin = road.gateway.admin_url.clone().unwrap();
        let metrics = get(&format!("{admin}/metrics")).await.text();
        assert!(metrics.contains("parapet_"), "{metrics}");
        let (status, output) = road.gateway.stop();
        assert!(status.success());
        for event in ["push.accepted", "push.refused", "redeem.accepted", "redeem.refused"] {
            assert!(output.contains(event), "{event} is missing:\n{output}");
        }
        assert!(!output.contains("planted") && !metrics.contains("planted"), "{output}");
        for secret in &secrets {
            let encoded = encode(&[("", secret)]).split_off(1);
            for text in [secret.as_str(), &encoded, &secret[..secret.len() - 1]] {
                assert!(!metrics.contains(text), "{text} in metrics");
                let line = output.lines().find(|line| line.contains(text));
                assert_eq!(line, None, "{text} in the log ({format})");
            }
        }
    }
}

/// A road whose upstream knows `DPoP`.
async fn open(tables: &str) -> Road {
    let upstream = Upstream::scripted(|seen| {
        let document = json!({
            "issuer": ISSUER,
            "dpop_signing_alg_values_supported": ["ES256"],
        });
        let is_document = seen.target.contains("/.well-known/");
        let body = if is_document { document.to_string() } else { "ok".to_owned() };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        vec![Step::Bytes(format!("{head}{body}").into_bytes())]
    })
    .await;
    let text = toml(&format!("http://{}", upstream.address), tables);
    Road { gateway: Gateway::start(&text).await, upstream }
}

const ISSUER: &str = "http://127.0.0.1:8080";

/// A client that signs everything.
struct Bank {
    signer: Signer,
}

impl Bank {
    fn new() -> Self {
        Self { signer: Signer::new(Algorithm::Es256) }
    }

    fn table(&self) -> String {
        let key = self.signer.jwk();
        format!(
            "[[clients]]\nclient_id = \"bank\"\nauthentication = \"private_key_jwt\"\n\
             jwks = {{ keys = [{{ kty = \"EC\", crv = \"P-256\", x = {}, y = {} }}] }}\n\
             redirect_uris = [\"{CALLBACK}\"]\n",
            key["x"], key["y"]
        )
    }

    fn assertion(&self, changes: &Value) -> String {
        let claims = json!({
            "iss": "bank", "sub": "bank", "aud": ISSUER, "jti": unique("planted-assertion"),
            "exp": now() + 60,
        });
        self.signer.token(&altered_by(claims, changes))
    }

    fn object(&self, changes: &Value) -> String {
        let claims = json!({
            "iss": "bank", "aud": ISSUER, "client_id": "bank", "exp": now() + 60, "nbf": now(),
            "jti": unique("planted-object"), "response_type": "code", "redirect_uri": CALLBACK,
            "state": "planted-inner-state", "nonce": "planted-inner-nonce",
        });
        self.signer.token(&altered_by(claims, changes))
    }

    fn proof(&self, changes: &Value) -> String {
        let claims = json!({
            "jti": unique("planted-proof"), "htm": "POST", "htu": format!("{ISSUER}/par"),
            "iat": now(),
        });
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.signer.jwk() });
        self.signer.token_with(&header, &altered_by(claims, changes))
    }

    async fn push(road: &Road, form: &[(&str, &str)], proof: Option<&str>, status: u16) {
        let mut request = Request::post(format!("{}/par", road.gateway.url));
        request = request.header(CONTENT_TYPE, FORM);
        if let Some(proof) = proof {
            request = request.header("DPoP", proof);
        }
        let mut form = form.to_vec();
        form.push(("client_assertion_type", TYPE));
        let answer = send(request.body(encode(&form).into()).unwrap()).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }

    /// Assertions that hold, that come again, and that do not hold; gives what was in them.
    async fn assertions(&self, road: &Road) -> Vec<String> {
        let good = self.assertion(&json!({}));
        let kid = json!({ "alg": "ES256", "kid": "planted-kid" });
        let mut planted = Vec::new();
        for (token, status) in [
            (good.clone(), 201),
            (good.clone(), 401),
            (forged(&good), 401),
            (self.signer.token_with(&kid, &json!({ "iss": "bank", "sub": "bank" })), 401),
            (self.assertion(&json!({ "aud": "https://planted.example" })), 401),
            (self.assertion(&json!({ "exp": 1, "planted-claim": "planted" })), 401),
            ("eyJwbGFudGVk.YXNzZXJ0aW9u.c2lnbmF0dXJl".to_owned(), 401),
        ] {
            let mut form = planted_by("bank");
            form.push(("client_assertion", &token));
            Self::push(road, &form, None, status).await;
            planted.extend(parts(&token));
        }
        planted
    }

    /// Request objects, good and bad.
    async fn request_objects(&self, road: &Road) -> Vec<String> {
        let good = self.object(&json!({}));
        let mut planted = Vec::new();
        for (token, status) in [
            (good.clone(), 201),
            (forged(&good), 400),
            (self.object(&json!({ "aud": "https://planted.example" })), 400),
            (self.object(&json!({ "client_id": "planted-other" })), 400),
            (self.object(&json!({ "exp": 1 })), 400),
            (self.object(&json!({ "redirect_uri": "https://c.example/planted" })), 400),
        ] {
            let assertion = self.assertion(&json!({}));
            let form = [("client_assertion", assertion.as_str()), ("request", token.as_str())];
            Self::push(road, &form, None, status).await;
            planted.extend([token, assertion].iter().flat_map(|token| parts(token)));
        }
        planted
    }

    /// Proofs of `DPoP`, good and bad.
    async fn proofs(&self, road: &Road) -> Vec<String> {
        let good = self.proof(&json!({}));
        let mut planted = Vec::new();
        for (token, status) in [
            (good.clone(), 201),
            (good.clone(), 400),
            (forged(&good), 400),
            (self.proof(&json!({ "htu": "https://planted.example/par" })), 400),
            (self.proof(&json!({ "htm": "PLANTED" })), 400),
            (self.proof(&json!({ "iat": 1 })), 400),
        ] {
            let assertion = self.assertion(&json!({}));
            let mut form = planted_by("bank");
            form.push(("client_assertion", &assertion));
            Self::push(road, &form, Some(&token), status).await;
            planted.extend([token, assertion].iter().flat_map(|token| parts(token)));
        }
        planted
    }
}

/// What is planted in a request of `client_id`, without a secret.
fn planted_by(client_id: &'static str) -> Vec<(&'static str, &'static str)> {
    planted(client_id).into_iter().filter(|(name, _)| *name != "client_secret").collect()
}

/// The same token under another signature.
fn forged(token: &str) -> String {
    let (message, _) = token.rsplit_once('.').unwrap();
    let other = Signer::new(Algorithm::Es256).token(&json!({}));
    format!("{message}.{}", other.rsplit_once('.').unwrap().1)
}

/// A token and each of its parts.
fn parts(token: &str) -> Vec<String> {
    token.split('.').chain([token]).map(str::to_owned).collect()
}

fn altered_by(mut claims: Value, changes: &Value) -> Value {
    let members = changes.as_object().unwrap().clone();
    claims.as_object_mut().unwrap().extend(members);
    claims
}

fn unique(name: &str) -> String {
    let mut octets = [0; 8];
    aws_lc_rs::rand::fill(&mut octets).unwrap();
    format!("{name}-{:x}", u64::from_be_bytes(octets))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn credentials(secret: &str) -> String {
    basic("web", secret).trim_start_matches("Basic ").to_owned()
}

fn without_secret() -> Vec<(&'static str, &'static str)> {
    planted_by("web")
}

/// Pushes that do not authenticate; gives what was planted in them.
async fn without_credentials(road: &Road) -> Vec<String> {
    let par = format!("{}/par", road.gateway.url);
    let wrong = Some(("web", "planted-basic"));
    for (form, header, status) in [
        (planted("post"), None, 401),
        (planted("planted-nobody"), None, 401),
        (planted("web"), wrong, 400),
        (without_secret(), wrong, 401),
        (without_secret(), Some(("planted-nobody", "planted-basic")), 401),
    ] {
        assert_eq!(post_form(&par, &form, header).await.status, status);
    }
    let bearer = Request::post(&par).header(CONTENT_TYPE, FORM);
    let bearer = bearer.header(AUTHORIZATION, "Bearer planted-bearer");
    let answer = send(bearer.body(Bytes::from_static(b"client_id=web")).unwrap()).await;
    assert_eq!(answer.status, 401);
    let mut planted: Vec<String> = vec![credentials("planted-basic")];
    planted.extend(["planted-nobody", "planted-basic", "planted-bearer"].map(str::to_owned));
    planted
}

/// Pushes of a client that authenticates; gives what was planted in them.
async fn with_bad_parameters(road: &Road) -> Vec<String> {
    let par = format!("{}/par", road.gateway.url);
    let mut planted = Vec::new();
    for (name, value) in [
        ("request_uri", "urn:ietf:params:oauth:request_uri:planted-reference"),
        ("request", "eyJwbGFudGVk.b2JqZWN0.c2ln"),
        ("scope", "planted-scope"),
        ("state", "planted-again"),
        ("planted-name", "1"),
        ("planted-name", "2"),
    ] {
        let mut form = without_secret();
        form.extend([(name, value), ("planted-name", "x")]);
        let answer = post_form(&par, &form, Some(("web", "web-secret"))).await;
        assert_eq!(answer.status, 400, "{name}");
        planted.extend([value, name].map(str::to_owned).into_iter().filter(|v| v.len() > 9));
    }
    planted.retain(|value| value != "request_uri");
    for body in [&b"state=planted-broken%zz"[..], b"{\"planted-json\":1}", b"\xff=planted-bytes"] {
        let request = Request::post(&par).header(CONTENT_TYPE, FORM);
        let request = request.header(AUTHORIZATION, basic("web", "web-secret"));
        let answer = send(request.body(Bytes::from_static(body)).unwrap()).await;
        assert_eq!(answer.status, 400);
    }
    planted
}

/// A push that is redeemed, by its client, by another, and one that was never made.
async fn redeemed_and_not(road: &Road) -> Vec<String> {
    let par = format!("{}/par", road.gateway.url);
    let answer = post_form(&par, &without_secret(), Some(("web", "web-secret"))).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let issued = answer.json()["request_uri"].as_str().unwrap().to_owned();
    let invented = format!("{}AAAAAAAA", &issued[..issued.len() - 8]);
    for (client_id, request_uri, status) in [
        ("two", &issued, 400),
        ("web", &issued, 200),
        ("web", &issued, 200),
        ("web", &invented, 400),
    ] {
        let query = encode(&[
            ("client_id", client_id),
            ("request_uri", request_uri),
            ("login_hint", "planted-more"),
        ]);
        let answer = get(&format!("{}/authorize?{query}", road.gateway.url)).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let reference = issued.rsplit(':').next().unwrap().to_owned();
    vec![reference[..12].to_owned(), reference]
}
