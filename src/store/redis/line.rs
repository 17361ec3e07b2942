//! The line to Redis and its circuit breaker: up, changing (a lost connection is being replaced, and
//! calls wait for that), or down (calls are refused at once, until the keeper has a connection that
//! works).
//!
//! A connection is lost when it breaks, and when nothing at all has come over it for as long as the
//! time-out. A call that waits on a lost connection goes on to listen there: what was only a stall
//! still answers it. When there is another connection it is asked again over that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::connect::Connection;
use super::replication::Replication;
use super::script::{Scripts, Step};
use crate::config::Secret;
use crate::store::StoreError;
use crate::telemetry::metrics::meter;

/// How many time-outs a call may take in all.
pub(super) const PATIENCE: u32 = 3;

/// How many times within a time-out it is looked whether anything came. Where our own process was
/// held up, it reads what came meanwhile between one look and the next.
const LOOKS: u32 = 5;

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
    /// How many answers have come over it.
    pub(super) heard: AtomicU64,
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
    /// In which something must come over a connection that is waited on.
    timeout: Duration,
}

impl Line {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { state: watch::Sender::new(State::Changing), timeout }
    }

    /// Does a step, over `link` at first where one has just answered, and asks again where the outcome
    /// is not known. Gives the answer and the link over which it came, within [`PATIENCE`] time-outs.
    pub(super) async fn step(
        &self,
        step: Step,
        keys: &[Vec<u8>],
        arguments: &[Vec<u8>],
        link: Option<Arc<Link>>,
    ) -> Result<(Value, Arc<Link>), StoreError> {
        let answer = self.answer(step, keys, arguments, link);
        within(self.timeout * PATIENCE, answer).await
    }

    async fn answer(
        &self,
        step: Step,
        keys: &[Vec<u8>],
        arguments: &[Vec<u8>],
        link: Option<Arc<Link>>,
    ) -> Result<(Value, Arc<Link>), StoreError> {
        let mut tries = 2;
        let mut link = match link {
            Some(link) => link,
            None => self.link().await?,
        };
        loop {
            let answer = tokio::select! {
                biased;
                other = self.replacement(&link) => {
                    link = other;
                    continue;
                }
                answer = link.step(step, keys, arguments) => answer,
            };
            let error = match answer {
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
            link = self.link().await?;
        }
    }

    /// Loses `link` when it has been silent for the time-out, and waits for another in its place.
    pub(super) async fn replacement(&self, link: &Arc<Link>) -> Arc<Link> {
        let (mut heard, mut silent) = (link.heard(), 0);
        loop {
            sleep(self.timeout / LOOKS).await;
            if let State::Up(other) = &*self.state.borrow()
                && !Arc::ptr_eq(other, link)
            {
                return Arc::clone(other);
            }
            silent = if link.heard() == heard { silent + 1 } else { 0 };
            heard = link.heard();
            if silent == LOOKS {
                self.lose(link);
                silent = 0;
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
        if let Ok(Ok(state)) = timeout(self.timeout * PATIENCE, settled).await
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

/// The same, or that the store was not there in time.
pub(super) async fn within<T>(
    limit: Duration,
    outcome: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(limit, outcome).await.unwrap_or(Err(StoreError::Unavailable))
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
        match self.ask(&by_hash).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.ask(&self.scripts.whole(step, keys, arguments)).await
            }
            answer => answer,
        }
    }

    /// What the server says, also that it will not do it, shows that it is there.
    async fn ask(&self, command: &Cmd) -> Result<Value, RedisError> {
        let answer = self.connection.ask(command).await;
        if answer.as_ref().map_or_else(|error| error.code().is_some(), |_| true) {
            self.heard.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Whether it is as good as a new one when it answers a probe. A probe says nothing of the other
    /// nodes of a cluster, and nothing of the connection on which replicas are waited for.
    pub(super) const fn is_judged_by_a_probe(&self) -> bool {
        matches!(self.connection, Connection::Single(_)) && self.replication.is_none()
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
