//! Which configuration is in use, and what became of the attempts to change it.

use std::sync::Arc;

use metrics::{Counter, Gauge};
use metrics_exporter_prometheus::PrometheusRecorder;
use parking_lot::Mutex;

use super::declared;
use super::family::{Family, place, single};
use super::labels::Label;
use super::record::{count, float};

/// The metrics of the configuration.
pub(super) struct Configuration {
    recorder: Arc<PrometheusRecorder>,
    info: Mutex<Option<Gauge>>,
    reloads: Family<Counter, 1>,
    loaded: Gauge,
    successful: Gauge,
}

impl Configuration {
    pub(super) fn new(recorder: &Arc<PrometheusRecorder>) -> Self {
        Self {
            info: Mutex::new(None),
            reloads: Family::of(recorder, declared::CONFIG_RELOADS, ReloadOutcome::ALL),
            loaded: single(recorder, declared::CONFIG_LOADED, Vec::new()),
            successful: single(recorder, declared::CONFIG_RELOAD_SUCCESSFUL, Vec::new()),
            recorder: Arc::clone(recorder),
        }
    }

    /// The one in use, by its hash; the one before shows 0.
    pub(super) fn info(&self, hash: &str) {
        let gauge: Gauge = single(&self.recorder, declared::CONFIG_INFO, vec![hash.to_owned()]);
        let mut current = self.info.lock();
        if let Some(previous) = current.take() {
            previous.set(0.0);
        }
        gauge.set(1.0);
        *current = Some(gauge);
    }

    /// `at` is in seconds since the Unix epoch.
    pub(super) fn loaded(&self, hash: &str, at: u64) {
        self.info(hash);
        self.loaded.set(float(at));
        self.successful.set(1.0);
    }

    pub(super) fn reload(&self, outcome: ReloadOutcome) {
        self.reloads.at([place(outcome)], count);
        let is_applied = outcome == ReloadOutcome::Applied;
        self.successful.set(if is_applied { 1.0 } else { 0.0 });
    }
}

/// What became of an attempt to change the configuration while the gateway runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReloadOutcome {
    /// It is in use.
    Applied,
    /// The file, or one that it names, is not good.
    Invalid,
    /// Keys have changed that cannot change while the gateway runs.
    NeedsRestart,
    /// It is good, but its parts could not be made.
    Unusable,
}

impl ReloadOutcome {
    /// Every value, in the order of declaration.
    pub const ALL: &'static [Self] =
        &[Self::Applied, Self::Invalid, Self::NeedsRestart, Self::Unusable];

    /// The value as it is written in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Invalid => "invalid",
            Self::NeedsRestart => "needs_restart",
            Self::Unusable => "unusable",
        }
    }
}

impl Label for ReloadOutcome {
    const COUNT: usize = Self::ALL.len();

    fn index(self) -> usize {
        self as usize
    }

    fn text(self) -> &'static str {
        self.as_str()
    }
}
