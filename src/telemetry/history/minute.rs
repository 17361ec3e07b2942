//! One minute: the difference between two readings.

use std::collections::BTreeMap;

use super::reading::{Buckets, Count, Reading, Time};

/// What happened in one minute.
#[derive(Debug)]
pub(super) struct Minute {
    /// Minutes since the Unix epoch.
    pub(super) number: u64,
    counts: [u64; 6],
    refusals: BTreeMap<String, u64>,
    times: [Buckets; 3],
}

impl Minute {
    /// Nothing yet.
    pub(super) fn new(number: u64) -> Self {
        Self { number, counts: [0; 6], refusals: BTreeMap::new(), times: Default::default() }
    }

    /// Adds what happened from `before` to `after`.
    pub(super) fn add(&mut self, before: &Reading, after: &Reading) {
        for ((sum, before), after) in self.counts.iter_mut().zip(before.counts).zip(after.counts) {
            *sum += after.saturating_sub(before);
        }
        for (reason, after) in &after.refusals {
            let more = after.saturating_sub(before.refusals.get(reason).copied().unwrap_or(0));
            if more > 0 {
                *self.refusals.entry(reason.clone()).or_default() += more;
            }
        }
        for ((sum, before), after) in self.times.iter_mut().zip(&before.times).zip(&after.times) {
            add_buckets(sum, before, after);
        }
    }

    pub(super) fn count(&self, count: Count) -> u64 {
        self.counts.get(count as usize).copied().unwrap_or(0)
    }

    pub(super) fn reasons(&self) -> impl Iterator<Item = &str> {
        self.refusals.keys().map(String::as_str)
    }

    pub(super) fn refused(&self, reason: &str) -> u64 {
        self.refusals.get(reason).copied().unwrap_or(0)
    }

    /// The time within which `share` of the measurements lie, in seconds; within a bucket they
    /// count as spread evenly, and beyond the last bound as that.
    pub(super) fn quantile(&self, time: Time, share: f64) -> Option<f64> {
        let buckets = self.times.get(time as usize)?;
        let total = buckets.last().map(|(_, total)| *total).filter(|total| *total > 0)?;
        let rank = share * float(total);
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in buckets {
            let count = float(*count);
            if count >= rank && count > below {
                let bound = if bound.is_finite() { *bound } else { lower };
                return Some(lower + (bound - lower) * (rank - below) / (count - below));
            }
            if bound.is_finite() {
                (lower, below) = (*bound, count);
            }
        }
        Some(lower)
    }
}

fn add_buckets(sum: &mut Buckets, before: &Buckets, after: &Buckets) {
    if sum.is_empty() {
        sum.extend(after.iter().map(|(bound, _)| (*bound, 0)));
    }
    for (position, ((_, sum), (_, after))) in sum.iter_mut().zip(after).enumerate() {
        let before = before.get(position).map_or(0, |(_, before)| *before);
        *sum += after.saturating_sub(before);
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and it is plotted")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_found_within_their_bucket() {
        let mut minute = Minute::new(1);
        assert_eq!(minute.quantile(Time::Push, 0.5), None);
        minute.times[Time::Push as usize] = vec![(0.1, 0), (0.2, 10), (f64::INFINITY, 10)];
        assert!((minute.quantile(Time::Push, 0.5).unwrap() - 0.15).abs() < 1e-9);
        minute.times[Time::Push as usize] = vec![(0.1, 50), (0.2, 90), (f64::INFINITY, 100)];
        assert!((minute.quantile(Time::Push, 0.99).unwrap() - 0.2).abs() < 1e-9);
        assert!((minute.quantile(Time::Push, 0.25).unwrap() - 0.05).abs() < 1e-9);
    }
}
