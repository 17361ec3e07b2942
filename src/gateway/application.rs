//! Joins the endpoints to the proxy: each speaks its own language, here they are translated.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};

use crate::answer::{self, Reason};
use crate::authorize::{self, AuthorizeError, Completion, Departure as Leaving, Flow};
use crate::client;
use crate::config::Issuer;
use crate::endpoints::{self, Endpoints};
use crate::oauth::error::ErrorCode;
use crate::proxy::Application;
use crate::proxy::application::{
    BodyScan, Decision, Departure, Exchange, Forward, LocationOutcome, Peer, RequestId, Route,
    Visit,
};
use crate::telemetry::access_log::Access;
use crate::telemetry::metrics::{RouteLabel, UpstreamErrorKind, meter};

/// The endpoints as the proxy sees them.
pub(super) struct Joint {
    endpoints: Endpoints,
    https: bool,
    in_flight: AtomicUsize,
}

impl Joint {
    pub(super) fn new(endpoints: Endpoints, issuer: &Issuer) -> Self {
        Self { endpoints, https: issuer.is_https(), in_flight: AtomicUsize::new(0) }
    }

    /// Waits until no request is in flight, at most `patience`.
    pub(super) async fn idle(&self, patience: Duration) {
        let idle = async {
            while self.in_flight.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(patience, idle).await.is_err() {
            let left = self.in_flight.load(Ordering::Relaxed);
            tracing::warn!(left, "requests were still in flight when the time to drain was over");
        }
    }

    fn peer(&self, peer: &Peer, request_id: &RequestId) -> client::Peer {
        client::Peer {
            address: Some(peer.address),
            insecure: self.https && peer.trusted && !peer.secure,
            request_id: request_id.as_str().into(),
        }
    }
}

impl Application for Joint {
    fn route(&self, _method: &Method, path: &str) -> Route {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        match self.endpoints.route(path) {
            endpoints::Route::Par => Route::Par,
            endpoints::Route::Metadata => Route::Metadata,
            endpoints::Route::Authorize => Route::Authorize,
            endpoints::Route::PassThrough => Route::PassThrough,
        }
    }

    async fn answer(&self, route: Route, mut request: Request<Bytes>) -> Response<Bytes> {
        if route == Route::Metadata {
            return self.endpoints.metadata(request.method(), request.uri().path()).await;
        }
        let extensions = request.extensions();
        let known = extensions.get::<Peer>().zip(extensions.get::<RequestId>());
        if let Some(peer) = known.map(|(peer, request_id)| self.peer(peer, request_id)) {
            request.extensions_mut().insert(peer);
        }
        self.endpoints.push(request).await
    }

    async fn authorize(&self, visit: Visit<'_>) -> Decision {
        let peer = self.peer(visit.peer, visit.request_id);
        let call = authorize::Visit {
            method: &visit.head.method,
            query: visit.head.uri.query(),
            form: visit.body,
            headers: &visit.head.headers,
            peer: &peer,
        };
        match self.endpoints.authorize(visit.head.uri.path(), call).await {
            authorize::Decision::Pass => Decision::Pass,
            authorize::Decision::Answer(response) => Decision::Answer(response),
            authorize::Decision::Expand(expansion) => {
                let form = HeaderValue::from_static("application/x-www-form-urlencoded");
                Decision::Forward(Forward {
                    method: expansion.method,
                    target: expansion.target.into(),
                    body: expansion.form.map(|body| (form, body)),
                    set_cookies: expansion.set_cookies,
                    flow: Arc::new(expansion.flow),
                })
            }
        }
    }

    async fn location(&self, departure: Departure<'_>) -> LocationOutcome {
        let Ok(location) = departure.location.to_str() else {
            return LocationOutcome::Keep;
        };
        let peer = self.peer(departure.peer, departure.request_id);
        let leaving = Leaving {
            location,
            headers: &departure.head.headers,
            flow: departure.flow.and_then(|flow| flow.downcast_ref::<Flow>()),
            peer: &peer,
        };
        match self.endpoints.complete(leaving).await {
            Completion::NotOurs | Completion::Complete => LocationOutcome::Keep,
            Completion::Amended(location) => {
                LocationOutcome::Replace { location, set_cookies: Vec::new() }
            }
            Completion::Refused(response) => LocationOutcome::Answer(response),
        }
    }

    fn guard(&self, head: &Parts) -> Option<Response<Bytes>> {
        let guard = self.endpoints.guard()?;
        guard.refuses(head.uri.path(), head.uri.query()).then(|| push_required(head))
    }

    fn body_scan(&self, head: &Parts) -> Option<Box<dyn BodyScan>> {
        let guard = self.endpoints.guard()?;
        let scan = guard.body_scan(&head.method, head.uri.path(), &head.headers)?;
        Some(Box::new(Scan { scan, accept: head.headers.get(ACCEPT).cloned() }))
    }

    fn failure(&self, code: ErrorCode, head: &Parts, request_id: &RequestId) -> Response<Bytes> {
        let accept = head.headers.get(ACCEPT);
        let page = answer::page(code, reason(code), request_id.as_str(), accept);
        if code == ErrorCode::MethodNotAllowed {
            answer::with_allow(page, "GET, HEAD, POST")
        } else {
            page
        }
    }

    async fn finished(&self, exchange: Exchange<'_>) {
        if let Some(flow) = exchange.flow.and_then(|flow| flow.downcast_ref::<Flow>())
            && (exchange.upstream_status.is_none() || exchange.status.is_none())
        {
            self.endpoints.undo(flow).await;
        }
        log(&exchange);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Scan {
    scan: authorize::BodyScan,
    accept: Option<HeaderValue>,
}

impl BodyScan for Scan {
    fn feed(&mut self, piece: &[u8]) -> bool {
        self.scan.feed(piece)
    }

    fn end(&mut self) -> bool {
        self.scan.end()
    }

    fn refusal(&self) -> Response<Bytes> {
        let error = AuthorizeError::PushRequired;
        answer::page(error.code(), error.reason(), "", self.accept.as_ref())
    }
}

fn push_required(head: &Parts) -> Response<Bytes> {
    let error = AuthorizeError::PushRequired;
    answer::page(error.code(), error.reason(), "", head.headers.get(ACCEPT))
}

/// What a person reads where the proxy itself refuses or fails.
const fn reason(code: ErrorCode) -> Reason {
    match code {
        ErrorCode::NotFound => Reason::NotFound,
        ErrorCode::MethodNotAllowed => Reason::MethodNotAllowed,
        ErrorCode::PayloadTooLarge => Reason::TooLarge,
        ErrorCode::TooManyRequests => Reason::TooManyRequests,
        ErrorCode::BadGateway | ErrorCode::TemporarilyUnavailable => Reason::UpstreamUnavailable,
        ErrorCode::GatewayTimeout => Reason::UpstreamTimeout,
        ErrorCode::ServerError => Reason::Internal,
        ErrorCode::InvalidRequest
        | ErrorCode::InvalidClient
        | ErrorCode::InvalidScope
        | ErrorCode::InvalidTarget
        | ErrorCode::InvalidRequestUri
        | ErrorCode::InvalidDpopProof
        | ErrorCode::RequestNotSupported
        | ErrorCode::RequestUriNotSupported
        | ErrorCode::UnsupportedResponseType => Reason::Malformed,
    }
}

/// What a failure of the proxy says of the upstream.
fn upstream_error(code: ErrorCode) -> Option<UpstreamErrorKind> {
    if code == ErrorCode::GatewayTimeout {
        Some(UpstreamErrorKind::Timeout)
    } else if code == ErrorCode::BadGateway {
        Some(UpstreamErrorKind::Closed)
    } else if code == ErrorCode::TemporarilyUnavailable {
        Some(UpstreamErrorKind::Connect)
    } else {
        None
    }
}

fn log(exchange: &Exchange<'_>) {
    let route = match exchange.route {
        Route::Par => RouteLabel::Par,
        Route::Metadata => RouteLabel::Metadata,
        Route::Authorize => RouteLabel::Authorize,
        Route::PassThrough => RouteLabel::PassThrough,
    };
    let status = exchange.status.map(|status| status.as_u16());
    meter().http_request(exchange.method, route, status.unwrap_or(0), exchange.duration);
    if exchange.upstream_status.is_none()
        && let Some(kind) = exchange.error.and_then(upstream_error)
    {
        meter().upstream_error(kind);
    }
    Access {
        method: exchange.method,
        path: exchange.path,
        query: exchange.query,
        status,
        upstream_status: exchange.upstream_status.map(|status| status.as_u16()),
        bytes: exchange.bytes_out,
        duration: exchange.duration,
        upstream: exchange.upstream_duration,
        route,
        request_id: exchange.request_id.as_str(),
        client_address: Some(exchange.peer.address),
        protocol: http::Version::HTTP_11,
    }
    .log();
}
