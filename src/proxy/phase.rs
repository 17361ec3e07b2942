//! From serving to having left: what the public side is told, and what of it is still there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// What the public side is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Take connections.
    Serving,
    /// Take connections, and tell each client with its answer not to use its connection again.
    Leaving,
    /// Take none for a while: whoever comes waits in the system's queue. Idle connections are
    /// closed.
    Paused,
    /// Take none any more; what stays idle is closed.
    Closed,
    /// The same, but another process takes them, so names of unix sockets stay.
    HandedOver,
}

impl Phase {
    /// Whether connections are taken.
    pub(super) const fn accepts(self) -> bool {
        matches!(self, Self::Serving | Self::Leaving)
    }

    /// Whether connections will be taken never again.
    pub(super) const fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::HandedOver)
    }
}

/// The phase in the two words that connections listen to: answer with `Connection: close`, and do
/// not wait for another request.
pub(super) struct Words {
    pub(super) leaving: watch::Receiver<bool>,
    pub(super) closing: watch::Receiver<bool>,
    told: (watch::Sender<bool>, watch::Sender<bool>),
}

impl Words {
    pub(super) fn new() -> Self {
        let (tell_leaving, leaving) = watch::channel(false);
        let (tell_closing, closing) = watch::channel(false);
        Self { leaving, closing, told: (tell_leaving, tell_closing) }
    }

    /// Passes on what `phase` says until it is over.
    pub(super) async fn follow(self, mut phase: watch::Receiver<Phase>) {
        let (leaving, closing) = self.told;
        loop {
            let now = *phase.borrow_and_update();
            leaving.send_replace(now != Phase::Serving);
            closing.send_replace(!now.accepts());
            if now.is_over() {
                return;
            }
            if phase.changed().await.is_err() {
                leaving.send_replace(true);
                closing.send_replace(true);
                return;
            }
        }
    }
}

/// How often a count is looked at that something waits for.
const STEP: Duration = Duration::from_millis(5);

/// A connection that was taken at the last moment is a task that has not begun, and is counted once it
/// has.
const LATECOMERS: Duration = Duration::from_millis(50);

/// Counts the connections of clients. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Listeners that take connections.
    accepting: AtomicUsize,
    open: AtomicUsize,
    decided: AtomicUsize,
}

impl Connections {
    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::SeqCst)
    }

    /// Waits until none is left, at most `patience`; gives how many are.
    pub async fn ended(&self, patience: Duration) -> usize {
        self.down_to_none(patience, Self::open).await
    }

    /// Waits until none is left whose answer may still depend on the store, at most `patience`; gives
    /// how many are. Only the body of an answer, or an upgraded connection, goes on without it.
    pub async fn decided(&self, patience: Duration) -> usize {
        let undecided =
            |this: &Self| this.open().saturating_sub(this.0.decided.load(Ordering::SeqCst));
        self.down_to_none(patience, undecided).await
    }

    async fn down_to_none(&self, patience: Duration, count: impl Fn(&Self) -> usize) -> usize {
        let none = async {
            while self.0.accepting.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(STEP).await;
            }
            tokio::time::sleep(LATECOMERS).await;
            while count(self) > 0 {
                tokio::time::sleep(STEP).await;
            }
        };
        // The count says it all.
        let _ = tokio::time::timeout(patience, none).await;
        count(self)
    }

    /// A listener that takes connections, until it is dropped.
    pub(super) fn accepting(&self) -> impl Send + Sync + use<> {
        Counted::new(&self.0, |counts| &counts.accepting)
    }

    /// A connection, until it is dropped.
    pub(super) fn opened(&self) -> impl Send + Sync + use<> {
        Counted::new(&self.0, |counts| &counts.open)
    }

    /// An exchange whose answer is decided, until it is dropped.
    pub(super) fn decision(&self) -> Decided {
        Decided { _counted: Counted::new(&self.0, |counts| &counts.decided) }
    }
}

/// An exchange whose answer no longer depends on the store.
pub(super) struct Decided {
    _counted: Counted,
}

struct Counted {
    counts: Arc<Counts>,
    which: fn(&Counts) -> &AtomicUsize,
}

impl Counted {
    fn new(counts: &Arc<Counts>, which: fn(&Counts) -> &AtomicUsize) -> Self {
        which(counts).fetch_add(1, Ordering::SeqCst);
        Self { counts: Arc::clone(counts), which }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.which)(&self.counts).fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_decided_is_still_open() {
        let connections = Connections::default();
        let patience = Duration::from_secs(1);
        let (one, two) = (connections.opened(), connections.opened());
        assert_eq!(connections.decided(patience).await, 2);
        let decided = connections.decision();
        drop(one);
        assert_eq!(connections.decided(patience).await, 0);
        assert_eq!(connections.ended(patience).await, 1);
        drop((decided, two));
        assert_eq!(connections.ended(patience).await, 0);
    }

    #[tokio::test]
    async fn words_follow_the_phase_and_end_with_its_sender() {
        let (tell, phase) = watch::channel(Phase::Serving);
        let words = Words::new();
        let (mut leaving, mut closing) = (words.leaving.clone(), words.closing.clone());
        let follow = words.follow(phase);
        let told = async {
            for (phase, leave, close) in [
                (Phase::Leaving, true, false),
                (Phase::Paused, true, true),
                (Phase::Serving, false, false),
            ] {
                tell.send(phase).unwrap();
                leaving.wait_for(|leaving| *leaving == leave).await.unwrap();
                closing.wait_for(|closing| *closing == close).await.unwrap();
            }
            drop(tell);
            leaving.wait_for(|leaving| *leaving).await.unwrap();
            closing.wait_for(|closing| *closing).await.unwrap();
        };
        tokio::join!(follow, told);
    }
}
