//! Everything that the page shows, in the shape that `/status.json` has (see
//! `docs/watching.md`).

use std::time::Duration;

use serde::Serialize;

use super::facts::Facts;
use super::time;
use crate::clock::{Clock, Timestamp, WallTime};
use crate::telemetry::history::{Hour, Quantiles, Split};
use crate::telemetry::recent::Outcome;

/// The whole.
#[derive(Debug, Serialize)]
pub(super) struct View {
    pub(super) version: &'static str,
    pub(super) issuer: String,
    pub(super) now: String,
    pub(super) started_at: String,
    pub(super) uptime_seconds: u64,
    pub(super) ready: bool,
    pub(super) checks: Vec<Check>,
    pub(super) configuration: Configuration,
    pub(super) upstream: Upstream,
    pub(super) store: Store,
    pub(super) certificates: Vec<Certificate>,
    pub(super) limits: Limits,
    pub(super) last_hour: LastHour,
    pub(super) outcomes: Vec<Happening>,
    #[serde(skip)]
    pub(super) at: WallTime,
    /// For how long the configuration has been in use.
    #[serde(skip)]
    pub(super) loaded_for: Duration,
    #[serde(skip)]
    pub(super) hour: Hour,
}

/// A check of `/readyz`.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) holds: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Configuration {
    pub(super) hash: String,
    pub(super) loaded_at: String,
    pub(super) reloads_applied: u64,
    /// The last attempt, where it was refused.
    pub(super) refused_reload: Option<Refusal>,
}

#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    pub(super) at: String,
    pub(super) outcome: &'static str,
    pub(super) why: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Upstream {
    pub(super) url: String,
    pub(super) preset: String,
    pub(super) metadata_known: bool,
    pub(super) last_fetch_succeeded: Option<bool>,
}

#[derive(Debug, Serialize)]
pub(super) struct Store {
    pub(super) backend: &'static str,
    pub(super) up: bool,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) max_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Certificate {
    pub(super) listener: &'static str,
    pub(super) expires_at: Option<String>,
    pub(super) expires_in_seconds: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Limits {
    /// Since the start, by scope.
    pub(super) refused: Vec<Refused>,
    pub(super) tracked_clients: u64,
    pub(super) tracked_addresses: u64,
    pub(super) blocked_addresses: u64,
    pub(super) trusted_pairs: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Refused {
    pub(super) scope: String,
    pub(super) total: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct LastHour {
    pub(super) present_minute: String,
    pub(super) pushes_accepted: Vec<u64>,
    pub(super) pushes_refused: Vec<u64>,
    pub(super) redeems_accepted: Vec<u64>,
    pub(super) redeems_refused: Vec<u64>,
    pub(super) completions_good: Vec<u64>,
    pub(super) completions_bad: Vec<u64>,
    pub(super) refusals: Vec<Refusals>,
    pub(super) push_seconds: Times,
    pub(super) store_seconds: Times,
    pub(super) upstream_seconds: Times,
}

#[derive(Debug, Serialize)]
pub(super) struct Refusals {
    pub(super) reason: String,
    pub(super) per_minute: Vec<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Times {
    pub(super) median: Vec<Option<f64>>,
    pub(super) p99: Vec<Option<f64>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Happening {
    pub(super) at: String,
    pub(super) event: &'static str,
    pub(super) error: Option<&'static str>,
    pub(super) reason: Option<&'static str>,
    pub(super) request_id: String,
}

impl View {
    /// What is known now; `happened` is the last hour and the last outcomes.
    pub(super) fn new(
        clock: &dyn Clock,
        checks: &[(&'static str, bool)],
        facts: Facts,
        happened: (Hour, Vec<Outcome>),
    ) -> Self {
        let (hour, outcomes) = happened;
        let (now, wall) = (clock.now(), clock.wall());
        let day_time = DayTime(wall.ahead_of(now));
        let loaded_for = now.since(facts.configuration.loaded_at);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            now: time::rfc3339(wall),
            started_at: day_time.of(facts.started_at),
            uptime_seconds: now.since(facts.started_at).as_secs(),
            ready: checks.iter().all(|&(_, holds)| holds),
            checks: checks.iter().map(|&(name, holds)| Check { name, holds }).collect(),
            configuration: Configuration::of(&facts, day_time),
            certificates: certificates(&facts, wall),
            limits: Limits::of(&facts, &hour),
            upstream: Upstream {
                url: facts.upstream.url,
                preset: facts.upstream.preset,
                metadata_known: facts.upstream.metadata_known,
                last_fetch_succeeded: facts.upstream.last_fetch_succeeded,
            },
            store: Store {
                backend: facts.store.backend,
                up: facts.store.up,
                entries: facts.store.entries,
                bytes: facts.store.bytes,
                max_bytes: facts.store.max_bytes,
            },
            issuer: facts.issuer,
            last_hour: LastHour::of(&hour),
            outcomes: outcomes
                .into_iter()
                .map(|outcome| Happening::of(outcome, day_time))
                .collect(),
            at: wall,
            loaded_for,
            hour,
        }
    }
}

/// Tells points of the gateway's timeline as times of day: by how many milliseconds the wall clock is
/// ahead of it.
#[derive(Clone, Copy)]
struct DayTime(i64);

impl DayTime {
    fn of(self, at: Timestamp) -> String {
        time::rfc3339(at.on_the_wall(self.0))
    }
}

impl Configuration {
    fn of(facts: &Facts, day_time: DayTime) -> Self {
        let known = &facts.configuration;
        let refused = known.refused.as_ref().map(|refused| Refusal {
            at: day_time.of(refused.at),
            outcome: refused.outcome.as_str(),
            why: refused.why.to_string(),
        });
        Self {
            hash: known.hash.to_string(),
            loaded_at: day_time.of(known.loaded_at),
            reloads_applied: known.applied,
            refused_reload: refused,
        }
    }
}

fn certificates(facts: &Facts, now: WallTime) -> Vec<Certificate> {
    let all = facts.certificates.iter().map(|certificate| Certificate {
        listener: certificate.listener,
        expires_at: certificate.expires_at.map(time::rfc3339),
        expires_in_seconds: certificate.expires_at.map(|at| at.since(now).as_secs()),
    });
    all.collect()
}

impl Limits {
    fn of(facts: &Facts, hour: &Hour) -> Self {
        let refused = hour.limited.iter();
        Self {
            refused: refused
                .map(|(scope, total)| Refused { scope: scope.clone(), total: *total })
                .collect(),
            tracked_clients: facts.tracked.clients,
            tracked_addresses: facts.tracked.addresses,
            blocked_addresses: facts.tracked.blocked,
            trusted_pairs: facts.tracked.trusted,
        }
    }
}

impl LastHour {
    fn of(hour: &Hour) -> Self {
        let Split { good: pushes_accepted, bad: pushes_refused } = hour.pushes.clone();
        let Split { good: redeems_accepted, bad: redeems_refused } = hour.redeems.clone();
        let Split { good: completions_good, bad: completions_bad } = hour.completions.clone();
        let refusals = hour.refusals.iter().map(|(reason, per_minute)| Refusals {
            reason: reason.clone(),
            per_minute: per_minute.clone(),
        });
        Self {
            present_minute: time::rfc3339(hour.present),
            pushes_accepted,
            pushes_refused,
            redeems_accepted,
            redeems_refused,
            completions_good,
            completions_bad,
            refusals: refusals.collect(),
            push_seconds: Times::of(&hour.push_time),
            store_seconds: Times::of(&hour.store_time),
            upstream_seconds: Times::of(&hour.upstream_time),
        }
    }
}

impl Times {
    fn of(quantiles: &Quantiles) -> Self {
        Self { median: quantiles.median.clone(), p99: quantiles.p99.clone() }
    }
}

impl Happening {
    fn of(outcome: Outcome, day_time: DayTime) -> Self {
        Self {
            at: day_time.of(outcome.at),
            event: outcome.event,
            error: outcome.error,
            reason: outcome.reason,
            request_id: outcome.request_id,
        }
    }
}
