//! When to reload: on SIGHUP at once, and when the content of a file has changed. Folders are watched
//! rather than files, since Kubernetes swaps a symlink beside them; and all is looked at now and then,
//! since some file systems tell of nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::sleep;

use super::Reloader;
use crate::config::Sources;

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(5);

/// Files that belong together are seldom written at once: for so long nothing more may change.
const SETTLE: Duration = Duration::from_millis(200);

/// How often to wait for that.
const MOST_WAITS: usize = 50;

impl Reloader {
    /// Reloads whenever there is a reason to. Never ends.
    pub(in crate::gateway) async fn run(mut self) {
        let (mut folders, mut events) = Folders::new();
        loop {
            folders.follow(&self.sources.folders());
            let is_told = tokio::select! {
                Some(()) = self.hangup.recv() => true,
                Some(()) = events.recv() => false,
                () = sleep(LOOK) => false,
            };
            let is_wanted = is_told
                || tokio::select! {
                    Some(()) = self.hangup.recv() => true,
                    other = has_settled_otherwise(&self.sources) => other,
                };
            if is_wanted {
                self.reload().await;
            }
        }
    }
}

/// Whether the files are other than those that were read last, and no longer changing.
async fn has_settled_otherwise(read: &Sources) -> bool {
    let mut seen = now(read).await;
    for _ in 0..MOST_WAITS {
        if seen.as_ref().is_none_or(|seen| seen == read) {
            return false;
        }
        sleep(SETTLE).await;
        let again = now(read).await;
        if again == seen {
            return true;
        }
        seen = again;
    }
    true
}

async fn now(read: &Sources) -> Option<Sources> {
    let read = read.clone();
    tokio::task::spawn_blocking(move || read.now()).await.ok()
}

/// The folders in which something may happen.
struct Folders {
    watcher: Option<RecommendedWatcher>,
    followed: BTreeSet<PathBuf>,
}

impl Folders {
    /// Follows none yet; something comes through the channel for any number of changes.
    fn new() -> (Self, Receiver<()>) {
        let (tell, told) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Reading a file tells that it was read.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = tell.try_send(());
            }
        });
        let watcher = match watcher {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "changes of files are seen by looking at them alone");
                None
            }
        };
        (Self { watcher, followed: BTreeSet::new() }, told)
    }

    /// Follows these and no others. What cannot be followed is looked at.
    fn follow(&mut self, folders: &BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.followed.difference(folders) {
            let _ = watcher.unwatch(gone);
        }
        let mut follow = |folder: &Path| watcher.watch(folder, RecursiveMode::NonRecursive).is_ok();
        let new = folders.difference(&self.followed).cloned();
        let new: BTreeSet<_> = new.filter(|folder| follow(folder)).collect();
        self.followed = self.followed.intersection(folders).cloned().chain(new).collect();
    }
}
