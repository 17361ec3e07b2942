//! The guard's scan of bodies: the verdict does not depend on where the network cut them.
#![no_main]

use std::sync::{Arc, LazyLock};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use parapet::authorize::Guard;
use parapet_fuzz::gateway::Parts;
use parapet_fuzz::in_time;

static GUARD: LazyLock<Guard> = LazyLock::new(|| {
    let parts = Parts::with("[par]\nrequired = true\n");
    let guard =
        Guard::new(&parts.config, Arc::clone(&parts.registry), Arc::clone(&parts.discovery));
    guard.expect("requests must be pushed")
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
