//! Several gateways on one Redis: what one has promised, any other keeps; and what becomes of it when
//! Redis or a gateway fails.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Request;

use crate::support::gateway::Gateway;
use crate::support::http::{Answer, encode, get, post_form, send, try_send};
use crate::support::ports::free_port;
use crate::support::redis::Redis;
use crate::support::upstream::{Step, Upstream};

pub(crate) const REDIRECT_URI: &str = "https://client.example/landing";
pub(crate) const ISSUER: &str = "http://127.0.0.1:8080";
const PATIENCE: Duration = Duration::from_secs(30);

/// Gateways side by side in front of one upstream, on one Redis.
struct Front {
    redis: Redis,
    _upstream: Upstream,
    gateways: Vec<Gateway>,
}

/// Shows a login page, and from `/done?state=…` sends the browser to the client.
pub(crate) async fn upstream() -> Upstream {
    let document =
        format!("{{\"issuer\":\"{ISSUER}\",\"authorization_endpoint\":\"{ISSUER}/authorize\"}}");
    Upstream::scripted(move |seen| {
        let answer = if seen.target.contains("/.well-known/") {
            let length = document.len();
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{document}")
        } else if let Some(state) = seen.target.strip_prefix("/done?") {
            format!(
                "HTTP/1.1 302 Found\r\nlocation: {REDIRECT_URI}?code=1&{state}\r\n\
                 content-length: 0\r\n\r\n"
            )
        } else {
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nlogin".to_owned()
        };
        vec![Step::Bytes(answer.into_bytes())]
    })
    .await
}

fn toml(upstream: &Upstream, redis: &str) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:{}\"]\nissuer = \"{ISSUER}\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"http://{}\"\n\
         [store]\nbackend = \"redis\"\nreplicas = 2\n[store.redis]\nurl = \"{redis}\"\n\
         [limits]\npushes_per_client = \"100000/s\"\n\
         [[clients]]\nclient_id = \"the-client\"\nauthentication = \"none\"\n\
         redirect_uris = [\"{REDIRECT_URI}\"]\n",
        free_port(),
        upstream.address
    )
}

impl Front {
    async fn of(count: usize, options: &[&str]) -> Self {
        let (redis, upstream) = (Redis::start(options).await, upstream().await);
        let mut gateways = Vec::new();
        for _ in 0..count {
            let gateway = Gateway::start(&toml(&upstream, &redis.url())).await;
            let metadata = get(&format!("{}/.well-known/openid-configuration", gateway.url)).await;
            assert_eq!(metadata.status, 200, "{}", metadata.text());
            gateways.push(gateway);
        }
        let front = Self { redis, _upstream: upstream, gateways };
        for gateway in &front.gateways {
            until("ready", async || is_ready(gateway).await).await;
        }
        front
    }

    fn url(&self, number: usize) -> &str {
        &self.gateways[number % self.gateways.len()].url
    }

    async fn push(&self, at: usize, state: &str) -> Answer {
        push(self.url(at), state).await
    }

    /// Starts the request that this push was acknowledged with.
    async fn redeem(&self, at: usize, pushed: &Answer) -> Answer {
        assert_eq!(pushed.status, 201, "{}", pushed.text());
        redeem(self.url(at), pushed.json()["request_uri"].as_str().unwrap()).await
    }
}

pub(crate) async fn push(url: &str, state: &str) -> Answer {
    let form = [
        ("client_id", "the-client"),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT_URI),
        ("login_hint", "somebody@client.example"),
        ("state", state),
    ];
    post_form(&format!("{url}/par"), &form, None).await
}

pub(crate) async fn redeem(url: &str, request_uri: &str) -> Answer {
    get(&format!("{url}/authorize?client_id=the-client&request_uri={request_uri}")).await
}

/// The browser that was given `started` comes to the end of its login at `url`.
pub(crate) async fn complete(url: &str, started: &Answer, state: &str) -> Answer {
    let cookie = started.header("set-cookie").expect("a ticket").split(';').next().unwrap();
    let request = Request::get(format!("{url}/done?state={state}")).header("cookie", cookie);
    send(request.body(Bytes::new()).unwrap()).await
}

pub(crate) fn is_completed(answer: &Answer) -> bool {
    answer.header("location").is_some_and(|location| location.contains("code=1"))
}

pub(crate) async fn is_ready(gateway: &Gateway) -> bool {
    get(&format!("{}/readyz", gateway.admin_url.as_ref().unwrap())).await.status == 200
}

pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "not {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b215_b230_a_push_at_one_is_redeemed_at_another_and_the_store_shows_nothing() {
    let front = Front::of(2, &[]).await;
    let mut references = Vec::new();
    for number in 0..100 {
        let pushed = front.push(number, "an-equal-state").await;
        let started = front.redeem(number + 1, &pushed).await;
        assert_eq!((started.status.as_u16(), started.text().as_str()), (200, "login"));
        let completed = complete(front.url(number), &started, "an-equal-state").await;
        assert!(is_completed(&completed), "{}", completed.text());
        assert_eq!(front.redeem(number, &pushed).await.status, 400, "it is spent");
        references.push(pushed.json()["request_uri"].as_str().unwrap()[34..].to_owned());
    }
    let dump = front.redis.dump().await;
    let strings = || dump.iter().flat_map(|(key, values)| values.iter().chain([key]));
    assert!(strings().count() > 1000, "{}", strings().count());
    let mut sought: Vec<Vec<u8>> = ["the-client", "client_id", "state", "login_hint", "somebody"]
        .map(|word| word.as_bytes().to_vec())
        .to_vec();
    for reference in &references {
        sought.push(reference.as_bytes().to_vec());
        sought.push(URL_SAFE_NO_PAD.decode(reference).unwrap());
    }
    for word in sought {
        let shown = strings().any(|text| text.windows(word.len()).any(|part| part == word));
        assert!(!shown, "{}", String::from_utf8_lossy(&word));
    }
    let sealed: Vec<_> = strings().filter(|text| text.len() > 48).collect();
    let distinct: HashSet<_> = sealed.iter().collect();
    assert!(distinct.len() == sealed.len() && sealed.len() >= 200, "{}", sealed.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b234_what_a_killed_replica_promised_another_keeps() {
    let mut front = Front::of(2, &[]).await;
    let pushed = front.push(0, "s").await;
    let started_at_first = front.redeem(0, &front.push(0, "t").await).await;
    front.gateways.remove(0).kill();
    let started = front.redeem(0, &pushed).await;
    assert_eq!(started.status, 200, "{}", started.text());
    for (started, state) in [(started, "s"), (started_at_first, "t")] {
        let completed = complete(front.url(0), &started, state).await;
        assert!(is_completed(&completed), "{}", completed.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b168_of_two_browsers_at_two_replicas_one_completes() {
    let front = Front::of(2, &[]).await;
    for number in 0..200 {
        let state = format!("s{number}");
        let pushed = front.push(number, &state).await;
        let (one, other) = tokio::join!(front.redeem(0, &pushed), front.redeem(1, &pushed));
        let (one, other) = tokio::join!(
            complete(front.url(0), &one, &state),
            complete(front.url(1), &other, &state)
        );
        let winners = usize::from(is_completed(&one)) + usize::from(is_completed(&other));
        assert_eq!(winners, 1, "{} {}", one.text(), other.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_killed_comes_back_empty_and_is_used_again() {
    let mut front = Front::of(1, &[]).await;
    let before = front.push(0, "s").await;
    front.redis.kill();
    let refused = front.push(0, "s").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("1")));
    let gateway = &front.gateways[0];
    until("unready", async || !is_ready(gateway).await).await;
    let passed = get(&format!("{}/elsewhere", front.url(0))).await;
    assert_eq!(passed.status, 200, "what needs no store passes");
    assert_eq!(front.redeem(0, &before).await.status, 503);
    front.redis.restart().await;
    let gateway = &front.gateways[0];
    until("ready", async || is_ready(gateway).await).await;
    assert_eq!(front.redeem(0, &before).await.status, 400, "the store lost it");
    let after = front.push(0, "s").await;
    assert_eq!(front.redeem(0, &after).await.status, 200);
    let said = |words: &str| gateway.output().matches(words).count();
    until("said", async || said("the store is available") == 2).await;
    assert_eq!(said("the store is unavailable"), 1, "{}", gateway.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b128_while_redis_is_frozen_calls_are_refused_at_once_and_then_go_on() {
    let front = Front::of(1, &[]).await;
    let before = front.push(0, "s").await;
    front.redis.freeze();
    assert_eq!(front.push(0, "s").await.status, 503);
    let gateway = &front.gateways[0];
    until("refused", async || gateway.output().contains("the store is unavailable")).await;
    let begun = Instant::now();
    for _ in 0..50 {
        assert_eq!(front.push(0, "s").await.status, 503);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    front.redis.thaw();
    until("ready", async || is_ready(gateway).await).await;
    assert_eq!(front.redeem(0, &before).await.status, 200);
    let metrics = get(&format!("{}/metrics", gateway.admin_url.as_ref().unwrap())).await.text();
    assert!(metrics.contains("\nparapet_store_up 1\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b128_out_of_memory_is_a_503_and_what_was_promised_is_kept() {
    let front = Front::of(1, &[]).await;
    let pushed = front.push(0, "s").await;
    let full: String = front.redis.ask(&[b"CONFIG", b"SET", b"maxmemory", b"1mb"]).await.unwrap();
    assert_eq!(full, "OK");
    let refused = front.push(0, "s").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("1")));
    let started = front.redeem(0, &pushed).await;
    assert_eq!(started.status, 200, "{}", started.text());
    assert!(is_completed(&complete(front.url(0), &started, "s").await));
    let _: String = front.redis.ask(&[b"CONFIG", b"SET", b"maxmemory", b"0"]).await.unwrap();
    assert_eq!(front.push(0, "s").await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_becomes_a_replica_is_not_used() {
    let front = Front::of(1, &[]).await;
    let pushed = front.push(0, "s").await;
    let _: String = front.redis.ask(&[b"REPLICAOF", b"127.0.0.1", b"1"]).await.unwrap();
    assert_eq!(front.push(0, "s").await.status, 503);
    assert_eq!(front.redeem(0, &pushed).await.status, 503);
    let _: String = front.redis.ask(&[b"REPLICAOF", b"NO", b"ONE"]).await.unwrap();
    let gateway = &front.gateways[0];
    until("ready", async || is_ready(gateway).await).await;
    assert_eq!(front.redeem(0, &pushed).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_throws_out_for_newcomers_is_not_ready() {
    let front = Front::of(1, &[]).await;
    let gateway = &front.gateways[0];
    let set = async |policy: &[u8]| {
        let words: [&[u8]; 4] = [b"CONFIG", b"SET", b"maxmemory-policy", policy];
        let _: String = front.redis.ask(&words).await.unwrap();
    };
    set(b"allkeys-lru").await;
    until("unready", async || !is_ready(gateway).await).await;
    set(b"noeviction").await;
    until("ready", async || is_ready(gateway).await).await;
    let said = |words: &str| gateway.output().matches(words).count();
    until("said", async || said("maxmemory-policy of Redis is noeviction") == 1).await;
    assert_eq!(said("maxmemory-policy is allkeys-lru"), 1, "{}", gateway.output());
}

/// The answer of the first gateway, from this one on, that gives one.
async fn ask(urls: &[String], at: usize, request: impl Fn(&str) -> Request<Bytes>) -> Answer {
    for turn in 0..urls.len() {
        let url = &urls[(at + turn) % urls.len()];
        if let Ok(answer) = try_send(request(url)).await {
            return answer;
        }
    }
    panic!("no gateway answers")
}

/// Pushes, redeems and completes `count` requests, each call at the next gateway. Gives how many were
/// acknowledged, and how many of these reached the client.
async fn flows(urls: Vec<String>, first: usize, count: usize) -> (usize, usize) {
    let (mut acknowledged, mut completed) = (0, 0);
    for number in first..first + count {
        let form = encode(&[
            ("client_id", "the-client"),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT_URI),
            ("state", &number.to_string()),
        ]);
        let pushed = ask(&urls, number, |url| {
            let media = "application/x-www-form-urlencoded";
            let request = Request::post(format!("{url}/par")).header("content-type", media);
            request.body(form.clone().into()).unwrap()
        })
        .await;
        assert_eq!(pushed.status, 201, "{}", pushed.text());
        acknowledged += 1;
        let reference = pushed.json()["request_uri"].as_str().unwrap().to_owned();
        let started = ask(&urls, number + 1, |url| {
            let query = format!("client_id=the-client&request_uri={reference}");
            Request::get(format!("{url}/authorize?{query}")).body(Bytes::new()).unwrap()
        })
        .await;
        assert_eq!(started.status, 200, "{}", started.text());
        let cookie = started.header("set-cookie").unwrap().split(';').next().unwrap();
        let ended = ask(&urls, number + 2, |url| {
            let request = Request::get(format!("{url}/done?state={number}"));
            request.header("cookie", cookie).body(Bytes::new()).unwrap()
        })
        .await;
        completed += usize::from(is_completed(&ended));
    }
    (acknowledged, completed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b230_b234_of_1000_flows_over_three_replicas_none_is_lost_when_one_is_killed() {
    let mut front = Front::of(3, &[]).await;
    let urls: Vec<String> = front.gateways.iter().map(|gateway| gateway.url.clone()).collect();
    let tasks: Vec<_> =
        (0..20).map(|task| tokio::spawn(flows(urls.clone(), task * 50, 50))).collect();
    let in_the_middle = async || {
        let keys: usize = front.redis.ask(&[b"DBSIZE"]).await.unwrap();
        keys > 600
    };
    until("in the middle", in_the_middle).await;
    front.gateways.remove(0).kill();
    let (mut acknowledged, mut completed) = (0, 0);
    for task in tasks {
        let (pushes, ends) = task.await.unwrap();
        acknowledged += pushes;
        completed += ends;
    }
    println!("{acknowledged} acknowledged, {completed} completed");
    assert_eq!((acknowledged, completed), (1_000, 1_000));
}
