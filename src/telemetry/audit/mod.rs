//! The audit trail: one line per push, redeem, completion and failed authentication.
//!
//! Target `parapet::audit`, among the other lines or in a stream apart. Event names and fields are
//! stable (`docs/logs.md`, `docs/audit.schema.json`). Every field comes out of a closed set or was made
//! by the gateway; absent ones are left out.

mod stream;

use std::net::IpAddr;

use serde::Serialize;
use tracing::{Level, enabled, event};

use super::metrics::AuthMethod;
use super::recent::recent;
use super::trace;
use crate::oauth::error::ErrorCode;
use crate::oauth::request_uri::Reference;
use stream::Stream;
pub use stream::{AuditError, Destination, open};

/// The tracing target of the trail.
pub const TARGET: &str = "parapet::audit";

/// What every line says, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Of a *registered* client; anything else stays `None`.
    pub client_id: Option<&'a str>,
    /// The gateway's number of the request.
    pub request_id: &'a str,
    /// Told by its fingerprint alone, which is made where a line is written.
    pub reference: Option<&'a Reference>,
    /// The peer, or whom a trusted proxy names.
    pub client_address: Option<IpAddr>,
}

/// `push.accepted`
pub fn push_accepted(at: Circumstances<'_>, auth_method: AuthMethod) {
    line(Level::INFO, Line { auth_method: Some(auth_method), ..Line::new("push.accepted", at) });
}

/// `push.refused`. `reason` is a label of the stage that refused.
pub fn push_refused(
    at: Circumstances<'_>,
    auth_method: AuthMethod,
    error: ErrorCode,
    reason: &'static str,
) {
    let (auth_method, error, reason) = (Some(auth_method), Some(error.label()), Some(reason));
    line(Level::WARN, Line { auth_method, error, reason, ..Line::new("push.refused", at) });
}

/// `client_authentication.failed`. `reason` is a label of the stage that refused.
pub fn client_authentication_failed(
    at: Circumstances<'_>,
    auth_method: AuthMethod,
    reason: &'static str,
) {
    let (auth_method, reason) = (Some(auth_method), Some(reason));
    let line_of = Line::new("client_authentication.failed", at);
    line(Level::WARN, Line { auth_method, reason, ..line_of });
}

/// `redeem.accepted`. `reason` is `ok` for the first, `reload` for a later one.
pub fn redeem_accepted(at: Circumstances<'_>, reason: &'static str) {
    line(Level::INFO, Line { reason: Some(reason), ..Line::new("redeem.accepted", at) });
}

/// `redeem.refused`. `reason` is a label of the stage that refused.
pub fn redeem_refused(at: Circumstances<'_>, error: ErrorCode, reason: &'static str) {
    let (error, reason) = (Some(error.label()), Some(reason));
    line(Level::WARN, Line { error, reason, ..Line::new("redeem.refused", at) });
}

/// `completion.code`: the browser goes back with a code or tokens.
pub fn completion_code(at: Circumstances<'_>) {
    line(Level::INFO, Line::new("completion.code", at));
}

/// `completion.error`: the browser goes back with an error of the upstream. Its text is the
/// upstream's and so stays out.
pub fn completion_error(at: Circumstances<'_>) {
    line(Level::INFO, Line::new("completion.error", at));
}

/// `completion.refused`: the answer of the upstream was withheld. `reason` is a label.
pub fn completion_refused(at: Circumstances<'_>, reason: &'static str) {
    line(Level::WARN, Line { reason: Some(reason), ..Line::new("completion.refused", at) });
}

#[derive(Clone, Copy)]
struct Line<'a> {
    event: &'static str,
    at: Circumstances<'a>,
    auth_method: Option<AuthMethod>,
    error: Option<&'static str>,
    reason: Option<&'static str>,
}

impl<'a> Line<'a> {
    const fn new(event: &'static str, at: Circumstances<'a>) -> Self {
        Self { event, at, auth_method: None, error: None, reason: None }
    }

    fn noted(&self) {
        trace::note("parapet.event", self.event);
        for (name, value) in [
            ("parapet.auth_method", self.auth_method.map(AuthMethod::as_str)),
            ("parapet.error", self.error),
            ("parapet.reason", self.reason),
        ] {
            if let Some(value) = value {
                trace::note(name, value);
            }
        }
    }
}

/// The fields of a line, in their order.
#[derive(Serialize)]
struct Fields<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_address: Option<IpAddr>,
}

impl<'a> From<Line<'a>> for Fields<'a> {
    fn from(line: Line<'a>) -> Self {
        Self {
            event: line.event,
            client_id: line.at.client_id,
            auth_method: line.auth_method.map(AuthMethod::as_str),
            error: line.error,
            reason: line.reason,
            reference: line.at.reference.map(Reference::fingerprint),
            request_id: line.at.request_id,
            trace_id: trace::current_id().map(|id| id.to_string()),
            client_address: line.at.client_address,
        }
    }
}

/// Writes the line to where the trail goes, and says the same of the current span.
fn line(level: Level, line: Line<'_>) {
    recent().note(line.event, line.at.request_id, (line.error, line.reason));
    line.noted();
    match stream::stream() {
        Some(Stream::Off) => {}
        Some(Stream::Apart(lines)) => {
            lines.line(stream::json(level.as_str(), TARGET, Fields::from(line)));
        }
        None => among_the_others(level, line),
    }
}

/// tracing wants the level as a constant.
fn among_the_others(level: Level, line: Line<'_>) {
    macro_rules! write {
        ($level:expr) => {
            if enabled!(target: TARGET, $level) {
                let fields = Fields::from(line);
                event!(
                    target: TARGET,
                    $level,
                    event = fields.event,
                    client_id = fields.client_id,
                    auth_method = fields.auth_method,
                    error = fields.error,
                    reason = fields.reason,
                    reference = fields.reference,
                    request_id = fields.request_id,
                    trace_id = fields.trace_id,
                    client_address = fields.client_address.map(tracing::field::display),
                );
            }
        };
    }
    if level == Level::WARN {
        write!(Level::WARN);
    } else {
        write!(Level::INFO);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::testing::{Sink, logged_json};
    use super::super::writer;
    use super::*;

    const KNOWN: Circumstances<'static> = Circumstances {
        client_id: Some("demo-web"),
        request_id: "5f0c",
        reference: Some(&Reference::from_bytes([7; 32])),
        client_address: Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
    };

    /// The first digits of the SHA-256 of thirty-two sevens.
    const REFERENCE: &str = "4bb06f8e";

    fn without_time(mut line: Value) -> Value {
        line.as_object_mut().unwrap().remove("timestamp").unwrap();
        line
    }

    #[test]
    fn a_line_has_exactly_the_fields_that_are_known() {
        let lines = logged_json(|| {
            push_accepted(KNOWN, AuthMethod::ClientSecretBasic);
            let unknown =
                Circumstances { client_id: None, reference: None, client_address: None, ..KNOWN };
            client_authentication_failed(unknown, AuthMethod::None, "unknown_client");
        });
        let lines: Vec<_> = lines.into_iter().map(without_time).collect();
        assert_eq!(
            lines,
            [
                serde_json::json!({
                    "level": "INFO", "target": TARGET, "event": "push.accepted",
                    "client_id": "demo-web", "auth_method": "client_secret_basic",
                    "reference": REFERENCE, "request_id": "5f0c", "client_address": "127.0.0.1",
                }),
                serde_json::json!({
                    "level": "WARN", "target": TARGET, "event": "client_authentication.failed",
                    "auth_method": "none", "reason": "unknown_client", "request_id": "5f0c",
                }),
            ]
        );
    }

    #[test]
    fn event_names_are_stable_and_documented() {
        let document = include_str!("../../../docs/logs.md");
        let lines = logged_json(one_of_each);
        let names: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
        let expected = [
            "push.accepted",
            "push.refused",
            "redeem.accepted",
            "redeem.refused",
            "completion.code",
            "completion.error",
            "completion.refused",
            "client_authentication.failed",
        ];
        assert_eq!(names, expected);
        for line in &lines {
            for name in line.as_object().unwrap().keys() {
                assert!(document.contains(&format!("`{name}`")), "{name} is not documented");
            }
        }
        for name in expected {
            assert!(document.contains(&format!("| `{name}` |")), "{name} is not documented");
        }
    }

    fn one_of_each() {
        let error = ErrorCode::InvalidRequest;
        push_accepted(KNOWN, AuthMethod::ClientSecretBasic);
        push_refused(KNOWN, AuthMethod::None, error, "duplicate_parameter");
        redeem_accepted(KNOWN, "ok");
        redeem_refused(KNOWN, error, "other_client");
        completion_code(KNOWN);
        completion_error(KNOWN);
        completion_refused(KNOWN, "lost_race");
        let unknown =
            Circumstances { client_id: None, reference: None, client_address: None, ..KNOWN };
        client_authentication_failed(unknown, AuthMethod::None, "mismatch");
    }

    /// The schema that is shipped takes every line, and no field that it does not name.
    #[test]
    fn every_line_is_as_the_schema_says() {
        let schema = include_str!("../../../docs/audit.schema.json");
        let schema: Value = serde_json::from_str(schema).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let lines = logged_json(one_of_each);
        assert_eq!(lines.len(), 8);
        for line in &lines {
            let faults: Vec<_> = validator.iter_errors(line).map(|e| e.to_string()).collect();
            assert!(faults.is_empty(), "{line}: {faults:?}");
        }
        let mut odd = lines[0].clone();
        odd["state"] = "x".into();
        assert!(!validator.is_valid(&odd));
        odd = lines[0].clone();
        odd["event"] = "push.lost".into();
        assert!(!validator.is_valid(&odd));
        let events = schema["properties"]["event"]["enum"].as_array().unwrap();
        let mut emitted: Vec<_> = lines.iter().map(|line| line["event"].clone()).collect();
        emitted.dedup();
        assert_eq!(events.len(), emitted.len());
    }

    #[test]
    fn a_line_apart_is_the_line_among_the_others() {
        let sink = Sink::default();
        let (lines, guard) = writer::start("audit", sink.clone(), 9, |_| {}).unwrap();
        let line = Line { reason: Some("ok"), ..Line::new("redeem.accepted", KNOWN) };
        lines.line(stream::json("INFO", TARGET, Fields::from(line)));
        drop(guard);
        let text = String::from_utf8(sink.0.lock().clone()).unwrap();
        let apart: Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
        let among = logged_json(|| redeem_accepted(KNOWN, "ok")).remove(0);
        assert_eq!(apart["timestamp"].as_str().unwrap().len(), 27, "{apart}");
        assert_eq!(without_time(apart), without_time(among));
    }
}
