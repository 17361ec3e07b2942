//! `parapet serve`: a runtime, logs, signals, and the addresses on standard output.

use std::io::{self, Write as _};

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::observe::{self, ObserveError};
use super::reload::Reloader;
use super::{Gateway, StartError};
use crate::config::{Listen, Loaded, Place, Sources};
use crate::telemetry::{self, LogError, LogFormat};

/// Why `serve` ended in failure.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The logs.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The audit trail or the traces.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The gateway.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Runtime, signals or standard output.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

/// Runs a gateway until SIGTERM or SIGINT, with what was read from `place`, and again whenever that
/// changes. Each bound address is a line on standard output.
///
/// # Errors
/// [`ServeError`]
pub fn serve(place: Place, loaded: Loaded, sources: Sources) -> Result<(), ServeError> {
    let Loaded { config, merged } = loaded;
    let format = if config.log.json { LogFormat::Json } else { LogFormat::Text };
    let _flushed_at_the_end = telemetry::init(format, &config.log.level)?;
    let _sent_at_the_end = observe::begin(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let given_up = config.given_up();
        let gateway = Gateway::bind(config)?;
        for given_up in given_up {
            tracing::warn!("{given_up}");
        }
        let reloader = Reloader::new(&gateway, place, (merged, sources))?;
        let mut background = JoinSet::new();
        background.spawn(reloader.run());
        announce(&gateway)?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        gateway.run(stop).await?;
        Ok(())
    });
    runtime.shutdown_background();
    outcome
}

fn shown(scheme: &str, address: &Listen) -> String {
    match address {
        Listen::Tcp(address) => format!("{scheme}://{address}"),
        Listen::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn announce(gateway: &Gateway) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let scheme = if gateway.is_encrypted() { "https" } else { "http" };
    for address in gateway.addresses() {
        let address = shown(scheme, address);
        writeln!(out, "listening on {address}")?;
        tracing::info!(%address, "listening");
    }
    for address in gateway.mtls_addresses() {
        let address = shown("https", address);
        writeln!(out, "mtls on {address}")?;
        tracing::info!(%address, "listening for client certificates");
    }
    if let Some(address) = gateway.admin_address() {
        writeln!(out, "admin on http://{address}")?;
        tracing::info!(%address, "admin listening");
    }
    out.flush()
}
