//! Each thing that can happen, as one method.

use std::fmt;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::family::{place, single};
use super::labels::Error;
use super::status::Status;
use super::{
    AuthMethod, AuthVerdict, CompletionOutcome, FetchResult, GuardPlace, LimitKind, MaskResult,
    Method, Metrics, PlainDecision, PushForm, PushResult, RateScope, RedeemResult, ReloadOutcome,
    ResealResult, RouteLabel, StatusClass, StoreCause, StoreOperation, UpstreamErrorKind, declared,
};
use crate::oauth::error::ErrorCode;

impl Metrics {
    /// A push was answered: `error` is `None` for a 201.
    pub fn push(
        &self,
        error: Option<ErrorCode>,
        method: AuthMethod,
        form: PushForm,
        took: Duration,
    ) {
        let result = if error.is_none() { PushResult::Accepted } else { PushResult::Refused };
        let places = [place(result), place(Error(error)), place(method), place(form)];
        self.push_requests.at(places, count);
        self.push_duration.at([place(result)], |histogram| record(histogram, took));
    }

    /// A client was authenticated, or not.
    pub fn client_auth(&self, method: AuthMethod, verdict: AuthVerdict) {
        self.client_auth.at([place(method), place(verdict)], count);
    }

    /// How long that took.
    pub fn client_auth_duration(&self, method: AuthMethod, took: Duration) {
        self.client_auth_duration.at([place(method)], |histogram| record(histogram, took));
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

    /// What the store may take.
    pub fn store_room(&self, bytes: u64) {
        self.store_max_bytes.set(float(bytes));
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

    /// A redirect of the upstream carried a request.
    pub fn reseal(&self, result: ResealResult) {
        self.reseal.at([place(result)], count);
    }

    /// How much the limits remember.
    pub fn limits_tracked(&self, kind: LimitKind, number: u64) {
        self.limits_tracked.at([place(kind)], |gauge| gauge.set(float(number)));
    }

    /// A limit refused something.
    pub fn rate_limited(&self, scope: RateScope) {
        self.rate_limited.at([place(scope)], count);
    }

    /// A store operation failed.
    pub fn store_error(&self, operation: StoreOperation, cause: StoreCause) {
        self.store_errors.at([place(operation), place(cause)], count);
    }

    /// An operation of the store ended, well or not.
    pub fn store_operation(&self, operation: StoreOperation, took: Duration) {
        self.store_duration.at([place(operation)], |histogram| record(histogram, took));
    }

    /// Whether the gateway was told to stop.
    pub fn draining(&self, draining: bool) {
        self.draining.set(truth(draining));
    }

    /// Whether the store does its work.
    pub fn store_up(&self, up: bool) {
        self.store_up.set(truth(up));
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
        self.traffic.http_duration.at(places, |histogram| record(histogram, took));
    }

    /// A request begins; it counts as active until the guard is dropped.
    pub fn active_request(&self) -> ActiveRequest {
        self.traffic.http_active.increment(1.0);
        ActiveRequest(self.traffic.http_active.clone())
    }

    /// The upstream failed.
    pub fn upstream_error(&self, kind: UpstreamErrorKind) {
        self.traffic.upstream_errors.at([place(kind)], count);
    }

    /// The upstream's answer began.
    pub fn upstream_request(&self, endpoint: RouteLabel, class: StatusClass, took: Duration) {
        self.traffic
            .upstream_duration
            .at([place(endpoint), place(class)], |histogram| record(histogram, took));
    }

    /// The upstream's metadata was fetched, or not.
    pub fn metadata_fetch(&self, result: FetchResult) {
        self.traffic.upstream_up.set(truth(result == FetchResult::Ok));
        self.traffic.metadata_fetch.at([place(result)], count);
    }

    /// A client's `jwks_uri` was fetched, or not.
    pub fn client_keys_fetch(&self, result: FetchResult) {
        self.traffic.client_keys_fetch.at([place(result)], count);
    }

    /// What `/readyz` would answer.
    pub fn ready(&self, ready: bool) {
        self.ready.set(truth(ready));
    }

    /// The configuration in use, by its hash; the one before shows 0.
    pub fn config_info(&self, hash: &str) {
        self.configuration.info(hash);
    }

    /// The configuration of this hash is in use since `at`, in seconds since the Unix epoch.
    pub fn config_loaded(&self, hash: &str, at: u64) {
        self.configuration.loaded(hash, at);
    }

    /// An attempt to change the configuration is over.
    pub fn config_reload(&self, outcome: ReloadOutcome) {
        self.configuration.reload(outcome);
    }

    /// Until when the certificate of a TLS listener serves, in seconds since the Unix epoch.
    pub fn tls_certificate_expires(&self, listener: &'static str, seconds: i64) {
        let labels = vec![listener.to_owned()];
        let gauge: Gauge = single(&self.recorder, declared::TLS_CERTIFICATE_EXPIRES, labels);
        gauge.set(float(u64::try_from(seconds).unwrap_or_default()));
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

pub(super) fn count(counter: &Counter) {
    counter.increment(1);
}

fn record(histogram: &Histogram, duration: Duration) {
    histogram.record(duration.as_secs_f64());
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and it is a gauge")]
pub(super) const fn float(number: u64) -> f64 {
    number as f64
}

const fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}
