//! `DPoP` proofs: the first line is `Host`, what follows is a header as it comes, and the claims of a
//! proof that is signed well.
#![no_main]

use std::sync::{LazyLock, Once};

use http::header::HOST;
use http::{HeaderValue, Request};
use libfuzzer_sys::fuzz_target;
use parapet::client::dpop::Verifier;
use parapet::clock::Timestamp;
use parapet::upstream::Capabilities;
use parapet_fuzz::gateway::{NOW, Parts};
use parapet_fuzz::{in_time, signer};

struct Bench {
    parts: Parts,
    verifier: Verifier,
    upstream: Capabilities,
    header: String,
}

static SEED: Once = Once::new();

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let parts = Parts::with("[[clients]]\nclient_id = \"app\"\nauthentication = \"none\"\n");
    let verifier = Verifier::new(&parts.config);
    let upstream =
        Capabilities { dpop_algorithms: vec!["ES256".to_owned()], ..Capabilities::default() };
    let [x, y] = signer::point();
    let header = format!(
        "{{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\
         \"jwk\":{{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"{x}\",\"y\":\"{y}\"}}}}"
    );
    Bench { parts, verifier, upstream, header }
});

/// Whether the proof is believed.
fn believed(host: &[u8], proof: &[u8]) -> bool {
    let Ok(proof) = HeaderValue::from_bytes(proof) else { return false };
    let mut request = Request::post("/par").header("dpop", proof).body(()).expect("a request");
    if let Ok(host) = HeaderValue::from_bytes(host) {
        request.headers_mut().insert(HOST, host);
    }
    let client = BENCH.parts.registry.find("app").expect("the client");
    let now = Timestamp::from_millis(NOW * 1_000);
    BENCH.verifier.verify(&request, client, Some(&BENCH.upstream), now).is_ok()
}

/// `Host` and claims.
fn halves(input: &[u8]) -> (&[u8], &[u8]) {
    let mut halves = input.splitn(2, |&byte| byte == b'\n');
    (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
}

/// The seed is a good proof, or nothing below would be put to the test.
fn seed_is_believed() {
    let (host, claims) = halves(include_bytes!("../seeds/dpop/usual"));
    let proof = signer::sign(&BENCH.header, claims);
    assert!(believed(host, proof.as_bytes()), "the seed is refused");
}

fuzz_target!(|input: &[u8]| {
    SEED.call_once(seed_is_believed);
    in_time(input, |input| {
        let (host, rest) = halves(input);
        // Nobody else's signature can be guessed.
        assert!(!believed(host, rest));
        // What is too long for a proof is refused before it is read.
        if rest.len() < 4_000 && believed(host, signer::sign(&BENCH.header, rest).as_bytes()) {
            let claims: serde_json::Value = serde_json::from_slice(rest).expect("claims");
            assert_eq!(claims["htm"], "POST");
            let htu = claims["htu"].as_str().expect("htu").to_ascii_lowercase();
            assert!(htu.starts_with("https:"), "{htu}");
            let issued = claims["iat"].as_f64().expect("iat");
            assert!((issued - NOW as f64).abs() < 400.0, "{issued}");
        }
    });
});
