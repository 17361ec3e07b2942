//! How often a client may push and an address may fail (B-009, B-220).

use std::time::Duration;

use http::header::RETRY_AFTER;

use super::*;

fn from(address: &str, mut request: Request<Bytes>) -> Request<Bytes> {
    request.extensions_mut().insert(peer(address));
    request
}

fn public(client_id: &str) -> Request<Bytes> {
    post(encode(&altered(&[("client_id", Some(client_id))])).into())
}

fn wrong(client_id: &str) -> Request<Bytes> {
    let mut request = public(client_id);
    request.headers_mut().insert(AUTHORIZATION, basic(client_id, "wrong").parse().unwrap());
    request
}

fn assert_limited(answer: &Response<Bytes>) -> u64 {
    assert_refused(answer, 429, "temporarily_unavailable");
    answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn b009_b220_flood_of_one_client_leaves_the_others_alone() {
    let desk = Desk::with("[limits]\npushes_per_client = \"5/m\"");
    for _ in 0..5 {
        assert_created(&desk.send(public("two")).await);
    }
    for _ in 0..20 {
        let wait = assert_limited(&desk.send(public("two")).await);
        assert!((1..=12).contains(&wait), "{wait}");
    }
    assert_created(&desk.push(&complete()).await);
    assert_created(&desk.send(public("strict")).await);
    desk.clock.advance(Duration::from_secs(12));
    assert_created(&desk.send(public("two")).await);
    assert_limited(&desk.send(public("two")).await);
}

#[tokio::test]
async fn b009_pushes_count_after_authentication_alone() {
    let desk = Desk::with("[limits]\npushes_per_client = \"2/m\"");
    for _ in 0..10 {
        assert_refused(&desk.send(wrong("web")).await, 401, "invalid_client");
    }
    assert_created(&desk.push(&complete()).await);
    // A refused push costs as much as an accepted one.
    assert_refused(&desk.push(&[("client_id", "web")]).await, 400, "invalid_request");
    assert_limited(&desk.push(&complete()).await);
}

#[tokio::test]
async fn b009_failures_are_limited_by_address() {
    let desk = Desk::with("[limits]\nfailures_per_address = \"3/m\"");
    for _ in 0..4 {
        let answer = desk.send(from("192.0.2.1", wrong("web"))).await;
        assert_refused(&answer, 401, "invalid_client");
    }
    assert!(assert_limited(&desk.send(from("192.0.2.1", wrong("web"))).await) >= 1);
    assert_limited(&desk.send(from("192.0.2.1", by_web(encode(&complete())))).await);
    assert_created(&desk.send(from("192.0.2.2", by_web(encode(&complete())))).await);
    desk.clock.advance(Duration::from_secs(20));
    assert_created(&desk.send(from("192.0.2.1", by_web(encode(&complete())))).await);
}

#[tokio::test]
async fn b009_client_that_authenticated_lately_is_not_held_up_by_its_neighbours() {
    let desk = Desk::with("[limits]\nfailures_per_address = \"3/m\"");
    assert_created(&desk.send(from("192.0.2.1", by_web(encode(&complete())))).await);
    for _ in 0..10 {
        let _ = desk.send(from("192.0.2.1", wrong("nobody"))).await;
    }
    assert_limited(&desk.send(from("192.0.2.1", public("two"))).await);
    assert_created(&desk.send(from("192.0.2.1", by_web(encode(&complete())))).await);
}

#[tokio::test]
async fn b009_refused_parameters_are_no_failures() {
    let desk = Desk::with("[limits]\nfailures_per_address = \"1/m\"");
    for _ in 0..10 {
        let answer = desk.send(from("192.0.2.1", by_web("client_id=web".to_owned()))).await;
        assert_refused(&answer, 400, "invalid_request");
    }
    assert_created(&desk.send(from("192.0.2.1", by_web(encode(&complete())))).await);
}
