//! What the gateway tells the page of its parts. Nothing of a request is in it.

use crate::clock::{Timestamp, WallTime};
use crate::telemetry::ReloadStatus;

/// The parts of a gateway as they are now.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When the gateway was wired.
    pub started_at: Timestamp,
    /// `[server] issuer`
    pub issuer: String,
    /// Which configuration is in use, and what became of attempts to change it.
    pub configuration: ReloadStatus,
    /// The server behind the gateway.
    pub upstream: UpstreamFacts,
    /// Where requests wait.
    pub store: StoreFacts,
    /// One for each TLS listener.
    pub certificates: Vec<CertificateFacts>,
    /// How much the limits remember.
    pub tracked: TrackedFacts,
}

/// The server behind the gateway.
#[derive(Debug, Clone)]
pub struct UpstreamFacts {
    /// Scheme, host and port.
    pub url: String,
    /// `[upstream] preset`
    pub preset: String,
    /// Whether its metadata are known.
    pub metadata_known: bool,
    /// Whether they could be fetched at the last try; `None` before the first.
    pub last_fetch_succeeded: Option<bool>,
}

/// Where requests wait.
#[derive(Debug, Clone)]
pub struct StoreFacts {
    /// `memory` or `redis`.
    pub backend: &'static str,
    /// Whether it does its work.
    pub up: bool,
    /// Entries; keys of the server where that is Redis.
    pub entries: u64,
    /// Bytes they take.
    pub bytes: u64,
    /// Bytes they may take, where that is the gateway's to say.
    pub max_bytes: Option<u64>,
}

/// The certificate of a TLS listener.
#[derive(Debug, Clone)]
pub struct CertificateFacts {
    /// `public` or `mtls`.
    pub listener: &'static str,
    /// When it expires; `None` where that cannot be read.
    pub expires_at: Option<WallTime>,
}

/// How much the limits remember.
#[derive(Debug, Clone, Copy, Default)]
pub struct TrackedFacts {
    /// Clients whose budget of pushes is not full.
    pub clients: u64,
    /// Addresses whose budget of failures is not full.
    pub addresses: u64,
    /// Addresses that wait.
    pub blocked: u64,
    /// Pairs of client and address that authenticated lately.
    pub trusted: u64,
}
