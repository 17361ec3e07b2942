//! When which entry is to be looked at: keys in slices of time, so that collecting what has expired
//! takes a slice at a time and holds up nobody.
//!
//! moka has expiry of its own, but collects all that expired within a second in one go and under
//! the lock that writers need: a second at a time for a store of a million entries.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::clock::Timestamp;

/// Milliseconds in a slice: 2 to this power.
const SLICE: u32 = 8;

/// Keys by the time at which they are due. A key may stand in it more than once.
#[derive(Debug)]
pub(super) struct Due<K>(Mutex<BTreeMap<u64, Vec<K>>>);

impl<K> Due<K> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// `key` is due at `at`, or up to a slice later.
    pub(super) fn push(&self, at: Timestamp, key: K) {
        self.0.lock().entry(at.as_millis() >> SLICE).or_default().push(key);
    }

    /// The oldest slice of which all is due.
    pub(super) fn pop(&self, now: Timestamp) -> Option<Vec<K>> {
        let mut slices = self.0.lock();
        let oldest = slices.first_entry()?;
        (*oldest.key() < now.as_millis() >> SLICE).then(|| oldest.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_when_they_are_due_and_not_before() {
        let due = Due::new();
        let at = Timestamp::from_millis;
        due.push(at(2_000), 'b');
        due.push(at(1_000), 'a');
        due.push(at(1_001), 'c');
        assert_eq!(due.pop(at(1_000)), None);
        assert_eq!(due.pop(at(1_300)), Some(vec!['a', 'c']));
        assert_eq!(due.pop(at(1_999)), None);
        assert_eq!(due.pop(at(60_000)), Some(vec!['b']));
        assert_eq!(due.pop(at(60_000)), None);
    }
}
