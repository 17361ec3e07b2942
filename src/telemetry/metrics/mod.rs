//! What the gateway counts and measures.
//!
//! [`meter`] gives the process's [`Metrics`]; each thing that can happen is one method. Handles are
//! looked up once, so a call costs an array access and an atomic addition.

mod declared;
mod family;
mod labels;
mod status;
mod told;

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Recorder};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use parking_lot::Mutex;

use crate::oauth::error::ErrorCode;
use declared::{DECLARED, Kind};
use family::{Family, place, single};
pub use labels::{
    AuthMethod, AuthVerdict, CompletionOutcome, FetchResult, GuardPlace, MaskResult, Method,
    PlainDecision, PushResult, RateScope, RedeemResult, RouteLabel, StoreCause, StoreOperation,
    UpstreamErrorKind,
};
use labels::{Error, Label};
use status::Status;
use told::Told;

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
    push_requests: Family<Counter, 3>,
    push_duration: Family<Histogram, 1>,
    client_auth: Family<Counter, 2>,
    redeem: Family<Counter, 1>,
    redeem_age: Histogram,
    completion: Family<Counter, 1>,
    login_duration: Histogram,
    pending_requests: Gauge,
    store_bytes: Gauge,
    plain_authorize: Family<Counter, 1>,
    ignored_parameters: Counter,
    disclosures: Counter,
    rate_limited: Family<Counter, 1>,
    store_errors: Family<Counter, 2>,
    draining: Gauge,
    store_up: Gauge,
    guard_refusals: Family<Counter, 1>,
    html_masked: Family<Counter, 1>,
    http_duration: Family<Histogram, 3>,
    http_active: Gauge,
    upstream_errors: Family<Counter, 1>,
    metadata_fetch: Family<Counter, 1>,
    client_keys_fetch: Family<Counter, 1>,
    told: Told,
    config_info: Mutex<Option<Gauge>>,
}

impl Metrics {
    /// A set of its own, all at zero. The process's set is [`meter`]; a test may want another.
    #[must_use]
    pub fn new() -> Self {
        let recorder = Arc::new(recorder());
        let r = &recorder;
        single::<Gauge>(r, declared::BUILD_INFO, vec![env!("CARGO_PKG_VERSION").to_owned()])
            .set(1.0);
        Self {
            handle: recorder.handle(),
            push_requests: Family::new(
                r,
                declared::PUSH_REQUESTS,
                [PushResult::COUNT, Error::COUNT, AuthMethod::COUNT],
            ),
            push_duration: Family::of(r, declared::PUSH_DURATION, PushResult::ALL),
            client_auth: Family::new(
                r,
                declared::CLIENT_AUTH,
                [AuthMethod::COUNT, AuthVerdict::COUNT],
            ),
            redeem: Family::of(r, declared::REDEEM, RedeemResult::ALL),
            redeem_age: single(r, declared::REDEEM_AGE, Vec::new()),
            completion: Family::of(r, declared::COMPLETION, CompletionOutcome::ALL),
            login_duration: single(r, declared::LOGIN_DURATION, Vec::new()),
            pending_requests: single(r, declared::PENDING_REQUESTS, Vec::new()),
            store_bytes: single(r, declared::STORE_BYTES, Vec::new()),
            plain_authorize: Family::of(r, declared::PLAIN_AUTHORIZE, PlainDecision::ALL),
            ignored_parameters: single(r, declared::IGNORED_PARAMETERS, Vec::new()),
            disclosures: single(r, declared::DISCLOSURES, Vec::new()),
            rate_limited: Family::of(r, declared::RATE_LIMITED, RateScope::ALL),
            store_errors: Family::new(
                r,
                declared::STORE_ERRORS,
                [StoreOperation::COUNT, StoreCause::COUNT],
            ),
            draining: single(r, declared::DRAINING, Vec::new()),
            store_up: single(r, declared::STORE_UP, Vec::new()),
            guard_refusals: Family::of(r, declared::GUARD_REFUSALS, GuardPlace::ALL),
            html_masked: Family::of(r, declared::HTML_MASKED, MaskResult::ALL),
            http_duration: Family::new(
                r,
                declared::HTTP_DURATION,
                [Method::COUNT, RouteLabel::COUNT, Status::COUNT],
            ),
            http_active: single(r, declared::HTTP_ACTIVE, Vec::new()),
            upstream_errors: Family::of(r, declared::UPSTREAM_ERRORS, UpstreamErrorKind::ALL),
            metadata_fetch: Family::of(r, declared::METADATA_FETCH, FetchResult::ALL),
            client_keys_fetch: Family::of(r, declared::CLIENT_KEYS_FETCH, FetchResult::ALL),
            told: Told::new(r),
            config_info: Mutex::new(None),
            recorder,
        }
    }

    /// A push was answered: `error` is `None` for a 201.
    pub fn push(&self, error: Option<ErrorCode>, method: AuthMethod, took: Duration) {
        let result = if error.is_none() { PushResult::Accepted } else { PushResult::Refused };
        self.push_requests.at([place(result), place(Error(error)), place(method)], count);
        self.push_duration.at([place(result)], |histogram| record(histogram, took));
    }

    /// A client was authenticated, or not.
    pub fn client_auth(&self, method: AuthMethod, verdict: AuthVerdict) {
        self.client_auth.at([place(method), place(verdict)], count);
    }

    /// A `request_uri` of ours came to the authorize endpoint.
    pub fn redeem(&self, result: RedeemResult) {
        self.redeem.at([place(result)], count);
    }

    /// Age of a pushed request at its first redeem.
    pub fn redeem_age(&self, age: Duration) {
        record(&self.redeem_age, age);
    }

    /// A flow ended.
    pub fn completion(&self, outcome: CompletionOutcome) {
        self.completion.at([place(outcome)], count);
    }

    /// Time from redeem to completion.
    pub fn login_duration(&self, took: Duration) {
        record(&self.login_duration, took);
    }

    /// What the store holds now: entries and bytes.
    pub fn store_size(&self, entries: u64, bytes: u64) {
        self.pending_requests.set(float(entries));
        self.store_bytes.set(float(bytes));
    }

    /// An authorization request without PAR was judged.
    pub fn plain_authorize(&self, decision: PlainDecision) {
        self.plain_authorize.at([place(decision)], count);
    }

    /// `number` parameters beside a `request_uri` were ignored.
    pub fn ignored_parameters(&self, number: usize) {
        self.ignored_parameters.increment(u64::try_from(number).unwrap_or(u64::MAX));
    }

    /// The upstream showed pushed values in an address where nothing can stand in.
    pub fn disclosure(&self) {
        self.disclosures.increment(1);
    }

    /// A limit refused something.
    pub fn rate_limited(&self, scope: RateScope) {
        self.rate_limited.at([place(scope)], count);
    }

    /// A store operation failed.
    pub fn store_error(&self, operation: StoreOperation, cause: StoreCause) {
        self.store_errors.at([place(operation), place(cause)], count);
    }

    /// Whether the gateway was told to stop.
    pub fn draining(&self, draining: bool) {
        self.draining.set(if draining { 1.0 } else { 0.0 });
    }

    /// Whether the store does its work.
    pub fn store_up(&self, up: bool) {
        self.store_up.set(if up { 1.0 } else { 0.0 });
    }

    /// The guard stopped a request.
    pub fn guard_refusal(&self, place_found: GuardPlace) {
        self.guard_refusals.at([place(place_found)], count);
    }

    /// A page of the upstream was masked, or could not be.
    pub fn html_masked(&self, result: MaskResult) {
        self.html_masked.at([place(result)], count);
    }

    /// A request ended. `status` 0: no answer was sent.
    pub fn http_request(
        &self,
        method: &http::Method,
        route: RouteLabel,
        status: u16,
        took: Duration,
    ) {
        let places = [place(Method::from(method)), place(route), place(Status::of(status))];
        self.http_duration.at(places, |histogram| record(histogram, took));
    }

    /// A request begins; it counts as active until the guard is dropped.
    pub fn active_request(&self) -> ActiveRequest {
        self.http_active.increment(1.0);
        ActiveRequest(self.http_active.clone())
    }

    /// The upstream failed.
    pub fn upstream_error(&self, kind: UpstreamErrorKind) {
        self.upstream_errors.at([place(kind)], count);
    }

    /// The upstream's metadata was fetched, or not.
    pub fn metadata_fetch(&self, result: FetchResult) {
        self.metadata_fetch.at([place(result)], count);
    }

    /// A client's `jwks_uri` was fetched, or not.
    pub fn client_keys_fetch(&self, result: FetchResult) {
        self.client_keys_fetch.at([place(result)], count);
    }

    /// The configuration in use, by its hash; the one before shows 0.
    pub fn config_info(&self, hash: &str) {
        let gauge: Gauge = single(&self.recorder, declared::CONFIG_INFO, vec![hash.to_owned()]);
        let mut current = self.config_info.lock();
        if let Some(previous) = current.take() {
            previous.set(0.0);
        }
        gauge.set(1.0);
        *current = Some(gauge);
    }

    /// Until when the certificate of a TLS listener serves, in seconds since the Unix epoch.
    pub fn tls_certificate_expires(&self, listener: &'static str, seconds: i64) {
        let labels = vec![listener.to_owned()];
        let gauge: Gauge = single(&self.recorder, declared::TLS_CERTIFICATE_EXPIRES, labels);
        gauge.set(float(u64::try_from(seconds).unwrap_or_default()));
    }

    /// The Prometheus text form (`text/plain; version=0.0.4`).
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
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

/// A request in progress.
#[must_use]
pub struct ActiveRequest(Gauge);

impl fmt::Debug for ActiveRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActiveRequest")
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.decrement(1.0);
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

fn count(counter: &Counter) {
    counter.increment(1);
}

fn record(histogram: &Histogram, duration: Duration) {
    histogram.record(duration.as_secs_f64());
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and it is a gauge")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
