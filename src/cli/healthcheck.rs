//! `parapet healthcheck`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use parapet::config::{self, Environment};
use parapet::healthcheck::{self, Question};

use super::{ConfigFile, NOT_GOOD, time, wait};

#[derive(Debug, Args)]
pub(crate) struct Healthcheck {
    #[command(flatten)]
    file: ConfigFile,
    /// The private listener, such as `http://127.0.0.1:9901`, instead of the one in the configuration
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Ask whether it runs (/livez) rather than whether it is ready (/readyz)
    #[arg(long)]
    live: bool,
    /// Longest wait for the answer
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    timeout: Duration,
}

impl Healthcheck {
    /// 0 where the gateway is well, else 1 and one line on standard error.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let question = if self.live { Question::Live } else { Question::Ready };
        let url = match self.url {
            Some(url) => Ok(url),
            None => healthcheck::url_of(config::private_listener(
                &self.file.config,
                &Environment::of_process(),
            )?),
        };
        let asked = match url {
            Ok(url) => wait(healthcheck::ask(&url, question, self.timeout))?,
            Err(error) => Err(error),
        };
        Ok(match asked {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                super::complain(&format!("parapet: {error}\n"));
                ExitCode::from(NOT_GOOD)
            }
        })
    }
}
