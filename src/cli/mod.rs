//! The command line.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use parapet::config::{self, Environment, Loaded, Problems, Time};

mod doctor;
mod healthcheck;
mod push;

/// Exit code of a bad configuration, and of what is not well. clap answers a bad command line with 2.
pub(crate) const NOT_GOOD: u8 = 1;

/// Pushed Authorization Requests (RFC 9126) in front of an authorization server that has none
#[derive(Debug, Parser)]
#[command(
    name = "parapet",
    version,
    after_help = "Exit codes: 0 good, 1 bad configuration or not well, 2 bad command line, 3 failure while running"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway
    Serve(Serve),
    /// Check a configuration and name all its problems
    #[command(visible_alias = "validate")]
    Check(ConfigFile),
    /// Show configurations
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make secrets
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Look at server, store, certificates and clock, and print what to put into the configuration
    Doctor(doctor::Doctor),
    /// Push an authorization request as a client would, and print where to send the browser
    Push(Box<push::Push>),
    /// Ask a running gateway how it is: exit code 0 where it is well, else 1
    Healthcheck(healthcheck::Healthcheck),
    /// Print the version
    Version(Version),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the reference configuration with every default
    Defaults,
    /// Print the configuration with client files and environment merged in, secrets hidden
    Show(ConfigFile),
    /// Print the JSON Schema of the configuration
    Schema,
    /// Print docs/configuration.md
    #[command(hide = true)]
    Docs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Print a new client secret, and the digest that can stand for it in gateway.toml
    Generate,
    /// Print a new key for `[store] snapshot_key_file`
    Key,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Take the sockets over from the gateway that runs, once it gets SIGQUIT
    #[arg(long)]
    pub(crate) upgrade: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file
    #[arg(
        long,
        short,
        value_name = "FILE",
        env = "PARAPET_CONFIG",
        default_value = "gateway.toml"
    )]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Version {
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

impl Version {
    /// The version in the form that was asked for.
    pub(crate) fn text(&self) -> String {
        let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        if self.json {
            let object = serde_json::json!({ "name": name, "version": version });
            format!("{object}\n")
        } else {
            format!("{name} {version}\n")
        }
    }
}

/// `2s`, as times are written in gateway.toml.
fn time(text: &str) -> Result<Duration, &'static str> {
    let time = Time::parse(text).filter(|time| !time.0.is_zero());
    time.map(|time| time.0).ok_or("expected a time such as \"2s\" or \"500ms\"")
}

/// Waits for something on a runtime of its own.
fn wait<F: Future>(future: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let output = runtime.block_on(future);
    // Not for a look-up of a name that nobody waits for any more.
    runtime.shutdown_background();
    Ok(output)
}

/// The configuration, checked, under the variables of this process.
pub(crate) fn load(path: &Path) -> Result<Loaded, Problems> {
    config::load(path, &Environment::of_process())
}

/// Writes to standard error. Where that takes nothing, the exit code says enough.
pub(crate) fn complain(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Writes to standard output. A reader that went away has seen enough.
pub(crate) fn print(text: impl AsRef<[u8]>) -> anyhow::Result<ExitCode> {
    match std::io::stdout().write_all(text.as_ref()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
