//! Gateways side by side in front of one upstream, on one Redis, and a client with its browsers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;

use super::gateway::Gateway;
use super::http::{Answer, encode, get, send};
use super::ports::free_port;
use super::redis::{Redis, shim};
use super::upstream::{Step, Upstream};

pub const REDIRECT_URI: &str = "https://client.example/landing";
pub const ISSUER: &str = "http://127.0.0.1:8080";
const PATIENCE: Duration = Duration::from_secs(30);

/// Replicas of the gateway.
pub struct Front {
    pub redis: Redis,
    _upstream: Upstream,
    pub gateways: Vec<Gateway>,
    /// The configuration of each.
    pub files: Vec<String>,
    /// By how many seconds the clock of each is wrong, where it is.
    clocks: Vec<i64>,
}

/// What differs from the usual.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup<'a> {
    /// In the place of Redis's own URL.
    pub url: Option<&'a str>,
    /// Further lines of `[store.redis]`.
    pub redis: &'a str,
    /// Lines of `[limits]`; empty: no client and no address comes near its limit.
    pub limits: &'a str,
    /// Further tables.
    pub tables: &'a str,
    /// By how many seconds the clock of each gateway is wrong.
    pub clocks: &'a [i64],
}

/// Shows a login page, and from `/done?state=…` sends the browser to the client.
pub async fn upstream() -> Upstream {
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

fn file(upstream: &Upstream, redis: &Redis, setup: Setup<'_>) -> String {
    let url = setup.url.map_or_else(|| redis.url(), str::to_owned);
    let limits = match setup.limits {
        "" => "pushes_per_client = \"100000/s\"\nfailures_per_address = \"100000/s\"",
        limits => limits,
    };
    format!(
        "[server]\nlisten = [\"127.0.0.1:{}\"]\nissuer = \"{ISSUER}\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"http://{}\"\n\
         [store]\nbackend = \"redis\"\nreplicas = 2\n[store.redis]\nurl = \"{url}\"\n{}\n\
         [limits]\n{limits}\n\
         [[clients]]\nclient_id = \"the-client\"\nauthentication = \"none\"\n\
         redirect_uris = [\"{REDIRECT_URI}\"]\n\
         [[clients]]\nclient_id = \"another\"\nsecret = \"correct-horse\"\n\
         authentication = \"client_secret_post\"\nredirect_uris = [\"{REDIRECT_URI}\"]\n{}",
        free_port(),
        upstream.address,
        setup.redis,
        setup.tables
    )
}

impl Front {
    /// So many on a redis-server with these options.
    pub async fn of(count: usize, options: &[&str]) -> Self {
        Self::on(Redis::start(options).await, count, Setup::default()).await
    }

    pub async fn on(redis: Redis, count: usize, setup: Setup<'_>) -> Self {
        let upstream = upstream().await;
        let files: Vec<_> = (0..count).map(|_| file(&upstream, &redis, setup)).collect();
        let (gateways, clocks) = (Vec::new(), setup.clocks.to_vec());
        let mut front = Self { redis, _upstream: upstream, gateways, files, clocks };
        for number in 0..count {
            let gateway = front.started(number).await;
            front.gateways.push(gateway);
        }
        front
    }

    /// Runs a gateway with the file of this number, and waits until it is ready.
    pub async fn started(&self, number: usize) -> Gateway {
        let file = &self.files[number];
        let gateway = match self.clocks.get(number) {
            Some(seconds) => {
                let (library, seconds) = (shim(), seconds.to_string());
                let library = library.to_str().expect("a path in ASCII");
                let variables = [("LD_PRELOAD", library), ("CLOCK_OFFSET", &seconds)];
                Gateway::start_with(file, &variables).await
            }
            None => Gateway::start(file).await,
        };
        let metadata = get(&format!("{}/.well-known/openid-configuration", gateway.url)).await;
        assert_eq!(metadata.status, 200, "{}", metadata.text());
        until("ready", async || is_ready(&gateway).await).await;
        gateway
    }

    pub fn url(&self, number: usize) -> &str {
        &self.gateways[number % self.gateways.len()].url
    }

    pub async fn push(&self, at: usize, state: &str) -> Answer {
        send(push(self.url(at), state)).await
    }

    /// Starts the request that this push was acknowledged with.
    pub async fn redeem(&self, at: usize, pushed: &Answer) -> Answer {
        assert_eq!(pushed.status, 201, "{}", pushed.text());
        send(redeem(self.url(at), &pushed.json())).await
    }
}

/// A push of the public client.
pub fn push(url: &str, state: &str) -> Request<Bytes> {
    let form = encode(&[
        ("client_id", "the-client"),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT_URI),
        ("login_hint", "somebody@client.example"),
        ("state", state),
    ]);
    let media = "application/x-www-form-urlencoded";
    let request = Request::post(format!("{url}/par")).header("content-type", media);
    request.body(form.into()).expect("a request")
}

/// The start of what a push was answered with.
pub fn redeem(url: &str, pushed: &serde_json::Value) -> Request<Bytes> {
    let request_uri = pushed["request_uri"].as_str().expect("a request_uri");
    let query = format!("client_id=the-client&request_uri={request_uri}");
    Request::get(format!("{url}/authorize?{query}")).body(Bytes::new()).expect("a request")
}

/// The end of the login of the browser that was given `started`.
pub fn completion(url: &str, started: &Answer, state: &str) -> Request<Bytes> {
    let cookie = started.header("set-cookie").expect("a ticket").split(';').next();
    let request = Request::get(format!("{url}/done?state={state}"));
    request.header("cookie", cookie.expect("a pair")).body(Bytes::new()).expect("a request")
}

/// The browser that was given `started` comes to the end of its login at `url`.
pub async fn complete(url: &str, started: &Answer, state: &str) -> Answer {
    send(completion(url, started, state)).await
}

pub fn is_completed(answer: &Answer) -> bool {
    answer.header("location").is_some_and(|location| location.contains("code=1"))
}

pub async fn is_ready(gateway: &Gateway) -> bool {
    get(&format!("{}/readyz", gateway.admin_url.as_ref().expect("one"))).await.status == 200
}

pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "not {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
