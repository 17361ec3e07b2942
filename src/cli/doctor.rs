//! `parapet doctor`

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use aws_lc_rs::rand::SystemRandom;
use clap::Args;
use parapet::clock::SystemClock;
use parapet::config::Environment;
use parapet::doctor::{self, Colour, Patient, Report, Verdict};

use super::{ConfigFile, NOT_GOOD, wait};

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    file: ConfigFile,
    /// An address at which people might reach the server around the gateway
    #[arg(long, value_name = "URL", value_parser = origin)]
    public_upstream: Option<String>,
    /// A client that the server knows, to see where it sends browsers
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// 0 where no problem was found, else 1.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let patient = Patient {
            path: &self.file.config,
            loaded: super::load(&self.file.config)?,
            public_upstream: self.public_upstream,
            client_id: self.client,
        };
        let (clock, random) = (SystemClock::start(), SystemRandom::new());
        let report = wait(doctor::examine(&patient, &clock, &random))?;
        let text = if self.json {
            format!("{}\n", report.json())
        } else {
            table(&report, &self.file.config)
        };
        super::print(text)?;
        let is_problem = report.verdict() == Verdict::Problem;
        Ok(if is_problem { ExitCode::from(NOT_GOOD) } else { ExitCode::SUCCESS })
    }
}

fn table(report: &Report, file: &Path) -> String {
    let no_colour = Environment::of_process().value("NO_COLOR").is_some_and(|no| !no.is_empty());
    let is_terminal = std::io::stdout().is_terminal();
    let colour = if is_terminal && !no_colour { Colour::On } else { Colour::Off };
    let toml = report.toml();
    let lines = if toml.is_empty() {
        String::new()
    } else {
        let file = file.display();
        format!("\nLines for {file}, each beside what its table has already:\n\n{toml}")
    };
    format!("{}{lines}", report.text(colour))
}

fn origin(text: &str) -> Result<String, &'static str> {
    const EXPECTED: &str = "expected scheme, host and port such as \"https://idp.example.com\"";
    let url = parapet::config::UpstreamUrl::parse(text).ok_or(EXPECTED)?;
    Ok(url.origin())
}
