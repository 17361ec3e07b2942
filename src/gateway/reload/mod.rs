//! Another configuration while the gateway runs: read and checked as a whole, its parts built beside
//! those that serve, then one pointer swapped. What is no good changes nothing.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::application::Joint;
use super::backend::Saved;
use super::succession::SERVING;
use super::{Gateway, systemd};
use crate::config::{Config, File, Loaded, Place, Problems, Reading, Sources};
use crate::endpoints::Shared;
use crate::proxy::{Prepared, Renewal, SetupError};
use crate::telemetry::metrics::ReloadOutcome;
use crate::telemetry::{self, RefusedReload, Reloads};
use crate::upstream::HttpClient;
use crate::upstream::tls::TlsError;

mod watch;

/// Why a configuration is not taken into use. The text is for the operator; it shows no secret.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// What `parapet check` says of it.
    #[error("{0}")]
    Invalid(#[from] Problems),
    /// Sockets and store are those of the start.
    #[error("cannot change while the gateway runs: {}; restart it to use the new configuration", .0.join(", "))]
    NeedsRestart(Vec<String>),
    /// `[upstream.tls]`
    #[error("[upstream.tls]: {0}")]
    Tls(#[from] TlsError),
    /// The public side.
    #[error(transparent)]
    Proxy(#[from] SetupError),
    /// The system.
    #[error("the system refused: {0}")]
    System(#[from] tokio::task::JoinError),
}

/// What changes the configuration of one running gateway.
pub(super) struct Reloader {
    place: Place,
    /// As it was written when it was taken into use.
    merged: File,
    /// What the last attempt read, whatever came of it.
    sources: Sources,
    renewal: Renewal<Joint>,
    /// What the endpoints in use share.
    shared: Shared,
    saved: Option<Saved>,
    reloads: Reloads,
    hangup: Signal,
}

/// Everything of another configuration, ready to serve.
struct Successor {
    prepared: Prepared<Joint>,
    shared: Shared,
}

impl Reloader {
    /// For `gateway`, which was made from this.
    ///
    /// # Errors
    /// The system's, where SIGHUP cannot be listened for.
    pub(super) fn new(
        gateway: &Gateway,
        place: Place,
        (merged, sources): (File, Sources),
    ) -> io::Result<Self> {
        Ok(Self {
            place,
            merged,
            sources: sources.parts(),
            renewal: gateway.renewal.clone(),
            shared: gateway.shared.clone(),
            saved: gateway.backend.saved(),
            reloads: gateway.reloads.clone(),
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Reads the configuration again and takes it into use, or says why not.
    async fn reload(&mut self) {
        systemd::reloading();
        let is_applied = self.attempt().await;
        systemd::ready(if is_applied {
            SERVING
        } else {
            "serving; the new configuration is refused"
        });
    }

    /// Whether it was taken into use.
    async fn attempt(&mut self) -> bool {
        let place = self.place.clone();
        let outcome = match tokio::task::spawn_blocking(move || place.read()).await {
            Ok(Reading { outcome: Ok(loaded), sources }) => {
                self.sources = sources.parts();
                self.apply(loaded).await
            }
            Ok(Reading { outcome: Err(problems), sources }) => {
                self.sources = sources;
                Err(problems.into())
            }
            Err(error) => Err(error.into()),
        };
        let now = self.shared.clock.now();
        match outcome {
            Ok(config) => {
                self.reloads.applied(&config.fingerprint, now);
                let (hash, clients) = (&*config.fingerprint, config.clients.len());
                tracing::info!(hash, clients, "the configuration was reloaded");
                for given_up in config.given_up() {
                    tracing::warn!("{given_up}");
                }
                true
            }
            Err(error) => {
                let (outcome, why) = (error.outcome(), error.to_string());
                let why = why.trim_end();
                self.reloads.refused(RefusedReload { at: now, outcome, why: why.into() });
                tracing::error!(
                    outcome = outcome.as_str(),
                    why,
                    "the configuration was not reloaded; the one before stays in use"
                );
                false
            }
        }
    }

    async fn apply(&mut self, loaded: Loaded) -> Result<Arc<Config>, ReloadError> {
        let fixed = self.merged.fixed_keys_that_differ(&loaded.merged);
        if !fixed.is_empty() {
            return Err(ReloadError::NeedsRestart(fixed));
        }
        let config = Arc::new(loaded.config);
        let (renewal, shared, made) = (self.renewal.clone(), self.shared.clone(), config.clone());
        let build = move || successor(&renewal, &shared, &made);
        let Successor { prepared, shared } = tokio::task::spawn_blocking(build).await??;
        prepared.resolved().await;
        if let Err(error) = shared.discovery.available().await {
            tracing::warn!(%error, "metadata of the upstream not available");
        }
        prepared.take_effect();
        if let Some(saved) = &self.saved {
            saved.follow(&config);
        }
        // It was checked with the rest.
        let _ = telemetry::change_level(&config.log.level);
        self.shared = shared;
        self.merged = loaded.merged;
        Ok(config)
    }
}

/// Builds the parts of `config` beside those in use. What has state goes on in them: the store with
/// its memory of replays, budgets, fetched keys, documents, nonces, and connections.
fn successor(
    renewal: &Renewal<Joint>,
    shared: &Shared,
    config: &Arc<Config>,
) -> Result<Successor, ReloadError> {
    let client = HttpClient::new(&config.upstream, &config.server.issuer)?;
    let shared = Shared {
        store: Arc::clone(&shared.store),
        discovery: Arc::new(shared.discovery.succeeded_by(client, config)),
        limits: Arc::new(shared.limits.resized(&config.limits)),
        clock: Arc::clone(&shared.clock),
    };
    let joint = Arc::new(renewal.application().succeeded_by(config, &shared));
    let prepared = renewal.prepare(joint, Arc::clone(config))?;
    Ok(Successor { prepared, shared })
}

impl ReloadError {
    const fn outcome(&self) -> ReloadOutcome {
        match self {
            Self::Invalid(_) => ReloadOutcome::Invalid,
            Self::NeedsRestart(_) => ReloadOutcome::NeedsRestart,
            Self::Tls(_) | Self::Proxy(_) | Self::System(_) => ReloadOutcome::Unusable,
        }
    }
}
