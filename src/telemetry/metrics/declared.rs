//! Every metric of the gateway, declared once: name, kind, labels, help.

/// What a metric is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declaration {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

/// The Prometheus type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    /// With its upper bounds in seconds.
    Histogram(&'static [f64]),
}

macro_rules! declare {
    ($($constant:ident = $name:literal, $kind:expr, [$($label:literal),*], $help:literal;)+) => {
        $(pub(super) const $constant: Declaration = Declaration {
            name: concat!("parapet_", $name),
            kind: $kind,
            labels: &[$($label),*],
            help: $help,
        };)+

        /// All of them.
        pub(super) const DECLARED: &[Declaration] = &[$($constant),+];
    };
}

use Kind::{Counter, Gauge, Histogram};

/// One answer of the gateway itself.
const ANSWER: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
/// One request, the upstream's work included.
const REQUEST: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Between push and redeem; a reference lives at most 599 seconds.
const AGE: &[f64] =
    &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0, 600.0];
/// Between redeem and completion: what a person needs.
const LOGIN: &[f64] =
    &[0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0];

declare! {
    PUSH_REQUESTS = "push_requests_total", Counter, ["result", "error", "auth_method"],
        "Pushed authorization requests by outcome.";
    PUSH_DURATION = "push_duration_seconds", Histogram(ANSWER), ["result"],
        "Time from a push's last byte to its answer.";
    CLIENT_AUTH = "client_auth_total", Counter, ["method", "verdict"],
        "Client authentications at the PAR endpoint.";
    REDEEM = "redeem_total", Counter, ["result"],
        "Authorization requests that carry one of our request_uri values.";
    REDEEM_AGE = "redeem_age_seconds", Histogram(AGE), [],
        "Age of a pushed request when it is first redeemed.";
    COMPLETION = "completion_total", Counter, ["outcome"],
        "Flows by how they ended.";
    LOGIN_DURATION = "login_duration_seconds", Histogram(LOGIN), [],
        "Time from redeem to completion.";
    PENDING_REQUESTS = "pending_requests", Gauge, [],
        "Pushed requests and flows in the store.";
    STORE_BYTES = "store_bytes", Gauge, [],
        "Bytes that the store accounts for.";
    PLAIN_AUTHORIZE = "plain_authorize_total", Counter, ["decision"],
        "Authorization requests that were not pushed.";
    IGNORED_PARAMETERS = "ignored_parameters_total", Counter, [],
        "Parameters beside a request_uri that were ignored.";
    DISCLOSURES = "disclosures_total", Counter, [],
        "Redirects in which the upstream showed pushed values in client_data.";
    RATE_LIMITED = "rate_limited_total", Counter, ["scope"],
        "Requests or connections refused by a limit.";
    STORE_ERRORS = "store_errors_total", Counter, ["op", "cause"],
        "Store operations that failed.";
    DRAINING = "draining", Gauge, [],
        "1 once the gateway was told to stop, while it finishes what is in flight.";
    STORE_UP = "store_up", Gauge, [],
        "1 while the store does its work, 0 while calls to it are refused at once.";
    GUARD_REFUSALS = "guard_refusals_total", Counter, ["place"],
        "Requests that the guard did not let through.";
    HTML_MASKED = "html_masked_total", Counter, ["result"],
        "Pages of the upstream that carried or could carry a request.";
    HTTP_DURATION = "http_server_request_duration_seconds", Histogram(REQUEST),
        ["http_request_method", "http_route", "http_response_status_code"],
        "Time from a request's head to the end of its answer.";
    HTTP_ACTIVE = "http_server_active_requests", Gauge, [],
        "Requests in progress.";
    UPSTREAM_ERRORS = "upstream_errors_total", Counter, ["kind"],
        "Requests that the upstream did not answer properly.";
    METADATA_FETCH = "metadata_fetch_total", Counter, ["result"],
        "Fetches of the upstream's metadata documents.";
    TLS_CERTIFICATE_EXPIRES = "tls_certificate_expires_timestamp_seconds", Gauge, ["listener"],
        "When the certificate in use expires, in seconds since the Unix epoch.";
    CLIENT_KEYS_FETCH = "client_keys_fetch_total", Counter, ["result"],
        "Fetches of clients' keys from their jwks_uri.";
    LOG_LINES_DROPPED = "log_lines_dropped_total", Counter, [],
        "Log lines lost because standard error was too slow or took none.";
    AUDIT_LINES_DROPPED = "audit_lines_dropped_total", Counter, [],
        "Audit lines lost because their own stream was too slow or took none.";
    SPANS_SENT = "trace_spans_sent_total", Counter, [],
        "Spans that the collector took.";
    SPANS_DROPPED = "trace_spans_dropped_total", Counter, [],
        "Spans lost because the collector was too slow or took none.";
    BUILD_INFO = "build_info", Gauge, ["version"],
        "1, with the version that runs.";
    CONFIG_INFO = "config_info", Gauge, ["hash"],
        "1 for the configuration in use, by its hash; 0 for earlier ones.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/metrics.md");

    #[test]
    fn names_are_unique_and_say_what_they_are() {
        let names: HashSet<_> = DECLARED.iter().map(|declared| declared.name).collect();
        assert_eq!(names.len(), DECLARED.len());
        for declared in DECLARED {
            let name = declared.name;
            assert_eq!(name.ends_with("_total"), declared.kind == Counter, "{name}");
            if let Histogram(bounds) = declared.kind {
                assert!(name.ends_with("_seconds"), "{name}");
                assert!(bounds.is_sorted_by(|a, b| a < b), "{name}");
            }
        }
    }

    /// The table in `docs/metrics.md` has one row per metric: name, type, labels, meaning.
    #[test]
    fn the_document_lists_exactly_these() {
        let documented: Vec<&str> =
            DOCUMENT.lines().filter(|line| line.starts_with("| `parapet_")).collect();
        assert_eq!(documented.len(), DECLARED.len());
        for (declared, row) in DECLARED.iter().zip(documented) {
            let kind = match declared.kind {
                Counter => "counter",
                Gauge => "gauge",
                Histogram(_) => "histogram",
            };
            let labels: Vec<String> =
                declared.labels.iter().map(|label| format!("`{label}`")).collect();
            let expected = format!(
                "| `{}` | {kind} | {} | {} |",
                declared.name,
                labels.join(", "),
                declared.help
            )
            .replace("|  |", "| |");
            assert_eq!(row, expected);
        }
    }
}
