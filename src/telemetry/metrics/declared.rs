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
            name: $name,
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
    PUSH_REQUESTS = "parapet_push_requests_total", Counter, ["result", "error", "auth_method", "form"],
        "Pushed authorization requests by outcome.";
    PUSH_DURATION = "parapet_push_duration_seconds", Histogram(ANSWER), ["result"],
        "Time from a push's last byte to its answer.";
    CLIENT_AUTH = "parapet_client_auth_total", Counter, ["method", "verdict"],
        "Client authentications at the PAR endpoint.";
    CLIENT_AUTH_DURATION = "parapet_client_auth_duration_seconds", Histogram(ANSWER), ["method"],
        "Time that it took to authenticate a client, fetched keys included.";
    REDEEM = "parapet_redeem_total", Counter, ["result"],
        "Authorization requests that carry one of our request_uri values.";
    REDEEM_AGE = "parapet_redeem_age_seconds", Histogram(AGE), [],
        "Age of a pushed request when it is first redeemed.";
    COMPLETION = "parapet_completion_total", Counter, ["outcome"],
        "Flows by how they ended.";
    LOGIN_DURATION = "parapet_login_duration_seconds", Histogram(LOGIN), [],
        "Time from redeem to completion.";
    PENDING_REQUESTS = "parapet_pending_requests", Gauge, [],
        "Pushed requests and flows in the store.";
    STORE_BYTES = "parapet_store_bytes", Gauge, [],
        "Bytes that the store accounts for.";
    STORE_MAX_BYTES = "parapet_store_max_bytes", Gauge, [],
        "Bytes that the store may take; 0 where the store's server decides that.";
    PLAIN_AUTHORIZE = "parapet_plain_authorize_total", Counter, ["decision"],
        "Authorization requests that were not pushed.";
    IGNORED_PARAMETERS = "parapet_ignored_parameters_total", Counter, [],
        "Parameters beside a request_uri that were ignored.";
    DISCLOSURES = "parapet_disclosures_total", Counter, [],
        "Redirects in which the upstream showed pushed values in client_data.";
    RESEAL = "parapet_reseal_total", Counter, ["result"],
        "Redirects of the upstream that carried a request and were rewritten.";
    RATE_LIMITED = "parapet_rate_limited_total", Counter, ["scope"],
        "Requests or connections refused by a limit.";
    LIMITS_TRACKED = "parapet_limits_tracked", Gauge, ["kind"],
        "Clients and addresses that the limits remember.";
    STORE_ERRORS = "parapet_store_errors_total", Counter, ["op", "cause"],
        "Store operations that failed.";
    DRAINING = "parapet_draining", Gauge, [],
        "1 once the gateway was told to stop, while it finishes what is in flight.";
    STORE_UP = "parapet_store_up", Gauge, [],
        "1 while the store does its work, 0 while calls to it are refused at once.";
    STORE_DURATION = "parapet_store_operation_duration_seconds", Histogram(ANSWER), ["op"],
        "Time of one operation of the store.";
    GUARD_REFUSALS = "parapet_guard_refusals_total", Counter, ["place"],
        "Requests and answers that the guard did not let through.";
    HTML_MASKED = "parapet_html_masked_total", Counter, ["result"],
        "Pages of the upstream that carried or could carry a request.";
    HTTP_DURATION = "http_server_request_duration_seconds", Histogram(REQUEST),
        ["http_request_method", "http_route", "http_response_status_code"],
        "Time from a request's head to the end of its answer.";
    HTTP_ACTIVE = "http_server_active_requests", Gauge, [],
        "Requests in progress.";
    UPSTREAM_ERRORS = "parapet_upstream_errors_total", Counter, ["kind"],
        "Requests that the upstream did not answer properly.";
    UPSTREAM_DURATION = "parapet_upstream_request_duration_seconds", Histogram(REQUEST),
        ["endpoint", "status_class"],
        "Time from asking the upstream to the head of its answer.";
    UPSTREAM_UP = "parapet_upstream_up", Gauge, [],
        "1 while the upstream's metadata could be fetched at the last try, else 0.";
    METADATA_FETCH = "parapet_metadata_fetch_total", Counter, ["result"],
        "Fetches of the upstream's metadata documents.";
    TLS_CERTIFICATE_EXPIRES = "parapet_tls_certificate_expires_timestamp_seconds", Gauge, ["listener"],
        "When the certificate in use expires, in seconds since the Unix epoch.";
    CLIENT_KEYS_FETCH = "parapet_client_keys_fetch_total", Counter, ["result"],
        "Fetches of clients' keys from their jwks_uri.";
    LOG_LINES_DROPPED = "parapet_log_lines_dropped_total", Counter, [],
        "Log lines lost because standard error was too slow or took none.";
    AUDIT_LINES_DROPPED = "parapet_audit_lines_dropped_total", Counter, [],
        "Audit lines lost because their own stream was too slow or took none.";
    SPANS_SENT = "parapet_trace_spans_sent_total", Counter, [],
        "Spans that the collector took.";
    SPANS_DROPPED = "parapet_trace_spans_dropped_total", Counter, [],
        "Spans lost because the collector was too slow or took none.";
    READY = "parapet_ready", Gauge, [],
        "1 while /readyz answers 200, else 0.";
    BUILD_INFO = "parapet_build_info", Gauge, ["version"],
        "1, with the version that runs.";
    CONFIG_INFO = "parapet_config_info", Gauge, ["hash"],
        "1 for the configuration in use, by its hash; 0 for earlier ones.";
    CONFIG_RELOADS = "parapet_config_reloads_total", Counter, ["outcome"],
        "Attempts to change the configuration while the gateway runs.";
    CONFIG_LOADED = "parapet_config_last_reload_success_timestamp_seconds", Gauge, [],
        "When the configuration in use was loaded, in seconds since the Unix epoch.";
    CONFIG_RELOAD_SUCCESSFUL = "parapet_config_last_reload_successful", Gauge, [],
        "1 unless the last attempt to change the configuration was refused.";
}

/// Read from the system when they are asked for, under the names that every client library gives them.
pub(super) const PROCESS: &[Declaration] = &[
    process("process_cpu_seconds_total", Counter, "Processor time used, user and system."),
    process("process_resident_memory_bytes", Gauge, "Memory in use."),
    process("process_virtual_memory_bytes", Gauge, "Address space in use."),
    process("process_threads", Gauge, "Threads."),
    process("process_open_fds", Gauge, "Open file descriptors."),
    process("process_max_fds", Gauge, "Most file descriptors that may be open."),
    process(
        "process_start_time_seconds",
        Gauge,
        "When the process started, in seconds since the Unix epoch.",
    ),
];

const fn process(name: &'static str, kind: Kind, help: &'static str) -> Declaration {
    Declaration { name, kind, labels: &[], help }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/metrics.md");

    #[test]
    fn names_are_unique_and_say_what_they_are() {
        let all = || DECLARED.iter().chain(PROCESS);
        let names: HashSet<_> = all().map(|declared| declared.name).collect();
        assert_eq!(names.len(), all().count());
        for declared in all() {
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
        let rows = DOCUMENT.lines().skip_while(|line| !line.starts_with("| name | type |"));
        let documented: Vec<&str> =
            rows.skip(2).take_while(|line| line.starts_with("| `")).collect();
        let all = || DECLARED.iter().chain(PROCESS);
        assert_eq!(documented.len(), all().count());
        for (declared, row) in all().zip(documented) {
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
