//! The endpoints in the test's own process, with a clock that it moves.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap};
use http::{HeaderValue, Method, Request};
use parapet::authorize::{Body, Decision, Departure, Expansion, Onward, Visit};
use parapet::client::{Limits, Peer};
use parapet::clock::{Clock, ManualClock, Timestamp};
use parapet::config::{self, Environment};
use parapet::endpoints::{Endpoints, Shared};
use parapet::store::{MemoryStore, Store};
use parapet::upstream::{Discovery, HttpClient};

use crate::support::http::encode;

/// The answer to what [`Desk::push`] pushes.
pub(super) const BACK: &str = "https://client.example/cb?code=c&state=pushed-state";

/// Endpoints and their clock.
pub(super) struct Desk {
    pub(super) endpoints: Endpoints,
    shared: Shared,
    clock: Arc<ManualClock>,
}

/// A browser: what it was told to keep.
#[derive(Default)]
pub(super) struct Browser {
    jar: HeaderMap,
}

impl Desk {
    pub(super) fn new(settings: &str) -> Self {
        Self::on(settings, None)
    }

    /// On another store than memory's.
    pub(super) fn on(settings: &str, store: Option<Arc<dyn Store>>) -> Self {
        // Needed by the TLS client, which is never used here; fails where it was told already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let config = loaded(settings);
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
        let shared_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let client = HttpClient::new(&config.upstream, &config.server.issuer).unwrap();
        let memory = || MemoryStore::new(config.store.max_bytes, Arc::clone(&shared_clock));
        let shared = Shared {
            store: store.unwrap_or_else(|| Arc::new(memory())),
            discovery: Arc::new(Discovery::new(client, &config)),
            limits: Arc::new(Limits::new(&config.limits, Arc::clone(&shared_clock))),
            clock: shared_clock,
        };
        Self { endpoints: Endpoints::new(&config, &shared), shared, clock }
    }

    /// The same store under another configuration, as after a restart with a store that outlives it.
    pub(super) fn reconfigure(&mut self, settings: &str) {
        self.endpoints = Endpoints::new(&loaded(settings), &self.shared);
    }

    pub(super) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Pushes for `web`; gives the query of the visit.
    pub(super) async fn push(&self) -> String {
        self.push_form(super::FORM).await
    }

    /// The same with this form.
    pub(super) async fn push_form(&self, form: &[(&str, &str)]) -> String {
        let mut request = Request::post("/par")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, format!("Basic {}", STANDARD.encode("web:web-secret")))
            .body(Bytes::from(encode(form)))
            .unwrap();
        request.extensions_mut().insert(peer());
        let answer = self.endpoints.push(request).await;
        assert_eq!(answer.status(), 201, "{answer:?}");
        let answer: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        format!("client_id=web&request_uri={}", answer["request_uri"].as_str().unwrap())
    }

    /// A visit; the browser keeps its cookies.
    pub(super) async fn visit(
        &self,
        browser: &mut Browser,
        query: &str,
    ) -> Result<Expansion, String> {
        let peer = peer();
        let call = Visit {
            method: &Method::GET,
            query: Some(query),
            path: "/authorize",
            body: Body::None,
            headers: &browser.headers(),
            peer: &peer,
        };
        match self.endpoints.authorize(call).await {
            Decision::Expand(expansion) => {
                browser.keep(&expansion.set_cookies);
                Ok(*expansion)
            }
            Decision::Answer(page) => {
                assert_eq!(page.status(), 400);
                let page: serde_json::Value = serde_json::from_slice(page.body()).unwrap();
                Err(page["error"].as_str().unwrap().to_owned())
            }
            Decision::Pass => panic!("passed"),
        }
    }

    /// The upstream sends this browser back to the client.
    pub(super) async fn complete(&self, browser: &Browser) -> Onward {
        self.depart(browser, &Method::GET, BACK).await
    }

    /// The upstream sends this browser on, in answer to this method.
    pub(super) async fn depart(
        &self,
        browser: &Browser,
        method: &Method,
        location: &str,
    ) -> Onward {
        let departure = Departure {
            location,
            path: "/login",
            method,
            headers: &browser.headers(),
            flow: None,
            peer: &peer(),
        };
        self.endpoints.depart(departure).await
    }
}

impl Browser {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.extend(self.jar.clone());
        headers
    }

    fn keep(&mut self, set: &[HeaderValue]) {
        for cookie in set {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            self.jar.append(COOKIE, HeaderValue::from_str(pair).unwrap());
        }
    }
}

fn peer() -> Peer {
    Peer { address: None, insecure: false, request_id: "test".into() }
}

fn loaded(settings: &str) -> config::Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let mut settings = super::configuration(settings).parse::<toml::Table>().unwrap();
    let upstream = settings["upstream"].as_table_mut().unwrap();
    upstream.insert("authorization_path".into(), "/authorize".into());
    std::fs::write(&file, settings.to_string()).unwrap();
    config::load(&file, &Environment::default()).unwrap_or_else(|e| panic!("{e}")).config
}
