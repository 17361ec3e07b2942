//! Tokens that were used and may not be used again. They come with every signed push and are only ever
//! asked for once, so they lie in a plain sharded map, where an entry takes about half of the room that a cache takes.

use std::fmt;
use std::sync::Arc;

use dashmap::{DashMap, Entry};

use crate::clock::Timestamp;
use crate::store::ReplayKey;
use crate::store::due::Due;

/// Bytes a remembered token costs: its place in a map that is half full, and when it is due.
pub(super) const REPLAY_OVERHEAD: u64 = 192;

/// A shard is locked while it grows, so shards are many.
const SHARDS: usize = 64;

/// Used tokens, by the time until which each is remembered and the client on whose account it is.
pub(super) struct Replays {
    until: DashMap<ReplayKey, (Timestamp, Arc<str>)>,
    due: Due<ReplayKey>,
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

impl Replays {
    pub(super) fn new() -> Self {
        Self { until: DashMap::with_shard_amount(SHARDS), due: Due::new() }
    }

    /// Uses a token, and remembers it at least until `until`.
    pub(super) fn uses(
        &self,
        key: ReplayKey,
        until: Timestamp,
        now: Timestamp,
        client_id: &Arc<str>,
    ) -> Use {
        match self.until.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert((until, Arc::clone(client_id)));
            }
            Entry::Occupied(mut occupied) => {
                let (known, _) = occupied.get_mut();
                let seen = *known;
                *known = if seen <= now { until } else { seen.max(until) };
                return if seen <= now { Use::FirstAgain } else { Use::Repeated };
            }
        }
        self.due.push(until, key);
        Use::First
    }

    /// Forgets what is over; `release` is told the client of each token.
    pub(super) fn tidy(&self, now: Timestamp, release: impl Fn(&Arc<str>)) -> u64 {
        let mut forgotten = 0;
        while let Some(keys) = self.due.pop(now) {
            for key in keys {
                match self.until.entry(key) {
                    Entry::Occupied(occupied) if now < occupied.get().0 => {
                        self.due.push(occupied.get().0, key);
                    }
                    Entry::Occupied(occupied) => {
                        release(&occupied.remove().1);
                        forgotten += 1;
                    }
                    Entry::Vacant(_) => {}
                }
            }
        }
        // After a burst the map would keep the room that the account has given back.
        if forgotten > 0 && self.until.len() < self.until.capacity() / 8 {
            self.until.shrink_to_fit();
        }
        forgotten
    }

    /// What is remembered beyond `now`.
    pub(super) fn alive(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (ReplayKey, Timestamp, Arc<str>)> {
        let all = self.until.iter().map(|entry| {
            let (until, client_id) = entry.value();
            (*entry.key(), *until, Arc::clone(client_id))
        });
        all.filter(move |(_, until, _)| *until > now)
    }
}

impl fmt::Debug for Replays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replays").field("count", &self.until.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_token_is_used_once_until_it_is_over() {
        let (replays, key) = (Replays::new(), ReplayKey([1; 32]));
        let client: Arc<str> = "a".into();
        let uses = |key, until, now| replays.uses(key, until, now, &client);
        let tidy = |now| replays.tidy(now, |client_id| assert_eq!(&**client_id, "a"));
        assert_eq!(uses(key, at(2_000), at(1_000)), Use::First);
        assert_eq!(uses(key, at(1_500), at(1_999)), Use::Repeated);
        assert_eq!(uses(key, at(3_000), at(2_000)), Use::FirstAgain);
        assert_eq!(uses(ReplayKey([2; 32]), at(9_000), at(2_000)), Use::First);
        // Looked at when it was due at first, it is not over.
        assert_eq!(tidy(at(2_900)), 0);
        assert_eq!(replays.alive(at(2_900)).count(), 2);
        assert_eq!(tidy(at(3_600)), 1);
        assert_eq!(
            replays.alive(at(3_600)).collect::<Vec<_>>(),
            [(ReplayKey([2; 32]), at(9_000), Arc::clone(&client))]
        );
        assert_eq!(uses(key, at(9_000), at(3_600)), Use::First);
    }
}
