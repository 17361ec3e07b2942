//! How one gateway takes the place of another on a host, without a connection being refused.
//!
//! The new process waits on a unix socket. The old one, told by SIGQUIT, brings it its listening
//! sockets. Once the new one is ready for work it says so; only then the old one takes no more
//! connections, finishes what may need the store, writes that down and says go. The new one reads it and
//! says that it has. From here on the old one is never to serve again, and says so; then the new one
//! accepts. Until that word whatever goes wrong ends the new process and the old one goes on.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub(super) use predecessor::{Predecessor, Relieved};
pub(super) use successor::{Snapshot, Successor};

mod line;
mod predecessor;
mod successor;

/// Longest wait of a new process for the old one.
const MEETING: Duration = Duration::from_secs(120);

/// Longest time for a new process to be ready for work.
pub(super) const READINESS: Duration = Duration::from_secs(10);

/// Longest time to read or write what the store holds, with what is in flight before that.
const PASSING: Duration = Duration::from_secs(60);

/// Why one gateway did not take the place of another.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// `[server] upgrade_socket` is not set.
    #[error("[server] upgrade_socket is not set")]
    NoSocket,
    /// The socket cannot be had, or nobody waits there.
    #[error("no meeting at {}: {source}", path.display())]
    NoMeeting {
        /// `[server] upgrade_socket`
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody came.
    #[error("no running gateway came to {} in time; it hands over when it gets SIGQUIT", .0.display())]
    Alone(PathBuf),
    /// The other end belongs to another user.
    #[error("the other process belongs to the user {0}")]
    Stranger(u32),
    /// The other process is of a version that talks otherwise, or ended.
    #[error("the other process broke off: {0}")]
    BrokenOff(#[from] io::Error),
    /// The new process did not get ready.
    #[error("not ready for work in time: {0}")]
    NotReady(String),
    /// One keeps its requests in memory, the other does not.
    #[error("the two processes have different stores")]
    OtherStore,
    /// The store could not be written down.
    #[error("the store cannot be handed over: {0}")]
    Snapshot(#[from] crate::store::snapshot::SnapshotError),
    /// The store was written down, but not where the new process looks.
    #[error("there is no snapshot where `[store] snapshot` says")]
    NoSnapshot,
}
