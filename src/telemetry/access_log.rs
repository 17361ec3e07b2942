//! The access log: one line per request, target `parapet::access`, values redacted.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use tracing::{Level, enabled, event};

use super::metrics::RouteLabel;
use super::trace::TraceId;

/// The tracing target of the access log.
pub const TARGET: &str = "parapet::access";

/// One request, finished.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// The request method.
    pub method: &'a http::Method,
    /// The path as received, still percent-encoded. Cut at 256 bytes in the line.
    pub path: &'a str,
    /// The query as received, without `?`. Redacted in the line.
    pub query: Option<&'a str>,
    /// The status sent; `None` where no answer left the gateway.
    pub status: Option<u16>,
    /// The status the upstream gave, if it was asked.
    pub upstream_status: Option<u16>,
    /// Body bytes sent.
    pub bytes: u64,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// From asking the upstream to its response head.
    pub upstream: Option<Duration>,
    /// Who took the request.
    pub route: RouteLabel,
    /// The gateway's number of the request.
    pub request_id: &'a str,
    /// The trace that it is a part of.
    pub trace_id: Option<TraceId>,
    /// The peer, or whom a trusted proxy names.
    pub client_address: Option<IpAddr>,
    /// `HTTP/1.1` and the like.
    pub protocol: http::Version,
}

impl Access<'_> {
    /// Writes the line, at `info`.
    pub fn log(&self) {
        if !enabled!(target: TARGET, Level::INFO) {
            return;
        }
        let (path, query) = (capped(self.path), self.query.map(redact_query));
        event!(
            target: TARGET,
            Level::INFO,
            method = self.method.as_str(),
            path = path.as_ref(),
            query = query.as_deref(),
            status = self.status,
            upstream_status = self.upstream_status,
            bytes = self.bytes,
            duration_ms = milliseconds(self.duration),
            upstream_ms = self.upstream.map(milliseconds),
            route = self.route.as_str(),
            request_id = self.request_id,
            trace_id = self.trace_id.map(tracing::field::display),
            client_address = self.client_address.map(tracing::field::display),
            protocol = version(self.protocol),
        );
    }
}

/// Values that may be shown: short words of the protocol that say nothing about a person.
const SHOWN: [&str; 5] = ["response_type", "response_mode", "prompt", "ui_locales", "error"];

/// Names that may be shown, their values hidden.
const NAMED: [&str; 38] = [
    "acr_values",
    "assertion",
    "authorization_details",
    "claims",
    "claims_locales",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "display",
    "dpop_jkt",
    "error_description",
    "error_uri",
    "grant_type",
    "id_token",
    "id_token_hint",
    "iss",
    "login_hint",
    "logout_hint",
    "max_age",
    "nonce",
    "password",
    "post_logout_redirect_uri",
    "redirect_uri",
    "refresh_token",
    "registration",
    "request",
    "request_uri",
    "resource",
    "response",
    "scope",
    "session_state",
    "state",
    "username",
];

/// A value is shown only up to here; longer ones are no words of the protocol.
const LONGEST_SHOWN: usize = 64;

/// How many parameters of a query are shown.
const MOST_SHOWN: usize = 32;

/// The query with every value replaced by `…`, except for a short list of harmless parameters; an
/// unknown name is replaced too. A query of which everything may be seen is returned as it is.
///
/// Names are compared as they stand: one that is percent-encoded is unknown.
#[must_use]
pub fn redact_query(query: &str) -> Cow<'_, str> {
    let parameters = || query.split('&');
    if parameters().count() <= MOST_SHOWN && parameters().all(is_shown) {
        return Cow::Borrowed(query);
    }
    let mut redacted = String::with_capacity(query.len().min(512));
    for (position, parameter) in parameters().enumerate() {
        if position > 0 {
            redacted.push('&');
        }
        if position == MOST_SHOWN {
            redacted.push('…');
            break;
        }
        push_redacted(&mut redacted, parameter);
    }
    Cow::Owned(redacted)
}

fn push_redacted(redacted: &mut String, parameter: &str) {
    if is_shown(parameter) {
        redacted.push_str(parameter);
        return;
    }
    let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
    let known = SHOWN.contains(&name) || NAMED.contains(&name);
    redacted.push_str(if known { name } else { "…" });
    if parameter.contains('=') {
        redacted.push_str("=…");
    }
}

/// An allow-listed parameter whose value is a list of plain words, or nothing at all.
fn is_shown(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return parameter.is_empty();
    };
    SHOWN.contains(&name) && value.len() <= LONGEST_SHOWN && value.bytes().all(is_plain)
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'%')
}

const LONGEST_PATH: usize = 256;

fn capped(path: &str) -> Cow<'_, str> {
    match path.char_indices().map(|(start, _)| start).take_while(|&at| at <= LONGEST_PATH).last() {
        Some(end) if path.len() > LONGEST_PATH => {
            Cow::Owned(format!("{}…", path.get(..end).unwrap_or_default()))
        }
        _ => Cow::Borrowed(path),
    }
}

/// Milliseconds to three places.
fn milliseconds(duration: Duration) -> f64 {
    let micros = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1_000.0
}

const fn version(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_09 => "HTTP/0.9",
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_11 => "HTTP/1.1",
        http::Version::HTTP_2 => "HTTP/2.0",
        http::Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::logged_json;
    use super::*;

    fn access() -> Access<'static> {
        Access {
            method: &http::Method::GET,
            path: "/authorize",
            query: Some("client_id=c&state=SECRET&response_type=code"),
            status: Some(302),
            upstream_status: Some(302),
            bytes: 0,
            duration: Duration::from_micros(1_500),
            upstream: Some(Duration::from_millis(1)),
            route: RouteLabel::Authorize,
            request_id: "5f0c",
            trace_id: Some(TraceId([0xa1; 16])),
            client_address: Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
            protocol: http::Version::HTTP_11,
        }
    }

    #[test]
    fn one_line_with_documented_fields_and_no_secret() {
        let document = include_str!("../../docs/logs.md");
        let lines = logged_json(|| access().log());
        assert_eq!(lines.len(), 1);
        let mut line = lines[0].clone();
        for name in line.as_object().unwrap().keys() {
            assert!(document.contains(&format!("`{name}`")), "{name} is not documented");
        }
        line.as_object_mut().unwrap().remove("timestamp").unwrap();
        let expected = serde_json::json!({
            "level": "INFO", "target": TARGET, "method": "GET", "path": "/authorize",
            "query": "client_id=…&state=…&response_type=code", "status": 302,
            "upstream_status": 302, "bytes": 0, "duration_ms": 1.5, "upstream_ms": 1.0,
            "route": "authorize", "request_id": "5f0c",
            "trace_id": "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1", "client_address": "127.0.0.1",
            "protocol": "HTTP/1.1",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let bare = Access {
            query: None,
            status: None,
            upstream_status: None,
            upstream: None,
            trace_id: None,
            client_address: None,
            ..access()
        };
        let lines = logged_json(|| bare.log());
        let names: Vec<_> = lines[0].as_object().unwrap().keys().cloned().collect();
        let absent =
            ["query", "status", "upstream_status", "upstream_ms", "trace_id", "client_address"];
        for absent in absent {
            assert!(!names.iter().any(|name| name == absent), "{absent}");
        }
    }

    #[test]
    fn values_show_only_from_the_allow_list() {
        let table = [
            ("", ""),
            ("response_type=code&prompt=login+consent", "response_type=code&prompt=login+consent"),
            ("client_id=s6BhdRkqt3&state=af0ifjsldkj", "client_id=…&state=…"),
            ("request_uri=urn%3Aietf%3Ax&response_type=code", "request_uri=…&response_type=code"),
            ("sessiontoken=abc", "…=…"),
            ("secretword", "…"),
            ("state", "state"),
            ("st%61te=x", "…=…"),
            ("State=x", "…=…"),
            ("code=a=b=c", "code=…"),
            ("a=1;state=2", "…=…"),
            ("=x", "…=…"),
            ("&&", "&&"),
            (
                "error=access_denied&error_description=Jane%20Doe",
                "error=access_denied&error_description=…",
            ),
            ("prompt=<script>", "prompt=…"),
            ("ui_locales=de-CH+en", "ui_locales=de-CH+en"),
        ];
        for (query, shown) in table {
            assert_eq!(redact_query(query), shown, "{query}");
        }
        let long = format!("prompt={}", "x".repeat(65));
        assert_eq!(redact_query(&long), "prompt=…");
        assert_eq!(redact_query(&"a=b&".repeat(40)).matches('…').count(), 2 * 32 + 1);
    }

    #[test]
    fn a_query_that_may_be_seen_is_not_copied() {
        assert!(matches!(redact_query("prompt=none"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_long_path_is_cut_between_characters() {
        assert_eq!(capped("/par"), "/par");
        let exact = "a".repeat(256);
        assert_eq!(capped(&exact), exact);
        assert_eq!(capped(&"a".repeat(257)), format!("{exact}…"));
        let wide = capped(&"é".repeat(200)).into_owned();
        assert_eq!(wide, format!("{}…", "é".repeat(128)));
        assert_eq!(capped(&format!("a{}", "é".repeat(200))), format!("a{}…", "é".repeat(127)));
    }

    #[test]
    fn durations_are_milliseconds() {
        assert!((milliseconds(Duration::from_micros(1_234)) - 1.234).abs() < 1e-9);
    }

    proptest! {
        /// Whatever stands around it, a value outside the allow list never shows.
        #[test]
        fn no_other_value_ever_shows(
            name in "[a-z_\\[\\]%.;A-Z0-9]{0,12}",
            known in prop::sample::select(&NAMED[..]),
            before in "[a-z=&%;+]{0,20}",
            after in "[a-z=&%;+]{0,20}",
        ) {
            const SECRET: &str = "Zq7SECRETq7Z";
            for name in [name.as_str(), known] {
                prop_assume!(!SHOWN.contains(&name));
                let query = format!("{before}&{name}={SECRET}{after}");
                prop_assert!(!redact_query(&query).contains(SECRET));
                let query = format!("{name}=x{SECRET}&{before}");
                prop_assert!(!redact_query(&query).contains(SECRET));
            }
        }

        #[test]
        fn what_is_left_consists_of_known_parts(query in "[ -~é&=]{0,80}") {
            for part in redact_query(&query).split('&').filter(|part| !part.is_empty()) {
                let (name, value) = part.split_once('=').unwrap_or((part, "…"));
                let known = SHOWN.contains(&name) || NAMED.contains(&name) || name == "…";
                prop_assert!(known, "{}", part);
                prop_assert!(value == "…" || SHOWN.contains(&name), "{}", part);
            }
        }
    }
}
