//! The public side in the test's own process, with an application that does as it is told.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use parapet::clock::SystemClock;
use parapet::config::{self, Config, Environment, Listen};
use parapet::oauth::error::ErrorCode;
use parapet::proxy::application::{
    Application, Asker, BodyScan, Decision, Departure, Exchange, Flow, Inspection, LocationOutcome,
    PageFilter, PageHead, Peer, RequestId, Route, Visit,
};
use parapet::proxy::{Listeners, Phase, Proxy, listener};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What became of an exchange.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) route: Route,
    pub(crate) path: String,
    pub(crate) status: Option<u16>,
    pub(crate) upstream_status: Option<u16>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) request_id: String,
    pub(crate) peer: Peer,
    pub(crate) error: Option<ErrorCode>,
    pub(crate) reason: Option<&'static str>,
    pub(crate) has_flow: bool,
}

/// A visit, taken apart so that a test can own it.
#[derive(Debug, Clone)]
pub(crate) struct Visited {
    pub(crate) method: Method,
    pub(crate) body: Option<Vec<u8>>,
}

type Authorize = dyn Fn(&Visited) -> Decision + Send + Sync;
type Locate = dyn Fn(&str) -> LocationOutcome + Send + Sync;

/// `/par` and `/metadata` are answered with what came in, `/authorize` by a function, everything
/// else passes. A header `x-refuse` meets the guard; the word `forbidden` in a body, the scanner.
pub(crate) struct Script {
    authorize: Box<Authorize>,
    locate: Box<Locate>,
    pub(crate) visits: Mutex<Vec<Visited>>,
    pub(crate) told: Mutex<Vec<Told>>,
}

impl Default for Script {
    fn default() -> Self {
        Self::new(|_| Decision::Pass, |_| LocationOutcome::Keep)
    }
}

impl Script {
    pub(crate) fn new(
        authorize: impl Fn(&Visited) -> Decision + Send + Sync + 'static,
        locate: impl Fn(&str) -> LocationOutcome + Send + Sync + 'static,
    ) -> Self {
        Self {
            authorize: Box::new(authorize),
            locate: Box::new(locate),
            visits: Mutex::default(),
            told: Mutex::default(),
        }
    }
}

impl Application for Script {
    fn route(&self, head: &Parts) -> Route {
        match head.uri.path() {
            "/par" => Route::Par,
            "/metadata" => Route::Metadata,
            "/authorize" => Route::Authorize,
            _ => Route::PassThrough,
        }
    }

    fn is_authorization_endpoint(&self, path: &str) -> bool {
        path == "/authorize"
    }

    async fn answer(
        &self,
        route: Route,
        request: Request<Bytes>,
        asker: Asker<'_>,
    ) -> Response<Bytes> {
        let (peer, id) = (asker.peer.address, asker.request_id.as_str());
        let body = String::from_utf8_lossy(request.body()).into_owned();
        let peer = peer.map_or_else(|| "-".to_owned(), |address| address.to_string());
        let text = format!("{} {peer} {id} {body}", route.label());
        Response::builder().status(201).body(text.into()).unwrap()
    }

    async fn authorize(&self, visit: Visit<'_>) -> Decision {
        let visited =
            Visited { method: visit.head.method.clone(), body: visit.body.map(<[u8]>::to_vec) };
        self.visits.lock().push(visited.clone());
        (self.authorize)(&visited)
    }

    async fn location(&self, departure: Departure<'_>) -> LocationOutcome {
        (self.locate)(departure.location.to_str().unwrap())
    }

    fn guard(&self, head: &Parts, _request_id: &RequestId) -> Option<Response<Bytes>> {
        head.headers
            .contains_key("x-refuse")
            .then(|| Response::builder().status(400).body("guarded".into()).unwrap())
    }

    fn body_scan(&self, _head: &Parts, _request_id: &RequestId) -> Option<Box<dyn BodyScan>> {
        Some(Box::new(Forbidden(Vec::new())))
    }

    fn inspects(&self, head: &Parts) -> Inspection {
        if head.headers.contains_key("x-page") { Inspection::Awaited } else { Inspection::None }
    }

    fn page_filter(&self, page: PageHead<'_>) -> Option<Box<dyn PageFilter>> {
        let how = page.head.headers.get("x-page")?.to_str().ok()?.to_owned();
        Some(Box::new(Paged { how, held: Vec::new() }))
    }

    fn failure(&self, code: ErrorCode, _: &Parts, _: &Peer, id: &RequestId) -> Response<Bytes> {
        Response::builder()
            .status(code.status())
            .body(format!("{} {}", code.label(), id.as_str()).into())
            .unwrap()
    }

    async fn unanswered(&self, _flow: &Flow) {}

    async fn finished(&self, exchange: Exchange<'_>) {
        self.told.lock().push(Told {
            route: exchange.route,
            path: exchange.path.to_owned(),
            status: exchange.status.map(|status| status.as_u16()),
            upstream_status: exchange.upstream_status.map(|status| status.as_u16()),
            bytes_in: exchange.bytes_in,
            bytes_out: exchange.bytes_out,
            request_id: exchange.request_id.as_str().to_owned(),
            peer: *exchange.peer,
            error: exchange.error,
            reason: exchange.reason,
            has_flow: exchange.flow.is_some(),
        });
    }
}

/// Does as the request's `x-page` says: `upper` changes each piece, `hold` gives all at the end,
/// `refuse` refuses the first piece, `late` the end.
struct Paged {
    how: String,
    held: Vec<u8>,
}

fn refused_page() -> Box<Response<Bytes>> {
    Box::new(Response::builder().status(400).body("page refused".into()).unwrap())
}

#[async_trait]
impl PageFilter for Paged {
    async fn feed(&mut self, piece: Bytes) -> Result<Bytes, Box<Response<Bytes>>> {
        tokio::task::yield_now().await;
        match self.how.as_str() {
            "upper" => Ok(piece.to_ascii_uppercase().into()),
            "late" => Ok(piece),
            "refuse" => Err(refused_page()),
            _ => {
                self.held.extend_from_slice(&piece);
                Ok(Bytes::new())
            }
        }
    }

    async fn end(&mut self) -> Result<Bytes, Box<Response<Bytes>>> {
        tokio::task::yield_now().await;
        if self.how == "late" {
            Err(refused_page())
        } else {
            Ok(std::mem::take(&mut self.held).into())
        }
    }
}

struct Forbidden(Vec<u8>);

impl BodyScan for Forbidden {
    fn feed(&mut self, piece: &[u8]) -> bool {
        self.0.extend_from_slice(piece);
        let keep = self.0.len().saturating_sub(64);
        let found = self.0.windows(9).any(|part| part == b"forbidden");
        self.0.drain(..keep);
        found
    }

    fn refusal(&self) -> Response<Bytes> {
        Response::builder().status(400).body("scanned".into()).unwrap()
    }
}

/// A running public side; stops when dropped.
pub(crate) struct PublicSide {
    pub(crate) address: SocketAddr,
    pub(crate) script: Arc<Script>,
    stop: watch::Sender<Phase>,
    task: Option<JoinHandle<()>>,
}

impl PublicSide {
    /// In front of `upstream`, configured by the lines of `settings`, which are sections of their
    /// own.
    pub(crate) fn start(upstream: SocketAddr, settings: &str, script: Script) -> Self {
        Self::with(configuration(&format!("http://{upstream}"), settings), script)
    }

    pub(crate) fn with(config: Config, script: Script) -> Self {
        // As `main` does.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let bound = listener::bind(&config.server.listen).unwrap();
        let address = bound
            .addresses()
            .iter()
            .find_map(|address| match address {
                Listen::Tcp(address) => Some(*address),
                Listen::Unix(_) => None,
            })
            .unwrap_or_else(|| "0.0.0.0:0".parse().unwrap());
        let script = Arc::new(script);
        let clock = Arc::new(SystemClock::start());
        let proxy = Proxy::new(
            Listeners { public: bound, mtls: None },
            Arc::clone(&script),
            Arc::new(config),
            clock,
        )
        .unwrap();
        let (stop, stopped) = watch::channel(Phase::Serving);
        let task = Some(tokio::spawn(proxy.serve(stopped)));
        Self { address, script, stop, task }
    }

    pub(crate) async fn stop(mut self) {
        self.stop.send(Phase::Closed).unwrap();
        self.task.take().unwrap().await.unwrap();
    }

    /// The exchanges so far, once there are `count` of them.
    pub(crate) async fn told(&self, count: usize) -> Vec<Told> {
        let found = async {
            while self.script.told.lock().len() < count {
                tokio::task::yield_now().await;
            }
        };
        let _ = tokio::time::timeout(super::raw::PATIENCE, found).await;
        let told = self.script.told.lock().clone();
        assert_eq!(told.len(), count, "{told:#?}");
        told
    }
}

impl Drop for PublicSide {
    fn drop(&mut self) {
        let _ = self.stop.send(Phase::Closed);
    }
}

/// The checked configuration of a gateway on a free port.
pub(crate) fn configuration(upstream: &str, settings: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let (server, rest) = settings.split_once("---").unwrap_or(("", settings));
    let (in_upstream, rest) = rest.split_once("===").unwrap_or(("", rest));
    let listen = if server.contains("listen") { "" } else { "listen = [\"127.0.0.1:0\"]" };
    let issuer = if server.contains("issuer") { "" } else { "issuer = \"http://127.0.0.1:8080\"" };
    let text = format!(
        "[server]\n{listen}\n{issuer}\n{server}\n[upstream]\nurl = \"{upstream}\"\n{in_upstream}\n{rest}\n"
    );
    std::fs::write(&path, text).unwrap();
    match config::load(&path, &Environment::default()) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems}"),
    }
}
