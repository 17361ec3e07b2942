//! How much of each budget is used up: what the limiter reckons with, in bounded room, and for longer
//! than one limiter lives.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::nanos::Nanos;
use governor::state::StateStore;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::clock::Clock;
use crate::config::Rate;

/// Most addresses that are remembered: as having failed, as blocked, as trusted. Beyond, the oldest
/// are forgotten: who fails from that many addresses is not to be held up by counting them.
pub(super) const MOST_ADDRESSES: u64 = 100_000;

/// The longest time that a rate can be of.
pub(super) const LONGEST_PER: Duration = Duration::from_secs(3600);

/// When each budget is full again, in nanoseconds of the clock. A budget that was not asked for in
/// the longest time of a rate is full.
pub(super) type Cells<K> = Cache<K, Arc<AtomicU64>>;

/// Nothing is used up.
pub(super) fn cells<K: Hash + Eq + Send + Sync + 'static>() -> Cells<K> {
    Cache::builder()
        .max_capacity(MOST_ADDRESSES)
        .eviction_policy(EvictionPolicy::lru())
        .time_to_idle(LONGEST_PER)
        .build()
}

/// The cells as one limiter sees them: it reckons from the moment when it was made.
pub(super) struct Budgets<K> {
    cells: Cells<K>,
    clock: OurClock,
    began: u64,
    /// In which a whole budget comes back, in nanoseconds. What was used up under another limit is no
    /// more than that.
    whole: u64,
}

impl<K> fmt::Debug for Budgets<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budgets").field("began", &self.began).finish_non_exhaustive()
    }
}

impl<K> Budgets<K>
where
    K: Hash + Eq + Send + Sync + 'static,
{
    /// For a limiter of this rate that is made now.
    pub(super) fn over(cells: &Cells<K>, clock: &OurClock, rate: Rate) -> Self {
        let whole = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX);
        let began = clock.now().as_u64();
        Self { cells: cells.clone(), clock: clock.clone(), began, whole }
    }
}

impl<K> StateStore for Budgets<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let cell = self.cells.get_with_by_ref(key, Arc::default);
        let latest = self.clock.now().as_u64().saturating_add(self.whole);
        // Kept, or it would be as far ahead at the next look.
        cell.fetch_min(latest, Ordering::AcqRel);
        let mut known = cell.load(Ordering::Acquire);
        loop {
            // What was full before this limiter began is full.
            let full_again = known.checked_sub(self.began).map(Nanos::from);
            let (outcome, full_again) = measure(full_again)?;
            let new = self.began.saturating_add(full_again.as_u64());
            match cell.compare_exchange_weak(known, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(outcome),
                Err(other) => known = other,
            }
        }
    }
}

/// Our clock, as the limiter wants it.
#[derive(Debug, Clone)]
pub(super) struct OurClock(pub(super) Arc<dyn Clock>);

impl GovernorClock for OurClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Duration::from_millis(self.0.now().as_millis()).into()
    }
}
