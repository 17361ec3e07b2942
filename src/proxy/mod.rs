//! The public side: what is forwarded, and how what is answered gets out. The only room that knows
//! pingora on the way of a request.
//!
//! [`bind`](listener::bind) takes the sockets, [`Proxy::new`] checks what can be wrong,
//! [`Proxy::serve`] runs until shutdown. Each phase of `Phases` is a few lines that call a named
//! function of the `Gateway` that the configuration in use makes; [`Renewal`] puts another in its
//! place.

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
pub use current::{Prepared, Renewal};
pub use phase::{Connections, Phase};
pub use server::{Listeners, Proxy, SetupError};

use crate::clock::Clock;
use crate::config::Config;
use crate::telemetry::metrics::{GuardPlace, meter};
use application::Route;
use client_certificate::Forwarded;
use current::{Current, Served, TlsEnds};
use failure::Failure;
use headers::ForwardingFields;
use steps::{closed, may_carry_a_handle, screen};
use upstream_peer::UpstreamPeers;

pub mod application;
mod client_address;
mod client_certificate;
mod context;
mod current;
mod downstream;
mod exchange;
mod failure;
mod forward;
mod front;
mod guard;
mod headers;
mod inspection;
pub mod listener;
mod phase;
mod redirect;
mod screen;
mod server;
mod steps;
mod tls;
mod tracing;
pub mod upstream_peer;

/// What one configuration makes of the public side.
struct Gateway<A> {
    application: Arc<A>,
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    fields: ForwardingFields,
    upstream: Arc<UpstreamPeers>,
    /// How certificates in header fields are taken.
    certificates: Option<Forwarded>,
    /// For the exchanges whose page is looked at.
    connector: Arc<Connector>,
    connections: Connections,
    tls: TlsEnds,
}

/// pingora's phases, in the order in which it calls them.
struct Phases<A>(Arc<Current<A>>);

#[async_trait]
impl<A: Application> ProxyHttp for Phases<A> {
    type CTX = Served<A>;

    /// The head of a request is complete.
    fn new_ctx(&self) -> Served<A> {
        Served::new(self.0.load())
    }

    /// None: pingora's compression stays out of the way.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(
        &self,
        session: &mut Session,
        served: &mut Served<A>,
    ) -> pingora::Result<()> {
        let Served { by: gateway, context } = served;
        guard::head_is_complete(session);
        session.set_total_drain_timeout(Some(gateway.config.limits.body_timeout));
        session.set_write_timeout(Some(gateway.config.limits.write_timeout));
        gateway.introduce(session, context);
        Ok(())
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        served: &mut Served<A>,
    ) -> pingora::Result<bool> {
        let Served { by: gateway, context } = served;
        if let Err(fault) = screen(session, context.route) {
            meter().guard_refusal(GuardPlace::Target);
            return gateway.refuse(session, context, fault).await;
        }
        match context.route {
            Route::Par | Route::Metadata => gateway.answer(session, context).await,
            Route::Authorize => gateway.visit(session, context).await,
            Route::PassThrough if may_carry_a_handle(session) => {
                gateway.visit(session, context).await
            }
            Route::PassThrough => gateway.pass(session, context).await,
        }
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        served: &mut Served<A>,
    ) -> pingora::Result<Box<HttpPeer>> {
        let Served { by: gateway, context } = served;
        context.upstream_asked = Some(gateway.clock.now());
        context.trace.upstream_begins();
        gateway.upstream.pick().ok_or_else(|| {
            context.failure = Some(Failure::UNRESOLVED);
            Error::new_in(ErrorType::ConnectNoRoute)
        })
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        served: &mut Served<A>,
    ) -> pingora::Result<()> {
        let Served { by: gateway, context } = served;
        gateway.fields.apply(request, &context.peer, &context.request_id)?;
        tracing::carry(request, &context.trace)?;
        // Anew for each attempt: a retry replays the body from its start.
        context.scan = (!context.judged && !session.is_body_empty())
            .then(|| gateway.application.body_scan(session.req_header(), &context.request_id))
            .flatten();
        forward::rewrite_head(request, context)
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        served: &mut Served<A>,
    ) -> pingora::Result<()> {
        let context = &mut served.context;
        forward::rewrite_body(body, end_of_stream, context)
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        served: &mut Served<A>,
    ) -> pingora::Result<()> {
        let Served { by: gateway, context } = served;
        if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS
        {
            return Ok(());
        }
        gateway.heard(session, response, context).await?;
        gateway.watch(session, response, context);
        context.decided = Some(gateway.connections.decision());
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        served: &mut Served<A>,
    ) -> pingora::Result<Option<Duration>> {
        let context = &mut served.context;
        if let (Some(piece), true) = (body.as_mut(), context.concealed) {
            piece.clear();
        }
        inspection::watched(body, end_of_stream, context)?;
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        served: &mut Served<A>,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let Served { by: gateway, context } = served;
        // Nothing was sent yet, so any method may try the next address.
        error.set_retry(gateway.has_another(context));
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        served: &mut Served<A>,
        client_reused: bool,
    ) -> Box<Error> {
        let context = &mut served.context;
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
        served: &mut Served<A>,
    ) -> FailToProxy {
        let Served { by: gateway, context } = served;
        let failure = *context.failure.get_or_insert_with(|| Failure::of(error));
        let response = match (context.answer.take(), failure.code) {
            (Some(answer), _) => Some(answer),
            (None, Some(code)) => {
                let (peer, request_id) = (&context.peer, &context.request_id);
                let head = session.req_header();
                let fail = || gateway.application.failure(code, head, peer, request_id);
                Some(context.trace.around(fail))
            }
            (None, None) => None,
        };
        let begun = session.response_written().is_some_and(|head| !head.status.is_informational());
        let Some(response) = response.filter(|_| !begun) else {
            return closed(0);
        };
        gateway.give_up(context).await;
        let status = response.status().as_u16();
        session.set_keepalive(None);
        // Whoever does not take the answer is gone.
        let _ = downstream::write(session, response, &context.request_id).await;
        closed(status)
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, served: &mut Served<A>) {
        let Served { by: gateway, context } = served;
        if let (Some(error), None) = (error, context.failure) {
            context.failure = Some(Failure::of(error));
        }
        gateway.finished(session, context).await;
    }

    /// The access log tells failures; pingora's own lines would tell them again, with the query.
    fn suppress_error_log(&self, _: &Session, _: &Served<A>, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Served<A>,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    fn request_summary(&self, session: &Session, served: &Served<A>) -> String {
        let context = &served.context;
        let head = session.req_header();
        format!("{} {} {}", context.request_id.as_str(), head.method, head.uri.path())
    }
}
