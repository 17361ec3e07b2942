//! The public side: what is forwarded, and how what is answered gets out. The only room that knows
//! pingora on the way of a request.
//!
//! [`bind`](listener::bind) takes the sockets, [`Proxy::new`] checks what can be wrong,
//! [`Proxy::serve`] runs until shutdown. Each phase of `Gateway` is a few lines that call a named
//! function.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use pingora::connectors::http::v1::Connector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

pub use application::Application;
pub use phase::{Connections, Phase};
pub use server::{Listeners, Proxy, SetupError};
pub use tls::Credentials;

use crate::clock::Clock;
use crate::config::Config;
use application::Route;
use client_certificate::Forwarded;
use context::Context;
use failure::Failure;
use headers::ForwardingFields;
use steps::{closed, may_carry_a_handle, screen};
use upstream_peer::UpstreamPeers;

pub mod application;
mod client_address;
mod client_certificate;
mod context;
mod downstream;
mod exchange;
mod failure;
mod forward;
mod front;
mod guard;
mod headers;
pub mod listener;
mod phase;
mod redirect;
mod screen;
mod server;
mod steps;
mod tls;
mod tracing;
pub mod upstream_peer;

/// pingora's phases, in the order in which it calls them.
struct Gateway<A> {
    application: Arc<A>,
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    fields: ForwardingFields,
    upstream: Arc<UpstreamPeers>,
    /// How certificates in header fields are taken.
    certificates: Option<Forwarded>,
    /// For the exchanges whose page is looked at.
    connector: Connector,
    connections: Connections,
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
        session.set_write_timeout(Some(self.config.limits.write_timeout));
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
            Route::PassThrough if may_carry_a_handle(session) => self.visit(session, context).await,
            Route::PassThrough => self.pass(session, context).await,
        }
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        context: &mut Context,
    ) -> pingora::Result<Box<HttpPeer>> {
        context.upstream_asked = Some(self.clock.now());
        context.trace.upstream_begins();
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
        self.fields.apply(request, &context.peer, &context.request_id)?;
        tracing::carry(request, &context.trace)?;
        // Anew for each attempt: a retry replays the body from its start.
        context.scan = (!context.judged && !session.is_body_empty())
            .then(|| self.application.body_scan(session.req_header(), &context.request_id))
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
        self.heard(session, response, context).await?;
        context.decided = Some(self.connections.decision());
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        context: &mut Context,
    ) -> pingora::Result<Option<Duration>> {
        if let (Some(piece), true) = (body, context.concealed) {
            piece.clear();
        }
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        context: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        // Nothing was sent yet, so any method may try the next address.
        error.set_retry(self.has_another(context));
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
            (None, Some(code)) => {
                let (peer, request_id) = (&context.peer, &context.request_id);
                let head = session.req_header();
                let fail = || self.application.failure(code, head, peer, request_id);
                Some(context.trace.around(fail))
            }
            (None, None) => None,
        };
        let begun = session.response_written().is_some_and(|head| !head.status.is_informational());
        let Some(response) = response.filter(|_| !begun) else {
            return closed(0);
        };
        self.give_up(context).await;
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
        format!("{} {} {}", context.request_id.as_str(), head.method, head.uri.path())
    }
}
