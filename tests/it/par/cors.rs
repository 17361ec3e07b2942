//! Pushes out of a browser (B-130).

use http::header::{ALLOW, HeaderName, ORIGIN};

use super::*;

const ORIGINS: &str = "[par]\ncors_origins = [\"https://spa.example\", \"http://127.0.0.1:3000\"]";

fn from(origin: &str, mut request: Request<Bytes>) -> Request<Bytes> {
    request.headers_mut().insert(ORIGIN, origin.parse().unwrap());
    request
}

fn preflight(origin: &str) -> Request<Bytes> {
    let request = Request::options("/par")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,dpop");
    from(origin, request.body(Bytes::new()).unwrap())
}

fn cors_fields(answer: &Response<Bytes>) -> Vec<&HeaderName> {
    answer.headers().keys().filter(|name| name.as_str().starts_with("access-control")).collect()
}

#[tokio::test]
async fn b130_allowed_origin_gets_preflight_and_headers_on_every_answer() {
    let desk = Desk::with(ORIGINS);
    for origin in ["https://spa.example", "http://127.0.0.1:3000"] {
        let answer = desk.send(preflight(origin)).await;
        assert!([200, 204].contains(&answer.status().as_u16()));
        assert_eq!(answer.headers()["access-control-allow-origin"], origin);
        let methods = answer.headers()["access-control-allow-methods"].to_str().unwrap();
        assert!(methods.contains("POST"));
        let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap();
        for name in ["authorization", "dpop", "content-type"] {
            assert!(allowed.to_lowercase().contains(name), "{allowed}");
        }
        assert!(!answer.headers().contains_key("access-control-allow-credentials"));

        let good = by_web(encode(&complete()));
        let bad = by_web("client_id=web".to_owned());
        let unknown = post(Bytes::from_static(b"client_id=nobody"));
        let get = Request::get("/par").body(Bytes::new()).unwrap();
        for (request, status) in [(good, 201), (bad, 400), (unknown, 401), (get, 405)] {
            let answer = desk.send(from(origin, request)).await;
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()["access-control-allow-origin"], origin);
            let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap();
            assert!(exposed.to_lowercase().contains("dpop-nonce"));
            let vary = answer.headers()["vary"].to_str().unwrap();
            assert!(vary.to_lowercase().contains("origin"), "{vary}");
        }
    }
}

#[tokio::test]
async fn b130_other_origins_get_the_plain_answer() {
    let desk = Desk::with(ORIGINS);
    for origin in [
        "https://evil.example",
        "https://spa.example.evil.example",
        "https://SPA.example",
        "http://spa.example",
        "https://spa.example:8443",
        "null",
    ] {
        let answer = desk.send(from(origin, by_web(encode(&complete())))).await;
        assert_created(&answer);
        assert_eq!(cors_fields(&answer), <[&HeaderName; 0]>::default());
        let answer = desk.send(preflight(origin)).await;
        assert_refused(&answer, 405, "invalid_request");
        assert_eq!(cors_fields(&answer), <[&HeaderName; 0]>::default());
    }
    let answer = desk.push(&complete()).await;
    assert_created(&answer);
    assert_eq!(cors_fields(&answer), <[&HeaderName; 0]>::default());
}

#[tokio::test]
async fn b002_b130_allow_names_options_where_browsers_may_push() {
    let with = Desk::with(ORIGINS);
    let answer = with.send(Request::get("/par").body(Bytes::new()).unwrap()).await;
    assert_refused(&answer, 405, "invalid_request");
    assert_eq!(answer.headers()[ALLOW], "POST, OPTIONS");
    let without = Desk::open();
    let answer = without.send(preflight("https://spa.example")).await;
    assert_refused(&answer, 405, "invalid_request");
    assert_eq!(answer.headers()[ALLOW], "POST");
    assert_eq!(cors_fields(&answer), <[&HeaderName; 0]>::default());
}
