//! The gateway itself, started from its library with the same file that `parapet serve` takes.

use std::path::Path;

/// A gateway that serves until this is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Running {}

/// Starts the gateway with the configuration at `config_path`.
pub(crate) fn start(config_path: &Path) -> Result<Running, String> {
    Err(format!(
        "{}: this build has no gateway yet; `--without-gateway` shows the old way alone",
        config_path.display()
    ))
}
