//! Joins the endpoints to the proxy: each speaks its own language, here they are translated.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Request, Response};

use super::page::{Fields, Filter, Masked, Watched};
use crate::answer::{self, Reason};
use crate::authorize::{self, AnswerBy, AuthorizeError, Body, Departure as Leaving, Flow, Onward};
use crate::client;
use crate::config::{Config, Issuer};
use crate::endpoints::{self, Endpoints, Shared};
use crate::oauth::error::ErrorCode;
use crate::proxy::application::{
    Asker, BodyScan, Decision, Departure, Exchange, Forward, Inspection, LocationOutcome, Means,
    PageFilter, PageHead, PageWatch, Peer, RequestId, Route, Visit,
};
use crate::proxy::{self, Application};
use crate::telemetry::access_log::Access;
use crate::telemetry::metrics::{RouteLabel, UpstreamErrorKind, meter};
use crate::upstream::Discovery;

/// The endpoints as the proxy sees them.
pub(super) struct Joint {
    endpoints: Endpoints,
    https: bool,
}

impl Joint {
    pub(super) fn new(endpoints: Endpoints, issuer: &Issuer) -> Self {
        Self { endpoints, https: issuer.is_https() }
    }

    /// What another configuration makes, in the place of `self`.
    pub(super) fn succeeded_by(&self, config: &Config, shared: &Shared) -> Self {
        Self {
            endpoints: self.endpoints.succeeded_by(config, shared),
            https: config.server.issuer.is_https(),
        }
    }

    /// The upstream's documents.
    pub(super) fn discovery(&self) -> &Arc<Discovery> {
        self.endpoints.discovery()
    }

    /// Reads files again that may change while the gateway runs.
    pub(super) fn reload(&self) {
        self.endpoints.reload_keys();
    }

    /// The holder of a page that may be the answer to a login.
    fn form_post(&self, page: PageHead<'_>) -> Option<authorize::FormPost> {
        self.endpoints.form_post(authorize::PageHead {
            path: page.head.uri.path(),
            asked: &page.head.headers,
            headers: page.headers,
            flow: page.flow.and_then(|flow| flow.downcast_ref::<Flow>()),
            peer: &self.peer(page.peer, page.request_id),
        })
    }

    fn peer(&self, peer: &Peer, request_id: &RequestId) -> client::Peer {
        client::Peer {
            address: peer.address,
            insecure: self.https && peer.trusted && !peer.secure,
            request_id: request_id.as_str().into(),
        }
    }
}

impl Application for Joint {
    fn route(&self, head: &Parts) -> Route {
        match self.endpoints.route_of(head) {
            endpoints::Route::Par => Route::Par,
            endpoints::Route::Metadata => Route::Metadata,
            endpoints::Route::Authorize => Route::Authorize,
            endpoints::Route::PassThrough => Route::PassThrough,
        }
    }

    fn is_authorization_endpoint(&self, path: &str) -> bool {
        self.endpoints.is_authorization_endpoint(path)
    }

    async fn answer(
        &self,
        route: Route,
        mut request: Request<Bytes>,
        asker: Asker<'_>,
    ) -> Response<Bytes> {
        if route == Route::Metadata {
            return self.endpoints.metadata(request.method(), request.uri().path()).await;
        }
        request.extensions_mut().insert(self.peer(asker.peer, asker.request_id));
        self.endpoints.push(request).await
    }

    async fn authorize(&self, visit: Visit<'_>) -> Decision {
        let peer = self.peer(visit.peer, visit.request_id);
        let call = authorize::Visit {
            method: &visit.head.method,
            path: visit.head.uri.path(),
            query: visit.head.uri.query(),
            body: body(&visit),
            headers: &visit.head.headers,
            peer: &peer,
        };
        match self.endpoints.authorize(call).await {
            authorize::Decision::Pass => Decision::Pass,
            authorize::Decision::Answer(response) => Decision::Answer(response),
            authorize::Decision::Expand(expansion) => Decision::Forward(Forward {
                method: expansion.method,
                target: expansion.target.into(),
                body: expansion.body,
                set_cookies: expansion.set_cookies,
                means: match expansion.flow.answer_by() {
                    AnswerBy::Address
                        if !self.endpoints.masks()
                            && !self.endpoints.authorization().reads_fields(&expansion.flow) =>
                    {
                        Means::Streamed
                    }
                    AnswerBy::Page | AnswerBy::Address => Means::Inspected,
                },
                flow: Arc::new(expansion.flow),
            }),
        }
    }

    async fn location(&self, departure: Departure<'_>) -> LocationOutcome {
        let location = in_ascii(departure.location);
        let peer = self.peer(departure.peer, departure.request_id);
        let leaving = Leaving {
            location: &location,
            path: departure.head.uri.path(),
            method: &departure.head.method,
            headers: &departure.head.headers,
            flow: departure.flow.and_then(|flow| flow.downcast_ref::<Flow>()),
            peer: &peer,
        };
        match self.endpoints.depart(leaving).await {
            Onward::Unchanged => LocationOutcome::Keep,
            Onward::Amended(location) => {
                LocationOutcome::Replace { location, set_cookies: Vec::new() }
            }
            Onward::Concealed(location) => LocationOutcome::Conceal { location },
            Onward::Refused(response) => LocationOutcome::Answer(response),
        }
    }

    fn guard(&self, head: &Parts, request_id: &RequestId) -> Option<Response<Bytes>> {
        let error = self.endpoints.refusal(head.uri.path(), head.uri.query())?;
        Some(page(error, head.headers.get(ACCEPT), request_id))
    }

    fn body_scan(&self, head: &Parts, request_id: &RequestId) -> Option<Box<dyn BodyScan>> {
        let guard = self.endpoints.guard()?;
        let scan = guard.body_scan(head.uri.path(), head.uri.query(), &head.headers)?;
        let accept = head.headers.get(ACCEPT).cloned();
        Some(Box::new(Scan { inner: scan, accept, request_id: request_id.clone() }))
    }

    fn inspects(&self, head: &Parts) -> Inspection {
        if self.endpoints.authorization().may_be_answered_by_page(&head.headers) {
            Inspection::Awaited
        } else if self.judges_answers() && !self.endpoints.is_other_endpoint(head.uri.path()) {
            Inspection::Judged
        } else {
            Inspection::None
        }
    }

    fn judges_answers(&self) -> bool {
        self.endpoints.authorization().judges_answers()
    }

    fn page_watch(&self, page: PageHead<'_>) -> Option<Box<dyn PageWatch>> {
        if self.endpoints.is_other_endpoint(page.head.uri.path()) {
            return None;
        }
        let watched = self.form_post(page)?;
        Some(Box::new(Watched(watched)))
    }

    fn page_filter(&self, page: PageHead<'_>) -> Option<Box<dyn PageFilter>> {
        let flow = page.flow.and_then(|flow| flow.downcast_ref::<Flow>());
        let path = page.head.uri.path();
        let held = self.form_post(page);
        let mask = flow.and_then(|flow| self.endpoints.mask(flow, path, page.headers));
        let mask = mask.map(|mask| {
            let accept = page.head.headers.get(ACCEPT).cloned();
            Masked { mask, accept, request_id: page.request_id.clone() }
        });
        let reader = flow.and_then(|flow| self.endpoints.authorization().field_reader(flow, path));
        let fields = reader
            .map(|reader| Fields { endpoint: Arc::clone(self.endpoints.authorization()), reader });
        Filter::of(held, fields, mask)
    }

    fn answered(&self, page: PageHead<'_>) -> Vec<HeaderValue> {
        let flow = page.flow.and_then(|flow| flow.downcast_ref::<Flow>());
        let path = page.head.uri.path();
        let endpoint = self.endpoints.authorization();
        let shown =
            flow.and_then(|flow| endpoint.page_shown(flow, path, page.status, page.headers));
        shown.into_iter().collect()
    }

    fn failure(
        &self,
        code: ErrorCode,
        head: &Parts,
        peer: &Peer,
        request_id: &RequestId,
    ) -> Response<Bytes> {
        if self.endpoints.route(head.uri.path()) == endpoints::Route::Par {
            let peer = self.peer(peer, request_id);
            return self.endpoints.unreadable_push(code, &head.headers, &peer);
        }
        let accept = head.headers.get(ACCEPT);
        let page = answer::page(code, reason(code), request_id.as_str(), accept);
        if code == ErrorCode::MethodNotAllowed {
            answer::with_allow(page, "GET, HEAD, POST")
        } else {
            page
        }
    }

    async fn unanswered(&self, flow: &proxy::application::Flow) {
        if let Some(flow) = flow.downcast_ref::<Flow>() {
            self.endpoints.undo(flow).await;
        }
    }

    async fn finished(&self, exchange: Exchange<'_>) {
        if let Some(flow) = exchange.flow.and_then(|flow| flow.downcast_ref::<Flow>())
            && (exchange.upstream_status.is_none() || exchange.status.is_none())
        {
            self.endpoints.undo(flow).await;
        }
        log(&exchange);
    }
}

/// What the proxy has read of a body, as the endpoint wants it.
fn body<'a>(visit: &Visit<'a>) -> Body<'a> {
    let content_type = visit.head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    let multipart =
        content_type.get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/"));
    match visit.body {
        Some(body) if multipart => Body::Multipart(content_type, body),
        Some(body) => Body::Form(body),
        None if has_body(&visit.head.headers) => Body::Unread,
        None => Body::None,
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

struct Scan {
    inner: authorize::BodyScan,
    accept: Option<HeaderValue>,
    request_id: RequestId,
}

impl BodyScan for Scan {
    fn feed(&mut self, piece: &[u8]) -> bool {
        self.inner.feed(piece)
    }

    fn end(&mut self) -> bool {
        self.inner.end()
    }

    fn refusal(&self) -> Response<Bytes> {
        page(AuthorizeError::PushRequired, self.accept.as_ref(), &self.request_id)
    }
}

pub(super) fn page(
    error: AuthorizeError,
    accept: Option<&HeaderValue>,
    request_id: &RequestId,
) -> Response<Bytes> {
    answer::page(error.code(), error.reason(), request_id.as_str(), accept)
}

/// A `Location` as browsers read it: servers that put raw UTF-8 there mean its percent-encoding.
fn in_ascii(location: &HeaderValue) -> Cow<'_, str> {
    match location.to_str() {
        Ok(location) => Cow::Borrowed(location),
        Err(_) => Cow::Owned(location.as_bytes().iter().fold(String::new(), |mut text, &byte| {
            if byte.is_ascii() {
                text.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(text, "%{byte:02X}");
            }
            text
        })),
    }
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
        | ErrorCode::InvalidRequestObject
        | ErrorCode::InvalidDpopProof
        | ErrorCode::UseDpopNonce
        | ErrorCode::InvalidAuthorizationDetails
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
    if let (Some(status), Some(took)) = (exchange.upstream_status, exchange.upstream_duration) {
        meter().upstream_request(route, status.into(), took);
    }
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
        trace_id: exchange.trace_id,
        client_address: exchange.peer.address,
        protocol: http::Version::HTTP_11,
    }
    .log();
}
