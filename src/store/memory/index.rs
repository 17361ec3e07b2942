//! The memory store's index: which request was started last under a key.

use moka::ops::compute::Op;
use moka::sync::Cache;

use super::{Address, address, half_digest};
use crate::oauth::request_uri::Reference;
use crate::store::IndexKey;

/// References of started requests. An entry is written and removed under the lock of its request,
/// whose account it is on, and never outlives it.
#[derive(Debug)]
pub(super) struct Index(Cache<Address, Reference>);

impl Index {
    pub(super) fn new() -> Self {
        Self(Cache::builder().build())
    }

    /// `key` leads to the request with this reference, and no longer to an earlier one.
    pub(super) fn point(&self, key: &IndexKey, reference: &Reference) {
        self.0.insert(half_digest(key.as_bytes()), *reference);
    }

    /// `key` leads no longer to the request at `to`; where it leads to another, it stays.
    pub(super) fn forget(&self, key: &IndexKey, to: Address) {
        self.0.entry(half_digest(key.as_bytes())).and_compute_with(|kept| match kept {
            Some(kept) if address(kept.value()) == to => Op::Remove,
            Some(_) | None => Op::Nop,
        });
    }

    pub(super) fn find(&self, key: &IndexKey) -> Option<Reference> {
        self.0.get(&half_digest(key.as_bytes()))
    }

    /// What is kept: places, and the references they lead to.
    pub(super) fn all(&self) -> impl Iterator<Item = (Address, Reference)> {
        self.0.iter().map(|(place, reference)| (*place, reference))
    }

    /// Keeps what [`all`](Self::all) gave before a restart.
    pub(super) fn restore(&self, place: Address, reference: Reference) {
        self.0.insert(place, reference);
    }

    pub(super) fn tidy(&self) {
        self.0.run_pending_tasks();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> u64 {
        self.tidy();
        self.0.entry_count()
    }
}
