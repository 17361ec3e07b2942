//! `ExportTraceServiceRequest` in Protocol Buffers, as opentelemetry-proto 1.x numbers its fields.

use super::super::span::{Span, Value};

/// `Resource`, encoded once.
pub(super) fn resource(attributes: &[(String, String)]) -> Vec<u8> {
    let mut resource = Message::default();
    for (name, value) in attributes {
        resource.message(1, &text_attribute(name, value));
    }
    resource.0
}

/// A whole request: one resource, one scope, these spans.
pub(super) fn request(resource: &[u8], spans: &[Span]) -> Vec<u8> {
    let mut scope = Message::default();
    scope.bytes(1, env!("CARGO_PKG_NAME").as_bytes());
    scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
    let mut scope_spans = Message::default();
    scope_spans.message(1, &scope);
    for recorded in spans {
        scope_spans.message(2, &span(recorded));
    }
    let mut resource_spans = Message::default();
    resource_spans.bytes(1, resource);
    resource_spans.message(2, &scope_spans);
    let mut request = Message::default();
    request.message(1, &resource_spans);
    request.0
}

fn span(span: &Span) -> Message {
    let mut message = Message::default();
    message.bytes(1, &span.trace_id.0);
    message.bytes(2, &span.span_id.0);
    if let Some(parent) = span.parent {
        message.bytes(4, &parent.0);
    }
    message.bytes(5, span.name.as_bytes());
    message.number(6, span.kind as u64);
    message.fixed(7, span.start);
    message.fixed(8, span.end);
    for (name, value) in &span.attributes {
        let attribute = match value {
            Value::Text(text) => text_attribute(name, text),
            Value::Number(number) => number_attribute(name, *number),
        };
        message.message(9, &attribute);
    }
    if span.failed {
        let mut status = Message::default();
        status.number(3, STATUS_ERROR);
        message.message(15, &status);
    }
    message
}

const STATUS_ERROR: u64 = 2;

fn text_attribute(name: &str, text: &str) -> Message {
    let mut value = Message::default();
    value.bytes(1, text.as_bytes());
    attribute(name, &value)
}

fn number_attribute(name: &str, number: i64) -> Message {
    let mut value = Message::default();
    value.number(3, number.cast_unsigned());
    attribute(name, &value)
}

fn attribute(name: &str, value: &Message) -> Message {
    let mut attribute = Message::default();
    attribute.bytes(1, name.as_bytes());
    attribute.message(2, value);
    attribute
}

/// The fields of a message, one after the other.
#[derive(Default)]
struct Message(Vec<u8>);

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const DELIMITED: u64 = 2;

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(number.to_le_bytes().first().copied().unwrap_or_default() | 0x80);
            number >>= 7;
        }
        self.0.extend(number.to_le_bytes().first());
    }

    fn tag(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    fn number(&mut self, field: u64, number: u64) {
        self.tag(field, VARINT);
        self.varint(number);
    }

    fn fixed(&mut self, field: u64, number: u64) {
        self.tag(field, FIXED_64);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.tag(field, DELIMITED);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Known;
    use prost::Message as _;

    use super::super::super::{Kind, SpanId, TraceId};
    use super::*;

    #[test]
    fn the_official_schema_reads_what_was_written() {
        let written = Span {
            trace_id: TraceId([1; 16]),
            span_id: SpanId([2; 8]),
            parent: Some(SpanId([3; 8])),
            name: "POST /par".into(),
            kind: Kind::Server,
            start: 1_700_000_000_123_456_789,
            end: 1_700_000_000_223_456_789,
            attributes: vec![("a", "b".into()), ("status", 500_u16.into())],
            failed: true,
        };
        let child = Span { parent: None, failed: false, attributes: vec![], ..written.clone() };
        let resource = resource(&[("service.name".to_owned(), "x".repeat(300))]);
        let bytes = request(&resource, &[written.clone(), child]);
        let read = ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
        assert_eq!(read.encode_to_vec(), bytes);
        let resource_spans = &read.resource_spans[0];
        let named = &resource_spans.resource.as_ref().unwrap().attributes[0];
        let text = |value: &str| Some(Known::StringValue(value.to_owned()));
        assert_eq!(named.value.as_ref().unwrap().value, text(&"x".repeat(300)));
        let scope_spans = &resource_spans.scope_spans[0];
        assert_eq!(scope_spans.scope.as_ref().unwrap().name, "parapet");
        let [span, child] = &scope_spans.spans[..] else { panic!("two spans") };
        assert_eq!((&span.trace_id[..], &span.span_id[..]), (&[1; 16][..], &[2; 8][..]));
        assert_eq!((&span.parent_span_id[..], child.parent_span_id.len()), (&[3; 8][..], 0));
        assert_eq!((span.name.as_str(), span.kind), ("POST /par", 2));
        assert_eq!(span.start_time_unix_nano, written.start);
        assert_eq!(span.end_time_unix_nano, written.end);
        let value = |at: usize| span.attributes[at].value.as_ref().unwrap().value.clone();
        assert_eq!((value(0), value(1)), (text("b"), Some(Known::IntValue(500))));
        assert_eq!(span.status.as_ref().unwrap().code, 2);
        assert!(child.status.is_none() && child.attributes.is_empty());
    }
}
