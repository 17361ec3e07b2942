//! The store of several replicas: Redis or Valkey, a single server, behind sentinels, or a cluster.
//!
//! A pushed request is a sealed record with its state beside it in clear: when it is due, how often
//! it was started, by which flow it was spent. Scripts change both in one atomic step and by the
//! server's own clock (`script.rs`). One connection, kept by a [`Keeper`], carries all calls at once;
//! while there is none that works, calls are refused at once (`line.rs`).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::sealed::{Address, Opened, SealError, Sealer, Times};
use super::{
    CallerToken, Completion, Continuation, FlowId, Found, Held, IndexKey, Lifetimes,
    MAX_CONTINUATIONS, MAX_SHARES, Outcome, PushedRequest, REPEAT_WINDOW, ReplayKey, Spend, Start,
    Starts, Store, StoreError, Usage, Visit,
};
use crate::clock::{Clock, Timestamp, WallTime};
use crate::config;
use crate::oauth::request_uri::Reference;

pub use debts::Debt;
use keeper::Health;
pub use keeper::Keeper;
use line::{Line, Link};
use pace::Pace;
use reply::Reply;
use script::Step;
use seen::times;

mod connect;
mod debts;
mod index;
mod keeper;
mod line;
pub mod look;
mod pace;
mod push;
mod replication;
mod reply;
mod script;
mod seen;

/// Room of all clients together where nothing else is said.
const DEFAULT_MAX_BYTES: u64 = 256 << 20;

/// Requests in Redis or Valkey.
pub struct RedisStore {
    line: Arc<Line>,
    health: Arc<Health>,
    pace: Arc<Pace>,
    sealer: Sealer,
    rng: SystemRandom,
    is_cluster: bool,
    /// Room of all clients together, in bytes, and the number of shares that it is divided into.
    max_bytes: u64,
    shares: AtomicU64,
    /// In which an answer is usually there.
    timeout: Duration,
    /// How long replicas are waited for, which a promised time begins with.
    wait: Duration,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("line", &self.line).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// A store for the requests of `issuer`, and who keeps its connection. Nothing is connected until
    /// the keeper runs.
    #[must_use]
    pub fn new(
        config: config::store::Redis,
        issuer: &str,
        clock: Arc<dyn Clock>,
    ) -> (Self, Keeper) {
        let line = Arc::new(Line::new(config.timeout));
        let health = Arc::new(Health::default());
        let pace = Arc::new(Pace::new(clock));
        let store = Self {
            line: Arc::clone(&line),
            health: Arc::clone(&health),
            pace: Arc::clone(&pace),
            sealer: Sealer::new(issuer),
            rng: SystemRandom::new(),
            timeout: config.timeout,
            wait: config.wait.map(|wait| wait.timeout).unwrap_or_default(),
            max_bytes: DEFAULT_MAX_BYTES,
            shares: AtomicU64::new(MAX_SHARES),
            is_cluster: matches!(config.servers, config::store::RedisServers::Cluster(_)),
        };
        (store, Keeper { config, line, health, pace })
    }

    /// The same with this room for the requests of all clients together.
    #[must_use]
    pub fn bounded(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// Name of a client's account and its share. In a cluster, where a script cannot reach it, there is
    /// none.
    fn account(&self, client_id: &str) -> Result<[Vec<u8>; 2], StoreError> {
        let share = decimal(self.max_bytes / self.shares.load(Ordering::Relaxed).max(1));
        if self.is_cluster {
            return Ok([Vec::new(), share]);
        }
        let account = name(self.sealer.account(client_id)?);
        Ok([[b"parapet:b:".as_slice(), &account].concat(), share])
    }

    /// Whether there is a connection that works, to a server that throws nothing out.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.line.is_up() && self.health.is_fit()
    }

    async fn step(
        &self,
        step: Step,
        keys: &[Vec<u8>],
        arguments: &[Vec<u8>],
    ) -> Result<Reply, StoreError> {
        self.linked_step(step, keys, arguments, None).await.map(|(reply, _)| reply)
    }

    async fn linked_step(
        &self,
        step: Step,
        keys: &[Vec<u8>],
        arguments: &[Vec<u8>],
        link: Option<Arc<Link>>,
    ) -> Result<(Reply, Arc<Link>), StoreError> {
        let sent = self.pace.begin();
        let (answer, link) = self.line.step(step, keys, arguments, link).await?;
        let reply = Reply::read(answer).ok_or(StoreError::Corrupt)?;
        self.pace.learn(sent, reply.now);
        Ok((reply, link))
    }

    fn marked<const N: usize>(&self) -> Result<[u8; N], StoreError> {
        let mut mark = [0; N];
        self.rng.fill(&mut mark).map_err(|_| StoreError::Unavailable)?;
        Ok(mark)
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn put(
        &self,
        reference: &Reference,
        request: PushedRequest,
        lifetimes: Lifetimes,
    ) -> Result<(), StoreError> {
        self.keep(reference, request, lifetimes).await
    }

    async fn start(&self, reference: &Reference, visit: Visit<'_>) -> Result<Start, StoreError> {
        let place = self.sealer.request(reference)?;
        let lies_at = name(place.address());
        let here = if self.is_cluster { Vec::new() } else { lies_at.clone() };
        let how = match visit.starts {
            Starts::Once => "once",
            Starts::Many => "many",
        };
        let arguments = [
            self.sealer.client_mark(reference, visit.client_id)?.to_vec(),
            visit.flow.0.to_vec(),
            visit.caller.0.to_vec(),
            how.into(),
            here,
        ];
        let mut reply = self.step(Step::Start, &keys(place.address()), &arguments).await?;
        match reply.word.as_slice() {
            b"started" => {}
            b"unknown" => return Ok(Start::Unknown),
            b"other" => return Ok(Start::OtherClient),
            b"spent" => return Ok(Start::Spent),
            b"taken" => return Ok(Start::Taken),
            b"expired" => return Ok(Start::Expired),
            _ => return Err(StoreError::Corrupt),
        }
        let sealed = reply.bytes()?;
        let times = times(&mut reply)?;
        let pushed_at = Timestamp::from_millis(reply.number()?);
        let index = reply.optional().filter(|index| self.is_cluster && !index.is_empty());
        let request = Arc::new(Opened::request(&place, sealed, times)?);
        if *request.client_id != *visit.client_id {
            return Err(StoreError::Corrupt);
        }
        if let Some(index) = index {
            self.point(&index, lies_at, times.login_millis).await;
        }
        Ok(Start::Started { request, at: reply.now, age: reply.now.since(pushed_at) })
    }

    async fn undo_start(
        &self,
        reference: &Reference,
        caller: CallerToken,
    ) -> Result<(), StoreError> {
        let place = self.sealer.request(reference)?;
        self.step(Step::UndoStart, &keys(place.address()), &[caller.0.to_vec()]).await.map(drop)
    }

    async fn read(&self, reference: &Reference) -> Result<Option<Held>, StoreError> {
        let place = self.sealer.request(reference)?;
        let seen = self.look(place.address(), &[]).await?;
        seen.map(|seen| seen.held(&place)).transpose()
    }

    async fn find(&self, key: &IndexKey) -> Result<Option<Found>, StoreError> {
        let index = self.sealer.index(key)?;
        let Some(to) = self.pointed(index.address()).await? else {
            return Ok(None);
        };
        let Some(seen) = self.look(to, &[]).await? else {
            return Ok(None);
        };
        let (Some((flow, started_at, starts)), Some(sealed)) = (seen.start, &seen.reference) else {
            return Ok(None);
        };
        let reference = Opened::reference(&index, sealed.clone(), to)?;
        let held = seen.held(&self.sealer.request(&reference)?)?;
        Ok(Some(Found { reference, flow, started_at, starts, held }))
    }

    async fn put_continuation(
        &self,
        reference: &Reference,
        flow: FlowId,
        handle: &Reference,
        continuation: Continuation,
    ) -> Result<(), StoreError> {
        let of = self.sealer.request(reference)?.address();
        let place = self.sealer.continuation(reference, handle)?;
        let arguments = [
            continuation_name(flow, place.address()),
            place.seal_continuation(&continuation, of, flow, &self.rng)?,
            [b"n".as_slice(), &flow.0].concat(),
            MAX_CONTINUATIONS.to_string().into_bytes(),
            place.address().to_vec(),
            flow.0.to_vec(),
        ];
        let reply = self.step(Step::PutContinuation, &keys(of), &arguments).await?;
        match reply.word.as_slice() {
            b"kept" => Ok(()),
            b"gone" => Err(StoreError::Gone),
            _ => Err(StoreError::Corrupt),
        }
    }

    async fn continuation(
        &self,
        reference: &Reference,
        flow: FlowId,
        handle: &Reference,
    ) -> Result<Option<(Held, Arc<Continuation>)>, StoreError> {
        let place = self.sealer.request(reference)?;
        let own = self.sealer.continuation(reference, handle)?;
        let name = continuation_name(flow, own.address());
        let Some(mut seen) = self.look(place.address(), &name).await? else {
            return Ok(None);
        };
        let Some(sealed) = seen.continuation.take() else {
            return Ok(None);
        };
        let continuation = Opened::continuation(&own, sealed, place.address(), flow)?;
        Ok(Some((seen.held(&place)?, Arc::new(continuation))))
    }

    async fn spend(
        &self,
        reference: &Reference,
        completion: Completion<'_>,
    ) -> Result<Spend, StoreError> {
        let place = self.sealer.request(reference)?;
        let mark: [u8; 12] = self.marked()?;
        let request = completion.request;
        let tombstone = PushedRequest {
            client_id: Arc::clone(&request.client_id),
            query: Box::default(),
            flow_key: [0; 32],
            index: request.index,
        };
        let arguments = [
            completion.flow.0.to_vec(),
            mark.to_vec(),
            decimal(millis(REPEAT_WINDOW)),
            match completion.outcome {
                Outcome::Code => b"c".to_vec(),
                Outcome::Error => b"e".to_vec(),
            },
            place.seal_request(&tombstone, Times::NONE, &self.rng)?,
        ];
        let reply = self.promise(Step::Spend, &keys(place.address()), &arguments).await?;
        match reply.word.as_slice() {
            b"spent" => Ok(Spend::Spent),
            b"repeated" => Ok(Spend::Repeated),
            b"already" => Ok(Spend::AlreadySpent),
            b"unknown" => Ok(Spend::Unknown),
            _ => Err(StoreError::Corrupt),
        }
    }

    async fn first_use(
        &self,
        key: ReplayKey,
        until: WallTime,
        client_id: &Arc<str>,
    ) -> Result<bool, StoreError> {
        let at = [b"parapet:u:".as_slice(), &name(self.sealer.replay(&key)?)].concat();
        let mark: [u8; 12] = self.marked()?;
        let [account, share] = self.account(client_id)?;
        let arguments = [
            mark.to_vec(),
            decimal(until.as_millis()),
            decimal(millis(self.pace.left(until))),
            account,
            share,
        ];
        match self.step(Step::FirstUse, &[at], &arguments).await?.word.as_slice() {
            b"share" => Err(StoreError::ClientShareFull),
            word => Ok(word == b"first"),
        }
    }

    fn expect_clients(&self, count: usize) {
        let shares = u64::try_from(count).unwrap_or(MAX_SHARES).clamp(1, MAX_SHARES);
        self.shares.store(shares, Ordering::Relaxed);
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.step(Step::Probe, &[b"parapet:probe".to_vec()], &[]).await?;
        if self.health.is_fit() { Ok(()) } else { Err(StoreError::Unavailable) }
    }

    /// Of the whole database, as of a moment ago: keys, and the server's memory.
    fn usage(&self) -> Usage {
        self.health.usage()
    }
}

impl From<SealError> for StoreError {
    fn from(_: SealError) -> Self {
        Self::Corrupt
    }
}

/// An address as it stands in the name of a key.
fn name(address: Address) -> Vec<u8> {
    URL_SAFE_NO_PAD.encode(address).into_bytes()
}

/// Record, state and continuations of a request. What is in braces says on which node of a cluster.
fn keys(address: Address) -> [Vec<u8>; 3] {
    let name = name(address);
    let key = |end: &[u8]| [b"parapet:{".as_slice(), &name, b"}", end].concat();
    [key(b""), key(b":s"), key(b":c")]
}

fn continuation_name(flow: FlowId, address: Address) -> Vec<u8> {
    [b"h".as_slice(), &flow.0, &address].concat()
}

fn decimal(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// What a script can add up.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
