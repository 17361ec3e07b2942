use std::time::Duration;

use super::declared::PROCESS;
use super::*;
use crate::oauth::error::ErrorCode;

/// The value of the one line that begins with `series`.
fn value(metrics: &Metrics, series: &str) -> Option<f64> {
    let text = metrics.render();
    let mut values = text.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = values.next()?.parse().unwrap();
    assert_eq!(values.next(), None, "{series} is there twice");
    Some(value)
}

#[test]
fn counters_count_under_their_labels() {
    let metrics = Metrics::new();
    let took = Duration::from_millis(3);
    metrics.push(None, AuthMethod::ClientSecretBasic, PushForm::Plain, took);
    metrics.push(None, AuthMethod::ClientSecretBasic, PushForm::Plain, took);
    let (late, method) = (ErrorCode::GatewayTimeout, AuthMethod::SelfSignedTlsClientAuth);
    metrics.push(Some(late), method, PushForm::RequestObject, took);
    metrics.redeem(RedeemResult::Spent);
    metrics.store_error(StoreOperation::Spend, StoreCause::Corrupt);
    metrics.ignored_parameters(3);
    for (series, expected) in [
        (
            r#"parapet_push_requests_total{result="accepted",error="none",auth_method="client_secret_basic",form="plain"}"#,
            2.0,
        ),
        (
            r#"parapet_push_requests_total{result="refused",error="gateway_timeout",auth_method="self_signed_tls_client_auth",form="request_object"}"#,
            1.0,
        ),
        (r#"parapet_push_duration_seconds_bucket{result="accepted",le="0.0025"}"#, 0.0),
        (r#"parapet_push_duration_seconds_bucket{result="accepted",le="0.005"}"#, 2.0),
        (r#"parapet_redeem_total{result="spent"}"#, 1.0),
        (r#"parapet_redeem_total{result="ok"}"#, 0.0),
        (r#"parapet_store_errors_total{op="spend",cause="corrupt"}"#, 1.0),
        ("parapet_ignored_parameters_total", 3.0),
    ] {
        assert_eq!(value(&metrics, series), Some(expected), "{series}");
    }
}

#[test]
fn requests_are_measured_by_method_route_and_status() {
    let metrics = Metrics::new();
    let took = Duration::from_millis(40);
    let odd = http::Method::from_bytes(b"BREW").unwrap();
    metrics.http_request(&http::Method::GET, RouteLabel::PassThrough, 302, took);
    metrics.http_request(&odd, RouteLabel::Refused, 299, took);
    for labels in [
        r#"http_request_method="GET",http_route="pass_through",http_response_status_code="302""#,
        r#"http_request_method="_OTHER",http_route="refused",http_response_status_code="_OTHER""#,
    ] {
        let name = "http_server_request_duration_seconds";
        assert_eq!(value(&metrics, &format!("{name}_count{{{labels}}}")), Some(1.0));
        let bucket = format!("{name}_bucket{{{labels},le=\"0.05\"}}");
        assert_eq!(value(&metrics, &bucket), Some(1.0));
    }
}

#[test]
fn a_request_is_active_until_its_guard_is_dropped() {
    let metrics = Metrics::new();
    let active = metrics.active_request();
    assert_eq!(value(&metrics, "http_server_active_requests"), Some(1.0));
    drop(active);
    assert_eq!(value(&metrics, "http_server_active_requests"), Some(0.0));
}

#[test]
fn only_the_configuration_in_use_shows_one() {
    let metrics = Metrics::new();
    metrics.config_info("aa");
    metrics.config_info("bb");
    assert_eq!(value(&metrics, r#"parapet_config_info{hash="aa"}"#), Some(0.0));
    assert_eq!(value(&metrics, r#"parapet_config_info{hash="bb"}"#), Some(1.0));
    metrics.config_info("aa");
    assert_eq!(value(&metrics, r#"parapet_config_info{hash="aa"}"#), Some(1.0));
    assert_eq!(value(&metrics, r#"parapet_config_info{hash="bb"}"#), Some(0.0));
}

/// Everything declared can be made to show, and nothing else does.
#[test]
fn every_declared_metric_is_rendered_with_help_and_type() {
    let metrics = Metrics::new();
    metrics.push(None, AuthMethod::None, PushForm::Plain, Duration::ZERO);
    metrics.client_auth(AuthMethod::None, AuthVerdict::Accepted);
    metrics.store_error(StoreOperation::Put, StoreCause::Full);
    metrics.http_request(&http::Method::GET, RouteLabel::Par, 405, Duration::ZERO);
    metrics.client_auth_duration(AuthMethod::None, Duration::ZERO);
    let took = Duration::from_millis(7);
    metrics.upstream_request(RouteLabel::Authorize, StatusClass::Redirection, took);
    metrics.tls_certificate_expires("public", 1_800_000_000);
    metrics.config_info("aa");
    let text = metrics.render();
    for declared in DECLARED.iter().chain(PROCESS) {
        let kind = match declared.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let name = declared.name;
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name}\n{text}");
        assert!(text.contains(&format!("# HELP {name} {}\n", declared.help)), "{name}");
    }
    assert_eq!(text.matches("# TYPE ").count(), DECLARED.len() + PROCESS.len());
}

#[test]
fn the_process_has_one_meter() {
    assert!(std::ptr::eq(meter(), meter()));
    meter().upkeep();
    assert!(meter().render().contains("parapet_build_info"));
}
