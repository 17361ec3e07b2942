//! What the gateway counts and measures.
//!
//! [`meter`] gives the process's [`Metrics`]; each thing that can happen is one method. Handles are
//! looked up once, so a call costs an array access and an atomic addition.

mod configuration;
mod declared;
mod family;
mod labels;
mod process;
mod record;
mod status;
mod told;
mod traffic;

use std::fmt;
use std::sync::{Arc, LazyLock};

use metrics::{Counter, Gauge, Histogram, Recorder};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use configuration::Configuration;
pub use configuration::ReloadOutcome;
use declared::{DECLARED, Kind};
use family::{Family, single};
pub use labels::{
    AuthMethod, AuthVerdict, CompletionOutcome, FetchResult, GuardPlace, LimitKind, MaskResult,
    Method, PlainDecision, PushForm, PushResult, RateScope, RedeemResult, ResealResult, RouteLabel,
    StatusClass, StoreCause, StoreOperation, UpstreamErrorKind,
};
use labels::{Error, Label};
pub use record::ActiveRequest;
use told::Told;
use traffic::Traffic;

/// The metrics of this process. Made on first use; any number of calls, from any thread.
#[must_use]
pub fn meter() -> &'static Metrics {
    static METER: LazyLock<Metrics> = LazyLock::new(Metrics::new);
    &METER
}

/// Every metric of the gateway.
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    push_requests: Family<Counter, 4>,
    push_duration: Family<Histogram, 1>,
    client_auth: Family<Counter, 2>,
    client_auth_duration: Family<Histogram, 1>,
    redeem: Family<Counter, 1>,
    redeem_age: Histogram,
    completion: Family<Counter, 1>,
    login_duration: Histogram,
    pending_requests: Gauge,
    store_bytes: Gauge,
    store_max_bytes: Gauge,
    plain_authorize: Family<Counter, 1>,
    ignored_parameters: Counter,
    disclosures: Counter,
    reseal: Family<Counter, 1>,
    rate_limited: Family<Counter, 1>,
    limits_tracked: Family<Gauge, 1>,
    store_errors: Family<Counter, 2>,
    draining: Gauge,
    store_up: Gauge,
    store_duration: Family<Histogram, 1>,
    guard_refusals: Family<Counter, 1>,
    html_masked: Family<Counter, 1>,
    traffic: Traffic,
    told: Told,
    ready: Gauge,
    configuration: Configuration,
}

impl Metrics {
    /// A set of its own, all at zero. The process's set is [`meter`]; a test may want another.
    #[must_use]
    pub fn new() -> Self {
        let recorder = Arc::new(recorder());
        let r = &recorder;
        single::<Gauge>(r, declared::BUILD_INFO, vec![env!("CARGO_PKG_VERSION").to_owned()])
            .set(1.0);
        let store_labels = (StoreOperation::ALL, StoreCause::ALL);
        Self {
            handle: recorder.handle(),
            push_requests: Family::new(
                r,
                declared::PUSH_REQUESTS,
                [PushResult::COUNT, Error::COUNT, AuthMethod::COUNT, PushForm::COUNT],
            ),
            push_duration: Family::of(r, declared::PUSH_DURATION, PushResult::ALL),
            client_auth: Family::new(
                r,
                declared::CLIENT_AUTH,
                [AuthMethod::COUNT, AuthVerdict::COUNT],
            ),
            client_auth_duration: Family::new(
                r,
                declared::CLIENT_AUTH_DURATION,
                [AuthMethod::COUNT],
            ),
            redeem: Family::of(r, declared::REDEEM, RedeemResult::ALL),
            redeem_age: single(r, declared::REDEEM_AGE, Vec::new()),
            completion: Family::of(r, declared::COMPLETION, CompletionOutcome::ALL),
            login_duration: single(r, declared::LOGIN_DURATION, Vec::new()),
            pending_requests: single(r, declared::PENDING_REQUESTS, Vec::new()),
            store_bytes: single(r, declared::STORE_BYTES, Vec::new()),
            store_max_bytes: single(r, declared::STORE_MAX_BYTES, Vec::new()),
            plain_authorize: Family::of(r, declared::PLAIN_AUTHORIZE, PlainDecision::ALL),
            ignored_parameters: single(r, declared::IGNORED_PARAMETERS, Vec::new()),
            disclosures: single(r, declared::DISCLOSURES, Vec::new()),
            reseal: Family::of(r, declared::RESEAL, ResealResult::ALL),
            rate_limited: Family::of(r, declared::RATE_LIMITED, RateScope::ALL),
            limits_tracked: Family::of(r, declared::LIMITS_TRACKED, LimitKind::ALL),
            store_errors: Family::of_two(r, declared::STORE_ERRORS, store_labels),
            draining: single(r, declared::DRAINING, Vec::new()),
            store_up: single(r, declared::STORE_UP, Vec::new()),
            store_duration: Family::of(r, declared::STORE_DURATION, StoreOperation::ALL),
            guard_refusals: Family::of(r, declared::GUARD_REFUSALS, GuardPlace::ALL),
            html_masked: Family::of(r, declared::HTML_MASKED, MaskResult::ALL),
            traffic: Traffic::new(r),
            told: Told::new(r),
            ready: single(r, declared::READY, Vec::new()),
            configuration: Configuration::new(r),
            recorder,
        }
    }

    /// The Prometheus text form (`text/plain; version=0.0.4`).
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        process::write(&mut text);
        text
    }

    /// Drains what histograms have gathered. To be called every few seconds, scraped or not.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn recorder() -> PrometheusRecorder {
    let builder = with_buckets(PrometheusBuilder::new());
    let recorder = builder.unwrap_or_else(|_| PrometheusBuilder::new()).build_recorder();
    for declared in DECLARED {
        let (name, help) = (declared.name.into(), declared.help.into());
        match declared.kind {
            Kind::Counter => recorder.describe_counter(name, None, help),
            Kind::Gauge => recorder.describe_gauge(name, None, help),
            Kind::Histogram(_) => recorder.describe_histogram(name, None, help),
        }
    }
    recorder
}

/// Fails only for an empty list of bounds; without bounds histograms would be summaries.
fn with_buckets(mut builder: PrometheusBuilder) -> Result<PrometheusBuilder, BuildError> {
    for declared in DECLARED {
        if let Kind::Histogram(bounds) = declared.kind {
            builder =
                builder.set_buckets_for_metric(Matcher::Full(declared.name.to_owned()), bounds)?;
        }
    }
    Ok(builder)
}

#[cfg(test)]
mod tests;
