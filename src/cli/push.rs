//! `parapet push`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::rand::SystemRandom;
use clap::{Args, CommandFactory as _, error::ErrorKind};
use parapet::clock::SystemClock;
use parapet::config::{AuthenticationMethod, Environment, Secret};
use parapet::jose::Algorithm;
use parapet::push::{
    self, Order, PushError, Pushed, Request, Return, ReturnError, Signer, Verifier, World,
};
use zeroize::Zeroizing;

use super::{Cli, NOT_GOOD, time, wait};

#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The issuer that clients know
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The client that pushes
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// How the client proves itself [default: by what is given: `client_secret_basic` with a
    /// secret, `tls_client_auth` with a certificate, `private_key_jwt` with a key, else `none`]
    #[arg(long, value_name = "METHOD", value_parser = method)]
    authentication: Option<AuthenticationMethod>,
    /// File of the client's secret; a last newline does not count
    #[arg(long, value_name = "FILE", conflicts_with = "secret_env")]
    secret_file: Option<PathBuf>,
    /// Environment variable with the client's secret
    #[arg(long, value_name = "NAME")]
    secret_env: Option<String>,
    /// The client's private key, PEM: of assertions, request objects, or the certificate
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Name of the key, for the header of what it signs
    #[arg(long, value_name = "ID")]
    kid: Option<String>,
    /// What the key signs by [default: `ES256`, `ES384`, `ES512`, `EdDSA` or `PS256`, by the kind of key]
    #[arg(long, value_name = "ALG")]
    alg: Option<Algorithm>,
    /// The client's certificate, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Where the client gets its answer
    #[arg(long, value_name = "URI")]
    redirect_uri: Option<String>,
    /// What the client asks for, such as "openid profile"
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// A further parameter; also one that would be made up, such as state= for none
    #[arg(short = 'p', long = "parameter", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// Push the parameters as a request object, signed with --key
    #[arg(long)]
    request_object: bool,
    /// Send a `DPoP` proof of a new key
    #[arg(long)]
    dpop: bool,
    /// Authorities to believe instead of the system's, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Longest wait for each answer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    timeout: Duration,
    /// Wait at the `redirect_uri`, which must be on loopback, for the browser to come back
    #[arg(long)]
    listen: bool,
    /// Longest wait for the browser
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    listen_timeout: Duration,
    /// Print the `code_verifier` too, for whoever redeems the code by hand
    #[arg(long)]
    show_verifier: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Push {
    /// 0 where the request was taken and, where that was waited for, answered with a code; 1 where it
    /// was refused; 2 where what was asked for cannot be done; 3 where nothing could be pushed.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (verifier, json) = (self.verifier(), self.json);
        let limit = self.listen.then_some(self.listen_timeout);
        let order = self.order()?;
        let done = wait(async {
            let back_to = order.request.redirect_uri.as_deref().unwrap_or_default();
            let back = match limit {
                Some(limit) => Some((Return::bind(back_to).await?, limit)),
                None => None,
            };
            let (clock, random) = (SystemClock::start(), SystemRandom::new());
            let pushed = push::push(&order, World { clock: &clock, random: &random }).await?;
            super::print(shown(&pushed, verifier, json))?;
            let Some((back, limit)) = back else {
                return Ok(ExitCode::SUCCESS);
            };
            let answer = back.answer(limit).await?;
            let text =
                if json { answer.json(&pushed).to_string() + "\n" } else { answer.text(&pushed) };
            super::print(text)?;
            let is_right = answer.is_right(&pushed);
            Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) })
        })?;
        done.or_else(|error: anyhow::Error| refused(error, json))
    }

    fn verifier(&self) -> Verifier {
        if self.show_verifier { Verifier::Shown } else { Verifier::Hidden }
    }

    fn order(self) -> anyhow::Result<Order> {
        let secret = self.secret()?;
        let method = self.authentication.unwrap_or(match (&secret, &self.certificate, &self.key) {
            (Some(_), _, _) => AuthenticationMethod::ClientSecretBasic,
            (None, Some(_), _) => AuthenticationMethod::TlsClientAuth,
            (None, None, Some(_)) => AuthenticationMethod::PrivateKeyJwt,
            (None, None, None) => AuthenticationMethod::None,
        });
        let signs = method == AuthenticationMethod::PrivateKeyJwt || self.request_object;
        let key = self.key.as_ref().filter(|_| signs);
        let signer = key.map(|key| Signer::from_pem(key, self.alg, self.kid)).transpose()?;
        Ok(Order {
            issuer: self.issuer,
            client_id: self.client_id,
            method,
            secret,
            signer,
            certificate: self.certificate.zip(self.key),
            request: Request {
                redirect_uri: self.redirect_uri,
                scope: self.scope,
                parameters: self.parameters,
            },
            as_request_object: self.request_object,
            dpop: self.dpop,
            ca: self.ca,
            timeout: self.timeout,
        })
    }

    fn secret(&self) -> anyhow::Result<Option<Secret>> {
        if let Some(name) = &self.secret_env {
            let environment = Environment::of_process();
            let secret = environment.value(name).map(|text| Secret::new(text.to_owned()));
            return secret.map(Some).with_context(|| format!("the variable {name} is not set"));
        }
        let Some(path) = &self.secret_file else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        let secret = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Some(Secret::new(secret.strip_suffix('\r').unwrap_or(secret).to_owned())))
    }
}

/// What ends with a code of its own.
fn refused(error: anyhow::Error, json: bool) -> anyhow::Result<ExitCode> {
    let usage = |text: &dyn std::fmt::Display| -> ! {
        Cli::command().error(ErrorKind::MissingRequiredArgument, text).exit()
    };
    if let Some(no_address @ ReturnError::Address) = error.downcast_ref() {
        usage(no_address);
    }
    match error.downcast_ref() {
        Some(PushError::Usage(text)) => usage(text),
        Some(PushError::Refused(refusal)) => {
            if json {
                super::print(format!("{}\n", refusal.json()))?;
            } else {
                super::complain(&format!("parapet: {refusal}\n"));
            }
            Ok(ExitCode::from(NOT_GOOD))
        }
        _ => Err(error),
    }
}

fn shown(pushed: &Pushed, verifier: Verifier, json: bool) -> String {
    if json { format!("{}\n", pushed.json(verifier)) } else { pushed.text(verifier) }
}

fn method(name: &str) -> Result<AuthenticationMethod, String> {
    let known = AuthenticationMethod::ALL;
    let names = || known.map(AuthenticationMethod::as_str).join(", ");
    let found = known.into_iter().find(|method| method.as_str() == name);
    found.ok_or_else(|| format!("expected one of {}", names()))
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    if matches!(name, "client_secret" | "client_assertion") {
        return Err("a command line can be read by others: use --secret-file or --key");
    }
    Ok((name.to_owned(), value.to_owned()))
}
