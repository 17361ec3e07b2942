//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Pushed Authorization Requests (RFC 9126) in front of an authorization server that has none
#[derive(Debug, Parser)]
#[command(
    name = "parapet",
    version,
    after_help = "Exit codes: 0 good, 1 bad configuration, 2 bad command line, 3 failure while running"
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
