//! What has to be done now and then, on a thread of its own so that no request waits for it.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::report;
use crate::client::Limits;
use crate::store::{MemoryStore, Store};
use crate::telemetry::metrics::meter;

/// Collecting expired requests this often keeps each pause short.
const BEAT: Duration = Duration::from_millis(250);

/// Every so many beats the slower chores are done.
const SLOW: u32 = 20;

/// The thread.
pub(super) struct Chores {
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Chores {
    /// Starts it; `reload` is called every few seconds, and `tidied` is the store that has to be
    /// tidied, if it is one. Without a thread (the system has none left) expired requests are
    /// collected by the requests themselves.
    pub(super) fn start(
        store: Arc<dyn Store>,
        tidied: Option<Arc<MemoryStore>>,
        limits: Arc<Limits>,
        reload: impl Fn() + Send + 'static,
    ) -> Self {
        let (stop, stopped) = mpsc::channel();
        let work = move || {
            let mut beats = 0_u32;
            while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                if let Some(store) = &tidied {
                    store.tidy();
                }
                beats = beats.wrapping_add(1);
                if beats.is_multiple_of(SLOW) {
                    limits.tidy();
                    for (kind, number) in limits.tracked() {
                        meter().limits_tracked(kind, number);
                    }
                    reload();
                    meter().upkeep();
                }
                report(&*store);
            }
        };
        let thread = thread::Builder::new().name("chores".to_owned()).spawn(work);
        if let Err(error) = &thread {
            tracing::error!(%error, "no thread for the chores");
        }
        Self { stop, thread: thread.ok() }
    }

    /// Ends it.
    pub(super) fn stop(self) {
        drop(self.stop);
        if let Some(thread) = self.thread {
            let _ = thread.join();
        }
    }
}
