//! A request's place in traces: what of it is told, and what the upstream hears.
//!
//! By the conventions of OpenTelemetry for HTTP, less what may hold a secret: no query, no address
//! of the browser, and of paths those of endpoints alone.

use std::borrow::Cow;

use http::uri::Authority;
use http::{Method, StatusCode};
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::Gateway;
use super::application::{Application, Route};
use super::context::Context;
use crate::telemetry::metrics;
use crate::telemetry::trace::context::{TRACEPARENT, TRACESTATE};
use crate::telemetry::trace::{Attribute, Caller, Ending, Trace, Value};

/// The place that this request has, by the word of a trusted peer or of its own.
pub(super) fn begin(head: &RequestHeader, context: &Context) -> Trace {
    let caller = if context.peer.trusted { Caller::Believed } else { Caller::Stranger };
    Trace::begin(&head.headers, caller)
}

/// Tells the upstream, where this program records; else what came passes as it is.
pub(super) fn carry(request: &mut RequestHeader, trace: &Trace) -> pingora::Result<()> {
    let Some((parent, state)) = trace.outgoing() else { return Ok(()) };
    request.insert_header(TRACEPARENT, parent)?;
    match state {
        Some(state) => request.insert_header(TRACESTATE, state)?,
        None => drop(request.remove_header(&TRACESTATE)),
    }
    Ok(())
}

impl<A: Application> Gateway<A> {
    /// The upstream's answer began.
    pub(super) fn upstream_answered(&self, head: &RequestHeader, context: &Context) {
        context.trace.upstream_ends(|| self.upstream_ending(head, context));
    }

    /// The exchange is over. A step towards the upstream that had no answer ends with it.
    pub(super) fn end_trace(&self, session: &Session, context: &Context, sent: Option<StatusCode>) {
        let head = session.req_header();
        context.trace.upstream_ends(|| self.upstream_ending(head, context));
        context.trace.end(|| self.server_ending(head, context, sent));
    }

    fn upstream_ending(&self, head: &RequestHeader, context: &Context) -> Ending {
        let method = context.forward.as_ref().map_or(&head.method, |forward| &forward.method);
        let method = known(method);
        let url = &self.config.upstream.url;
        let mut attributes = vec![
            ("http.request.method", method.into()),
            ("server.address", url.host.clone().into()),
            ("server.port", url.port.into()),
        ];
        let status = context.upstream_status;
        attributes.extend(status.map(status_attribute));
        let failure = match status {
            Some(status) if status.as_u16() < 400 => None,
            Some(status) => Some(Cow::Owned(status.as_u16().to_string())),
            None => Some(reason(context).unwrap_or("no_answer").into()),
        };
        Ending { name: span_name(method).into(), attributes, failure }
    }

    fn server_ending(
        &self,
        head: &RequestHeader,
        context: &Context,
        sent: Option<StatusCode>,
    ) -> Ending {
        let method = known(&head.method);
        let path = Some(head.uri.path()).filter(|path| self.is_endpoint(context.route, path));
        let issuer = &self.config.server.issuer;
        let public = issuer.authority().parse::<Authority>().ok();
        let mut attributes: Vec<Attribute> = vec![
            ("http.request.method", method.into()),
            ("url.scheme", Value::Text(issuer.scheme().to_owned().into())),
            ("parapet.route", context.route.label().into()),
            ("parapet.request_id", context.request_id.as_str().to_owned().into()),
        ];
        if let Some(public) = public {
            attributes.push(("server.address", public.host().to_owned().into()));
            attributes.extend(public.port_u16().map(|port| ("server.port", port.into())));
        }
        attributes.extend(path.map(|path| ("http.route", path.to_owned().into())));
        attributes.extend(sent.map(status_attribute));
        attributes.extend(reason(context).map(|reason| ("parapet.reason", reason.into())));
        let failure = match sent {
            Some(status) if !status.is_server_error() => None,
            Some(status) => Some(Cow::Owned(status.as_u16().to_string())),
            None => Some(reason(context).unwrap_or("no_answer").into()),
        };
        let name = match path {
            Some(path) => format!("{} {path}", span_name(method)).into(),
            None => span_name(method).into(),
        };
        Ending { name, attributes, failure }
    }

    /// Whether a path is one of few and says nothing of a request.
    fn is_endpoint(&self, route: Route, path: &str) -> bool {
        match route {
            Route::Par | Route::Metadata => true,
            Route::Authorize => self.application.is_authorization_endpoint(path),
            Route::PassThrough => false,
        }
    }
}

fn reason(context: &Context) -> Option<&'static str> {
    context.failure.map(|failure| failure.reason)
}

fn status_attribute(status: StatusCode) -> Attribute {
    ("http.response.status_code", status.as_u16().into())
}

/// Any text can be a method; of those that nobody knows it is not told which.
fn known(method: &Method) -> &'static str {
    metrics::Method::from(method).as_str()
}

fn span_name(method: &'static str) -> &'static str {
    if method == "_OTHER" { "HTTP" } else { method }
}
