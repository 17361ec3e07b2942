//! The gateway itself, started from its library with the same file that `parapet serve` takes.

use std::path::Path;

use parapet::config::{self, Environment};
use parapet::gateway::{Gateway, Order, Orders};
use tokio::sync::mpsc::UnboundedSender;

/// A gateway that serves until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    _stop: UnboundedSender<Order>,
}

/// Starts the gateway with the configuration at `config_path`. Its sockets are bound when this
/// returns. The environment is left out: the other parts of the demonstration read the file alone.
pub(crate) fn start(config_path: &Path) -> Result<Running, String> {
    let empty = Environment::from_iter(Vec::<(String, String)>::new());
    let loaded = config::load(config_path, &empty).map_err(|problems| problems.to_string())?;
    let gateway = Gateway::bind(loaded.config).map_err(|error| error.to_string())?;
    let (stop, orders) = Orders::channel();
    spawn(gateway.run(orders));
    Ok(Running { _stop: stop })
}

#[expect(clippy::disallowed_methods, reason = "the demonstration ends with its process")]
fn spawn(run: impl Future<Output = Result<(), parapet::gateway::StartError>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = run.await {
            eprintln!("the gateway ended: {error}");
        }
    });
}
