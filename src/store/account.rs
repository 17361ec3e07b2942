//! Who holds how much of a store's room: the bound that refuses a newcomer and never throws out
//! what is alive.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::{MAX_SHARES, StoreError, Usage};

/// Who holds how much of the room.
#[derive(Debug)]
pub(super) struct Account {
    max_bytes: u64,
    bytes: AtomicU64,
    requests: AtomicU64,
    shares: AtomicU64,
    by_client: Mutex<HashMap<Arc<str>, u64>>,
}

impl Account {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self {
            max_bytes,
            bytes: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            shares: AtomicU64::new(MAX_SHARES),
            by_client: Mutex::default(),
        }
    }

    /// Divides the room among so many clients. What they hold already stays theirs.
    pub(super) fn divide(&self, clients: usize) {
        let clients = u64::try_from(clients).unwrap_or(MAX_SHARES);
        self.shares.store(clients.clamp(1, MAX_SHARES), Ordering::Relaxed);
    }

    fn share(&self) -> u64 {
        self.max_bytes / self.shares.load(Ordering::Relaxed).max(1)
    }

    pub(super) fn reserve(&self, client_id: &Arc<str>, cost: u64) -> Result<(), StoreError> {
        self.reserve_more(client_id, cost)?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Room for what is added to a request that is kept.
    pub(super) fn reserve_more(&self, client_id: &Arc<str>, cost: u64) -> Result<(), StoreError> {
        self.reserve_shared(cost)?;
        let mut by_client = self.by_client.lock();
        let held = match by_client.get_mut(client_id) {
            Some(held) => held,
            None => by_client.entry(Arc::clone(client_id)).or_default(),
        };
        if *held + cost > self.share() {
            drop(by_client);
            self.release_shared(cost);
            return Err(StoreError::ClientShareFull);
        }
        *held += cost;
        Ok(())
    }

    pub(super) fn release(&self, client_id: &Arc<str>, cost: u64) {
        self.release_part(client_id, cost);
        self.requests.fetch_sub(1, Ordering::Relaxed);
    }

    /// Gives back the room of what a request no longer has.
    pub(super) fn release_part(&self, client_id: &Arc<str>, cost: u64) {
        let mut by_client = self.by_client.lock();
        if let Some(held) = by_client.get_mut(client_id) {
            *held = held.saturating_sub(cost);
            if *held == 0 {
                by_client.remove(client_id);
            }
        }
        drop(by_client);
        self.release_shared(cost);
    }

    fn reserve_shared(&self, cost: u64) -> Result<(), StoreError> {
        let before = self.bytes.fetch_add(cost, Ordering::Relaxed);
        if before + cost > self.max_bytes {
            self.release_shared(cost);
            return Err(StoreError::Full);
        }
        Ok(())
    }

    fn release_shared(&self, cost: u64) {
        self.bytes.fetch_sub(cost, Ordering::Relaxed);
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
