//! Spans that have begun, and the one that the running task is in.

use std::mem;
use std::sync::Arc;

use aws_lc_rs::rand;
use parking_lot::Mutex;
use tokio::task_local;

use super::context::{SpanId, TraceContext, TraceId};
use super::span::{Attribute, Kind, Span, Value};
use super::{Ending, Tracer};

/// A span that has begun; or, where nothing is recorded, the name of its trace alone.
#[derive(Debug)]
pub(super) struct Open {
    /// `None` where nothing is recorded by this program.
    tracer: Option<&'static Tracer>,
    place: TraceContext,
    parent: Option<SpanId>,
    kind: Kind,
    start: u64,
    /// By how many milliseconds the wall clock was ahead as the trace began.
    ahead: i64,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    attributes: Vec<Attribute>,
    failure: Option<&'static str>,
    ended: bool,
}

impl Open {
    /// The trace that a believed caller named, while nothing is recorded here.
    pub(super) fn named_only(place: TraceContext) -> Self {
        Self {
            tracer: None,
            place,
            parent: None,
            kind: Kind::Server,
            start: 0,
            ahead: 0,
            noted: Mutex::default(),
        }
    }

    /// The first span of a request. `None` without randomness: then it is not traced.
    pub(super) fn root(
        tracer: &'static Tracer,
        trace_id: TraceId,
        parent: Option<TraceContext>,
    ) -> Option<Arc<Self>> {
        let sampled = tracer.sampler.records(trace_id, parent);
        Some(Arc::new(Self {
            tracer: Some(tracer),
            place: TraceContext { trace_id, span_id: SpanId(drawn()?), sampled },
            parent: parent.map(|parent| parent.span_id),
            kind: Kind::Server,
            start: tracer.clock.nanoseconds(),
            ahead: tracer.clock.ahead(),
            noted: Mutex::default(),
        }))
    }

    /// A part of this one; this one itself where it is not recorded.
    pub(super) fn child(self: &Arc<Self>, kind: Kind) -> Arc<Self> {
        let Some(tracer) = self.tracer.filter(|_| self.is_recorded()) else {
            return Arc::clone(self);
        };
        // Without randomness two spans share a name, which hurts nobody.
        let span_id = drawn().map_or(self.place.span_id, SpanId);
        Arc::new(Self {
            tracer: Some(tracer),
            place: TraceContext { span_id, ..self.place },
            parent: Some(self.place.span_id),
            kind,
            start: tracer.clock.nanoseconds(),
            ahead: self.ahead,
            noted: Mutex::default(),
        })
    }

    pub(super) fn trace_id(&self) -> TraceId {
        self.place.trace_id
    }

    pub(super) fn is_recorded(&self) -> bool {
        self.tracer.is_some() && self.place.sampled
    }

    /// What others are told; `None` while this program is no part of traces.
    pub(super) fn outgoing(&self) -> Option<TraceContext> {
        self.tracer.map(|_| self.place)
    }

    /// What collectors are told: the wall clock may have been corrected since the start.
    const fn on_the_wall(&self, nanoseconds: u64) -> u64 {
        nanoseconds.saturating_add_signed(self.ahead.saturating_mul(1_000_000))
    }

    fn note(&self, name: &'static str, value: Value) {
        if self.is_recorded() {
            self.noted.lock().attributes.push((name, value));
        }
    }

    /// Records it, once.
    pub(super) fn end(&self, ending: Ending) {
        let Some(tracer) = self.tracer.filter(|_| self.is_recorded()) else { return };
        let noted =
            mem::replace(&mut *self.noted.lock(), Noted { ended: true, ..Noted::default() });
        if noted.ended {
            return;
        }
        let failure = ending.failure.or_else(|| noted.failure.map(Into::into));
        let failed = failure.is_some();
        let mut attributes = ending.attributes;
        attributes.extend(noted.attributes);
        attributes.extend(failure.map(|failure| ("error.type", Value::Text(failure))));
        tracer.record(Span {
            trace_id: self.place.trace_id,
            span_id: self.place.span_id,
            parent: self.parent,
            name: ending.name,
            kind: self.kind,
            start: self.on_the_wall(self.start),
            end: self.on_the_wall(tracer.clock.nanoseconds()),
            attributes,
            failed,
        });
    }
}

task_local! {
    static CURRENT: Option<Arc<Open>>;
}

fn current() -> Option<Arc<Open>> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// The trace that the running task works for, for log lines.
#[must_use]
pub fn current_id() -> Option<TraceId> {
    let id = CURRENT.try_with(|open| open.as_ref().map(|open| open.trace_id()));
    id.ok().flatten()
}

/// Says something of the step that the running task is in. Nothing that came with a request.
pub fn note(name: &'static str, value: &'static str) {
    let _ = CURRENT.try_with(|open| {
        if let Some(open) = open {
            open.note(name, value.into());
        }
    });
}

/// Says that the step that the running task is in has failed, by a word of a closed list.
pub fn fail(kind: &'static str) {
    let _ = CURRENT.try_with(|open| {
        if let Some(open) = open {
            open.noted.lock().failure = Some(kind);
        }
    });
}

/// Awaits `future` as a part of the step that the running task is in.
pub async fn step<F: Future>(name: &'static str, kind: Kind, future: F) -> F::Output {
    let step = current().map(|open| open.child(kind));
    run(step, name, future).await
}

/// Awaits `future` as this span, and records it at the end or when it is given up.
pub(super) async fn run<F: Future>(
    step: Option<Arc<Open>>,
    name: &'static str,
    future: F,
) -> F::Output {
    // Without a span nothing is moved about for it.
    if step.is_none() {
        return future.await;
    }
    let _ended = Ended { step: step.clone(), name };
    CURRENT.scope(step, future).await
}

/// Awaits `future` with `open` as the current span.
pub(super) async fn attach<F: Future>(open: Option<Arc<Open>>, future: F) -> F::Output {
    if open.is_none() {
        return future.await;
    }
    CURRENT.scope(open, future).await
}

/// Does `work` with `open` as the current span.
pub(super) fn attach_now<T>(open: Option<Arc<Open>>, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(open, work)
}

struct Ended {
    step: Option<Arc<Open>>,
    name: &'static str,
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(step) = self.step.take() {
            let name = self.name.into();
            step.end(Ending { name, attributes: Vec::new(), failure: None });
        }
    }
}

/// Random bytes, not all zero; `None` where the system gives none.
pub(super) fn drawn<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).ok()?;
    (bytes != [0; N]).then_some(bytes)
}
