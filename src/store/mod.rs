//! Where pushed requests wait: one contract, kept by every backend and tested by one suite.
//!
//! A 201 is a promise. What [`Store::put`] has accepted can be started until its redeem-by time:
//! a store is bounded by refusing, never by forgetting. Expiry is judged by the store's one clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::{Timestamp, WallTime};
use crate::oauth::request_uri::Reference;
use crate::telemetry::metrics::StoreCause;

pub use index::{Found, IndexKey};
pub use memory::{MemoryStore, Tally};
pub use redis::RedisStore;

mod account;
mod due;
mod index;
pub mod memory;
pub mod observed;
pub mod redis;
pub mod sealed;
pub mod snapshot;

/// What a backend promises. Every method that changes a request does so in one atomic step, also
/// where several replicas share the backend.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Keeps `request` under `reference` and reserves the room of the login it may become.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was kept.
    async fn put(
        &self,
        reference: &Reference,
        request: PushedRequest,
        lifetimes: Lifetimes,
    ) -> Result<(), StoreError>;

    /// Redeems: *pushed* → *started*. Whatever it answers but [`Start::Started`] changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    async fn start(&self, reference: &Reference, visit: Visit<'_>) -> Result<Start, StoreError>;

    /// Takes back the start that `caller` made, if it was the only one. Harmless to repeat.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    async fn undo_start(
        &self,
        reference: &Reference,
        caller: CallerToken,
    ) -> Result<(), StoreError>;

    /// Reads without changing anything; `None` where nothing is kept (any more).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    async fn read(&self, reference: &Reference) -> Result<Option<Held>, StoreError>;

    /// The started request under an index key, without changing anything: of several that are kept
    /// under one key, the one that was started last. `None` where none was started, or where that
    /// one is gone or its start taken back. A spent request is found as long as it is kept.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    async fn find(&self, key: &IndexKey) -> Result<Option<Found>, StoreError>;

    /// Keeps `continuation` under `handle` for as long as the login lives. Harmless to repeat. A login
    /// keeps its newest [`MAX_CONTINUATIONS`]: the oldest gives way.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was kept.
    async fn put_continuation(
        &self,
        reference: &Reference,
        flow: FlowId,
        handle: &Reference,
        continuation: Continuation,
    ) -> Result<(), StoreError>;

    /// Reads a continuation and the request it belongs to; `None` where either is gone.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    async fn continuation(
        &self,
        reference: &Reference,
        flow: FlowId,
        handle: &Reference,
    ) -> Result<Option<(Held, Arc<Continuation>)>, StoreError>;

    /// Completes: *started* → *spent*, once. A repetition by the same flow with the same outcome within
    /// [`REPEAT_WINDOW`] is answered [`Spend::Repeated`]. After that time a [tombstone](Held::is_tombstone)
    /// stands for the request.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    async fn spend(
        &self,
        reference: &Reference,
        completion: Completion<'_>,
    ) -> Result<Spend, StoreError>;

    /// Whether `key` is seen for the first time; it is remembered as long as the wall clock may still say
    /// a time before `until`, whichever way it is corrected, on the account of the client whose token it is.
    ///
    /// # Errors
    /// [`StoreError`]; then `key` is not remembered.
    async fn first_use(
        &self,
        key: ReplayKey,
        until: WallTime,
        client_id: &Arc<str>,
    ) -> Result<bool, StoreError>;

    /// Divides the room among so many clients: one alone may have all of it, four and more a quarter each.
    fn expect_clients(&self, _count: usize) {}

    /// Whether the backend answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    async fn ping(&self) -> Result<(), StoreError>;

    /// How full it is.
    fn usage(&self) -> Usage;
}

/// A double click on a consent button completes twice within this time and is let through.
pub const REPEAT_WINDOW: Duration = Duration::from_secs(10);

/// Largest number of continuations that one login keeps.
pub const MAX_CONTINUATIONS: usize = 16;

/// Largest number of logins that one request has at a time: the oldest gives way.
pub const MAX_LOGINS: usize = 8;

/// Largest number of shares that the room is divided into: with more clients each may hold a quarter.
pub const MAX_SHARES: u64 = 4;

/// An authorize URL that the upstream emitted and the browser does not see. `Debug` shows no value.
#[derive(PartialEq, Eq)]
pub struct Continuation {
    /// The path that it stands on.
    pub path: Box<str>,
    /// The query that goes upstream in the handle's place.
    pub query: Box<str>,
}

impl fmt::Debug for Continuation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Continuation")
            .field("path", &self.path)
            .field("query_bytes", &self.query.len())
            .finish()
    }
}

/// What was pushed. `Debug` shows no value.
pub struct PushedRequest {
    /// Whose request it is.
    pub client_id: Arc<str>,
    /// All parameters that travel, in order, in the canonical spelling of
    /// [`Encoder`](crate::oauth::parameters::Encoder).
    pub query: Box<str>,
    /// Signs the tickets of the browsers that start it; never leaves the store otherwise.
    pub flow_key: [u8; 32],
    /// How it is found without its reference once it is started; `None` where it had no `state` or
    /// no address to answer at.
    pub index: Option<IndexKey>,
}

impl fmt::Debug for PushedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushedRequest")
            .field("client_id", &self.client_id)
            .field("query_bytes", &self.query.len())
            .finish_non_exhaustive()
    }
}

/// The two clocks of a request.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// From push to redeem (`expires_in`).
    pub redeem: Duration,
    /// From redeem to completion.
    pub login: Duration,
}

/// Who wants to start a request, and by which rule.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// The client named in the authorization call.
    pub client_id: &'a str,
    /// The run that would begin.
    pub flow: FlowId,
    /// Tells this call from every other, so that its start alone is undone.
    pub caller: CallerToken,
    /// How often a request may be started.
    pub starts: Starts,
}

/// How often a request may be started before it is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starts {
    /// Any number of times within the redeem-by time.
    Many,
    /// Once.
    Once,
}

/// Random mark of one authorization call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerToken(pub [u8; 12]);

/// Names one browser's run through a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowId(pub [u8; 12]);

/// Digest of a token that may be used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplayKey(pub [u8; 32]);

/// What a call to [`Store::start`] met.
#[derive(Debug)]
pub enum Start {
    /// The request is started.
    Started {
        /// What was pushed.
        request: Arc<PushedRequest>,
        /// When, by the store's clock.
        at: Timestamp,
        /// Time since the push.
        age: Duration,
    },
    /// Nothing is kept under this reference (any more).
    Unknown,
    /// The redeem-by time has passed.
    Expired,
    /// It was completed.
    Spent,
    /// It belongs to another client.
    OtherClient,
    /// It may be started once and was.
    Taken,
}

/// A request as the store holds it.
#[derive(Debug)]
pub struct Held {
    /// What was pushed. Of a tombstone the query is empty and the key is not the request's.
    pub request: Arc<PushedRequest>,
    /// The present, by the store's clock.
    pub now: Timestamp,
    /// Its completion.
    pub spent: Option<Spent>,
    /// The logins that may go on, the newest last.
    pub logins: Vec<FlowId>,
}

impl Held {
    /// Whether this login has not given way to newer ones.
    #[must_use]
    pub fn has(&self, flow: FlowId) -> bool {
        self.logins.contains(&flow)
    }

    /// Whether nothing is left of the request but that it is spent: its client, and how its answer is
    /// recognised.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.request.query.is_empty()
    }
}

/// The completion of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// The login that completed it.
    pub flow: FlowId,
    /// The time of the completion.
    pub at: Timestamp,
    /// The answer that went to the client.
    pub outcome: Outcome,
}

/// Completion that a caller asks for.
#[derive(Debug, Clone, Copy)]
pub struct Completion<'a> {
    /// The login that ends.
    pub flow: FlowId,
    /// The answer that goes to the client.
    pub outcome: Outcome,
    /// What was pushed, for the tombstone.
    pub request: &'a PushedRequest,
}

/// Kind of the answer by which a request was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A code, a token or a signed response.
    Code,
    /// An error.
    Error,
}

/// What a call to [`Store::spend`] met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spend {
    /// This call completed the request.
    Spent,
    /// The same flow completed it a moment ago.
    Repeated,
    /// It was completed before, by another flow or longer ago.
    AlreadySpent,
    /// Nothing is kept under this reference (any more).
    Unknown,
}

/// How full a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Requests kept.
    pub requests: u64,
    /// Bytes they cost, bookkeeping included.
    pub bytes: u64,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no room; nothing that is alive is thrown out for a newcomer.
    #[error("the store is full")]
    Full,
    /// This client holds its share of the room.
    #[error("the client's share of the store is full")]
    ClientShareFull,
    /// Nothing is kept under this reference (any more).
    #[error("the request is gone")]
    Gone,
    /// The backend did not answer.
    #[error("the store is unavailable")]
    Unavailable,
    /// A record was changed by somebody else, or is of another version.
    #[error("a record of the store cannot be read")]
    Corrupt,
}

impl StoreError {
    /// The label in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ClientShareFull => "client_share_full",
            Self::Gone => "gone",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
        }
    }

    /// The label in metrics.
    #[must_use]
    pub const fn cause(self) -> StoreCause {
        match self {
            Self::Full => StoreCause::Full,
            Self::ClientShareFull => StoreCause::ClientShare,
            Self::Gone | Self::Corrupt => StoreCause::Corrupt,
            Self::Unavailable => StoreCause::Unavailable,
        }
    }
}
