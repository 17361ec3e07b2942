//! The program: reads the command line, does what it says, and answers with an exit code.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser as _};
use parapet::config::snapshot::SnapshotKey;
use parapet::config::{self, Environment, Place, Problems, Reading, Secret, SecretDigest};
use parapet::gateway::{Read, Start};

use cli::{Cli, Command, ConfigCommand, NOT_GOOD, SecretCommand, load, print};

mod cli;

/// Exit code of a failure while running.
const FAILURE: u8 = 3;

fn main() -> ExitCode {
    // Fails only where a provider is installed already, which then serves as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            if let Some(problems) = error.downcast_ref::<Problems>() {
                cli::complain(&problems.to_string());
                return ExitCode::from(NOT_GOOD);
            }
            cli::complain(&format!("parapet: {error:#}\n"));
            ExitCode::from(FAILURE)
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(serve) => {
            let environment = Environment::of_process();
            let socket_names = environment.value("LISTEN_FDNAMES").map(str::to_owned);
            let place = Place::new(&serve.file.config, environment);
            let Reading { outcome, sources } = place.read();
            let read = Read { place, loaded: outcome?, sources };
            parapet::gateway::serve(read, &Start { upgrade: serve.upgrade, socket_names })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(file) => {
            let clients = match load(&file.config)?.config.clients.len() {
                1 => "1 client".to_owned(),
                number => format!("{number} clients"),
            };
            print(format!("{}: good, {clients}\n", file.config.display()))
        }
        Command::Config(ConfigCommand::Defaults) => print(config::REFERENCE),
        Command::Config(ConfigCommand::Show(file)) => {
            let merged = load(&file.config)?.merged;
            print(toml::to_string(&merged).context("cannot write the configuration as TOML")?)
        }
        Command::Config(ConfigCommand::Schema) => print(config::schema_text()),
        Command::Config(ConfigCommand::Docs) => print(config::documentation()),
        Command::Secret(SecretCommand::Generate) => {
            let secret = Secret::generate().context("the system gives no random bytes")?;
            let secret = secret.expose();
            let digest = SecretDigest::of(secret).to_hex();
            print(format!("secret = \"{secret}\"\nsecret_sha256 = \"{digest}\"\n"))
        }
        Command::Secret(SecretCommand::Key) => {
            let key = SnapshotKey::generate().context("the system gives no random bytes")?;
            print(format!("{}\n", *key.to_text()))
        }
        Command::Doctor(doctor) => doctor.run(),
        Command::Push(push) => push.run(),
        Command::Healthcheck(check) => check.run(),
        Command::Version(version) => print(version.text()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "parapet", &mut script);
            print(script)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            print(page)
        }
    }
}
