//! Client assertions: the input is one as it comes, a whole form, and the claims of one that the
//! client signed.
#![no_main]

use std::sync::{Arc, LazyLock, Once};

use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use parapet::client::assertion::ASSERTION_TYPE;
use parapet::client::authentication::Presented;
use parapet::client::{Assertions, authenticate};
use parapet::oauth::parameters::{Encoder, Parameters};
use parapet::store::MemoryStore;
use parapet_fuzz::gateway::Parts;
use parapet_fuzz::{in_time, signer};
use tokio::runtime::{Builder, Runtime};

struct Bench {
    parts: Parts,
    assertions: Assertions,
    runtime: Runtime,
}

const HEADER: &str = r#"{"typ":"JWT","alg":"ES256"}"#;

static SEED: Once = Once::new();

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let [x, y] = signer::point();
    let parts = Parts::with(&format!(
        "[[clients]]\nclient_id = \"bank\"\nauthentication = \"private_key_jwt\"\n\
         [[clients.jwks.keys]]\nkty = \"EC\"\ncrv = \"P-256\"\nx = \"{x}\"\ny = \"{y}\"\n"
    ));
    let store = Arc::new(MemoryStore::new(parts.config.store.max_bytes, Arc::clone(&parts.clock)));
    let discovery = Arc::clone(&parts.discovery);
    let assertions = Assertions::new(&parts.config, discovery, store, Arc::clone(&parts.clock));
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    Bench { parts, assertions, runtime }
});

/// Whether the form proves its client.
fn believed(form: &[u8]) -> bool {
    let Ok(form) = Parameters::parse(form) else { return false };
    let Ok(presented) = Presented::read(&HeaderMap::new(), &form) else { return false };
    let judged = authenticate(&BENCH.parts.registry, &presented, &BENCH.assertions);
    BENCH.runtime.block_on(judged).is_ok()
}

fn form(assertion: &str) -> String {
    let mut encoder = Encoder::default();
    encoder.push("client_assertion_type", ASSERTION_TYPE);
    encoder.push("client_assertion", assertion);
    encoder.finish()
}

/// The seed proves its client, or nothing below would be put to the test.
fn seed_is_believed() {
    let claims = include_bytes!("../seeds/client_assertion/usual");
    assert!(believed(form(&signer::sign(HEADER, claims)).as_bytes()), "the seed is refused");
}

fuzz_target!(|input: &[u8]| {
    SEED.call_once(seed_is_believed);
    in_time(input, |input| {
        // Nobody else's signature can be guessed.
        assert!(!believed(input));
        if let Ok(text) = std::str::from_utf8(input) {
            assert!(!believed(form(text).as_bytes()));
        }
        let token = signer::sign(HEADER, input);
        if believed(form(&token).as_bytes()) {
            let claims: serde_json::Value = serde_json::from_slice(input).expect("claims");
            assert_eq!((&claims["iss"], &claims["sub"]), (&"bank".into(), &"bank".into()));
            assert!(claims["aud"].to_string().contains("https://login.example"));
            assert!(claims["exp"].is_number());
        }
    });
});
