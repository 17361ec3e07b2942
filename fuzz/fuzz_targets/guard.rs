//! The guard's scan of bodies: the verdict does not depend on where the network cut them.
#![no_main]

use std::sync::{Arc, LazyLock};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use parapet::authorize::Guard;
use parapet::client::Registry;
use parapet::config::{self, Environment};
use parapet::upstream::{Discovery, HttpClient};
use parapet_fuzz::in_time;

const CONFIG: &str = r#"
[server]
issuer = "http://127.0.0.1:1"
listen = ["127.0.0.1:0"]
[upstream]
url = "http://127.0.0.1:2"
authorization_path = "/authorize"
[par]
required = true
"#;

static GUARD: LazyLock<Guard> = LazyLock::new(|| {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let file = std::env::temp_dir().join(format!("parapet-fuzz-{}.toml", std::process::id()));
    std::fs::write(&file, CONFIG).expect("a temporary file");
    let config = config::load(&file, &Environment::default()).expect("a legal file").config;
    std::fs::remove_file(&file).expect("the temporary file");
    let client = HttpClient::new(&config.upstream, &config.server.issuer).expect("a client");
    let registry = Arc::new(Registry::new(&config.clients, &config.par));
    let discovery = Arc::new(Discovery::new(client, &config));
    Guard::new(&config, registry, discovery).expect("requests must be pushed")
});

fn cut(content_type: &'static str, query: &str, body: &[u8], size: usize) -> bool {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let mut scan = GUARD.body_scan("/other", Some(query), &headers).expect("a form is scanned");
    body.chunks(size).any(|piece| scan.feed(piece)) || scan.end()
}

fuzz_target!(|input: &[u8]| {
    LazyLock::force(&GUARD);
    in_time(input, |input| {
        let mut halves = input.splitn(2, |&byte| byte == b'\n');
        let first = halves.next().unwrap_or_default();
        let (query, body) = match (std::str::from_utf8(first), halves.next()) {
            (Ok(query), Some(body)) => (query, body),
            _ => ("", input),
        };
        let _ = GUARD.refuses("/other", Some(query));
        for kind in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"] {
            let whole = cut(kind, query, body, body.len().max(1));
            assert_eq!(cut(kind, query, body, 1), whole);
            assert_eq!(cut(kind, query, body, 7), whole);
        }
    });
});
