//! The memory store over a restart: written down as a snapshot, and made again from one.

use std::collections::HashMap;
use std::sync::Arc;

use super::entry::{Course, Entry, Kept};
use super::record::{Record, Restored};
use super::replays::{REPLAY_OVERHEAD, Used};
use super::tombs::Tomb;
use super::{Address, GRACE, MemoryStore, address, cost};
use crate::clock::{Timestamp, WallTime};
use crate::config::snapshot::SnapshotFile;
use crate::oauth::request_uri::Reference;
use crate::store::snapshot::{self, Malformed, SnapshotError};
use crate::store::{Continuation, FlowId, PushedRequest, REPEAT_WINDOW, ReplayKey};

/// What became of the requests in a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that are kept.
    pub requests: u64,
    /// Those whose time was over.
    pub expired: u64,
    /// Those that no longer fit, as `max_bytes` was made smaller.
    pub refused: u64,
}

impl MemoryStore {
    /// Writes down all that is alive. The store has to be [frozen](Self::freeze).
    ///
    /// # Errors
    /// [`SnapshotError`]; then there is no file.
    pub fn save(&self, to: &SnapshotFile, issuer: &str) -> Result<Tally, SnapshotError> {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let shift = wall.ahead_of(now);
        let mut tally = Tally::default();
        let requests = self.requests.iter().flat_map(|(address, entry)| {
            if entry.gone_at() <= now {
                tally.expired += 1;
                return Vec::new();
            }
            tally.requests += 1;
            written(*address, &entry, shift)
        });
        let index = self.index.all().map(|(place, to)| Record::Index(place, to).encoded(shift));
        let replays = self.replays.alive(&*self.clock);
        let replays = replays.map(|(key, used)| Record::Replay(key, used).encoded(shift));
        let tombs = self.tombs.all().filter(|(_, tomb, _)| tomb.gone_at > now);
        let tombs = tombs.map(|(address, tomb, reference)| {
            Record::Tomb(address, &tomb, reference).encoded(shift)
        });
        // Before all records stands the time at which they were written.
        let head = wall.as_millis().to_be_bytes().to_vec();
        let records =
            std::iter::once(head).chain(requests).chain(index).chain(tombs).chain(replays);
        snapshot::write(to, issuer, records)?;
        Ok(tally)
    }

    /// Takes what a snapshot holds, and removes it; `None` where there is none. To be called before
    /// the first call of the store.
    ///
    /// # Errors
    /// [`SnapshotError`]; then nothing was taken.
    pub fn restore(
        &self,
        from: &SnapshotFile,
        issuer: &str,
    ) -> Result<Option<Tally>, SnapshotError> {
        let wall = self.clock.wall();
        let mut shift = None;
        let read = |bytes: &[u8]| match (shift, bytes.first_chunk()) {
            (None, Some(written)) if bytes.len() == written.len() => {
                let written = WallTime::from_millis(u64::from_be_bytes(*written));
                // Where the wall clock went back meanwhile, no time is taken to have passed: what
                // was promised is kept, and no more than that.
                shift = Some(-wall.max(written).ahead_of(self.clock.now()));
                Ok(None)
            }
            (Some(shift), _) => Restored::decoded(bytes, shift).map(Some),
            (None, _) => Err(Malformed),
        };
        let Some(records) = snapshot::take(from, issuer, read)? else {
            return Ok(None);
        };
        let mut restoring = Restoring {
            store: self,
            now: self.clock.now(),
            tally: Tally::default(),
            clients: HashMap::new(),
        };
        for record in records.into_iter().flatten() {
            restoring.take(record);
        }
        Ok(Some(restoring.tally))
    }

    /// Removes a snapshot that was written for nothing.
    ///
    /// # Errors
    /// [`SnapshotError`]: it stays, and must not be read.
    pub fn withdraw(&self, file: &SnapshotFile) -> Result<(), SnapshotError> {
        snapshot::withdraw(file)
    }
}

fn written(address: Address, entry: &Entry, shift: i64) -> Vec<Vec<u8>> {
    let course = entry.course();
    let is_started = course.last_start.is_some();
    let mut records = vec![Record::Request(address, &entry.request, course).encoded(shift)];
    if is_started {
        let state = entry.state();
        records.extend(state.continuations.iter().map(|kept| {
            let (handle, continuation) = (&kept.handle, &kept.continuation);
            Record::Continuation(address, kept.flow, handle, continuation).encoded(shift)
        }));
    }
    records
}

struct Restoring<'a> {
    store: &'a MemoryStore,
    now: Timestamp,
    tally: Tally,
    /// Requests of one client share its name.
    clients: HashMap<Arc<str>, Arc<str>>,
}

impl Restoring<'_> {
    fn take(&mut self, record: Restored) {
        match record {
            Restored::Request(address, request, course) => self.request(address, request, course),
            Restored::Continuation(address, flow, handle, continuation) => {
                self.continuation(address, flow, handle, continuation);
            }
            Restored::Index(place, reference) => {
                if self.store.requests.contains_key(&address(&reference)) {
                    self.store.index.restore(place, reference);
                }
            }
            Restored::Tomb(address, tomb, reference) => self.tomb(address, tomb, reference),
            Restored::Replay(key, used) => self.replay(key, used),
        }
    }

    fn request(&mut self, address: Address, mut request: PushedRequest, course: Course) {
        let client = self.clients.entry(Arc::clone(&request.client_id));
        request.client_id = Arc::clone(client.or_insert_with(|| Arc::clone(&request.client_id)));
        let is_spent = course.spent.is_some();
        let (store, cost) = (self.store, cost(&request));
        let entry = Entry::resumed(request, course);
        let gone_at = entry.gone_at();
        if gone_at <= self.now {
            self.tally.expired += 1;
        } else if store.account.reserve(&entry.request.client_id, cost).is_err() {
            self.tally.refused += 1;
        } else {
            store.requests.insert(address, Arc::new(entry));
            store.due_requests.push(gone_at + GRACE, address);
            if is_spent {
                store.due_requests.push(self.now + REPEAT_WINDOW, address);
            }
            self.tally.requests += 1;
        }
    }

    /// Where it does not fit, the login that needs it has to begin anew.
    fn continuation(
        &self,
        address: Address,
        flow: FlowId,
        handle: Reference,
        continuation: Continuation,
    ) {
        let Some(entry) = self.store.requests.get(&address) else {
            return;
        };
        let kept = Kept { flow, handle, continuation: Arc::new(continuation) };
        let (client_id, account) = (&entry.request.client_id, &self.store.account);
        // What does not fit is left out.
        if let Ok(freed) = entry.state().keep(kept, |cost| account.reserve_more(client_id, cost)) {
            account.release_part(client_id, freed);
        }
    }

    fn tomb(&mut self, address: Address, mut tomb: Tomb, reference: Option<Reference>) {
        let client = self.clients.entry(Arc::clone(&tomb.client_id));
        tomb.client_id = Arc::clone(client.or_insert_with(|| Arc::clone(&tomb.client_id)));
        let account = &self.store.account;
        if tomb.gone_at > self.now && account.reserve_more(&tomb.client_id, tomb.cost()).is_ok() {
            self.store.due_requests.push(tomb.gone_at + GRACE, address);
            self.store.tombs.insert(address, tomb, reference);
        }
    }

    fn replay(&mut self, key: ReplayKey, mut used: Used) {
        let client_id = Arc::clone(&used.client_id);
        used.client_id = Arc::clone(self.clients.entry(used.client_id).or_insert(client_id));
        let (clock, account) = (&*self.store.clock, &self.store.account);
        if !used.is_over(clock) && account.reserve_more(&used.client_id, REPLAY_OVERHEAD).is_ok() {
            self.store.replays.take(key, used, clock);
        }
    }
}

#[cfg(test)]
mod tests;
