//! What became of lines and spans.

use std::sync::Arc;

use metrics::Counter;
use metrics_exporter_prometheus::PrometheusRecorder;

use super::family::single;
use super::{Metrics, declared};

/// Lines and spans that were lost, and spans that were not.
pub(super) struct Told {
    log_lines_dropped: Counter,
    audit_lines_dropped: Counter,
    spans_sent: Counter,
    spans_dropped: Counter,
}

impl Told {
    pub(super) fn new(recorder: &Arc<PrometheusRecorder>) -> Self {
        let counter = |declaration| single(recorder, declaration, Vec::new());
        Self {
            log_lines_dropped: counter(declared::LOG_LINES_DROPPED),
            audit_lines_dropped: counter(declared::AUDIT_LINES_DROPPED),
            spans_sent: counter(declared::SPANS_SENT),
            spans_dropped: counter(declared::SPANS_DROPPED),
        }
    }
}

impl Metrics {
    /// So many log lines were lost.
    pub fn log_lines_dropped(&self, number: u64) {
        self.told.log_lines_dropped.increment(number);
    }

    /// So many audit lines were lost.
    pub fn audit_lines_dropped(&self, number: u64) {
        self.told.audit_lines_dropped.increment(number);
    }

    /// The collector took so many spans.
    pub fn spans_sent(&self, number: u64) {
        self.told.spans_sent.increment(number);
    }

    /// So many spans were lost.
    pub fn spans_dropped(&self, number: u64) {
        self.told.spans_dropped.increment(number);
    }
}
