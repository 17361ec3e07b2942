//! The new process's side: the one whose place is taken.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tokio::net::{UnixListener, UnixStream};

use super::line::{Line, Word};
use super::successor::{Snapshot, blocking, expect, same_user};
use super::{HandoverError, MEETING, PASSING, READINESS};
use crate::proxy::listener::{Passed, remove_stale};

/// A gateway that has brought its sockets and serves until we have everything.
#[derive(Debug)]
pub(in crate::gateway) struct Predecessor(Line);

impl Predecessor {
    /// Waits at `path` for a running gateway.
    pub(in crate::gateway) async fn meet(
        path: &Path,
    ) -> Result<(Self, Vec<Passed>), HandoverError> {
        let listener = listen(path)
            .map_err(|source| HandoverError::NoMeeting { path: path.to_owned(), source })?;
        tracing::info!(at = %path.display(), "waiting for the running gateway to hand over");
        let met = tokio::time::timeout(MEETING, accept(&listener)).await;
        // Whoever comes later finds nobody.
        let _ = fs::remove_file(path);
        let stream = met.map_err(|_| HandoverError::Alone(path.to_owned()))??;
        let mut line = Line::new(stream.into_std()?)?;
        blocking(move || {
            let sockets = line.receive_sockets(READINESS)?;
            Ok((Self(line), sockets))
        })
        .await
    }

    /// Says that we are ready for work, and waits until the other one has stopped.
    pub(in crate::gateway) async fn ready(self) -> Result<(Self, Snapshot), HandoverError> {
        let Self(mut line) = self;
        blocking(move || {
            line.say(Word::Ready)?;
            let snapshot = match line.hear(PASSING)? {
                Word::GoWithSnapshot => Snapshot::Written,
                Word::Go => Snapshot::NotNeeded,
                Word::Ready | Word::Taken | Word::Farewell => {
                    return Err(io::Error::other("it says the wrong word").into());
                }
            };
            Ok((Self(line), snapshot))
        })
        .await
    }

    /// Says that we have everything, and waits for the word that the other one serves no more.
    pub(in crate::gateway) async fn taken(self) -> Result<Relieved, HandoverError> {
        let Self(mut line) = self;
        blocking(move || {
            line.say(Word::Taken)?;
            expect(&mut line, Word::Farewell, READINESS)?;
            Ok(Relieved { _line: line })
        })
        .await
    }
}

/// The other one waits to end until this is dropped.
#[derive(Debug)]
pub(in crate::gateway) struct Relieved {
    _line: Line,
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    remove_stale(path)?;
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn accept(listener: &UnixListener) -> Result<UnixStream, HandoverError> {
    loop {
        let (stream, _) = listener.accept().await?;
        match same_user(&stream) {
            Ok(()) => return Ok(stream),
            Err(error) => tracing::warn!(%error, "somebody else came to hand over"),
        }
    }
}
