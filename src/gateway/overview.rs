//! What the status page is told of the gateway's parts.

use std::sync::Arc;

use crate::admin::Status;
use crate::admin::status::{CertificateFacts, Facts, StoreFacts, TrackedFacts, UpstreamFacts};
use crate::clock::Timestamp;
use crate::config::{Config, Preset};
use crate::endpoints::Shared;
use crate::proxy::Credentials;
use crate::telemetry::Reloads;
use crate::telemetry::history::History;
use crate::telemetry::metrics::{LimitKind, meter};
use crate::telemetry::recent::recent;

/// What is known when the gateway is wired, and the last hour.
pub(super) struct Overview {
    started_at: Timestamp,
    issuer: String,
    upstream: String,
    preset: String,
    /// `[store] max_bytes`, where the store obeys it.
    room: Option<u64>,
    history: Arc<History>,
}

/// The store's name, and whether it does its work.
type Health = (&'static str, Box<dyn Fn() -> bool + Send + Sync>);

impl Overview {
    /// Begins to keep the hour.
    pub(super) fn new(config: &Config, shared: &Shared) -> Self {
        let in_memory = config.store.redis.is_none();
        Self {
            started_at: shared.clock.now(),
            issuer: config.server.issuer.as_str().to_owned(),
            upstream: config.upstream.url.origin(),
            preset: name(config.upstream.preset),
            room: in_memory.then_some(config.store.max_bytes),
            history: Arc::new(History::new(Arc::clone(&shared.clock))),
        }
    }

    /// To be called a few times in a minute.
    pub(super) fn sampler(&self) -> impl Fn() + Send + 'static {
        let history = Arc::clone(&self.history);
        move || history.sample(meter())
    }

    /// The page's sources.
    pub(super) fn status(
        &self,
        shared: &Shared,
        (store, credentials, reloads): (Health, Vec<Arc<Credentials>>, Reloads),
    ) -> Status {
        let known = (self.started_at, self.room);
        let names = (self.issuer.clone(), self.upstream.clone(), self.preset.clone());
        let parts = shared.clone();
        let facts = move || {
            let (issuer, url, preset) = names.clone();
            Facts {
                started_at: known.0,
                issuer,
                configuration: reloads.status(),
                upstream: UpstreamFacts {
                    url,
                    preset,
                    metadata_known: parts.discovery.current().is_some(),
                    last_fetch_succeeded: parts.discovery.last_fetch_succeeded(),
                },
                store: store_facts(&parts, &store, known.1),
                certificates: credentials.iter().map(|of| certificate(of)).collect(),
                tracked: tracked(&parts),
            }
        };
        Status {
            clock: Arc::clone(&shared.clock),
            history: Arc::clone(&self.history),
            recent: recent(),
            facts: Box::new(facts),
        }
    }
}

/// As it stands in the file.
fn name(preset: Preset) -> String {
    let value = serde_json::to_value(preset).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn store_facts(parts: &Shared, (backend, is_up): &Health, max_bytes: Option<u64>) -> StoreFacts {
    let usage = parts.store.usage();
    StoreFacts { backend, up: is_up(), entries: usage.requests, bytes: usage.bytes, max_bytes }
}

fn certificate(credentials: &Credentials) -> CertificateFacts {
    CertificateFacts { listener: credentials.listener(), expires_at: credentials.expires_at() }
}

fn tracked(parts: &Shared) -> TrackedFacts {
    let mut tracked = TrackedFacts::default();
    for (kind, number) in parts.limits.tracked() {
        match kind {
            LimitKind::Clients => tracked.clients = number,
            LimitKind::Addresses => tracked.addresses = number,
            LimitKind::Blocked => tracked.blocked = number,
            LimitKind::Trusted => tracked.trusted = number,
        }
    }
    tracked
}
