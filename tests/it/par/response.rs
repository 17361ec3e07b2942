//! What an answer looks like (B-121…B-129, B-048).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use http::header::{ACCEPT, RETRY_AFTER};
use parapet::clock::WallTime;
use parapet::oauth::request_uri::Reference;
use parapet::store::{
    CallerToken, Completion, Continuation, FlowId, Found, Held, IndexKey, Lifetimes, PushedRequest,
    ReplayKey, Spend, Start, StoreError, Usage, Visit as StoreVisit,
};

use super::*;

#[tokio::test]
async fn b121_b122_b123_success() {
    let desk = Desk::with("[par]\nlifetime = \"90s\"");
    let answer = desk.push(&complete()).await;
    assert_eq!(answer.status(), 201);
    let body = json(&answer);
    assert_eq!(body["expires_in"].as_u64(), Some(90));
    let request_uri = body["request_uri"].as_str().unwrap();
    assert!(request_uri.starts_with("urn:ietf:params:oauth:request_uri:"));
    assert!(request_uri.len() < 512);
    assert!(url::Url::parse(request_uri).is_ok());
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    assert!(request_uri.bytes().all(safe), "{request_uri}");
}

#[tokio::test]
async fn b122_reference_lives_as_long_as_it_says() {
    let desk = Desk::open();
    let (one, other) = (desk.push(&complete()).await, desk.push(&complete()).await);
    desk.clock.advance(Duration::from_millis(59_999));
    assert!(matches!(desk.authorize("web", &one).await, Decision::Expand(_)));
    desk.clock.advance(Duration::from_millis(1));
    assert!(matches!(desk.authorize("web", &other).await, Decision::Answer(_)));
}

#[tokio::test]
async fn b124_a_thousand_references_are_distinct_and_random() {
    let desk = Desk::with("[limits]\npushes_per_client = \"100000/s\"");
    let mut seen = HashSet::new();
    for _ in 0..1000 {
        let body = json(&desk.push(&complete()).await);
        let request_uri = body["request_uri"].as_str().unwrap().to_owned();
        let random = request_uri.rsplit(':').next().unwrap();
        assert!(random.len() * 6 >= 128);
        assert!(shannon_bits(&request_uri) > 96.0, "{request_uri}");
        assert!(seen.insert(request_uri));
    }
}

/// Entropy of a text by the frequency of its characters, as the conformance suite reckons it.
fn shannon_bits(text: &str) -> f64 {
    let mut counts = HashMap::new();
    text.chars().for_each(|c| *counts.entry(c).or_insert(0_u32) += 1);
    let length = f64::from(u32::try_from(text.len()).unwrap());
    let share = |count: u32| f64::from(count) / length;
    let per_character: f64 = counts.into_values().map(|n| -share(n) * share(n).log2()).sum();
    per_character * length
}

#[tokio::test]
async fn b127_accept_does_not_change_the_form_of_a_refusal() {
    let desk = Desk::open();
    for accept in ["text/html", "text/html,application/xhtml+xml;q=0.9", "image/png", "*/*;q=0"] {
        let mut request = by_web("client_id=web".to_owned());
        request.headers_mut().insert(ACCEPT, accept.parse().unwrap());
        assert_refused(&desk.send(request).await, 400, "invalid_request");
    }
}

#[tokio::test]
async fn b128_full_store_refuses_and_keeps_every_promise() {
    let desk = Desk::with("[store]\nmax_bytes = 65536\n[limits]\npushes_per_client = \"100000/s\"");
    assert_eq!(desk.config.store.max_bytes, 65_536);
    let mut pushed = Vec::new();
    let mut refused = 0;
    for number in 0..400 {
        let client_id = ["strict", "two", "free", "app", "web"][number % 5];
        let redirect_uri = if client_id == "app" { "http://127.0.0.1/cb" } else { CALLBACK };
        let state = format!("state-{number}");
        let form = altered(&[
            ("client_id", Some(client_id)),
            ("redirect_uri", Some(redirect_uri)),
            ("state", Some(&state)),
        ]);
        let answer = match client_id {
            "web" => desk.push(&form).await,
            _ => desk.plain(encode(&form)).await,
        };
        if answer.status() == 201 {
            pushed.push((client_id, owned(&form), answer));
            continue;
        }
        refused += 1;
        assert_refused(&answer, 503, "temporarily_unavailable");
        let wait: u64 = answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!(wait >= 1);
    }
    assert!(pushed.len() > 20 && refused > 100, "{} kept, {refused} refused", pushed.len());
    for (client_id, form, answer) in &pushed {
        assert_eq!(&desk.redeemed(client_id, answer).await, form);
    }
}

/// A store that does not answer, or falls over.
#[derive(Debug)]
pub(crate) enum Broken {
    Silent,
    Panics,
}

#[async_trait]
impl Store for Broken {
    async fn put(&self, _: &Reference, _: PushedRequest, _: Lifetimes) -> Result<(), StoreError> {
        match self {
            Self::Silent => Err(StoreError::Unavailable),
            Self::Panics => panic!("a defect with secret-details"),
        }
    }

    async fn start(&self, _: &Reference, _: StoreVisit<'_>) -> Result<Start, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn undo_start(&self, _: &Reference, _: CallerToken) -> Result<(), StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn read(&self, _: &Reference) -> Result<Option<Held>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn find(&self, _: &IndexKey) -> Result<Option<Found>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn put_continuation(
        &self,
        _: &Reference,
        _: FlowId,
        _: &Reference,
        _: Continuation,
    ) -> Result<(), StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn continuation(
        &self,
        _: &Reference,
        _: FlowId,
        _: &Reference,
    ) -> Result<Option<(Held, Arc<Continuation>)>, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn spend(&self, _: &Reference, _: Completion<'_>) -> Result<Spend, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn first_use(&self, _: ReplayKey, _: WallTime, _: &Arc<str>) -> Result<bool, StoreError> {
        Err(StoreError::Unavailable)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Err(StoreError::Unavailable)
    }

    fn usage(&self) -> Usage {
        Usage { requests: 0, bytes: 0 }
    }
}

#[tokio::test]
async fn b128_silent_store_is_temporarily_unavailable() {
    let desk = Desk::on("http://127.0.0.1:9", "", Some(Arc::new(Broken::Silent)));
    let answer = desk.push(&complete()).await;
    assert_refused(&answer, 503, "temporarily_unavailable");
    assert!(answer.headers().contains_key(RETRY_AFTER));
}

#[tokio::test]
async fn b129_defect_of_ours_is_a_500_without_details() {
    let desk = Desk::on("http://127.0.0.1:9", "", Some(Arc::new(Broken::Panics)));
    for _ in 0..3 {
        let answer = desk.push(&complete()).await;
        assert_refused(&answer, 500, "server_error");
        assert!(!String::from_utf8_lossy(answer.body()).contains("secret-details"));
    }
}

#[tokio::test]
async fn b048_push_that_came_without_tls_is_refused() {
    let desk = Desk::open();
    let mut request = by_web(encode(&complete()));
    request.extensions_mut().insert(Peer { insecure: true, ..peer("192.0.2.1") });
    let answer = desk.send(request).await;
    assert_refused(&answer, 400, "invalid_request");
    assert!(!answer.headers().contains_key("location"));
}

#[tokio::test]
async fn endpoint_that_is_off_answers_404() {
    let desk = Desk::with("[par]\nenabled = false");
    let answer = desk.push(&complete()).await;
    assert_refused(&answer, 404, "invalid_request");
}
