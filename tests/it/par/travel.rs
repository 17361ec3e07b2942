//! From push to the bytes that the upstream receives, through the real binary (B-013…B-015, B-044…
//! B-046).

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;
use crate::support::gateway::Gateway;
use crate::support::http::{get, post_form};
use crate::support::upstream::{Seen, Upstream};

/// A gateway in front of an upstream that keeps what it gets.
pub(super) struct Road {
    pub(super) gateway: Gateway,
    pub(super) upstream: Upstream,
}

impl Road {
    pub(super) async fn open(tables: &str) -> Self {
        let upstream = Upstream::fine().await;
        let text = toml(&format!("http://{}", upstream.address), tables);
        Self { gateway: Gateway::start(&text).await, upstream }
    }

    /// Pushes as `web`; the `request_uri`.
    async fn push(&self, form: &[(&str, &str)]) -> String {
        let url = format!("{}/par", self.gateway.url);
        let answer = post_form(&url, form, Some(("web", "web-secret"))).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["request_uri"].as_str().unwrap().to_owned()
    }

    /// Redeems, with more in the query than belongs there; what the upstream got.
    async fn redeem(&self, request_uri: &str) -> Seen {
        let before = self.calls();
        let query = encode(&[
            ("client_id", "web"),
            ("request_uri", request_uri),
            ("scope", "admin"),
            ("state", "other"),
        ]);
        let answer = get(&format!("{}/authorize?{query}", self.gateway.url)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let after = self.upstream.seen();
        assert_eq!(self.calls(), before + 1);
        after.into_iter().rfind(|seen| seen.target.starts_with("/authorize")).unwrap()
    }

    /// Calls of the authorization endpoint so far; the gateway asks for metadata on its own.
    fn calls(&self) -> usize {
        self.upstream.seen().iter().filter(|seen| !seen.target.contains("/.well-known/")).count()
    }
}

/// Pairs of a query as a strict server decodes it, spelling judged on the way.
fn received(query: &str) -> Vec<(String, String)> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%&=".contains(&byte);
    assert!(query.bytes().all(plain), "{query}");
    pairs(query)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b013_b014_b015_b044_b046_upstream_receives_what_was_pushed() {
    let road = Road::open("").await;
    let kept = [
        ("kc_idp_hint", "google"),
        ("resource", "https://z.example/?a=1&b=2"),
        ("resource", "urn:a"),
        ("login_hint", "a+b c%2B&=#;é😀\""),
        ("claims", "{\"id_token\":{\"sub\":null}}"),
    ];
    let kept: Vec<_> = complete().into_iter().chain(kept).collect();
    let mut form = kept.clone();
    form.insert(2, ("nonce", ""));
    form.insert(4, ("grant_type", "password"));
    form.push(("code_verifier", "v"));
    let request_uri = road.push(&form).await;
    assert_eq!(road.calls(), 0, "a push sends nothing upstream");
    let seen = road.redeem(&request_uri).await;
    assert_eq!((seen.method.as_str(), seen.body.len()), ("GET", 0));
    let query = seen.target.strip_prefix("/authorize?").unwrap();
    assert_eq!(received(query), owned(&kept));
    let head = String::from_utf8_lossy(&seen.raw).into_owned();
    assert!(!head.contains(&request_uri) && !head.contains("request_uri"), "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b045_credentials_of_the_body_do_not_travel() {
    let road = Road::open("").await;
    let mut form = altered(&[("client_id", Some("post"))]);
    form.insert(1, ("client_secret", "post-secret"));
    let answer = post_form(&format!("{}/par", road.gateway.url), &form, None).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let request_uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
    let query = encode(&[("client_id", "post"), ("request_uri", &request_uri)]);
    let answer = get(&format!("{}/authorize?{query}", road.gateway.url)).await;
    assert_eq!(answer.status, 200);
    let raw: Vec<u8> = road.upstream.seen().into_iter().flat_map(|seen| seen.raw).collect();
    let raw = String::from_utf8_lossy(&raw).into_owned();
    assert!(raw.contains("client_id=post"));
    assert!(!raw.contains("post-secret") && !raw.contains("client_secret"), "{raw}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorize_by_post_carries_the_same_pairs() {
    let road = Road::open("authorize_method = \"post\"").await;
    let mut form = complete();
    form.extend([("answer", "accept"), ("login_hint", "a b&c"), ("resource", "urn:a")]);
    let seen = road.redeem(&road.push(&form).await).await;
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.target, "/authorize?answer=accept");
    form.retain(|(name, _)| *name != "answer");
    assert_eq!(received(std::str::from_utf8(&seen.body).unwrap()), owned(&form));
}

/// Values that this test does not care to make legal are left to parameters without a grammar.
fn free_parameters() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = "[a-z][a-z0-9]{0,8}-[a-z]{1,4}";
    let value = prop_oneof![any::<String>(), "[ -~]{0,40}", "(%[0-9A-F]{2}|[+&=;#]){1,10}"];
    proptest::collection::btree_map(name, value, 0..8)
        .prop_map(|map| map.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b014_b015_b046_any_values_travel_unchanged_and_in_order() {
    let road = Road::open("[limits]\npushes_per_client = \"100000/s\"").await;
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    for _ in 0..150 {
        let more = free_parameters().new_tree(&mut runner).unwrap().current();
        let mut form = complete();
        form.extend(more.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let seen = road.redeem(&road.push(&form).await).await;
        let query = seen.target.strip_prefix("/authorize?").unwrap();
        form.retain(|(_, value)| !value.is_empty());
        assert_eq!(received(query), owned(&form));
    }
}
