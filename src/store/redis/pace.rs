//! What time it is at Redis, as far as its last answer tells, and how long an answer takes. Nothing
//! is judged by it: it is for sealing a redeem-by time that the server then accepts or refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, Timestamp, WallTime};

/// Beside twice the way to the server, so that a redeem-by time is seldom too early.
const ROOM: u64 = 20;

/// Most that a redeem-by time may lie behind the promised one.
const MOST: u64 = 1500;

#[derive(Debug)]
pub(super) struct Pace {
    clock: Arc<dyn Clock>,
    /// Milliseconds to be added to our clock.
    ahead: AtomicI64,
    way: AtomicU64,
}

impl Pace {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, ahead: AtomicI64::new(0), way: AtomicU64::new(0) }
    }

    /// A call is about to be made.
    pub(super) fn begin(&self) -> Timestamp {
        self.clock.now()
    }

    /// How long the wall clock takes to get to `until`.
    pub(super) fn left(&self, until: WallTime) -> Duration {
        until.since(self.clock.wall())
    }

    /// It was answered at `theirs`.
    pub(super) fn learn(&self, sent: Timestamp, theirs: Timestamp) {
        let ours = self.clock.now();
        self.ahead.store(signed(theirs) - signed(ours), Ordering::Relaxed);
        let way = u64::try_from(ours.since(sent).as_millis()).unwrap_or(MOST);
        self.way.store(way, Ordering::Relaxed);
    }

    /// A redeem-by time that keeps the promise of `redeem` when it arrives.
    pub(super) fn redeem_by(&self, redeem: Duration) -> Timestamp {
        let theirs = signed(self.clock.now()).saturating_add(self.ahead.load(Ordering::Relaxed));
        let spare = MOST.min(2 * self.way.load(Ordering::Relaxed) + ROOM);
        let theirs = Timestamp::from_millis(u64::try_from(theirs).unwrap_or(0));
        theirs + redeem + Duration::from_millis(spare)
    }
}

fn signed(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_clock_that_is_wrong_is_set_right_by_the_server() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(100_000)));
        let pace = Pace::new(Arc::<ManualClock>::clone(&clock));
        let redeem = Duration::from_secs(60);
        for theirs in [5_000, 105_000] {
            let sent = pace.begin();
            clock.advance(Duration::from_millis(10));
            pace.learn(sent, Timestamp::from_millis(theirs));
            let due = pace.redeem_by(redeem).as_millis();
            assert_eq!(due, theirs + 60_000 + 40);
        }
    }
}
