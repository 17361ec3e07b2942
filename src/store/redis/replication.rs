//! Writes that are acknowledged only when replicas of Redis have them (`WAIT`).
//!
//! `WAIT` speaks for the writes of its own connection and holds that connection up. So it has one to
//! itself, on which it follows a write without meaning: replicas get one stream, and what another
//! connection wrote before lies before that in it. All who have written by the time that a round
//! begins are answered by this round.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisResult};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::RedisStore;
use super::connect::{ConnectError, STALL};
use super::line::Link;
use super::reply::Reply;
use super::script::Step;
use crate::config::store::{Redis, Wait};
use crate::store::StoreError;

/// The connection on which replicas are waited for.
pub(super) struct Replication {
    connection: MultiplexedConnection,
    round: Pipeline,
    replicas: u32,
    /// In which a server that is there has answered.
    usual: Duration,
    /// Writes that wait or have waited.
    written: AtomicU64,
    last: Mutex<Round>,
}

impl std::fmt::Debug for Replication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Replication(…)")
    }
}

/// How far replicas are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Enough of them have the write.
    Enough,
    /// So many have it, which is too few.
    TooFew(u32),
    /// The server did not say.
    Unknown,
}

/// The last round: how many writes it spoke for, and what it found.
struct Round {
    covers: u64,
    reach: Reach,
}

impl Replication {
    /// Waits on `connection`, which leads to the server with this `INFO`.
    ///
    /// # Errors
    /// [`ConnectError::TwoServers`] where it leads to another, whose replicas say nothing of what is
    /// written here.
    pub(super) async fn over(
        mut connection: MultiplexedConnection,
        config: &Redis,
        wait: Wait,
        info: Option<&String>,
    ) -> Result<Self, ConnectError> {
        // Where `INFO` is forbidden, both were opened to one address a moment ago.
        let asked: RedisResult<String> = redis::cmd("INFO").query_async(&mut connection).await;
        let other = asked.ok();
        if let (Some(one), Some(other)) =
            (info.map(String::as_str).and_then(run), other.as_deref().and_then(run))
            && one != other
        {
            return Err(ConnectError::TwoServers);
        }
        let mut round = redis::pipe();
        round.cmd("SET").arg("parapet:wait").arg("").arg("PX").arg(1000).ignore();
        let millis = u64::try_from(wait.timeout.as_millis()).unwrap_or(u64::MAX);
        round.cmd("WAIT").arg(wait.replicas).arg(millis);
        let last = Mutex::new(Round { covers: 0, reach: Reach::Unknown });
        let usual = wait.timeout + config.timeout / 5;
        let (replicas, written) = (wait.replicas, AtomicU64::new(0));
        Ok(Self { connection, round, replicas, usual, written, last })
    }

    /// Waits for a write that this server has acknowledged.
    pub(super) async fn reached(&self) -> Reach {
        let own = self.written.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if last.covers < own {
            let covers = self.written.load(Ordering::SeqCst);
            *last = Round { covers, reach: self.outcome().await };
        }
        last.reach
    }

    /// Of a round, and of a second one where a server that stood still has let the time for its
    /// replicas run out.
    async fn outcome(&self) -> Reach {
        let mut round = pin!(self.ask());
        if let Ok(reach) = timeout(self.usual, &mut round).await {
            return reach;
        }
        match round.await {
            Reach::TooFew(_) => self.ask().await,
            reach @ (Reach::Enough | Reach::Unknown) => reach,
        }
    }

    async fn ask(&self) -> Reach {
        let mut connection = self.connection.clone();
        let answer: RedisResult<(u32,)> = self.round.query_async(&mut connection).await;
        match answer {
            Ok((count,)) if count >= self.replicas => Reach::Enough,
            Ok((count,)) => Reach::TooFew(count),
            Err(_) => Reach::Unknown,
        }
    }
}

impl RedisStore {
    /// A step that promises something: where replicas are waited for, it has not happened before
    /// they have it.
    pub(super) async fn promise(
        &self,
        step: Step,
        keys: &[Vec<u8>],
        arguments: &[Vec<u8>],
    ) -> Result<Reply, StoreError> {
        let (reply, link) = self.linked_step(step, keys, arguments, None).await?;
        self.replicated(&link).await?;
        Ok(reply)
    }

    /// For the round that has begun and for the own one, which may meet a stall.
    pub(super) fn longest_wait(&self) -> Duration {
        if self.wait.is_zero() { self.wait } else { self.timeout * STALL + self.wait * 2 }
    }

    /// Waits for the replicas of the server behind `link`, where they are waited for.
    pub(super) async fn replicated(&self, link: &Arc<Link>) -> Result<(), StoreError> {
        let Some(replication) = &link.replication else {
            return Ok(());
        };
        let reach =
            timeout(self.longest_wait(), replication.reached()).await.unwrap_or(Reach::Unknown);
        self.health.reached(reach);
        match reach {
            Reach::Enough => Ok(()),
            Reach::TooFew(_) => Err(StoreError::Unavailable),
            Reach::Unknown => {
                self.line.lose(link);
                Err(StoreError::Unavailable)
            }
        }
    }
}

/// What a server calls this run of its process.
fn run(info: &str) -> Option<&str> {
    info.lines().find_map(|line| line.strip_prefix("run_id:")).map(str::trim)
}
