//! `parapet serve`: a runtime, logs, signals, and the addresses on standard output.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::observe::{self, ObserveError};
use super::reload::Reloader;
use super::{Gateway, Order, Orders, StartError, systemd};
use crate::config::{Config, Listen, Loaded, Place, Sources};
use crate::proxy::listener::{Inherited, Passed};
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
    /// Sockets of the service manager.
    #[error("a socket in LISTEN_FDS cannot be used: {0}")]
    Sockets(io::Error),
    /// A socket of the service manager for which there is no listener.
    #[error("no listener is for the socket {0} of LISTEN_FDS; see [server] listen")]
    Unclaimed(String),
    /// Runtime, signals or standard output.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

/// How the process begins.
#[derive(Debug, Default)]
pub struct Start {
    /// It takes the place of a gateway that runs (`--upgrade`).
    pub upgrade: bool,
    /// `LISTEN_FDNAMES`, which goes with the sockets of a service manager.
    pub socket_names: Option<String>,
}

/// A configuration as it was read.
pub struct Read {
    /// Where from.
    pub place: Place,
    /// What it says.
    pub loaded: Loaded,
    /// The files that it consists of.
    pub sources: Sources,
}

/// Runs a gateway with what was read, and again whenever that changes, until SIGTERM or SIGINT, or until
/// after SIGQUIT another process has taken over. Each bound address is a line on standard output.
///
/// # Errors
/// [`ServeError`]
pub fn serve(read: Read, start: &Start) -> Result<(), ServeError> {
    // Takes variables away, so it comes before any thread.
    let passed = systemd::passed(start.socket_names.as_deref()).map_err(ServeError::Sockets)?;
    let Read { place, loaded: Loaded { config, merged }, sources } = read;
    let format = if config.log.json { LogFormat::Json } else { LogFormat::Text };
    let _flushed_at_the_end = telemetry::init(format, &config.log.level)?;
    let _sent_at_the_end = observe::begin(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let given_up = config.given_up();
        let gateway = if start.upgrade {
            Gateway::succeed(config).await?
        } else {
            with_sockets(config, passed)?
        };
        for given_up in given_up {
            tracing::warn!("{given_up}");
        }
        let reloader = Reloader::new(&gateway, place, (merged, sources))?;
        let mut background = JoinSet::new();
        background.spawn(reloader.run());
        announce(&gateway)?;
        let (give, orders) = Orders::channel();
        let listen = obey(&give)?;
        tokio::select! {
            ended = gateway.run(orders) => ended?,
            () = listen => {}
        }
        Ok(())
    });
    runtime.shutdown_background();
    outcome
}

/// A gateway with the sockets of the service manager, each of which has to be for a listener.
fn with_sockets(config: Config, passed: Vec<Passed>) -> Result<Gateway, ServeError> {
    let mut inherited = Inherited::new(passed).map_err(ServeError::Sockets)?;
    let gateway = Gateway::inherit(config, &mut inherited)?;
    match inherited.unclaimed().into_iter().next() {
        Some(socket) => Err(ServeError::Unclaimed(socket)),
        None => Ok(gateway),
    }
}

/// Turns signals into orders. Never ends.
fn obey(give: &UnboundedSender<Order>) -> io::Result<impl Future<Output = ()> + use<>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let give = give.clone();
    Ok(async move {
        loop {
            let order = tokio::select! {
                _ = terminate.recv() => Order::Stop,
                _ = interrupt.recv() => Order::StopSoon,
                _ = quit.recv() => Order::HandOver,
            };
            // A gateway that takes no orders any more has ended.
            let _ = give.send(order);
        }
    })
}

fn shown(scheme: &str, address: &Listen) -> String {
    match address {
        Listen::Tcp(address) => format!("{scheme}://{address}"),
        Listen::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// Says where the gateway listens. No request depends on who reads standard output, so a pipe that is full
/// holds up a thread of its own.
fn announce(gateway: &Gateway) -> io::Result<()> {
    let scheme = if gateway.is_encrypted() { "https" } else { "http" };
    let mut text = String::new();
    for address in gateway.addresses() {
        let address = shown(scheme, address);
        let _ = writeln!(text, "listening on {address}");
        tracing::info!(%address, "listening");
    }
    for address in gateway.mtls_addresses() {
        let address = shown("https", address);
        let _ = writeln!(text, "mtls on {address}");
        tracing::info!(%address, "listening for client certificates");
    }
    if let Some(address) = gateway.admin_address() {
        let _ = writeln!(text, "admin on http://{address}");
        tracing::info!(%address, "admin listening");
    }
    let write = move || {
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            tracing::warn!(%error, "standard output takes nothing");
        }
    };
    thread::Builder::new().name("announce".to_owned()).spawn(write).map(drop)
}
