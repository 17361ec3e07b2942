//! Another configuration under a running gateway: what changes, what stays, what is refused.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::Value;

use crate::support::gateway::Gateway;
use crate::support::http::{Answer, get, post_form, send};
use crate::support::upstream::{Seen, Step, Upstream};

mod faults;
mod list;
mod settings;
mod state;
mod traffic;

const LIMIT: Duration = Duration::from_secs(30);

/// A gateway in front of a small authorization server, and what it was told so far.
struct Scene {
    gateway: Gateway,
    upstream: Upstream,
}

impl Scene {
    /// Clients `web` (secret `web-secret`) and what `more` says: keys of `[server]`, `---`, and
    /// tables. Ready when this returns.
    async fn start(more: &str) -> Self {
        let upstream = Upstream::scripted(authorization_server).await;
        let toml = toml(&upstream, more);
        let scene = Self { gateway: Gateway::start(&toml).await, upstream };
        scene.until_ready().await;
        scene
    }

    fn toml(&self, more: &str) -> String {
        toml(&self.upstream, more)
    }

    async fn until_ready(&self) {
        until("the gateway is ready", async || self.admin("/readyz").await.status == 200).await;
    }

    async fn admin(&self, path: &str) -> Answer {
        get(&format!("{}{path}", self.gateway.admin_url.as_deref().unwrap())).await
    }

    /// The value of a metric; 0 where it is not there.
    async fn metric(&self, name: &str) -> f64 {
        let text = self.admin("/metrics").await.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// How many attempts ended so.
    async fn count(&self, outcome: &str) -> f64 {
        self.metric(&format!("parapet_config_reloads_total{{outcome=\"{outcome}\"}}")).await
    }

    /// Puts another file there and waits until it is in use, or refused.
    async fn change(&self, more: &str, outcome: &str) {
        self.put(&self.toml(more), outcome).await;
    }

    async fn put(&self, toml: &str, outcome: &str) {
        let before = self.count(outcome).await;
        self.gateway.rewrite(toml);
        self.gateway.hang_up();
        until(outcome, async || self.count(outcome).await > before).await;
    }

    async fn push(&self, client: &str, secret: &str) -> Answer {
        let url = format!("{}/par", self.gateway.url);
        post_form(&url, FORM, Some((client, secret))).await
    }

    /// The path that a browser visits with what was pushed.
    async fn pushed(&self) -> String {
        let answer = self.push("web", "web-secret").await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        let request_uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
        format!("/authorize?client_id=web&request_uri={request_uri}")
    }

    async fn get(&self, target: &str) -> Answer {
        get(&format!("{}{target}", self.gateway.url)).await
    }

    /// The lines of the log with this message.
    fn lines(&self, message: &str) -> Vec<BTreeMap<String, Value>> {
        let output = self.gateway.output();
        let lines = output.lines().filter_map(|line| serde_json::from_str(line).ok());
        let is_it = |line: &BTreeMap<String, Value>| {
            line.get("message").is_some_and(|said| said == message)
        };
        lines.filter(is_it).collect()
    }

    /// What the refusals said.
    fn refusals(&self) -> Vec<String> {
        let lines = self.lines(REFUSED);
        lines.iter().map(|line| line["why"].as_str().unwrap().to_owned()).collect()
    }
}

const REFUSED: &str = "the configuration was not reloaded; the one before stays in use";

const FORM: &[(&str, &str)] = &[
    ("response_type", "code"),
    ("redirect_uri", "https://client.example/cb"),
    ("state", "pushed-state"),
    ("scope", "openid"),
];

fn toml(upstream: &Upstream, more: &str) -> String {
    let (server, tables) = more.split_once("---").unwrap_or(("", more));
    let listen = if server.contains("listen") { "" } else { "listen = [\"127.0.0.1:0\"]\n" };
    let admin = if tables.contains("[admin]") { "" } else { "[admin]\nlisten = \"127.0.0.1:0\"\n" };
    let address = upstream.address;
    let limits = if tables.contains("[limits]") { "" } else { PLENTY };
    format!(
        "[server]\n{listen}issuer = \"http://127.0.0.1:8080\"\n{server}\n\
         [upstream]\nurl = \"http://{address}\"\n{admin}{limits}{WEB}{tables}\n"
    )
}

const PLENTY: &str = "[limits]\npushes_per_client = \"1000000/s\"\n";

const WEB: &str = "[[clients]]\nclient_id = \"web\"\nsecret = \"web-secret\"\n\
                   redirect_uris = [\"https://client.example/cb\"]\n";

/// Metadata, an authorize endpoint that gives a code at once, and `ok` for the rest.
fn authorization_server(seen: &Seen) -> Vec<Step> {
    let answer = match seen.target.split('?').next().unwrap() {
        "/.well-known/openid-configuration" => {
            let issuer = "http://127.0.0.1:8080";
            let document = serde_json::json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "response_types_supported": ["code"],
            });
            return vec![Step::Bytes(whole("200 OK", "", &document.to_string()))];
        }
        "/authorize" => {
            let to = "location: https://client.example/cb?code=c&state=pushed-state\r\n";
            whole("302 Found", to, "")
        }
        path if path.starts_with("/.well-known/") => whole("404 Not Found", "", ""),
        _ => whole("200 OK", "", "ok"),
    };
    vec![Step::Bytes(answer)]
}

fn whole(status: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{fields}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// Asks again and again until it is so.
async fn until(what: &str, ask: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !ask().await {
        assert!(began.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// `POST` of a body as it stands.
async fn post(url: &str, media_type: &str, body: String) -> Answer {
    let request = Request::post(url).header("content-type", media_type);
    send(request.body(Bytes::from(body)).unwrap()).await
}
