//! A finished span, as it goes to the collector.

use std::borrow::Cow;

use super::context::{SpanId, TraceId};

/// What something was, from when to when.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// Its own name.
    pub span_id: SpanId,
    /// The span that it is a part of.
    pub parent: Option<SpanId>,
    /// What it is: one of few names.
    pub name: Cow<'static, str>,
    /// Its side.
    pub kind: Kind,
    /// In nanoseconds since the Unix epoch.
    pub start: u64,
    /// In nanoseconds since the Unix epoch.
    pub end: u64,
    /// What is known of it.
    pub attributes: Vec<Attribute>,
    /// Whether it failed.
    pub failed: bool,
}

/// Name and value.
pub type Attribute = (&'static str, Value);

/// An attribute's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

/// The side that a span shows, by its number in OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A step of our own.
    Internal = 1,
    /// A request to us.
    Server = 2,
    /// A request of ours.
    Client = 3,
}
