//! The keys at a client's `jwks_uri` (RFC 7591 §2): fetched when they are asked for, kept for as long
//! as their server says within bounds, and for longer while it fails. However many tokens name keys
//! that nobody knows, the server is asked seldom, and by one caller at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use url::Url;

use crate::clock::Timestamp;
use crate::jose::KeySet;
use crate::telemetry::metrics::{FetchResult, meter};

pub use fetch::KeyFetcher;
use fetch::{KeysFetchError, TOTAL_TIMEOUT};

mod destination;
mod fetch;

/// Shortest time between two fetches from one address.
const PAUSE: Duration = Duration::from_secs(30);

/// The same while the keys could never be had.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The keys of one client at its own address.
#[derive(Debug)]
pub struct RemoteKeys {
    uri: Url,
    fetcher: Arc<KeyFetcher>,
    kept: ArcSwapOption<Kept>,
    /// Milliseconds since the Unix epoch; 0 for never.
    last_fetch: AtomicU64,
    fetching: AtomicBool,
    /// Told whenever a fetch is over.
    over: watch::Sender<()>,
    failing: AtomicBool,
}

#[derive(Debug)]
struct Kept {
    keys: Arc<KeySet>,
    fresh_until: Timestamp,
}

/// The right to fetch; whoever drops it, cancelled or not, lets the others go on.
struct Turn<'a>(&'a RemoteKeys);

impl RemoteKeys {
    /// Nothing is fetched yet.
    #[must_use]
    pub fn new(uri: Url, fetcher: Arc<KeyFetcher>) -> Self {
        Self {
            uri,
            fetcher,
            kept: ArcSwapOption::empty(),
            last_fetch: AtomicU64::new(0),
            fetching: AtomicBool::new(false),
            over: watch::Sender::new(()),
            failing: AtomicBool::new(false),
        }
    }

    /// Whether they are fetched from there, by this fetcher.
    #[must_use]
    pub fn are_at(&self, uri: &Url, fetcher: &Arc<KeyFetcher>) -> bool {
        self.uri == *uri && Arc::ptr_eq(&self.fetcher, fetcher)
    }

    /// The keys, fetched anew where they are too old or do not `fit`, as far as that is allowed; else
    /// those that were had last. `None` where there never were any.
    pub async fn keys(&self, fit: impl Fn(&KeySet) -> bool + Send + Sync) -> Option<Arc<KeySet>> {
        let now = self.fetcher.clock.now();
        let kept = self.kept.load_full();
        let fits = kept.as_ref().is_some_and(|kept| fit(&kept.keys));
        let is_fresh = kept.as_ref().is_some_and(|kept| now < kept.fresh_until);
        if !(fits && is_fresh) {
            let mut over = self.over.subscribe();
            match self.turn(now) {
                Ok(turn) => turn.fetch(now).await,
                // Old keys that fit serve while somebody fetches.
                Err(Busy::Fetching) if !fits => {
                    let _ = tokio::time::timeout(TOTAL_TIMEOUT, over.changed()).await;
                }
                Err(Busy::Fetching | Busy::Pausing) => {}
            }
        }
        self.kept.load().as_ref().map(|kept| Arc::clone(&kept.keys))
    }

    /// The right to fetch now.
    fn turn(&self, now: Timestamp) -> Result<Turn<'_>, Busy> {
        if self.fetching.swap(true, Ordering::AcqRel) {
            return Err(Busy::Fetching);
        }
        let turn = Turn(self);
        let last = Timestamp::from_millis(self.last_fetch.load(Ordering::Acquire));
        let pause = if self.kept.load().is_some() { PAUSE } else { FIRST_PAUSE };
        if last + pause > now {
            return Err(Busy::Pausing);
        }
        self.last_fetch.store(now.as_millis(), Ordering::Release);
        Ok(turn)
    }

    /// Counts, and says where something has changed.
    fn report(&self, error: Option<&KeysFetchError>) {
        meter().client_keys_fetch(error.map_or(FetchResult::Ok, KeysFetchError::result));
        let uri = self.uri.as_str();
        let was_failing = self.failing.swap(error.is_some(), Ordering::AcqRel);
        match error {
            Some(error) if !was_failing => {
                tracing::warn!(uri, %error, "keys of a client cannot be fetched; the old ones stay");
            }
            None if was_failing => tracing::info!(uri, "keys of a client are fetched again"),
            Some(_) | None => {}
        }
    }
}

/// Why this caller does not fetch.
enum Busy {
    /// Another one does.
    Fetching,
    /// It was done a moment ago.
    Pausing,
}

impl Turn<'_> {
    async fn fetch(self, now: Timestamp) {
        let Self(remote) = &self;
        let fetched = remote.fetcher.fetch(&remote.uri).await;
        remote.report(fetched.as_ref().err());
        if let Ok(fetched) = fetched {
            let kept = Kept { keys: Arc::new(fetched.keys), fresh_until: now + fetched.age };
            remote.kept.store(Some(Arc::new(kept)));
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetching.store(false, Ordering::Release);
        self.0.over.send_replace(());
    }
}
