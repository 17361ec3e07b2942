//! The last outcomes, for the status page: which event, when, why, and the number of the request.
//! Nothing that a request brought along is kept.

use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

use crate::clock::{Clock, SystemClock, Timestamp};

/// How many are kept.
pub const MOST: usize = 50;

/// Longest number of a request that is kept whole, as the gateway takes it from a trusted peer.
const LONGEST_ID: usize = 128;

/// The outcomes of this process; the audit trail fills it.
#[must_use]
pub fn recent() -> &'static Recent {
    static RECENT: LazyLock<Recent> = LazyLock::new(|| Recent::new(Arc::new(SystemClock::start())));
    &RECENT
}

/// A ring of the last [`MOST`] outcomes. Its memory is taken once.
#[derive(Debug)]
pub struct Recent {
    clock: Arc<dyn Clock>,
    ring: Mutex<Ring>,
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// When.
    pub at: Timestamp,
    /// The event of the audit trail, such as `push.refused`.
    pub event: &'static str,
    /// The wire error, if there was one.
    pub error: Option<&'static str>,
    /// Why, from a closed list.
    pub reason: Option<&'static str>,
    /// The gateway's number of the request.
    pub request_id: String,
}

#[derive(Debug)]
struct Ring {
    slots: Box<[Slot]>,
    next: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    at: Timestamp,
    event: &'static str,
    error: Option<&'static str>,
    reason: Option<&'static str>,
    id: [u8; LONGEST_ID],
    id_length: usize,
}

const EMPTY: Slot = Slot {
    at: Timestamp::from_millis(0),
    event: "",
    error: None,
    reason: None,
    id: [0; LONGEST_ID],
    id_length: 0,
};

impl Recent {
    /// An empty ring.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, ring: Mutex::new(Ring { slots: vec![EMPTY; MOST].into(), next: 0 }) }
    }

    /// Keeps an outcome in place of the oldest; `why` is the wire error and the reason.
    pub fn note(
        &self,
        event: &'static str,
        request_id: &str,
        why: (Option<&'static str>, Option<&'static str>),
    ) {
        let at = self.clock.now();
        let mut ring = self.ring.lock();
        let position = ring.next;
        ring.next = (position + 1) % MOST;
        let Some(slot) = ring.slots.get_mut(position) else { return };
        (slot.at, slot.event, (slot.error, slot.reason)) = (at, event, why);
        slot.id_length = request_id.len().min(LONGEST_ID);
        for (kept, byte) in slot.id.iter_mut().zip(request_id.bytes()) {
            *kept = byte;
        }
    }

    /// What is kept, the last one first.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcome> {
        let ring = self.ring.lock();
        let (later, earlier) = ring.slots.split_at(ring.next.min(ring.slots.len()));
        let newest_first = later.iter().rev().chain(earlier.iter().rev());
        newest_first.filter(|slot| !slot.event.is_empty()).map(Slot::outcome).collect()
    }
}

impl Slot {
    fn outcome(&self) -> Outcome {
        let id = self.id.get(..self.id_length).unwrap_or_default();
        Outcome {
            at: self.at,
            event: self.event,
            error: self.error,
            reason: self.reason,
            request_id: String::from_utf8_lossy(id).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn the_last_outcomes_are_kept_newest_first() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000)));
        let recent = Recent::new(Arc::<ManualClock>::clone(&clock));
        assert_eq!(recent.outcomes(), []);
        for number in 0..MOST + 3 {
            clock.advance(Duration::from_secs(1));
            recent.note("push.refused", &number.to_string(), (Some("invalid_request"), None));
        }
        let outcomes = recent.outcomes();
        assert_eq!(outcomes.len(), MOST);
        assert_eq!(outcomes[0].request_id, (MOST + 2).to_string());
        assert_eq!(outcomes[MOST - 1].request_id, "3");
        assert_eq!(outcomes[0].at.as_millis(), 1_000 * (MOST as u64 + 4));
        assert_eq!(outcomes[0].error, Some("invalid_request"));
        assert!(outcomes.is_sorted_by(|a, b| a.at >= b.at));
    }

    #[test]
    fn a_long_number_is_cut_and_a_shorter_one_leaves_nothing_of_it() {
        let recent = Recent::new(Arc::new(ManualClock::at(Timestamp::from_millis(0))));
        for _ in 0..MOST {
            recent.note("push.accepted", &"x".repeat(500), (None, None));
        }
        recent.note("completion.code", "ab", (None, Some("code")));
        let outcomes = recent.outcomes();
        assert_eq!((outcomes[0].request_id.as_str(), outcomes[0].event), ("ab", "completion.code"));
        assert_eq!(outcomes[1].request_id.len(), LONGEST_ID);
    }
}
