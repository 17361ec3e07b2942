//! The steps that pingora's phases name: who asks, what is answered here, what the upstream said,
//! how it ended.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, SET_COOKIE};
use http::{Method, Request, StatusCode};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::server::HttpSession;
use pingora::proxy::{FailToProxy, Session};
use pingora::{Error, ErrorType};

use super::application::{
    Application, Asker, Decision, Departure, Exchange, LocationOutcome, PageHead, Route, Visit,
};
use super::context::Context;
use super::downstream::{self, BodyBounds, BodyFault};
use super::failure::{self, Failure};
use super::redirect::{
    Destination, conceal, destinations, hush, may_answer, redirect, speaks_of_a_login,
};
use super::screen::Fault;
use super::{
    Gateway, client_address, client_certificate, context, guard, headers, screen as judge, tracing,
};
use crate::client::certificate::Shown;
use crate::oauth::error::ErrorCode;

/// Largest form at the authorization endpoint: what pingora can keep for the upstream.
pub(super) const MAX_VISIT_BYTES: usize = 64 * 1024;

impl<A: Application> Gateway<A> {
    /// Finds out who asks, for what, and under which id.
    pub(super) fn introduce(&self, session: &Session, context: &mut Context) {
        let head = session.req_header();
        let direct = session
            .client_addr()
            .and_then(|address| address.as_inet())
            .map(std::net::SocketAddr::ip);
        let trusted = &self.config.server.trusted_proxies;
        context.peer = client_address::peer(direct, trusted, &head.headers);
        let encrypted =
            guard::connection(session).is_some_and(|connection| connection.tls.is_some());
        if encrypted && !head.headers.contains_key("x-forwarded-proto") {
            context.peer.secure = true;
        }
        context.request_id = context::request_id(&context.peer, &head.headers);
        context.trace = tracing::begin(head, context);
        context.route = self.application.route(head);
    }

    /// PAR and metadata: the whole request in, the whole answer out.
    pub(super) async fn answer(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> pingora::Result<bool> {
        let body = match self.read(session, self.config.par.max_body_bytes).await {
            Ok(body) => body,
            Err(fault) => return self.unread(session, context, fault).await,
        };
        let mut request = Request::from_parts(session.req_header().as_owned_parts(), body);
        if context.route == Route::Par
            && let shown @ (Shown::Certificate(_) | Shown::Unusable) =
                self.certificate(session, context)
        {
            request.extensions_mut().insert(shown);
        }
        let asker = Asker { peer: &context.peer, request_id: &context.request_id };
        let answer = self.application.answer(context.route, request, asker);
        let step = if context.route == Route::Par { "push" } else { "metadata" };
        let response = context.trace.within(step, answer).await;
        respond(session, context, response).await
    }

    fn certificate(&self, session: &Session, context: &Context) -> Shown {
        let handshake = guard::connection(session).map(|connection| self.tls.shown(connection));
        let headers = &session.req_header().headers;
        let forwarded = self.certificates.as_ref();
        client_certificate::shown(handshake.unwrap_or_default(), forwarded, &context.peer, headers)
    }

    /// A visit of the authorization endpoint, its form read ahead where it can be replayed.
    pub(super) async fn visit(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> pingora::Result<bool> {
        if is_readable_form(session) {
            session.enable_retry_buffering();
            match self.read(session, MAX_VISIT_BYTES).await {
                Ok(form) => context.body = Some(form),
                Err(fault) => return self.unread(session, context, fault).await,
            }
            context.replayed = true;
            // Elsewhere only a handle was looked for.
            context.judged = context.route == Route::Authorize;
        }
        let visit = Visit {
            head: session.req_header(),
            body: context.body.as_deref(),
            peer: &context.peer,
            request_id: &context.request_id,
        };
        let step = if context.route == Route::Authorize { "redeem" } else { "resume" };
        match context.trace.within(step, self.application.authorize(visit)).await {
            // Whoever need not push passes; what their body says to other readers is not judged yet.
            Decision::Pass => context.judged = false,
            Decision::Forward(forward) => context.forward = Some(forward),
            Decision::Answer(response) => return respond(session, context, response).await,
        }
        self.ready(session, context).await
    }

    /// Everything else, unless the application has something against it.
    pub(super) async fn pass(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> pingora::Result<bool> {
        match self.application.guard(session.req_header(), &context.request_id) {
            Some(response) => respond(session, context, response).await,
            None => self.ready(session, context).await,
        }
    }

    /// Answers at once where it is known that no upstream will, and asks for itself where the page
    /// may have to be looked at.
    pub(super) async fn ready(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> pingora::Result<bool> {
        let failure = if self.upstream.count() == 0 {
            Failure::UNRESOLVED
        } else if self.upstream.is_gone() {
            Failure::GONE
        } else if self.is_inspected(session, context) {
            return Box::pin(self.exchange(session, context)).await;
        } else {
            return Ok(false);
        };
        context.failure = Some(failure);
        self.give_up(context).await;
        let code = failure.code.unwrap_or(ErrorCode::BadGateway);
        let head = session.req_header();
        let fail = || self.application.failure(code, head, &context.peer, &context.request_id);
        let response = context.trace.around(fail);
        respond(session, context, response).await
    }

    /// Whether another address is left to try after one took no connection.
    pub(super) fn has_another(&self, context: &mut Context) -> bool {
        context.refused += 1;
        let another = context.refused < self.upstream.count();
        if !another {
            self.upstream.mark_gone();
        }
        another
    }

    /// Tells the application that the upstream has not answered and will not.
    pub(super) async fn give_up(&self, context: &Context) {
        if let (Some(forward), None) = (&context.forward, context.upstream_status) {
            context.trace.alongside(self.application.unanswered(&forward.flow)).await;
        }
    }

    /// Makes the head of the upstream's answer what the browser may see.
    pub(super) async fn heard(
        &self,
        session: &Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> pingora::Result<()> {
        context.upstream_status = Some(response.status);
        context.upstream_answered = Some(self.clock.now());
        self.upstream_answered(session.req_header(), context);
        self.fields.publish(response)?;
        self.follow(session, response, context).await?;
        if let Some(forward) = &context.forward {
            let answered = self.application.answered(PageHead {
                head: session.req_header(),
                status: response.status,
                headers: &response.headers,
                flow: Some(&forward.flow),
                peer: &context.peer,
                request_id: &context.request_id,
            });
            downstream::set_cookies(response, forward.set_cookies.iter().chain(&answered))?;
        }
        response.insert_header(headers::X_REQUEST_ID, context.request_id.0.clone())?;
        Ok(())
    }

    /// Shows the application where the upstream sends the browser.
    pub(super) async fn follow(
        &self,
        session: &Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> pingora::Result<()> {
        let head = session.req_header();
        let known = context.forward.is_some() || headers::has_own_cookie(&head.headers);
        let judged = self.application.judges_answers();
        // A login that comes back by a cross-site POST comes without our cookies.
        if !known && !judged && head.method != Method::POST {
            return Ok(());
        }
        let to_look_at = |to: &Destination| {
            known || speaks_of_a_login(&to.address) || (judged && may_answer(&to.address))
        };
        let destinations: Vec<_> = destinations(response).into_iter().filter(to_look_at).collect();
        if !known && destinations.is_empty() {
            return Ok(());
        }
        if self.config.authorize.continuation {
            hush(response);
        }
        for destination in destinations {
            Box::pin(self.follow_one(session, response, (context, &destination))).await?;
        }
        Ok(())
    }

    async fn follow_one(
        &self,
        session: &Session,
        response: &mut ResponseHeader,
        (context, destination): (&mut Context, &Destination),
    ) -> pingora::Result<()> {
        let departure = Departure {
            head: session.req_header(),
            status: response.status,
            location: &destination.address,
            flow: context.forward.as_ref().map(|forward| &forward.flow),
            peer: &context.peer,
            request_id: &context.request_id,
        };
        let departed = self.application.location(departure);
        match context.trace.within("departure", departed).await {
            LocationOutcome::Keep => Ok(()),
            LocationOutcome::Replace { location, set_cookies } => {
                redirect(response, destination, &location)?;
                for cookie in set_cookies {
                    response.append_header(SET_COOKIE, cookie)?;
                }
                Ok(())
            }
            LocationOutcome::Conceal { location } => {
                redirect(response, destination, &location)?;
                conceal(response, context)
            }
            // An answer without a body has no phase left in which one could be put in, so the
            // exchange ends here and `fail_to_proxy` writes ours.
            LocationOutcome::Answer(answer) => Err(replaced(context, answer)),
        }
    }

    pub(super) async fn read(
        &self,
        session: &mut Session,
        bytes: usize,
    ) -> Result<Bytes, BodyFault> {
        let time = self.config.limits.body_timeout;
        downstream::read_body(session, BodyBounds { bytes, time }).await
    }

    pub(super) async fn unread(
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
        self.refuse(session, context, Fault { status, reason }).await
    }

    /// Answers and closes: what follows on this connection cannot be told apart from the rest.
    pub(super) async fn refuse(
        &self,
        session: &mut Session,
        context: &mut Context,
        fault: Fault,
    ) -> pingora::Result<bool> {
        let head = session.req_header();
        let refuse = || failure::refusal(&*self.application, fault, head, context);
        let response = context.trace.around(refuse);
        let code = match fault.status {
            StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::PayloadTooLarge,
            StatusCode::METHOD_NOT_ALLOWED => ErrorCode::MethodNotAllowed,
            _ => ErrorCode::InvalidRequest,
        };
        context.failure = Some(Failure { code: Some(code), reason: fault.reason });
        session.set_keepalive(None);
        respond(session, context, response).await
    }

    pub(super) async fn finished(&self, session: &Session, context: &Context) {
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
            trace_id: context.trace.id(),
            peer: &context.peer,
            error: context.failure.and_then(|failure| failure.code),
            reason: context.failure.map(|failure| failure.reason),
            flow: context.forward.as_ref().map(|forward| &forward.flow),
        };
        let status = exchange.status;
        context.trace.alongside(self.application.finished(exchange)).await;
        self.end_trace(session, context, status);
    }
}

pub(super) fn screen(session: &Session, route: Route) -> Result<(), Fault> {
    let raw = session.as_http1().map(HttpSession::get_headers_raw_bytes).unwrap_or_default();
    judge::head(session.req_header(), &raw)?;
    judge::body(session.req_header(), route)
}

/// Puts an answer aside for `fail_to_proxy` and ends the exchange with the upstream.
#[expect(clippy::unnecessary_box_returns, reason = "the filters return it boxed")]
pub(super) fn replaced(context: &mut Context, answer: http::Response<Bytes>) -> Box<Error> {
    context.answer = Some(answer);
    context.failure = Some(Failure { code: None, reason: "answer_replaced" });
    Error::new_in(ErrorType::Custom("answer replaced"))
}

pub(super) async fn respond(
    session: &mut Session,
    context: &Context,
    response: http::Response<Bytes>,
) -> pingora::Result<bool> {
    downstream::write(session, response, &context.request_id).await?;
    Ok(true)
}

/// A form `POST` that does not already say it is too large to be replayed.
pub(super) fn is_readable_form(session: &Session) -> bool {
    let head = session.req_header();
    let is_form = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value: &HeaderValue| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media| FORMS.iter().any(|form| media.trim().eq_ignore_ascii_case(form)));
    head.method == Method::POST
        && is_form
        && downstream::content_length(head).is_none_or(|length| length <= MAX_VISIT_BYTES as u64)
}

const FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];

/// A request on another path that may carry a handle of ours.
pub(super) fn may_carry_a_handle(session: &Session) -> bool {
    let head = session.req_header();
    head.uri.query().is_some_and(|query| query.contains("request_uri"))
        && headers::has_own_cookie(&head.headers)
}

pub(super) fn closed(status: u16) -> FailToProxy {
    FailToProxy { error_code: status, can_reuse_downstream: false }
}
