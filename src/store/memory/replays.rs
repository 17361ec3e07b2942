//! Tokens that were used and may not be used again. They come with every signed push and are only ever
//! asked for once, so they lie in a plain sharded map, where an entry takes about half of the room that a cache takes.

use std::fmt;
use std::sync::Arc;

use dashmap::{DashMap, Entry};

use crate::clock::{Clock, Timestamp, WallTime};
use crate::store::ReplayKey;
use crate::store::due::Due;

/// Bytes a remembered token costs: its place in a map that is half full, and when it is due.
pub(super) const REPLAY_OVERHEAD: u64 = 192;

/// A shard is locked while it grows, so shards are many.
const SHARDS: usize = 64;

/// Used tokens, by how long each is remembered.
pub(super) struct Replays {
    used: DashMap<ReplayKey, Used>,
    due: Due<ReplayKey>,
}

/// For how long a token is remembered, and on whose account. It has no second use as long as either clock
/// says so: the wall clock, by which the token expires, may be corrected at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Used {
    /// When its time is over if the wall clock goes right from its use on.
    pub(super) gone_at: Timestamp,
    /// When it expires.
    pub(super) until: WallTime,
    pub(super) client_id: Arc<str>,
}

/// What a use of a token met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Nothing; it is remembered now and takes room.
    First,
    /// A use that is over; the token keeps its place.
    FirstAgain,
    /// A use that is remembered.
    Repeated,
}

impl Used {
    pub(super) fn is_over(&self, clock: &dyn Clock) -> bool {
        self.gone_at <= clock.now() && self.until <= clock.wall()
    }

    /// When it may be over, as far as is known now.
    fn due(&self, clock: &dyn Clock) -> Timestamp {
        self.gone_at.max(clock.now() + self.until.since(clock.wall()))
    }
}

impl Replays {
    pub(super) fn new() -> Self {
        Self { used: DashMap::with_shard_amount(SHARDS), due: Due::new() }
    }

    /// Uses a token that expires at `until`, and remembers it.
    pub(super) fn uses(
        &self,
        key: ReplayKey,
        until: WallTime,
        clock: &dyn Clock,
        client_id: &Arc<str>,
    ) -> Use {
        let gone_at = clock.now() + until.since(clock.wall());
        self.take(key, Used { gone_at, until, client_id: Arc::clone(client_id) }, clock)
    }

    /// Remembers a token, where it is not remembered already.
    pub(super) fn take(&self, key: ReplayKey, used: Used, clock: &dyn Clock) -> Use {
        let due = used.due(clock);
        match self.used.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(used);
            }
            Entry::Occupied(mut occupied) => {
                let known = occupied.get_mut();
                let is_over = known.is_over(clock);
                known.gone_at = known.gone_at.max(used.gone_at);
                known.until = known.until.max(used.until);
                return if is_over { Use::FirstAgain } else { Use::Repeated };
            }
        }
        self.due.push(due, key);
        Use::First
    }

    /// Forgets what is over; `release` is told the client of each token.
    pub(super) fn tidy(&self, clock: &dyn Clock, release: impl Fn(&Arc<str>)) -> u64 {
        let mut forgotten = 0;
        while let Some(keys) = self.due.pop(clock.now()) {
            for key in keys {
                match self.used.entry(key) {
                    Entry::Occupied(occupied) if !occupied.get().is_over(clock) => {
                        self.due.push(occupied.get().due(clock), key);
                    }
                    Entry::Occupied(occupied) => {
                        release(&occupied.remove().client_id);
                        forgotten += 1;
                    }
                    Entry::Vacant(_) => {}
                }
            }
        }
        // After a burst the map would keep the room that the account has given back.
        if forgotten > 0 && self.used.len() < self.used.capacity() / 8 {
            self.used.shrink_to_fit();
        }
        forgotten
    }

    /// What is remembered still.
    pub(super) fn alive(&self, clock: &dyn Clock) -> impl Iterator<Item = (ReplayKey, Used)> {
        let all = self.used.iter().map(|entry| (*entry.key(), entry.value().clone()));
        all.filter(move |(_, used)| !used.is_over(clock))
    }
}

impl fmt::Debug for Replays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replays").field("count", &self.used.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    const KEY: ReplayKey = ReplayKey([1; 32]);

    fn at(millis: u64) -> WallTime {
        WallTime::from_millis(millis)
    }

    fn clock() -> ManualClock {
        ManualClock::at(Timestamp::from_millis(1_000))
    }

    fn wait(clock: &ManualClock, millis: u64) {
        clock.advance(Duration::from_millis(millis));
    }

    #[test]
    fn a_token_is_used_once_until_it_is_over() {
        let (replays, clock, client) = (Replays::new(), clock(), "a".into());
        let uses = |key, until| replays.uses(key, until, &clock, &client);
        let tidy = || replays.tidy(&clock, |client_id| assert_eq!(&**client_id, "a"));
        assert_eq!(uses(KEY, at(2_000)), Use::First);
        wait(&clock, 999);
        assert_eq!(uses(KEY, at(1_500)), Use::Repeated);
        wait(&clock, 1);
        assert_eq!(uses(KEY, at(3_000)), Use::FirstAgain);
        assert_eq!(uses(ReplayKey([2; 32]), at(9_000)), Use::First);
        // Looked at when it was due at first, it is not over.
        wait(&clock, 900);
        assert_eq!(tidy(), 0);
        assert_eq!(replays.alive(&clock).count(), 2);
        wait(&clock, 700);
        assert_eq!(tidy(), 1);
        let alive: Vec<_> = replays.alive(&clock).map(|(key, used)| (key, used.until)).collect();
        assert_eq!(alive, [(ReplayKey([2; 32]), at(9_000))]);
        assert_eq!(uses(KEY, at(9_000)), Use::First);
    }

    #[test]
    fn b277_no_correction_of_the_wall_clock_lets_a_token_in_again() {
        for correction in [-60_000, -500, 0, 500, 60_000] {
            let (replays, clock, client) = (Replays::new(), clock(), "a".into());
            clock.correct(100_000);
            let until = clock.wall() + Duration::from_secs(5);
            assert_eq!(replays.uses(KEY, until, &clock, &client), Use::First);
            for _ in 0..80 {
                clock.correct(correction);
                wait(&clock, 999);
                replays.tidy(&clock, |_| {});
                // It is over by the wall clock while that is ahead, and then no more.
                clock.correct(-correction);
                if clock.wall() < until {
                    let again = replays.uses(KEY, until, &clock, &client);
                    assert_eq!(again, Use::Repeated, "{correction}");
                }
            }
            assert_eq!(replays.alive(&clock).count(), 0, "{correction}");
            replays.tidy(&clock, |_| {});
            assert_eq!(replays.used.len(), 0, "{correction}");
        }
    }

    #[test]
    fn b277_a_wall_clock_that_was_set_back_keeps_a_token_for_as_long() {
        let (replays, clock, client) = (Replays::new(), clock(), "a".into());
        clock.correct(100_000);
        let until = clock.wall() + Duration::from_secs(5);
        assert_eq!(replays.uses(KEY, until, &clock, &client), Use::First);
        clock.correct(-60_000);
        for _ in 0..64 {
            wait(&clock, 1_000);
            replays.tidy(&clock, |_| {});
            assert_eq!(replays.uses(KEY, until, &clock, &client), Use::Repeated);
        }
        wait(&clock, 3_000);
        assert_eq!(replays.tidy(&clock, |_| {}), 1);
    }
}
