//! The audit trail: one line per push, redeem, completion and failed authentication.
//!
//! Target `parapet::audit`. Event names and fields are stable (`docs/logs.md`). Every field comes
//! out of a closed set or was made by the gateway; absent ones are left out.

use std::net::IpAddr;

use tracing::{Level, enabled, event};

use super::metrics::AuthMethod;
use super::recent::recent;
use crate::oauth::error::ErrorCode;

/// The tracing target of the trail.
pub const TARGET: &str = "parapet::audit";

/// What every line says, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Of a *registered* client; anything else stays `None`.
    pub client_id: Option<&'a str>,
    /// The gateway's number of the request.
    pub request_id: &'a str,
    /// The first eight hex digits of the SHA-256 of the reference.
    pub reference: Option<&'a str>,
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
}

/// Writes the line; tracing wants the level as a constant.
fn line(level: Level, line: Line<'_>) {
    recent().note(line.event, line.at.request_id, (line.error, line.reason));
    macro_rules! write {
        ($level:expr) => {
            if enabled!(target: TARGET, $level) {
                let address = line.at.client_address.map(tracing::field::display);
                event!(
                    target: TARGET,
                    $level,
                    event = line.event,
                    client_id = line.at.client_id,
                    auth_method = line.auth_method.map(AuthMethod::as_str),
                    error = line.error,
                    reason = line.reason,
                    reference = line.at.reference,
                    request_id = line.at.request_id,
                    client_address = address,
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

    use super::super::testing::logged_json;
    use super::*;

    const KNOWN: Circumstances<'static> = Circumstances {
        client_id: Some("demo-web"),
        request_id: "5f0c",
        reference: Some("0a1b2c3d"),
        client_address: Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
    };

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
                    "reference": "0a1b2c3d", "request_id": "5f0c", "client_address": "127.0.0.1",
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
        let document = include_str!("../../docs/logs.md");
        let error = ErrorCode::InvalidRequest;
        let lines = logged_json(|| {
            push_accepted(KNOWN, AuthMethod::None);
            push_refused(KNOWN, AuthMethod::None, error, "duplicate_parameter");
            redeem_accepted(KNOWN, "ok");
            redeem_refused(KNOWN, error, "other_client");
            completion_code(KNOWN);
            completion_error(KNOWN);
            completion_refused(KNOWN, "lost_race");
            client_authentication_failed(KNOWN, AuthMethod::None, "mismatch");
        });
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
}
