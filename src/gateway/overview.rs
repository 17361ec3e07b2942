//! What the status page is told of the gateway's parts.

use std::sync::Arc;

use super::application::Joint;
use crate::admin::Status;
use crate::admin::status::{CertificateFacts, Facts, StoreFacts, TrackedFacts, UpstreamFacts};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Preset};
use crate::endpoints::Shared;
use crate::proxy::Renewal;
use crate::telemetry::Reloads;
use crate::telemetry::history::History;
use crate::telemetry::metrics::{LimitKind, meter};
use crate::telemetry::recent::recent;

/// When the gateway was wired, and its last hour.
pub(super) struct Overview {
    started_at: Timestamp,
    history: Arc<History>,
}

/// The store's name, and whether it does its work.
type Health = (&'static str, Box<dyn Fn() -> bool + Send + Sync>);

impl Overview {
    /// Begins to keep the hour.
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { started_at: clock.now(), history: Arc::new(History::new(Arc::clone(clock))) }
    }

    /// To be called a few times in a minute.
    pub(super) fn sampler(&self) -> impl Fn() + Send + 'static {
        let history = Arc::clone(&self.history);
        move || history.sample(meter())
    }

    /// The page's sources; what a reload may change is asked for at every visit.
    pub(super) fn status(
        &self,
        shared: &Shared,
        (store, renewal, reloads): (Health, Renewal<Joint>, Reloads),
    ) -> Status {
        let (started_at, parts) = (self.started_at, shared.clone());
        let facts = move || {
            let config = renewal.config();
            Facts {
                started_at,
                issuer: config.server.issuer.as_str().to_owned(),
                configuration: reloads.status(),
                upstream: upstream(&config, &renewal),
                store: store_facts(&config, &parts, &store),
                certificates: certificates(&renewal),
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

fn upstream(config: &Config, renewal: &Renewal<Joint>) -> UpstreamFacts {
    let application = renewal.application();
    let discovery = application.discovery();
    UpstreamFacts {
        url: config.upstream.url.origin(),
        preset: name(config.upstream.preset),
        metadata_known: discovery.current().is_some(),
        last_fetch_succeeded: discovery.last_fetch_succeeded(),
    }
}

/// As it stands in the file.
fn name(preset: Preset) -> String {
    let value = serde_json::to_value(preset).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn store_facts(config: &Config, parts: &Shared, (backend, is_up): &Health) -> StoreFacts {
    let usage = parts.store.usage();
    StoreFacts {
        backend,
        up: is_up(),
        entries: usage.requests,
        bytes: usage.bytes,
        max_bytes: config.store.redis.is_none().then_some(config.store.max_bytes),
    }
}

fn certificates(renewal: &Renewal<Joint>) -> Vec<CertificateFacts> {
    let all = renewal.certificates().into_iter();
    all.map(|(listener, expires_at)| CertificateFacts { listener, expires_at }).collect()
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
