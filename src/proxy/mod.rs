//! The public side: what is forwarded, and how what is answered gets out. The only room that knows
//! pingora on the way of a request.
//!
//! [`bind`](listener::bind) takes the sockets, [`Proxy::new`] checks what can be wrong,
//! [`Proxy::serve`] runs until shutdown. Each phase of [`Gateway`] is a few lines that call a named
//! function.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION, SET_COOKIE};
use http::{Method, Request, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::server::HttpSession;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

pub use application::Application;
pub use server::{Proxy, SetupError};

use crate::clock::Clock;
use crate::config::Config;
use crate::oauth::error::ErrorCode;
use application::{Decision, Departure, Exchange, LocationOutcome, Route, Visit};
use context::Context;
use downstream::{BodyBounds, BodyFault};
use failure::Failure;
use headers::ForwardingFields;
use screen::Fault;
use upstream_peer::UpstreamPeers;

pub mod application;
mod client_address;
mod context;
mod downstream;
mod failure;
mod forward;
mod guard;
mod headers;
pub mod listener;
mod screen;
mod server;
pub mod upstream_peer;

/// Largest form at the authorization endpoint: what pingora can keep for the upstream.
const MAX_VISIT_BYTES: usize = 64 * 1024;

/// pingora's phases, in the order in which it calls them.
struct Gateway<A> {
    application: Arc<A>,
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    fields: ForwardingFields,
    upstream: Arc<UpstreamPeers>,
}

#[async_trait]
impl<A: Application> ProxyHttp for Gateway<A> {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(self.clock.now())
    }

    /// None: pingora's compression stays out of the way.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> pingora::Result<()> {
        guard::head_is_complete(session);
        session.set_total_drain_timeout(Some(self.config.limits.body_timeout));
        self.introduce(session, context);
        Ok(())
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> pingora::Result<bool> {
        if let Err(fault) = screen(session, context.route) {
            return self.refuse(session, context, fault).await;
        }
        match context.route {
            Route::Par | Route::Metadata => self.answer(session, context).await,
            Route::Authorize => self.visit(session, context).await,
            Route::PassThrough => match self.application.guard(session.req_header()) {
                Some(response) => respond(session, context, response).await,
                None => self.ready(session, context).await,
            },
        }
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        context: &mut Context,
    ) -> pingora::Result<Box<HttpPeer>> {
        context.upstream_asked = Some(self.clock.now());
        self.upstream.pick().ok_or_else(|| {
            context.failure = Some(Failure::UNRESOLVED);
            Error::new_in(ErrorType::ConnectNoRoute)
        })
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> pingora::Result<()> {
        self.fields
            .apply(request, &context.peer, &context.request_id)?;
        // Anew for each attempt: a retry replays the body from its start.
        context.scan = (!context.replayed && !session.is_body_empty())
            .then(|| self.application.body_scan(session.req_header()))
            .flatten();
        forward::rewrite_head(request, context)
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        context: &mut Context,
    ) -> pingora::Result<()> {
        forward::rewrite_body(body, end_of_stream, context)
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> pingora::Result<()> {
        if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS
        {
            return Ok(());
        }
        context.upstream_status = Some(response.status);
        context.upstream_answered = Some(self.clock.now());
        self.fields.publish(response)?;
        self.follow(session, response, context).await?;
        if let Some(forward) = &context.forward {
            for cookie in &forward.set_cookies {
                response.append_header(SET_COOKIE, cookie.clone())?;
            }
        }
        response.insert_header(headers::X_REQUEST_ID, context.request_id.0.clone())?;
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        context: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        context.refused += 1;
        let others = context.refused < self.upstream.count();
        if !others {
            self.upstream.mark_gone();
        }
        // Nothing was sent yet, so any method may try the next address.
        error.set_retry(others);
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        context: &mut Context,
        client_reused: bool,
    ) -> Box<Error> {
        let repeatable = context.is_repeatable(&session.req_header().method)
            && !session.retry_buffer_truncated()
            && session.response_written().is_none()
            && context.answer.is_none();
        if repeatable {
            error.retry.decide_reuse(client_reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut Context,
    ) -> FailToProxy {
        let failure = *context.failure.get_or_insert_with(|| Failure::of(error));
        let response = match (context.answer.take(), failure.code) {
            (Some(answer), _) => Some(answer),
            (None, Some(code)) => Some(self.application.failure(
                code,
                session.req_header(),
                &context.request_id,
            )),
            (None, None) => None,
        };
        let begun = session
            .response_written()
            .is_some_and(|head| !head.status.is_informational());
        let Some(response) = response.filter(|_| !begun) else {
            return closed(0);
        };
        let status = response.status().as_u16();
        session.set_keepalive(None);
        // Whoever does not take the answer is gone.
        let _ = downstream::write(session, response, &context.request_id).await;
        closed(status)
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        if let (Some(error), None) = (error, context.failure) {
            context.failure = Some(Failure::of(error));
        }
        self.finished(session, context).await;
    }

    /// The access log tells failures; pingora's own lines would tell them again, with the query.
    fn suppress_error_log(&self, _: &Session, _: &Context, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Context,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    fn request_summary(&self, session: &Session, context: &Context) -> String {
        let head = session.req_header();
        format!(
            "{} {} {}",
            context.request_id.as_str(),
            head.method,
            head.uri.path()
        )
    }
}

impl<A: Application> Gateway<A> {
    /// Finds out who asks, for what, and under which id.
    fn introduce(&self, session: &Session, context: &mut Context) {
        let head = session.req_header();
        let direct = session
            .client_addr()
            .and_then(|address| address.as_inet())
            .map(std::net::SocketAddr::ip);
        let trusted = &self.config.server.trusted_proxies;
        context.peer = client_address::peer(direct, trusted, &head.headers);
        context.request_id = context::request_id(&context.peer, &head.headers);
        context.route = self.application.route(&head.method, head.uri.path());
    }

    /// PAR and metadata: the whole request in, the whole answer out.
    async fn answer(&self, session: &mut Session, context: &mut Context) -> pingora::Result<bool> {
        let body = match self.read(session, self.config.par.max_body_bytes).await {
            Ok(body) => body,
            Err(fault) => return self.unread(session, context, fault).await,
        };
        let mut request = Request::from_parts(session.req_header().as_owned_parts(), body);
        request.extensions_mut().insert(context.peer);
        request.extensions_mut().insert(context.request_id.clone());
        let response = self.application.answer(context.route, request).await;
        respond(session, context, response).await
    }

    /// A visit of the authorization endpoint, its form read ahead where it can be replayed.
    async fn visit(&self, session: &mut Session, context: &mut Context) -> pingora::Result<bool> {
        let mut body = None;
        if is_readable_form(session) {
            session.enable_retry_buffering();
            match self.read(session, MAX_VISIT_BYTES).await {
                Ok(form) => body = Some(form),
                Err(fault) => return self.unread(session, context, fault).await,
            }
            context.replayed = true;
        }
        let visit = Visit {
            head: session.req_header(),
            body: body.as_deref(),
            peer: &context.peer,
            request_id: &context.request_id,
        };
        match self.application.authorize(visit).await {
            Decision::Pass => {}
            Decision::Forward(forward) => context.forward = Some(forward),
            Decision::Answer(response) => return respond(session, context, response).await,
        }
        self.ready(session, context).await
    }

    /// Answers at once where it is known that no upstream will.
    async fn ready(&self, session: &mut Session, context: &mut Context) -> pingora::Result<bool> {
        let failure = if self.upstream.count() == 0 {
            Failure::UNRESOLVED
        } else if self.upstream.is_gone() {
            Failure::GONE
        } else {
            return Ok(false);
        };
        context.failure = Some(failure);
        let code = failure.code.unwrap_or(ErrorCode::BadGateway);
        let head = session.req_header();
        let response = self.application.failure(code, head, &context.request_id);
        respond(session, context, response).await
    }

    /// Shows the application where the upstream sends the browser.
    async fn follow(
        &self,
        session: &Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> pingora::Result<()> {
        let Some(location) = response.headers.get(LOCATION) else {
            return Ok(());
        };
        let head = session.req_header();
        if context.forward.is_none() && !headers::has_own_cookie(&head.headers) {
            return Ok(());
        }
        let departure = Departure {
            head,
            status: response.status,
            location,
            flow: context.forward.as_ref().map(|forward| &forward.flow),
            peer: &context.peer,
            request_id: &context.request_id,
        };
        match self.application.location(departure).await {
            LocationOutcome::Keep => Ok(()),
            LocationOutcome::Replace {
                location,
                set_cookies,
            } => {
                response.insert_header(LOCATION, location)?;
                for cookie in set_cookies {
                    response.append_header(SET_COOKIE, cookie)?;
                }
                Ok(())
            }
            // An answer without a body has no phase left in which one could be put in, so the
            // exchange ends here and `fail_to_proxy` writes ours.
            LocationOutcome::Answer(answer) => Err(replaced(context, answer)),
        }
    }

    async fn read(&self, session: &mut Session, bytes: usize) -> Result<Bytes, BodyFault> {
        let time = self.config.limits.body_timeout;
        downstream::read_body(session, BodyBounds { bytes, time }).await
    }

    async fn unread(
        &self,
        session: &mut Session,
        context: &mut Context,
        fault: BodyFault,
    ) -> pingora::Result<bool> {
        let (status, reason) = match fault {
            BodyFault::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            BodyFault::TimedOut => (StatusCode::REQUEST_TIMEOUT, "body_timed_out"),
            BodyFault::Broken => (StatusCode::BAD_REQUEST, "body_broken"),
        };
        self.refuse(session, context, Fault { status, reason })
            .await
    }

    /// Answers and closes: what follows on this connection cannot be told apart from the rest.
    async fn refuse(
        &self,
        session: &mut Session,
        context: &mut Context,
        fault: Fault,
    ) -> pingora::Result<bool> {
        let head = session.req_header();
        let response = failure::refusal(&*self.application, fault, head, &context.request_id);
        let code = match fault.status {
            StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::PayloadTooLarge,
            StatusCode::METHOD_NOT_ALLOWED => ErrorCode::MethodNotAllowed,
            _ => ErrorCode::InvalidRequest,
        };
        context.failure = Some(Failure {
            code: Some(code),
            reason: fault.reason,
        });
        session.set_keepalive(None);
        respond(session, context, response).await
    }

    async fn finished(&self, session: &Session, context: &Context) {
        let now = self.clock.now();
        let head = session.req_header();
        let served: &ServerSession = session.as_downstream();
        let answered = context.upstream_answered;
        let exchange = Exchange {
            method: &head.method,
            route: context.route,
            path: head.uri.path(),
            query: head.uri.query(),
            status: served
                .response_written()
                .map(|response| response.status)
                .filter(|status| !status.is_informational() || status.as_u16() == 101),
            upstream_status: context.upstream_status,
            bytes_in: served.body_bytes_read() as u64,
            bytes_out: served.body_bytes_sent() as u64,
            duration: now.since(context.started),
            upstream_duration: context
                .upstream_asked
                .map(|asked| answered.unwrap_or(now).since(asked)),
            request_id: &context.request_id,
            peer: &context.peer,
            error: context.failure.and_then(|failure| failure.code),
            reason: context.failure.map(|failure| failure.reason),
            flow: context.forward.as_ref().map(|forward| &forward.flow),
        };
        self.application.finished(exchange).await;
    }
}

fn screen(session: &Session, route: Route) -> Result<(), Fault> {
    let raw = session
        .as_http1()
        .map(HttpSession::get_headers_raw_bytes)
        .unwrap_or_default();
    screen::head(session.req_header(), &raw)?;
    screen::body(session.req_header(), route)
}

/// Puts an answer aside for `fail_to_proxy` and ends the exchange with the upstream.
#[expect(
    clippy::unnecessary_box_returns,
    reason = "the filters return it boxed"
)]
fn replaced(context: &mut Context, answer: http::Response<Bytes>) -> Box<Error> {
    context.answer = Some(answer);
    context.failure = Some(Failure {
        code: None,
        reason: "answer_replaced",
    });
    Error::new_in(ErrorType::Custom("answer replaced"))
}

async fn respond(
    session: &mut Session,
    context: &Context,
    response: http::Response<Bytes>,
) -> pingora::Result<bool> {
    downstream::write(session, response, &context.request_id).await?;
    Ok(true)
}

/// A form `POST` that does not already say it is too large to be replayed.
fn is_readable_form(session: &Session) -> bool {
    let head = session.req_header();
    let is_form = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value: &HeaderValue| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media| media.trim().eq_ignore_ascii_case(FORM));
    head.method == Method::POST
        && is_form
        && downstream::content_length(head).is_none_or(|length| length <= MAX_VISIT_BYTES as u64)
}

const FORM: &str = "application/x-www-form-urlencoded";

fn closed(status: u16) -> FailToProxy {
    FailToProxy {
        error_code: status,
        can_reuse_downstream: false,
    }
}
