//! `x-fapi-interaction-id` on every answer (B-131).

use std::collections::HashSet;
use std::sync::Arc;

use http::HeaderValue;
use http::header::ORIGIN;

use super::response::Broken;
use super::socket::{ask, push};
use super::travel::Road;
use super::*;

const NAME: &str = "x-fapi-interaction-id";
const ON: &str = "[par]\ninteraction_id = true\ncors_origins = [\"https://spa.example\"]";
const ID: &str = "c770aef3-6784-41f7-8e0e-ff5f97bddb3a";

fn with(ids: &[&str], mut request: Request<Bytes>) -> Request<Bytes> {
    for id in ids {
        request.headers_mut().append(NAME, id.parse().unwrap());
    }
    request
}

fn id_of(answer: &Response<Bytes>) -> &str {
    let mut all = answer.headers().get_all(NAME).iter();
    let id = all.next().unwrap_or_else(|| panic!("none in {answer:?}"));
    assert!(all.next().is_none());
    id.to_str().unwrap()
}

#[track_caller]
fn assert_fresh(id: &str) {
    let groups: Vec<_> = id.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
    assert!(id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()), "{id}");
    assert!(id[14..].starts_with('4') && id[19..].starts_with(['8', '9', 'a', 'b']), "{id}");
}

/// A push of every kind of outcome that needs no socket, with its status.
fn pushes() -> Vec<(Request<Bytes>, u16)> {
    let mut wrong = by_web(encode(&complete()));
    wrong.headers_mut().insert(AUTHORIZATION, basic("web", "wrong").parse().unwrap());
    vec![
        (by_web(encode(&complete())), 201),
        (by_web("client_id=web".to_owned()), 400),
        (post(Bytes::from_static(b"%zz")), 400),
        (Request::post("/par").body(Bytes::from_static(b"{}")).unwrap(), 400),
        (wrong, 401),
        (Request::get("/par").body(Bytes::new()).unwrap(), 405),
        (Request::put("/par").body(Bytes::new()).unwrap(), 405),
    ]
}

#[tokio::test]
async fn b131_the_identifier_of_a_request_comes_back_on_every_answer() {
    let desk = Desk::with(ON);
    for id in [ID, "C770AEF3-6784-11F7-8E0E-FF5F97BDDB3A"] {
        for (request, status) in pushes() {
            let answer = desk.send(with(&[id], request)).await;
            assert_eq!((answer.status().as_u16(), id_of(&answer)), (status, id));
        }
    }
}

#[tokio::test]
async fn b131_what_is_no_uuid_is_replaced_by_a_new_one() {
    let desk = Desk::with(ON);
    let mut seen = HashSet::new();
    let other = ID.replace('c', "d");
    for ids in [&[][..], &[""], &["1"], &["x".repeat(36).as_str()], &[ID, &other], &[ID, ID]] {
        for (request, status) in pushes() {
            let answer = desk.send(with(ids, request)).await;
            assert_eq!(answer.status(), status);
            let id = id_of(&answer).to_owned();
            assert_fresh(&id);
            assert!(id != ID && seen.insert(id));
        }
    }
}

#[tokio::test]
async fn b131_also_where_the_store_or_the_gateway_itself_fails() {
    for (broken, status) in [(Broken::Silent, 503), (Broken::Panics, 500)] {
        let desk = Desk::on("http://127.0.0.1:9", ON, Some(Arc::new(broken)));
        let answer = desk.send(with(&[ID], by_web(encode(&complete())))).await;
        assert_eq!((answer.status().as_u16(), id_of(&answer)), (status, ID));
    }
    let desk = Desk::with(&format!("{ON}\n[limits]\npushes_per_client = \"1/m\""));
    desk.push(&complete()).await;
    let answer = desk.send(with(&[ID], by_web(encode(&complete())))).await;
    assert_eq!((answer.status().as_u16(), id_of(&answer)), (429, ID));
}

#[tokio::test]
async fn b130_b131_pages_of_the_configured_origins_may_send_and_read_it() {
    let desk = Desk::with(ON);
    let from = |origin: &'static str, mut request: Request<Bytes>| {
        request.headers_mut().insert(ORIGIN, HeaderValue::from_static(origin));
        request
    };
    let preflight = Request::options("/par")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", NAME);
    let preflight = preflight.body(Bytes::new()).unwrap();
    let answer = desk.send(from("https://spa.example", preflight)).await;
    let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.split(',').any(|name| name.trim() == NAME), "{allowed}");
    for (request, status) in pushes() {
        let answer = desk.send(from("https://spa.example", request)).await;
        assert_eq!(answer.status(), status);
        let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap();
        let exposed: Vec<_> = exposed.split(',').map(str::trim).collect();
        assert!(exposed.contains(&NAME) && exposed.contains(&"dpop-nonce"), "{exposed:?}");
    }
    let answer = desk.send(from("https://evil.example", by_web(encode(&complete())))).await;
    assert!(!answer.headers().contains_key("access-control-expose-headers"));
    assert_fresh(id_of(&answer));
}

#[tokio::test]
async fn b131_nobody_gets_one_where_it_is_off() {
    let desk = Desk::open();
    for (request, status) in pushes() {
        let answer = desk.send(with(&[ID], request)).await;
        assert_eq!((answer.status().as_u16(), answer.headers().get(NAME)), (status, None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b131_over_the_wire_also_where_a_body_cannot_be_read_and_never_in_the_log() {
    let road = Road::open(&format!("{ON}\nmax_body_bytes = 4096")).await;
    let lines = format!("\r\n{NAME}: {ID}\r\nOrigin: https://spa.example");
    let good = push(&road, &lines, &encode(&complete())).await;
    assert_eq!((good.status, good.all(NAME)), (201, vec![ID]));
    let long = push(&road, &lines, &"x".repeat(5000)).await;
    assert_eq!((long.status, long.all(NAME)), (413, vec![ID]));
    assert_eq!(long.field("access-control-expose-headers"), Some(NAME));
    let head = format!("POST /par HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked{lines}");
    let broken = ask(&road, &head, "zz\r\nx\r\n").await;
    assert_eq!((broken.status, broken.all(NAME)), (400, vec![ID]));
    let fresh = push(&road, "", &"x".repeat(5000)).await;
    assert_fresh(fresh.field(NAME).unwrap());
    // Elsewhere it is the upstream's business.
    let other = ask(&road, &format!("GET /other HTTP/1.1\r\nHost: a{lines}"), "").await;
    assert_eq!((other.status, other.field(NAME)), (200, None));
    let (_, output) = road.gateway.stop();
    assert!(!output.contains(ID), "{output}");
}
