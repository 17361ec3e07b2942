//! What is left of a spent request: enough to know that it is spent, and by which answer it would be
//! meant. There may be a million, as each stays as long as a login of its request could still end.

use std::fmt;
use std::sync::Arc;

use dashmap::DashMap;

use super::{Address, half_digest};
use crate::clock::Timestamp;
use crate::oauth::request_uri::Reference;
use crate::store::{FlowId, Found, Held, IndexKey, Outcome, PushedRequest, Spent};

/// Bytes that a tombstone costs: its place in a map that is half full, and when it is due.
const TOMB: u64 = 144;

/// Bytes that finding one by the index costs beside that.
const TOMB_INDEX: u64 = 80;

/// A shard is locked while it grows, so shards are many.
const SHARDS: usize = 64;

/// Tombstone of one request.
#[derive(Clone)]
pub(super) struct Tomb {
    pub(super) client_id: Arc<str>,
    pub(super) index: Option<IndexKey>,
    /// The time from which on no login of the request can end any more.
    pub(super) gone_at: Timestamp,
}

/// All tombstones, by the address of the request and by its index key.
pub(super) struct Tombs {
    by_address: DashMap<Address, Tomb>,
    by_index: DashMap<Address, Reference>,
}

impl Tomb {
    /// The room that it takes.
    pub(super) const fn cost(&self) -> u64 {
        if self.index.is_some() { TOMB + TOMB_INDEX } else { TOMB }
    }

    fn held(&self, now: Timestamp) -> Held {
        let request = PushedRequest {
            client_id: Arc::clone(&self.client_id),
            query: Box::default(),
            flow_key: [0; 32],
            index: self.index,
        };
        let spent = Spent { flow: FlowId([0; 12]), at: now, outcome: Outcome::Code };
        Held { request: Arc::new(request), now, spent: Some(spent), logins: Vec::new() }
    }
}

impl Tombs {
    pub(super) fn new() -> Self {
        Self {
            by_address: DashMap::with_shard_amount(SHARDS),
            by_index: DashMap::with_shard_amount(SHARDS),
        }
    }

    /// Keeps a tombstone; `reference` is that of the request, where its index key leads to it.
    pub(super) fn insert(&self, address: Address, tomb: Tomb, reference: Option<Reference>) {
        if let (Some(key), Some(reference)) = (&tomb.index, reference) {
            self.by_index.insert(half_digest(key.as_bytes()), reference);
        }
        self.by_address.insert(address, tomb);
    }

    /// The tombstone at `address`.
    pub(super) fn find(&self, address: &Address) -> Option<Tomb> {
        self.by_address.get(address).map(|tomb| tomb.clone())
    }

    /// The request as it is held, until it is gone.
    pub(super) fn held(&self, address: &Address, now: Timestamp) -> Option<Held> {
        let tomb = self.by_address.get(address)?;
        (now < tomb.gone_at).then(|| tomb.held(now))
    }

    /// The request that the index key leads to.
    pub(super) fn found(&self, key: &IndexKey, now: Timestamp) -> Option<Found> {
        let reference = *self.by_index.get(&half_digest(key.as_bytes()))?;
        let held = self.held(&super::address(&reference), now)?;
        Some(Found { reference, flow: FlowId([0; 12]), started_at: now, starts: 1, held })
    }

    /// Takes a tombstone away.
    pub(super) fn remove(&self, address: &Address) -> Option<Tomb> {
        let (_, tomb) = self.by_address.remove(address)?;
        if let Some(key) = &tomb.index {
            let is_its = |_: &Address, reference: &Reference| super::address(reference) == *address;
            self.by_index.remove_if(&half_digest(key.as_bytes()), is_its);
        }
        // After a burst the maps would keep the room that the account has given back.
        if self.by_address.len() < self.by_address.capacity() / 8 {
            self.by_address.shrink_to_fit();
            self.by_index.shrink_to_fit();
        }
        Some(tomb)
    }

    /// All tombstones, with the reference of each that its index key leads to.
    pub(super) fn all(&self) -> impl Iterator<Item = (Address, Tomb, Option<Reference>)> {
        self.by_address.iter().map(|entry| {
            let key = entry.index.as_ref().map(|key| half_digest(key.as_bytes()));
            let reference = key.and_then(|key| self.by_index.get(&key).map(|found| *found));
            let reference = reference.filter(|found| super::address(found) == *entry.key());
            (*entry.key(), entry.value().clone(), reference)
        })
    }
}

impl fmt::Debug for Tombs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tombs").field("count", &self.by_address.len()).finish_non_exhaustive()
    }
}
