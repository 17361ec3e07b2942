//! Keys at a client's `jwks_uri` and in its file (B-074, B-226, B-227), from a real server that
//! answers as told; and what the time of an answer tells (B-050).

use std::time::{Duration, Instant};

use parapet::config::{ClientKeys, Profile};
use parapet::jose::Algorithm;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;

use super::assertions::{TYPE, bank_with, claims, claims_of, form_with, push};
use super::*;
use crate::support::jose::Signer;
use crate::support::upstream::{Step, Upstream};

/// A server of keys whose answer can be changed.
struct KeyServer {
    server: Upstream,
    steps: Arc<Mutex<Vec<Step>>>,
}

impl KeyServer {
    async fn open(document: &str) -> Self {
        let steps = Arc::new(Mutex::new(vec![answer("200 OK", "", document)]));
        let told = Arc::clone(&steps);
        let server = Upstream::scripted(move |_| told.lock().clone()).await;
        Self { server, steps }
    }

    fn serve(&self, step: Step) {
        *self.steps.lock() = vec![step];
    }

    fn fetches(&self) -> usize {
        self.server.seen().len()
    }

    /// A desk whose client `bank` has its keys here.
    fn desk(&self, allowed: &str) -> Desk {
        desk_at(&format!("http://{}/jwks", self.server.address), allowed)
    }
}

/// A desk whose client `bank` has its keys there.
fn desk_at(jwks_uri: &str, allowed: &str) -> Desk {
    let tables = format!(
        "[client_keys]\nallow_private_addresses = [{allowed}]\n\
             [limits]\nfailures_per_address = \"1000000/s\"\npushes_per_client = \"1000000/s\"\n\
             [[clients]]\nclient_id = \"bank\"\nauthentication = \"private_key_jwt\"\n\
             jwks_uri = \"{jwks_uri}\"\nredirect_uris = [\"{CALLBACK}\"]\n"
    );
    Desk::with(&tables)
}

const LOOPBACK: &str = "\"127.0.0.0/8\"";

fn answer(status: &str, fields: &str, body: &str) -> Step {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{fields}\r\n{body}");
    Step::Bytes(text.into_bytes())
}

fn jwks(keys: &[(&Signer, &str)]) -> String {
    let keys: Vec<_> = keys.iter().map(|(signer, kid)| signer.jwk_named(kid)).collect();
    json!({ "keys": keys }).to_string()
}

/// A push of `bank` with a token that names this key.
async fn push_by(desk: &Desk, signer: &Signer, kid: &str) -> u16 {
    let header = json!({ "alg": "ES256", "kid": kid });
    let token = signer.token_with(&header, &claims(desk, &json!({})));
    push(desk, &token).await.status().as_u16()
}

#[tokio::test]
async fn b226_a_rotated_key_is_fetched_once_and_a_flood_costs_nothing() {
    let (old, new) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
    let keys = KeyServer::open(&jwks(&[(&old, "old")])).await;
    let desk = keys.desk(LOOPBACK);
    for _ in 0..3 {
        assert_eq!(push_by(&desk, &old, "old").await, 201);
    }
    assert_eq!(keys.fetches(), 1);
    keys.serve(answer("200 OK", "", &jwks(&[(&new, "new")])));
    desk.clock.advance(Duration::from_secs(31));
    assert_eq!(push_by(&desk, &new, "new").await, 201);
    assert_eq!(keys.fetches(), 2);
    assert_eq!(push_by(&desk, &old, "old").await, 401);
    let forger = Signer::new(Algorithm::Es256);
    for number in 0..50 {
        assert_eq!(push_by(&desk, &forger, &format!("k{number}")).await, 401);
        assert_eq!(push_by(&desk, &new, "new").await, 201);
    }
    assert_eq!(keys.fetches(), 2);
    desk.clock.advance(Duration::from_secs(31));
    for number in 0..50 {
        assert_eq!(push_by(&desk, &forger, &format!("l{number}")).await, 401);
    }
    assert_eq!(keys.fetches(), 3);
}

#[tokio::test]
async fn b226_callers_who_come_together_share_one_fetch() {
    let signer = Signer::new(Algorithm::Es256);
    let keys = KeyServer::open("").await;
    let go = Arc::new(Notify::new());
    let document = jwks(&[(&signer, "k")]);
    *keys.steps.lock() = vec![Step::Await(Arc::clone(&go)), answer("200 OK", "", &document)];
    let desk = keys.desk(LOOPBACK);
    let release = async {
        let deadline = Instant::now() + Duration::from_secs(2);
        while keys.fetches() == 0 && Instant::now() < deadline {
            tokio::task::yield_now().await;
        }
        go.notify_one();
    };
    // Not by `Desk::push`, which expects to be alone.
    let push = async || {
        let token = signer.token(&claims(&desk, &json!({})));
        let answer = desk.endpoints.push(post(form_with(&token, None).into())).await;
        answer.status().as_u16()
    };
    let (one, two, three, ()) = tokio::join!(push(), push(), push(), release);
    assert_eq!((one, two, three, keys.fetches()), (201, 201, 201, 1));
}

#[tokio::test]
async fn b227_keys_are_kept_for_as_long_as_their_server_says() {
    let signer = Signer::new(Algorithm::Es256);
    let document = jwks(&[(&signer, "k")]);
    for (field, seconds) in [
        ("", 600),
        ("cache-control: max-age=1\r\n", 60),
        ("cache-control: max-age=120\r\n", 120),
        ("cache-control: max-age=10000000\r\n", 86_400),
    ] {
        let keys = KeyServer::open("").await;
        keys.serve(answer("200 OK", field, &document));
        let desk = keys.desk(LOOPBACK);
        assert_eq!(push_by(&desk, &signer, "k").await, 201);
        desk.clock.advance(Duration::from_secs(seconds - 1));
        assert_eq!(push_by(&desk, &signer, "k").await, 201);
        assert_eq!(keys.fetches(), 1, "{field}");
        desk.clock.advance(Duration::from_secs(2));
        assert_eq!(push_by(&desk, &signer, "k").await, 201);
        assert_eq!(keys.fetches(), 2, "{field}");
    }
}

#[tokio::test]
async fn b227_a_server_that_fails_costs_little_and_old_keys_serve() {
    let signer = Signer::new(Algorithm::Es256);
    let good = jwks(&[(&signer, "k")]);
    let padded = format!("{good}{}", " ".repeat(600 * 1024));
    let never = Arc::new(Notify::new());
    let other = KeyServer::open(&good).await;
    let elsewhere = format!("location: http://{}/jwks\r\n", other.server.address);
    for fault in [
        answer("500 Internal Server Error", "", &good),
        answer("404 Not Found", "", &good),
        answer("302 Found", &elsewhere, &good),
        answer("200 OK", "", "{\"keys\":"),
        answer("200 OK", "", "<html>"),
        answer("200 OK", "", &padded),
        Step::Bytes(b"not http\r\n\r\n".to_vec()),
        Step::Close,
        Step::Await(never),
    ] {
        let keys = KeyServer::open(&good).await;
        let desk = keys.desk(LOOPBACK);
        let fresh = keys.desk(LOOPBACK);
        assert_eq!(push_by(&desk, &signer, "k").await, 201);
        keys.serve(fault);
        let began = Instant::now();
        assert_eq!(push_by(&fresh, &signer, "k").await, 401);
        desk.clock.advance(Duration::from_secs(3600));
        assert_eq!(push_by(&desk, &signer, "k").await, 201);
        assert!(began.elapsed() < Duration::from_secs(10));
        // The next ones do not ask again.
        let (asked, began) = (keys.fetches(), Instant::now());
        for _ in 0..5 {
            assert_eq!(push_by(&desk, &signer, "k").await, 201);
            assert_eq!(push_by(&fresh, &signer, "k").await, 401);
        }
        assert!(keys.fetches() == asked && began.elapsed() < Duration::from_secs(2));
        keys.serve(answer("200 OK", "", &good));
        fresh.clock.advance(Duration::from_secs(31));
        assert_eq!(push_by(&fresh, &signer, "k").await, 201);
    }
    assert_eq!(other.fetches(), 0, "a redirect is not followed");
}

#[tokio::test]
async fn b227_private_addresses_are_not_asked() {
    let signer = Signer::new(Algorithm::Es256);
    let keys = KeyServer::open(&jwks(&[(&signer, "k")])).await;
    let port = keys.server.address.port();
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"] {
        for scheme in ["http", "https"] {
            // What the configuration refuses already is not asked either.
            let is_loopback = !host.starts_with('[');
            if scheme == "http" && !is_loopback {
                continue;
            }
            for allowed in ["", "\"10.0.0.0/8\", \"::1\""] {
                let desk = desk_at(&format!("{scheme}://{host}:{port}/jwks"), allowed);
                assert_eq!(push_by(&desk, &signer, "k").await, 401, "{scheme}://{host}");
            }
        }
    }
    assert_eq!((keys.fetches(), keys.server.connections()), (0, 0));
    let by_name = desk_at(&format!("http://localhost:{port}/jwks"), LOOPBACK);
    assert_eq!(push_by(&by_name, &signer, "k").await, 201);
}

#[tokio::test]
async fn b074_a_short_key_from_elsewhere_is_left_out() {
    let signer = Signer::new(Algorithm::Rs256);
    let short = json!({ "kty": "RSA", "kid": "s", "e": "AQAB", "n": "w".repeat(171) });
    let document = json!({ "keys": [short, signer.jwk_named("k")] }).to_string();
    let keys = KeyServer::open(&document).await;
    let desk = keys.desk(LOOPBACK);
    for (kid, status) in [("s", 401), ("k", 201)] {
        let header = json!({ "alg": "RS256", "kid": kid });
        let token = signer.token_with(&header, &claims(&desk, &json!({})));
        assert_eq!(push(&desk, &token).await.status(), status);
    }
}

#[tokio::test]
async fn a_file_of_keys_is_read_again() {
    let (old, new) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, jwks(&[(&old, "k")])).unwrap();
    let keys = KeyServer::open("").await;
    let mut config = keys.desk(LOOPBACK).config;
    config.clients[0].keys = Some(ClientKeys::File(file.clone()));
    let desk = Desk::of(config, None);
    assert_eq!(push_by(&desk, &old, "k").await, 201);
    std::fs::write(&file, "{").unwrap();
    desk.endpoints.reload_keys();
    assert_eq!(push_by(&desk, &old, "k").await, 201);
    std::fs::write(&file, jwks(&[(&new, "k"), (&new, "l")])).unwrap();
    desk.endpoints.reload_keys();
    assert_eq!((push_by(&desk, &old, "k").await, push_by(&desk, &new, "k").await), (401, 201));
}

/// Medians of interleaved runs, in seconds.
async fn medians(desk: &Desk, tokens: [&dyn Fn() -> String; 2], rounds: usize) -> [f64; 2] {
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for which in [round % 2, 1 - round % 2] {
            let form = [("client_assertion", tokens[which]()), ("response_type", "code".into())];
            let form = form.iter().map(|(name, value)| (*name, value.as_str()));
            let kind = ("client_assertion_type", TYPE);
            let request = post(encode(&form.chain([kind]).collect::<Vec<_>>()).into());
            let began = Instant::now();
            let answer = desk.endpoints.push(request).await;
            took[which].push(began.elapsed());
            assert_eq!(answer.status(), 401);
        }
    }
    took.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    })
}

#[tokio::test]
async fn b050_unknown_clients_and_wrong_signatures_take_the_same_time() {
    for (algorithm, client_id) in [
        (Algorithm::Es256, "bank"),
        (Algorithm::Ps256, "bank"),
        (Algorithm::EdDsa, "bank"),
        (Algorithm::Hs256, "shop"),
        (Algorithm::Es384, "web"),
    ] {
        let signer = Signer::new(algorithm);
        let keys = if algorithm.is_symmetric() { Signer::new(Algorithm::Es256) } else { signer };
        let desk = bank_with(Profile::Oauth, &keys.jwks(), "");
        let stranger = Signer::new(algorithm);
        let of = |client_id: &str| {
            let token = stranger.token(&claims_of(&desk, client_id, &json!({})));
            // All RSA signers have one key, so the signature is of something else.
            let (message, _) = token.rsplit_once('.').unwrap();
            let other = stranger.token(&claims_of(&desk, client_id, &json!({ "jti": "o" })));
            format!("{message}.{}", other.rsplit_once('.').unwrap().1)
        };
        let (known, unknown) = (|| of(client_id), || of("wob!"));
        let mut ratios = Vec::new();
        // Noise passes; a difference stays.
        for _ in 0..5 {
            let [known, unknown] = medians(&desk, [&known, &unknown], 120).await;
            ratios.push(known / unknown);
            if (0.8..1.25).contains(&(known / unknown)) {
                break;
            }
        }
        let last = *ratios.last().unwrap();
        assert!((0.8..1.25).contains(&last), "{algorithm} {client_id}: {ratios:?}");
    }
}
