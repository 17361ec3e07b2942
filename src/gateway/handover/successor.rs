//! The old process's side: the one who comes after.

use std::path::Path;

use tokio::net::UnixStream;

use super::line::{Line, Word};
use super::{HandoverError, PASSING, READINESS};
use crate::proxy::listener::Passed;

/// A new process that has our sockets and is ready for work.
#[derive(Debug)]
pub(in crate::gateway) struct Successor(Line);

impl Successor {
    /// Brings `sockets` to the process that waits at `path`, and waits until it is ready.
    pub(in crate::gateway) async fn meet(
        path: &Path,
        sockets: Vec<Passed>,
    ) -> Result<Self, HandoverError> {
        let no_meeting = |source| HandoverError::NoMeeting { path: path.to_owned(), source };
        let stream = UnixStream::connect(path).await.map_err(no_meeting)?;
        same_user(&stream)?;
        let mut line = Line::new(stream.into_std()?)?;
        blocking(move || {
            line.send_sockets(&sockets)?;
            // With some time for the machine it runs on.
            expect(&mut line, Word::Ready, 2 * READINESS)?;
            Ok(Self(line))
        })
        .await
    }

    /// Tells it to take what there is, and waits until it has. When this has succeeded this process
    /// must not serve again, and [`farewell`](Self::farewell) is due.
    pub(in crate::gateway) async fn pass(self, snapshot: Snapshot) -> Result<Self, HandoverError> {
        let Self(mut line) = self;
        blocking(move || {
            line.say(match snapshot {
                Snapshot::Written => Word::GoWithSnapshot,
                Snapshot::NotNeeded => Word::Go,
            })?;
            expect(&mut line, Word::Taken, PASSING)?;
            Ok(Self(line))
        })
        .await
    }

    /// Lets it begin, and waits until it has.
    pub(in crate::gateway) async fn farewell(self) -> Result<(), HandoverError> {
        let Self(mut line) = self;
        blocking(move || {
            line.say(Word::Farewell)?;
            Ok(line.closed(READINESS)?)
        })
        .await
    }
}

/// What became of the requests in this process's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Snapshot {
    Written,
    /// They are not there.
    NotNeeded,
}

pub(super) fn expect(
    line: &mut Line,
    word: Word,
    patience: std::time::Duration,
) -> Result<(), HandoverError> {
    if line.hear(patience)? == word {
        Ok(())
    } else {
        Err(std::io::Error::other("it says the wrong word").into())
    }
}

/// The mode of the socket keeps others out; this says the same of both ends.
pub(super) fn same_user(stream: &UnixStream) -> Result<(), HandoverError> {
    let (own, other) = (rustix::process::geteuid().as_raw(), stream.peer_cred()?.uid());
    if own == other { Ok(()) } else { Err(HandoverError::Stranger(other)) }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HandoverError> + Send + 'static,
) -> Result<T, HandoverError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(std::io::Error::other(error).into()),
    }
}
