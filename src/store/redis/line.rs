//! The line to Redis and its circuit breaker: up, changing (a lost connection is being replaced, and
//! calls wait for that), or down (calls are refused at once, until the keeper has a connection that
//! works).

use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::sync::watch;

use super::connect::Connection;
use super::replication::Replication;
use super::script::{Scripts, Step};
use crate::config::Secret;
use crate::store::StoreError;
use crate::telemetry::metrics::meter;

/// What there is to talk over.
#[derive(Debug, Clone)]
pub(super) enum State {
    Up(Arc<Link>),
    Changing,
    Down,
}

/// A connection that has worked.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) scripts: Scripts,
    /// Where a write is acknowledged only when replicas have it.
    pub(super) replication: Option<Replication>,
    /// What it was opened with.
    pub(super) password: Option<Secret>,
}

/// What has become of a call that got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// There is no room; nothing was done.
    Full,
    /// Done or not: no answer came. Or not done, as this server does not write. Either way another
    /// connection may know better.
    Lost,
    /// The server does not do such things.
    Refused,
}

/// The line. It begins as changing.
#[derive(Debug)]
pub(super) struct Line {
    state: watch::Sender<State>,
    patience: Duration,
}

impl Line {
    pub(super) fn new(patience: Duration) -> Self {
        Self { state: watch::Sender::new(State::Changing), patience }
    }

    /// Does a step, asking a second time where the outcome of the first is not known. Gives the
    /// answer and the link over which it came.
    pub(super) async fn step(
        &self,
        step: Step,
        keys: &[Vec<u8>],
        arguments: &[Vec<u8>],
    ) -> Result<(Value, Arc<Link>), StoreError> {
        let mut tries = 2;
        loop {
            let link = self.link().await?;
            let error = match link.step(step, keys, arguments).await {
                Ok(value) => return Ok((value, link)),
                Err(error) => error,
            };
            match failure(&error) {
                Failure::Full => return Err(StoreError::Full),
                Failure::Refused => {
                    tracing::debug!(code = error.code(), "Redis refused a script");
                    return Err(StoreError::Unavailable);
                }
                Failure::Lost => self.lose(&link),
            }
            tries -= 1;
            if tries == 0 {
                return Err(StoreError::Unavailable);
            }
        }
    }

    /// The connection, once there is one.
    pub(super) async fn link(&self) -> Result<Arc<Link>, StoreError> {
        match &*self.state.borrow() {
            State::Up(link) => return Ok(Arc::clone(link)),
            State::Down => return Err(StoreError::Unavailable),
            State::Changing => {}
        }
        let mut changes = self.state.subscribe();
        let settled = changes.wait_for(|state| !matches!(state, State::Changing));
        let settled = tokio::time::timeout(self.patience, settled).await;
        if let Ok(Ok(state)) = settled
            && let State::Up(link) = &*state
        {
            return Ok(Arc::clone(link));
        }
        Err(StoreError::Unavailable)
    }

    /// `link` is to be replaced; nothing happens where another has taken its place.
    pub(super) fn lose(&self, link: &Arc<Link>) {
        self.state.send_if_modified(|state| match state {
            State::Up(current) if Arc::ptr_eq(current, link) => {
                *state = State::Changing;
                true
            }
            State::Up(_) | State::Changing | State::Down => false,
        });
    }

    pub(super) fn set(&self, state: State) {
        meter().store_up(matches!(state, State::Up(_)));
        self.state.send_replace(state);
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up(_))
    }

    pub(super) fn changes(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }
}

impl Link {
    /// One round trip, but for the first time that a server sees a script.
    pub(super) async fn step(
        &self,
        step: Step,
        keys: &[Vec<u8>],
        arguments: &[Vec<u8>],
    ) -> Result<Value, RedisError> {
        let by_hash = self.scripts.by_hash(step, keys, arguments);
        match self.connection.ask(&by_hash).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.connection.ask(&self.scripts.whole(step, keys, arguments)).await
            }
            answer => answer,
        }
    }
}

/// Whether memory is used up. Redis 6.2 says it inside of an error of the script.
pub(super) fn is_full(error: &RedisError) -> bool {
    error.code() == Some("OOM") || error.detail().is_some_and(|detail| detail.contains("-OOM "))
}

fn failure(error: &RedisError) -> Failure {
    let says = |word: &str| {
        error.code() == Some(word)
            || error.detail().is_some_and(|detail| detail.contains(&format!("-{word} ")))
    };
    if is_full(error) {
        Failure::Full
    } else if error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || error.is_cluster_error()
        || STATES.into_iter().any(says)
    {
        Failure::Lost
    } else {
        Failure::Refused
    }
}

/// What a server says that cannot do its work now.
const STATES: [&str; 8] =
    ["READONLY", "MISCONF", "LOADING", "MASTERDOWN", "NOREPLICAS", "NOAUTH", "NOPERM", "BUSY"];
