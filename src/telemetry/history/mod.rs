//! What happened in the last hour, minute by minute, in a room of fixed size. The counters are read
//! now and then; a request does nothing for it.

mod minute;
mod reading;

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Metrics;
use crate::clock::{Clock, Timestamp, WallTime};
use minute::Minute;
use reading::{Count, Reading, Time};

/// How many minutes are kept, the present one included.
pub const MINUTES: usize = 60;

const MINUTE: u64 = 60_000;

/// The last hour.
#[derive(Debug)]
pub struct History {
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    last: Reading,
    /// Those in which the counters were read, the latest last.
    minutes: VecDeque<Minute>,
}

/// What happened minute by minute: each list has [`MINUTES`] values, the present minute's last.
#[derive(Debug, Clone, PartialEq)]
pub struct Hour {
    /// When the present minute began.
    pub present: WallTime,
    /// Pushes accepted and refused.
    pub pushes: Split,
    /// Redeems, reloads included, and those that were refused.
    pub redeems: Split,
    /// Completions with a code, and with an error or withheld.
    pub completions: Split,
    /// Refused requests by reason, such as `push: invalid_client`; the most frequent first.
    pub refusals: Vec<(String, Vec<u64>)>,
    /// What the limits refused since the start, by scope.
    pub limited: Vec<(String, u64)>,
    /// Of the answer to a push, in seconds.
    pub push_time: Quantiles,
    /// Of an operation of the store, in seconds.
    pub store_time: Quantiles,
    /// Until the upstream answered, in seconds.
    pub upstream_time: Quantiles,
}

/// What went well and what did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Accepted, redeemed, completed.
    pub good: Vec<u64>,
    /// Refused or failed.
    pub bad: Vec<u64>,
}

/// `None` where nothing was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantiles {
    /// Half were quicker.
    pub median: Vec<Option<f64>>,
    /// All but one in a hundred were quicker.
    pub p99: Vec<Option<f64>>,
}

impl History {
    /// Nothing has happened.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kept: Mutex::default() }
    }

    /// Reads the counters. To be called a few times in a minute; what happened since the last time
    /// counts for the present minute.
    pub fn sample(&self, metrics: &Metrics) {
        let reading = Reading::of(&metrics.render());
        let number = self.clock.now().as_millis() / MINUTE;
        let mut kept = self.kept.lock();
        if kept.minutes.back().is_none_or(|last| last.number < number) {
            if kept.minutes.len() == MINUTES {
                kept.minutes.pop_front();
            }
            kept.minutes.push_back(Minute::new(number));
        }
        let kept = &mut *kept;
        if let Some(minute) = kept.minutes.back_mut() {
            minute.add(&kept.last, &reading);
        }
        kept.last = reading;
    }

    /// The last hour, up to the last [`sample`](Self::sample).
    #[must_use]
    pub fn hour(&self) -> Hour {
        let present = self.clock.now().as_millis() / MINUTE;
        let kept = self.kept.lock();
        let first = (present + 1).saturating_sub(MINUTES as u64);
        let minutes: Vec<Option<&Minute>> = (first..=present)
            .map(|number| kept.minutes.iter().find(|minute| minute.number == number))
            .collect();
        let split = |good: Count, bad: Count| Split {
            good: counts(&minutes, good),
            bad: counts(&minutes, bad),
        };
        Hour {
            present: Timestamp::from_millis(present * MINUTE).on_the_wall(self.clock.ahead()),
            pushes: split(Count::PushAccepted, Count::PushRefused),
            redeems: split(Count::Redeemed, Count::RedeemRefused),
            completions: split(Count::Completed, Count::Failed),
            refusals: refusals(&minutes),
            limited: kept.last.limited.clone().into_iter().collect(),
            push_time: quantiles(&minutes, Time::Push),
            store_time: quantiles(&minutes, Time::Store),
            upstream_time: quantiles(&minutes, Time::Upstream),
        }
    }
}

fn counts(minutes: &[Option<&Minute>], count: Count) -> Vec<u64> {
    minutes.iter().map(|minute| minute.map_or(0, |minute| minute.count(count))).collect()
}

fn quantiles(minutes: &[Option<&Minute>], time: Time) -> Quantiles {
    let of = |share: f64| {
        minutes
            .iter()
            .map(|minute| minute.and_then(|minute| minute.quantile(time, share)))
            .collect()
    };
    Quantiles { median: of(0.5), p99: of(0.99) }
}

fn refusals(minutes: &[Option<&Minute>]) -> Vec<(String, Vec<u64>)> {
    let mut reasons: Vec<&str> =
        minutes.iter().flatten().flat_map(|minute| minute.reasons()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let of = |reason: &str| -> Vec<u64> {
        minutes.iter().map(|minute| minute.map_or(0, |minute| minute.refused(reason))).collect()
    };
    let mut all: Vec<_> =
        reasons.into_iter().map(|reason| (reason.to_owned(), of(reason))).collect();
    all.sort_by_key(|(_, values)| std::cmp::Reverse(values.iter().sum::<u64>()));
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;
    use crate::oauth::error::ErrorCode;
    use crate::telemetry::metrics::{AuthMethod, PushForm, RedeemResult};

    fn push(metrics: &Metrics, error: Option<ErrorCode>) {
        metrics.push(error, AuthMethod::None, PushForm::Plain, Duration::from_millis(3));
    }

    #[test]
    fn what_happens_between_two_samples_counts_for_its_minute() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(100 * MINUTE)));
        let history = History::new(Arc::<ManualClock>::clone(&clock));
        let metrics = Metrics::new();
        push(&metrics, None);
        history.sample(&metrics);
        push(&metrics, None);
        clock.advance(Duration::from_secs(15));
        history.sample(&metrics);
        clock.advance(Duration::from_secs(120));
        push(&metrics, Some(ErrorCode::InvalidClient));
        metrics.redeem(RedeemResult::Ok);
        metrics.redeem(RedeemResult::Expired);
        history.sample(&metrics);

        let hour = history.hour();
        assert_eq!(hour.present, WallTime::from_millis(102 * MINUTE));
        assert_eq!(hour.pushes.good.len(), MINUTES);
        assert_eq!(hour.pushes.good[MINUTES - 3..], [2, 0, 0]);
        assert_eq!(hour.pushes.bad[MINUTES - 3..], [0, 0, 1]);
        assert_eq!(hour.redeems.good.iter().sum::<u64>(), 1);
        let reasons: Vec<_> = hour.refusals.iter().map(|(reason, _)| reason.as_str()).collect();
        assert_eq!(reasons, ["push: invalid_client", "redeem: expired"]);
        let median = hour.push_time.median[MINUTES - 1].unwrap();
        assert!((0.0025..=0.005).contains(&median), "{median}");
        assert_eq!(hour.push_time.median[MINUTES - 2], None);
        assert!(hour.store_time.p99.iter().all(Option::is_none));
    }

    #[test]
    fn more_than_an_hour_is_forgotten() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
        let history = History::new(Arc::<ManualClock>::clone(&clock));
        let metrics = Metrics::new();
        for _ in 0..200 {
            push(&metrics, None);
            history.sample(&metrics);
            clock.advance(Duration::from_secs(60));
        }
        assert_eq!(history.kept.lock().minutes.len(), MINUTES);
        let hour = history.hour();
        assert_eq!(hour.pushes.good.iter().sum::<u64>(), MINUTES as u64 - 1);
        clock.advance(Duration::from_secs(7_200));
        assert_eq!(history.hour().pushes.good.iter().sum::<u64>(), 0);
    }
}
