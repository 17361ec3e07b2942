//! What the proxy asks of the endpoints, in `http` types alone: they know neither sockets nor
//! pingora.

use std::any::Any;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use crate::oauth::error::ErrorCode;
use crate::telemetry::trace::TraceId;

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// The pushed authorization request endpoint (RFC 9126 §2).
    Par,
    /// A metadata document (RFC 8414 §3).
    Metadata,
    /// The authorization endpoint (RFC 6749 §3.1).
    Authorize,
    /// Everything else goes to the upstream as it is.
    PassThrough,
}

impl Route {
    /// The label in logs and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Par => "par",
            Self::Metadata => "metadata",
            Self::Authorize => "authorize",
            Self::PassThrough => "pass_through",
        }
    }
}

/// Who sent a request, as far as can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The client: the connection's other end, or whom trusted proxies name (RFC 7239 §5.2).
    /// `None` for the peer of a unix socket, unless it names somebody and 127.0.0.1 is trusted:
    /// whatever comes through that socket would else share one budget.
    pub address: Option<IpAddr>,
    /// The connection's other end is one of `[server] trusted_proxies`.
    pub trusted: bool,
    /// The client's connection is encrypted, on the word of a trusted proxy.
    pub secure: bool,
}

/// The request's id.
#[derive(Debug, Clone)]
pub struct RequestId(pub HeaderValue);

impl RequestId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Something an [`Application`] ties to a request in [`Forward`] and gets back later.
pub type Flow = Arc<dyn Any + Send + Sync>;

/// Who asks for an answer of the gateway's own.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Who it is.
    pub peer: &'a Peer,
    /// The number of the request.
    pub request_id: &'a RequestId,
}

/// A visit of the authorization endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// Head of the request.
    pub head: &'a Parts,
    /// The form of a `POST`, urlencoded or multipart, at most 64 KiB; `None` for other methods and
    /// media types, and for what is larger.
    pub body: Option<&'a [u8]>,
    /// Who asks.
    pub peer: &'a Peer,
    /// For error pages.
    pub request_id: &'a RequestId,
}

/// What happens to a visit of the authorization endpoint.
pub enum Decision {
    /// To the upstream, unchanged.
    Pass,
    /// To the upstream, rewritten.
    Forward(Forward),
    /// Answered by the gateway.
    Answer(Response<Bytes>),
}

/// The request that the upstream gets in place of the browser's.
pub struct Forward {
    /// Its method.
    pub method: Method,
    /// Its target in origin form: path and query.
    pub target: Bytes,
    /// Media type and body; without one nothing is sent, whatever the browser sent.
    pub body: Option<(HeaderValue, Bytes)>,
    /// Added to the upstream's answer.
    pub set_cookies: Vec<HeaderValue>,
    /// Handed to [`Application::location`] and [`Application::finished`].
    pub flow: Flow,
    /// Which way it goes.
    pub means: Means,
}

/// Which way a request and its answer go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// As everything else: the answer streams.
    Streamed,
    /// By the way on which [`Application::page_filter`] is asked, where the answer is a page.
    Inspected,
}

/// The head of a page on its way to the browser.
#[derive(Clone, Copy)]
pub struct PageHead<'a> {
    /// Head of the browser's request.
    pub head: &'a Parts,
    /// Status of the upstream's answer.
    pub status: StatusCode,
    /// Its fields, as the browser would get them.
    pub headers: &'a HeaderMap,
    /// Of the [`Forward`] that this answers.
    pub flow: Option<&'a Flow>,
    /// Who asked.
    pub peer: &'a Peer,
    /// For error pages.
    pub request_id: &'a RequestId,
}

/// Sees a page before the browser does, and may change or refuse it.
#[async_trait]
pub trait PageFilter: Send {
    /// The next piece, as it comes from the upstream; gives what is ready for the browser. The
    /// answer's head goes out with the first byte that is. A refusal is answered in the page's
    /// place until then, and cuts the connection afterwards.
    async fn feed(&mut self, piece: Bytes) -> Result<Bytes, Box<Response<Bytes>>>;

    /// The page is over; gives the rest.
    async fn end(&mut self) -> Result<Bytes, Box<Response<Bytes>>>;

    /// Cookies for the answer's head, asked for when it goes out.
    fn set_cookies(&mut self) -> Vec<HeaderValue> {
        Vec::new()
    }
}

/// An answer of the upstream that sends the browser elsewhere.
#[derive(Clone, Copy)]
pub struct Departure<'a> {
    /// Head of the browser's request.
    pub head: &'a Parts,
    /// Status of the upstream's answer.
    pub status: StatusCode,
    /// Its `Location`, the upstream's own origin already turned into the public one.
    pub location: &'a HeaderValue,
    /// Of the [`Forward`] that this answers.
    pub flow: Option<&'a Flow>,
    /// Who asked.
    pub peer: &'a Peer,
    /// For error pages.
    pub request_id: &'a RequestId,
}

/// What becomes of a [`Departure`].
pub enum LocationOutcome {
    /// Nothing changes.
    Keep,
    /// Another address, and cookies for the browser.
    Replace {
        /// The new `Location`.
        location: HeaderValue,
        /// Added to the answer.
        set_cookies: Vec<HeaderValue>,
    },
    /// Another address; the answer's body repeats the old one and is left out.
    Conceal {
        /// The new `Location`.
        location: HeaderValue,
    },
    /// The gateway answers in the upstream's place.
    Answer(Response<Bytes>),
}

/// Reason for which an answer is looked at.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Inspection {
    /// It is not.
    #[default]
    None,
    /// Some client must push, and any page could hand a code to it.
    Judged,
    /// A login of this browser is to be answered by a page.
    Awaited,
}

/// Watches a page that streams, and holds it back until it is judged.
pub trait PageWatch: Send + Sync {
    /// The next piece, and whether it is the last; gives what is ready for the browser, `None` where the
    /// page must not reach it.
    fn feed(&mut self, piece: &[u8], is_end: bool) -> Option<Bytes>;
}

/// Watches a request body on its way to the upstream.
pub trait BodyScan: Send + Sync {
    /// Sees the next piece before the upstream does; true cuts the request.
    fn feed(&mut self, piece: &[u8]) -> bool;

    /// Sees the end before the upstream does; true cuts the request.
    fn end(&mut self) -> bool {
        false
    }

    /// The answer to a request that was cut.
    fn refusal(&self) -> Response<Bytes>;
}

/// One exchange, told when it is over.
pub struct Exchange<'a> {
    /// Method of the browser's request.
    pub method: &'a Method,
    /// Where it went.
    pub route: Route,
    /// Its path, without the query.
    pub path: &'a str,
    /// Its query, for the access log's allow-list; secrets may be in it.
    pub query: Option<&'a str>,
    /// Status of the answer whose head reached the browser's connection; `None` where none did.
    pub status: Option<StatusCode>,
    /// Status of the upstream's answer.
    pub upstream_status: Option<StatusCode>,
    /// Body bytes read from the browser.
    pub bytes_in: u64,
    /// Body bytes written to the browser.
    pub bytes_out: u64,
    /// From the end of the request's head to the end of the answer.
    pub duration: Duration,
    /// Until the upstream's answer began.
    pub upstream_duration: Option<Duration>,
    /// The request's id.
    pub request_id: &'a RequestId,
    /// The trace that it is a part of.
    pub trace_id: Option<TraceId>,
    /// Who asked.
    pub peer: &'a Peer,
    /// What the proxy itself refused or failed with.
    pub error: Option<ErrorCode>,
    /// Short reason for [`error`](Self::error) or for a connection that broke; never input.
    pub reason: Option<&'static str>,
    /// Of the [`Forward`], if there was one.
    pub flow: Option<&'a Flow>,
}

/// The gateway's own half, which the proxy calls. On the way of a pass-through request only
/// [`route`](Self::route), [`guard`](Self::guard), [`body_scan`](Self::body_scan) and
/// [`finished`](Self::finished) are called, and [`inspects`](Self::inspects) where a cookie of the
/// gateway came along.
pub trait Application: Send + Sync + 'static {
    /// Where a request goes.
    fn route(&self, head: &Parts) -> Route;

    /// Whether `path` is known to be that of the authorization endpoint.
    fn is_authorization_endpoint(&self, path: &str) -> bool;

    /// Answers [`Route::Par`] and [`Route::Metadata`]. Where the client shows a certificate, what it
    /// shows is in the request's extensions.
    fn answer(
        &self,
        route: Route,
        request: Request<Bytes>,
        asker: Asker<'_>,
    ) -> impl Future<Output = Response<Bytes>> + Send;

    /// Decides on a visit of the authorization endpoint.
    fn authorize(&self, visit: Visit<'_>) -> impl Future<Output = Decision> + Send;

    /// Sees the upstream's `Location`, where a flow may be concerned: the request was forwarded
    /// with a [`Flow`] or carries one of the gateway's cookies.
    fn location(&self, departure: Departure<'_>) -> impl Future<Output = LocationOutcome> + Send;

    /// Refuses a pass-through request that is an authorization request in disguise, or would show
    /// the upstream a reference.
    fn guard(&self, head: &Parts, request_id: &RequestId) -> Option<Response<Bytes>>;

    /// A scanner for the body of a request that goes upstream unread.
    fn body_scan(&self, head: &Parts, request_id: &RequestId) -> Option<Box<dyn BodyScan>>;

    /// Whether the answer to a request that goes upstream unchanged may be a page to look at. Asked
    /// only of a `GET`, or a `POST` with a small form, that carries one of the gateway's cookies.
    fn inspects(&self, head: &Parts) -> Inspection;

    /// Whether answers to any request are judged by where they lead and what they hand out.
    fn judges_answers(&self) -> bool {
        false
    }

    /// A watch over a page that streams, asked for only where answers are judged.
    fn page_watch(&self, _page: PageHead<'_>) -> Option<Box<dyn PageWatch>> {
        None
    }

    /// A filter for the page with this head; without one it streams through. Asked only on the way
    /// of [`Means::Inspected`], for HTML or what a browser could take for it. Charset and content
    /// coding are the filter's affair.
    fn page_filter(&self, page: PageHead<'_>) -> Option<Box<dyn PageFilter>>;

    /// Cookies for the browser, from the head of the upstream's answer to a forwarded request.
    fn answered(&self, _page: PageHead<'_>) -> Vec<HeaderValue> {
        Vec::new()
    }

    /// The page or JSON for a request that the proxy refuses or cannot get answered.
    fn failure(
        &self,
        code: ErrorCode,
        head: &Parts,
        peer: &Peer,
        request_id: &RequestId,
    ) -> Response<Bytes>;

    /// Called before the gateway answers where the upstream gave no answer, or one that a page of
    /// ours takes the place of: nothing was begun, so that whoever reads it may try again at once.
    fn unanswered(&self, flow: &Flow) -> impl Future<Output = ()> + Send;

    /// Called once per exchange, when it is over: log, count, undo a start that reached nobody.
    fn finished(&self, exchange: Exchange<'_>) -> impl Future<Output = ()> + Send;
}
