//! The pushed authorization request endpoint, row by row of `docs/conformance.md`. Most tests call
//! the endpoints of one configuration in this process; what needs sockets runs the real binary.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response};
use parapet::authorize::{Body, Decision, Visit};
use parapet::client::{Limits, Peer};
use parapet::clock::{Clock, ManualClock, Timestamp};
use parapet::config::{self, Config, Environment};
use parapet::endpoints::{Endpoints, Shared};
use parapet::store::{MemoryStore, Store};
use parapet::upstream::{Discovery, HttpClient};
use serde_json::Value;

use crate::support::http::encode;
use crate::support::upstream::{Step, Upstream};

mod assertions;
mod attacks;
mod authentication;
mod client_keys;
mod clocks;
mod cors;
mod dpop;
mod form;
mod interaction_id;
mod limits;
mod parameters;
mod profiles;
mod rar;
mod redirect_uri;
mod refusals;
pub(crate) mod request_object;
pub(crate) mod response;
mod secrecy;
mod socket;
mod travel;

const FORM: &str = "application/x-www-form-urlencoded";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://c.example/cb";

/// Who may push to a [`Desk`] and to the gateways of [`socket`].
const CLIENTS: &str = r#"
[[clients]]
client_id = "web"
secret = "web-secret"
redirect_uris = ["https://c.example/cb"]
scopes = ["openid", "profile", "email"]
[[clients]]
client_id = "post"
authentication = "client_secret_post"
secret = "post-secret"
redirect_uris = ["https://c.example/cb"]
[[clients]]
client_id = "app"
authentication = "none"
redirect_uris = ["http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost/cb"]
[[clients]]
client_id = "two"
authentication = "none"
redirect_uris = ["https://c.example/cb", "https://c.example/other"]
[[clients]]
client_id = "free"
authentication = "none"
[[clients]]
client_id = "strict"
authentication = "none"
redirect_uris = ["https://c.example/cb"]
require_pkce = true
[[clients]]
client_id = "off"
secret = "off-secret"
enabled = false
[[clients]]
client_id = "a:b %+c"
secret = "s:1 %+é/="
redirect_uris = ["https://c.example/cb"]
"#;

/// The endpoints of one configuration and what they stand on.
struct Desk {
    endpoints: Endpoints,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    discovery: Arc<Discovery>,
    config: Config,
}

impl Desk {
    /// The clients of [`CLIENTS`]; nobody listens at the upstream's address.
    fn open() -> Self {
        Self::with("")
    }

    /// The same with further tables.
    fn with(tables: &str) -> Self {
        Self::on("http://127.0.0.1:9", tables, None)
    }

    fn on(upstream: &str, tables: &str, store: Option<Arc<dyn Store>>) -> Self {
        Self::of(configuration(upstream, tables), store)
    }

    fn of(config: Config, store: Option<Arc<dyn Store>>) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
        let as_clock: Arc<dyn Clock> = clock.clone();
        let memory = || Arc::new(MemoryStore::new(config.store.max_bytes, as_clock.clone()));
        let store = store.unwrap_or_else(|| memory());
        // As `main` does.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = HttpClient::new(&config.upstream, &config.server.issuer).unwrap();
        let shared = Shared {
            store: Arc::clone(&store),
            discovery: Arc::new(Discovery::new(client, &config)),
            limits: Arc::new(Limits::new(&config.limits, as_clock)),
            clock: clock.clone(),
        };
        let endpoints = Endpoints::new(&config, &shared);
        Self { endpoints, store, clock, discovery: shared.discovery, config }
    }

    /// Any request. Whatever is answered must be what RFC 9126 §2.2 and RFC 6749 §5.2 allow, and
    /// nothing is kept but what got a 201.
    async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        let sent = String::from_utf8_lossy(request.body()).into_owned();
        let kept = self.store.usage().requests;
        let answer = self.endpoints.push(request).await;
        if answer.body().is_empty() {
            return answer;
        }
        is_legal(&answer);
        let body = String::from_utf8_lossy(answer.body());
        for value in sent.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, v)| v) {
            assert!(value.len() < 12 || !body.contains(value), "{value} is repeated: {body}");
        }
        let more = u64::from(answer.status() == 201);
        assert_eq!(self.store.usage().requests, kept + more, "{body}");
        answer
    }

    /// A form pushed by `web`, which authenticates by Basic.
    async fn push(&self, form: &[(&str, &str)]) -> Response<Bytes> {
        self.send(by_web(encode(form))).await
    }

    /// A form pushed as it stands.
    async fn plain(&self, form: impl Into<Bytes>) -> Response<Bytes> {
        self.send(post(form.into())).await
    }

    /// The call that a browser makes with the `request_uri` of `pushed`.
    async fn authorize(&self, client_id: &str, pushed: &Response<Bytes>) -> Decision {
        let request_uri = json(pushed)["request_uri"].as_str().unwrap().to_owned();
        let query = encode(&[("client_id", client_id), ("request_uri", &request_uri)]);
        let visit = Visit {
            method: &Method::GET,
            query: Some(&query),
            path: "/authorize",
            body: Body::None,
            headers: &HeaderMap::new(),
            peer: &peer("192.0.2.9"),
        };
        self.endpoints.authorize(visit).await
    }

    /// What the upstream would get for `pushed`, as pairs.
    async fn redeemed(&self, client_id: &str, pushed: &Response<Bytes>) -> Vec<(String, String)> {
        let Decision::Expand(expansion) = self.authorize(client_id, pushed).await else {
            panic!("not redeemed: {pushed:?}");
        };
        let (path, query) = expansion.target.split_once('?').unwrap();
        assert_eq!(path, "/authorize");
        pairs(query)
    }
}

/// A desk with further tables before an upstream whose metadata has these members.
async fn documented(members: &str, tables: &str) -> (Upstream, Desk) {
    let members = members.to_owned();
    let upstream = Upstream::scripted(move |_| {
        let document = format!("{{\"issuer\":\"http://127.0.0.1:8080\"{members}}}");
        let length = document.len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        vec![Step::Bytes(format!("{head}{document}").into_bytes())]
    })
    .await;
    let desk = Desk::on(&format!("http://{}", upstream.address), tables, None);
    (upstream, desk)
}

/// The checked configuration with [`CLIENTS`] and `tables`. What is above a line `---` in `tables`
/// belongs to `[server]`.
fn configuration(upstream: &str, tables: &str) -> Config {
    read(&toml(upstream, tables))
}

fn read(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    match config::load(&path, &Environment::default()) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems}"),
    }
}

fn toml(upstream: &str, tables: &str) -> String {
    let (server, tables) = tables.split_once("\n---").unwrap_or(("", tables));
    let issuer = if server.contains("issuer") { "" } else { "issuer = \"http://127.0.0.1:8080\"" };
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\n{issuer}\n{server}\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [upstream]\nurl = \"{upstream}\"\nauthorization_path = \"/authorize\"\n{tables}\n{CLIENTS}"
    )
}

/// Status, media type, caching and body of any answer (B-121, B-125, B-126, B-211).
fn is_legal(answer: &Response<Bytes>) {
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
    assert!(answer.headers()[CACHE_CONTROL].to_str().unwrap().contains("no-store"));
    let body = json(answer);
    let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    if answer.status() == 201 {
        assert_eq!(members, ["expires_in", "request_uri"]);
        return;
    }
    assert_eq!(members, ["error", "error_description"]);
    let expected = match body["error"].as_str().unwrap() {
        "invalid_client" => &[401_u16][..],
        "temporarily_unavailable" => &[429, 503],
        "server_error" => &[500, 502],
        "invalid_request" => &[400, 404, 405, 413],
        "invalid_scope"
        | "invalid_target"
        | "invalid_dpop_proof"
        | "use_dpop_nonce"
        | "invalid_authorization_details"
        | "invalid_request_object"
        | "request_not_supported"
        | "unsupported_response_type" => &[400],
        other => panic!("{other} is no code of this endpoint"),
    };
    assert!(expected.contains(&answer.status().as_u16()), "{} {body}", answer.status());
    let description = body["error_description"].as_str().unwrap();
    assert!(!description.is_empty());
    assert!(description.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
}

fn json(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

/// Status and error code.
fn refusal(answer: &Response<Bytes>) -> (u16, String) {
    let error = json(answer)["error"].as_str().unwrap_or_default().to_owned();
    (answer.status().as_u16(), error)
}

#[track_caller]
fn assert_refused(answer: &Response<Bytes>, status: u16, error: &str) {
    assert_eq!(refusal(answer), (status, error.to_owned()), "{}", json(answer));
}

#[track_caller]
fn assert_created(answer: &Response<Bytes>) {
    assert_eq!(answer.status(), 201, "{}", json(answer));
}

fn post(form: Bytes) -> Request<Bytes> {
    Request::post("/par").header(CONTENT_TYPE, FORM).body(form).unwrap()
}

fn by_web(form: String) -> Request<Bytes> {
    let mut request = post(form.into());
    let credentials = basic("web", "web-secret").parse().unwrap();
    request.headers_mut().insert(AUTHORIZATION, credentials);
    request
}

/// Credentials as RFC 6749 §2.3.1 has them: form-encoded, then Basic.
fn basic(client_id: &str, secret: &str) -> String {
    let encoded = |text: &str| encode(&[("", text)]).split_off(1);
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret))))
}

fn peer(address: &str) -> Peer {
    Peer { address: address.parse().ok(), insecure: false, request_id: "r".into() }
}

/// A complete request of `web`.
fn complete() -> Vec<(&'static str, &'static str)> {
    vec![
        ("client_id", "web"),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile"),
        ("state", "af0ifjsldkj"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
}

/// [`complete`] with other values; `None` leaves the parameter out.
fn altered<'a>(changes: &[(&'a str, Option<&'a str>)]) -> Vec<(&'a str, &'a str)> {
    let mut form = complete();
    for (name, value) in changes {
        form.retain(|(known, _)| known != name);
        form.extend(value.map(|value| (*name, value)));
    }
    form
}

fn pairs(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn owned(form: &[(&str, &str)]) -> Vec<(String, String)> {
    form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
