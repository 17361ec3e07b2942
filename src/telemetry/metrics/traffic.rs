//! What passes through: requests, and what is asked of others.

use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::declared;
use super::family::{Family, single};
use super::labels::{FetchResult, Label, Method, RouteLabel, StatusClass, UpstreamErrorKind};
use super::status::Status;

/// Handles of the metrics of HTTP, both ways.
pub(super) struct Traffic {
    pub(super) http_duration: Family<Histogram, 3>,
    pub(super) http_active: Gauge,
    pub(super) upstream_errors: Family<Counter, 1>,
    pub(super) upstream_duration: Family<Histogram, 2>,
    pub(super) upstream_up: Gauge,
    pub(super) metadata_fetch: Family<Counter, 1>,
    pub(super) client_keys_fetch: Family<Counter, 1>,
}

impl Traffic {
    pub(super) fn new(r: &Arc<PrometheusRecorder>) -> Self {
        Self {
            http_duration: Family::new(
                r,
                declared::HTTP_DURATION,
                [Method::COUNT, RouteLabel::COUNT, Status::COUNT],
            ),
            http_active: single(r, declared::HTTP_ACTIVE, Vec::new()),
            upstream_errors: Family::of(r, declared::UPSTREAM_ERRORS, UpstreamErrorKind::ALL),
            upstream_duration: Family::new(
                r,
                declared::UPSTREAM_DURATION,
                [RouteLabel::COUNT, StatusClass::COUNT],
            ),
            upstream_up: single(r, declared::UPSTREAM_UP, Vec::new()),
            metadata_fetch: Family::of(r, declared::METADATA_FETCH, FetchResult::ALL),
            client_keys_fetch: Family::of(r, declared::CLIENT_KEYS_FETCH, FetchResult::ALL),
        }
    }
}
