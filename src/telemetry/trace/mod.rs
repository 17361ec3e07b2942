//! Traces: where a request stands in the trace of its caller, what the upstream is told of that, and
//! the spans that are recorded where a collector is named.
//!
//! [`Trace`] goes with a request. What runs [within](Trace::within) it can add [steps](step) and
//! [notes](note) without knowing of it. While nothing is recorded, all of this does next to nothing.
//! No span holds a parameter, a query, a path that is not an endpoint's, or a reference.

pub mod context;
mod open;
#[cfg(feature = "otlp")]
mod otlp;
pub mod sampler;
pub mod settings;
mod span;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::metrics::meter;
use crate::clock::Clock;
pub use context::{SpanId, TraceContext, TraceId};
use open::{Open, drawn};
pub use open::{current_id, fail, note, step};
use sampler::Sampler;
pub use settings::Settings;
pub use span::{Attribute, Kind, Span, Value};

/// Records spans for the whole process.
pub struct Tracer {
    sampler: Sampler,
    spans: SyncSender<Message>,
    clock: Arc<dyn Clock>,
}

/// What the exporting thread gets.
pub enum Message {
    /// A finished span.
    Span(Box<Span>),
    /// Sends what is there and ends.
    Stop,
}

static TRACER: OnceLock<Tracer> = OnceLock::new();

/// Begins to record and to send. To be called once, before the first request.
///
/// # Errors
/// Where the thread that sends cannot be started.
#[cfg(feature = "otlp")]
pub fn start(settings: Settings, clock: Arc<dyn Clock>) -> io::Result<TraceGuard> {
    let (tracer, guard) = otlp::start(settings, clock)?;
    let _ = TRACER.set(tracer);
    Ok(guard)
}

/// This program was built without the feature `otlp`.
///
/// # Errors
/// Always.
#[cfg(not(feature = "otlp"))]
pub fn start(_settings: Settings, _clock: Arc<dyn Clock>) -> io::Result<TraceGuard> {
    Err(io::Error::other("this program was built without the feature `otlp`"))
}

/// Whether spans are recorded.
#[must_use]
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

/// Sends what waits, when dropped. To be kept until the last request has ended.
#[must_use]
pub struct TraceGuard {
    spans: SyncSender<Message>,
    thread: JoinHandle<()>,
}

impl Drop for TraceGuard {
    /// Gives a collector that does not answer three seconds.
    fn drop(&mut self) {
        let mut told = false;
        for _ in 0..600 {
            told = told || self.spans.try_send(Message::Stop).is_ok();
            if self.thread.is_finished() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("sampler", &self.sampler).finish_non_exhaustive()
    }
}

impl Tracer {
    /// Hands the span on, or drops and counts it.
    fn record(&self, span: Span) {
        if self.spans.try_send(Message::Span(Box::new(span))).is_err() {
            meter().spans_dropped(1);
        }
    }
}

/// One request's place in a trace.
#[derive(Debug, Default)]
pub struct Trace {
    /// `None` while nothing is recorded and no believed caller named a trace.
    server: Option<Arc<Open>>,
    upstream: Option<Arc<Open>>,
    state: Option<HeaderValue>,
}

/// How a request ended.
#[derive(Debug)]
pub struct Ending {
    /// Name of the span: method and route.
    pub name: Cow<'static, str>,
    /// By the conventions of OpenTelemetry for HTTP servers.
    pub attributes: Vec<Attribute>,
    /// `error.type`, where it failed on the server's side.
    pub failure: Option<Cow<'static, str>>,
}

impl Trace {
    /// A request with these fields begins. The caller's `traceparent` and `tracestate` count where it
    /// is `believed`; anybody else's request is a trace of its own.
    #[must_use]
    pub fn begin(headers: &HeaderMap, believed: Caller) -> Self {
        Self::begun(TRACER.get(), headers, believed)
    }

    fn begun(tracer: Option<&'static Tracer>, headers: &HeaderMap, caller: Caller) -> Self {
        let given = match caller {
            Caller::Believed => TraceContext::of(headers),
            Caller::Stranger => None,
        };
        let Some(tracer) = tracer else {
            let server = given.map(|given| Arc::new(Open::named_only(given)));
            return Self { server, ..Self::default() };
        };
        let Some(trace_id) = given.map(|given| given.trace_id).or_else(|| drawn().map(TraceId))
        else {
            return Self::default();
        };
        Self {
            server: Open::root(tracer, trace_id, given),
            upstream: None,
            state: given.and_then(|_| context::trace_state(headers)),
        }
    }

    /// The trace's id, for log lines.
    #[must_use]
    pub fn id(&self) -> Option<TraceId> {
        self.server.as_ref().map(|server| server.trace_id())
    }

    /// The upstream is about to be asked. Asked again, it is the same step.
    pub fn upstream_begins(&mut self) {
        if self.upstream.is_none() {
            self.upstream = self.server.as_ref().map(|server| server.child(Kind::Client));
        }
    }

    /// `traceparent` and `tracestate` for the upstream, in place of what came; `None` where what came
    /// passes as it is, because nothing is recorded here.
    #[must_use]
    pub fn outgoing(&self) -> Option<(HeaderValue, Option<HeaderValue>)> {
        let step = self.upstream.as_ref().or(self.server.as_ref())?;
        Some((step.outgoing()?.to_header()?, self.state.clone()))
    }

    /// The upstream's answer began, or will not come. Only the first word counts.
    pub fn upstream_ends(&self, ending: impl FnOnce() -> Ending) {
        if let Some(upstream) = self.upstream.as_ref().filter(|upstream| upstream.is_recorded()) {
            upstream.end(ending());
        }
    }

    /// The request is over.
    pub fn end(&self, ending: impl FnOnce() -> Ending) {
        if let Some(server) = self.server.as_ref().filter(|server| server.is_recorded()) {
            server.end(ending());
        }
    }

    /// Awaits `future` as a step of this request.
    pub async fn within<F: Future>(&self, name: &'static str, future: F) -> F::Output {
        let step = self.server.as_ref().map(|server| server.child(Kind::Internal));
        open::run(step, name, future).await
    }

    /// Awaits `future` for this request, without a step of its own.
    pub async fn alongside<F: Future>(&self, future: F) -> F::Output {
        open::attach(self.server.clone(), future).await
    }

    /// The same at once.
    pub fn around<T>(&self, work: impl FnOnce() -> T) -> T {
        open::attach_now(self.server.clone(), work)
    }
}

/// Whether what a caller says of traces counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// One of the trusted proxies.
    Believed,
    /// Anybody else.
    Stranger,
}

#[cfg(test)]
mod tests;
