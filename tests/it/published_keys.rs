//! The key set that the metadata name, with our keys to encrypt request objects to among the
//! upstream's, on the real binary.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parapet::jose::Algorithm;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::gateway::Gateway;
use crate::support::http::{Answer, get, post_form};
use crate::support::jose::Signer;
use crate::support::jwe::encrypted;
use crate::support::ports::free_port;
use crate::support::upstream::{Seen, Step, Upstream};

const OPENID: &str = "/.well-known/openid-configuration";
const CALLBACK: &str = "https://c.example/cb";
const PATIENCE: Duration = Duration::from_secs(20);

/// What the upstream does with its keys at the moment.
const FINE: usize = 0;
const CLASH: usize = 1;
const BROKEN: usize = 2;

struct Front {
    gateway: Gateway,
    mode: Arc<AtomicUsize>,
    signer: Signer,
    _upstream: Upstream,
    _folder: TempDir,
}

impl Front {
    /// In front of an upstream whose documents hold this `jwks_uri`, with our keys of these names.
    async fn start(jwks_uri: Option<&str>, keys: &[(&str, bool)], par: &str) -> Self {
        let issuer = format!("http://127.0.0.1:{}", free_port());
        let mode = Arc::new(AtomicUsize::new(FINE));
        let mut document = json!({"issuer": issuer, "response_types_supported": ["code"],
            "authorization_endpoint": format!("{issuer}/authorize"),
            "request_object_signing_alg_values_supported": ["none", "RS256"]});
        if let Some(uri) = jwks_uri {
            document["jwks_uri"] = json!(uri.replace("ISSUER", &issuer));
        }
        let (its_mode, document) = (Arc::clone(&mode), document.to_string());
        let script = move |seen: &Seen| vec![Step::Bytes(answer(seen, &document, &its_mode))];
        let upstream = Upstream::scripted(script).await;
        let (folder, signer) = (tempfile::tempdir().unwrap(), Signer::new(Algorithm::Es256));
        let mut toml = format!(
            "[server]\nlisten = [\"{}\"]\nissuer = \"{issuer}\"\n[admin]\n\
             listen = \"127.0.0.1:0\"\n[upstream]\nurl = \"http://{}\"\n[par]\n{par}\n",
            issuer.trim_start_matches("http://"),
            upstream.address
        );
        let fixtures = std::fs::read_to_string("tests/fixtures/jwe/keys.json").unwrap();
        let fixtures: Vec<Value> = serde_json::from_str(&fixtures).unwrap();
        let keys = keys.iter().map(|(name, publish)| {
            let key = fixtures.iter().find(|key| key["jwk"]["kid"] == *name).unwrap();
            let file = folder.path().join(name);
            std::fs::write(&file, key["jwk"].to_string()).unwrap();
            format!(
                "[[request_object.decryption_keys]]\nkid = \"{name}\"\nkey_file = \"{}\"\n\
                 publish = {publish}\n",
                file.display()
            )
        });
        toml.extend(keys);
        let jwk = signer.jwk();
        let client = format!(
            "[[clients]]\nclient_id = \"jar\"\nauthentication = \"none\"\n\
             redirect_uris = [\"{CALLBACK}\"]\n[[clients.jwks.keys]]\nkty = \"EC\"\n\
             crv = \"P-256\"\nx = {}\ny = {}\n",
            jwk["x"], jwk["y"]
        );
        toml.push_str(&client);
        let gateway = Gateway::start(&toml).await;
        let front = Self { gateway, mode, signer, _upstream: upstream, _folder: folder };
        front.until(OPENID, |answer| answer.status == 200).await;
        front
    }

    async fn get(&self, path: &str) -> Answer {
        get(&format!("{}{path}", self.gateway.url)).await
    }

    async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.get(path).await;
            if wanted(&answer) || begun.elapsed() > PATIENCE {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the log says this.
    async fn says(&self, text: &str) {
        let begun = Instant::now();
        while !self.gateway.output().contains(text) {
            assert!(begun.elapsed() < PATIENCE, "{}", self.gateway.output());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ready(&self) -> u16 {
        get(&format!("{}/readyz", self.gateway.admin_url.as_ref().unwrap())).await.status.as_u16()
    }

    fn does(&self, mode: usize) {
        self.mode.store(mode, Ordering::Relaxed);
    }
}

fn answer(seen: &Seen, document: &str, mode: &AtomicUsize) -> Vec<u8> {
    let (status, further, body) = match (seen.target.as_str(), mode.load(Ordering::Relaxed)) {
        (OPENID, _) => ("200 OK", "", document.to_owned()),
        ("/certs?p=x" | "/certs", BROKEN) => ("500 No", "", "{}".to_owned()),
        ("/certs?p=x" | "/certs", mode) => {
            let kid = if mode == CLASH { "rsa" } else { "sig-1" };
            let set = json!({"keys": [{"kty": "RSA", "kid": kid, "n": "AQ", "e": "AQAB",
                "x_vendor": [1]}], "vendor": true});
            ("200 OK", "Cache-Control: public, max-age=17\r\nETag: \"x\"\r\n", set.to_string())
        }
        _ => ("404 No", "", "{}".to_owned()),
    };
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{further}\r\n{body}").into_bytes()
}

fn kids(set: &Value) -> Vec<&str> {
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b115_b179_b229_keys_to_encrypt_to_are_found_where_the_metadata_lead() {
    let keys = [("rsa", true), ("p256", true), ("p384", false)];
    let front = Front::start(Some("ISSUER/certs?p=x"), &keys, "").await;
    let document = front.get(OPENID).await.json();
    let issuer = document["issuer"].as_str().unwrap().to_owned();
    assert_eq!(document["jwks_uri"], format!("{issuer}/certs?p=x"));
    assert_eq!(
        document["request_object_encryption_alg_values_supported"],
        json!(["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"])
    );
    let signing = document["request_object_signing_alg_values_supported"].as_array().unwrap();
    assert!(signing.contains(&json!("ES256")) && !signing.contains(&json!("none")));
    assert!(!signing.iter().any(|name| name.as_str().unwrap().starts_with("HS")));
    let answer = front.get("/certs?p=x").await;
    assert_eq!((answer.status.as_u16(), answer.header("etag")), (200, None));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=17"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let set = answer.json();
    assert_eq!(kids(&set), ["sig-1", "rsa", "p256"]);
    assert_eq!(
        (&set["keys"][0]["x_vendor"], &set["keys"][1]["use"], &set["vendor"]),
        (&json!([1]), &json!("enc"), &json!(true))
    );
    assert!(set["keys"].as_array().unwrap().iter().all(|key| key.get("d").is_none()));
    for key in &set["keys"].as_array().unwrap()[1..] {
        let claims = json!({"iss": "jar", "aud": issuer, "client_id": "jar",
            "response_type": "code", "redirect_uri": CALLBACK});
        let object = encrypted(key, &front.signer.token(&claims));
        let form = [("client_id", "jar"), ("request", object.as_str())];
        let pushed = post_form(&format!("{}/par", front.gateway.url), &form, None).await;
        assert_eq!(pushed.status, 201, "{}", pushed.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b179_last_good_set_serves_while_the_upstream_fails() {
    let front = Front::start(Some("ISSUER/certs"), &[("rsa", true)], "").await;
    let set = front.until("/certs", |answer| answer.status == 200).await.json();
    assert_eq!(kids(&set), ["sig-1", "rsa"]);
    front.does(BROKEN);
    let answer = front.get("/certs").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, set));
    assert_eq!(front.ready().await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b179_no_kid_stands_for_two_keys() {
    let front = Front::start(Some("ISSUER/certs"), &[("rsa", true), ("p256", true)], "").await;
    front.does(CLASH);
    let set = front.until("/certs", |answer| answer.status == 200).await.json();
    assert_eq!(kids(&set), ["rsa", "p256"]);
    assert_eq!(set["keys"][0]["n"], "AQ", "the upstream's own");
    assert_eq!(front.ready().await, 503);
    front.says("the upstream publishes keys under a kid of").await;
    front.does(FINE);
    assert_eq!(kids(&front.get("/certs").await.json()), ["sig-1", "rsa", "p256"]);
    assert_eq!(front.ready().await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b179_own_place_where_the_upstream_has_none_and_silence_elsewhere() {
    let front = Front::start(None, &[("rsa", true)], "").await;
    let document = front.get(OPENID).await.json();
    let uri = document["jwks_uri"].as_str().unwrap();
    assert!(uri.ends_with("/par/jwks"), "{uri}");
    assert_eq!(kids(&get(uri).await.json()), ["rsa"]);
    let front = Front::start(Some("https://keys.example/jwks"), &[("rsa", true)], "").await;
    let document = front.get(OPENID).await.json();
    assert_eq!(document["jwks_uri"], "https://keys.example/jwks");
    assert!(document.get("request_object_encryption_alg_values_supported").is_none());
    assert_eq!(front.get("/par/jwks").await.status, 404);
    front.says("jwks_uri leads to another server").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b179_without_published_keys_the_set_passes_through() {
    for keys in [&[][..], &[("rsa", false)]] {
        let front = Front::start(Some("ISSUER/certs"), keys, "required = true").await;
        let answer = front.get("/certs").await;
        assert_eq!((answer.status.as_u16(), answer.header("etag")), (200, Some("\"x\"")));
        assert_eq!(kids(&answer.json()), ["sig-1"]);
        let document = front.get(OPENID).await.json();
        assert!(document.get("request_object_encryption_alg_values_supported").is_none());
        assert_eq!(document["request_parameter_supported"], true);
        assert_eq!(document["require_signed_request_object"], false);
    }
}
