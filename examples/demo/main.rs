//! The gateway shown on one machine: a legacy authorization server, the gateway in front of it, and
//! a client that signs people in through both, the old way and with pushed requests.
//!
//! `cargo run --example demo` reads `gateway.toml`, takes its addresses from there, and prints what
//! to open.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use parapet::clock::SystemClock;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::client::DemoClient;
use crate::journey::Journeys;
use crate::legacy::Legacy;
use crate::settings::Settings;

mod client;
mod exposure;
mod gateway;
mod journey;
mod legacy;
mod page;
mod settings;
mod shelf;
mod web;

/// Shows Pushed Authorization Requests in front of a server that has none.
#[derive(Debug, Parser)]
struct Arguments {
    /// The gateway's configuration; its addresses are used.
    #[arg(long, value_name = "PATH", default_value = "gateway.toml")]
    config: PathBuf,
    /// Leave the gateway out: the client talks to the legacy server, the old way alone.
    #[arg(long)]
    without_gateway: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("demo: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the three and waits for Ctrl-C.
async fn run(arguments: Arguments) -> Result<(), String> {
    let settings = Settings::read(&arguments.config)?;
    let file = arguments.config.display().to_string();
    let taken = |key: &'static str| {
        let file = file.clone();
        move |problem: String| format!("{problem}; change `{key}` in {file}")
    };
    let legacy_listener = bind(&settings.legacy).await.map_err(taken("[upstream] url"))?;
    let client_listener =
        bind(&settings.client).await.map_err(taken("[[clients]] redirect_uris"))?;

    let journeys = Arc::new(Journeys::new());
    let clock = Arc::new(SystemClock::start());
    let legacy = Legacy::new(&settings, clock, Arc::clone(&journeys))
        .map_err(|fault| format!("the legacy server: {fault}"))?;
    let mut sites = JoinSet::new();
    sites.spawn(web::serve(legacy_listener, legacy));

    let running = if arguments.without_gateway {
        None
    } else {
        // The gateway binds for itself; asked beforehand, we can name the key.
        let admin = [(settings.admin.as_str(), "[admin] listen")];
        let admin = admin.into_iter().filter(|(address, _)| !address.is_empty());
        for (address, key) in admin.chain([(settings.gateway.as_str(), "[server] listen")]) {
            drop(bind(address).await.map_err(taken(key))?);
        }
        Some(gateway::start(&arguments.config)?)
    };
    let server = match running {
        Some(_) => settings.public_origin.clone(),
        None => format!("http://{}", settings.legacy),
    };
    let client = DemoClient::new(&settings, server, journeys);
    sites.spawn(web::serve(client_listener, client));

    announce(&settings, running.is_some());
    let stopped = tokio::signal::ctrl_c().await;
    println!("\nThe demonstration is over.");
    stopped.map_err(|error| error.to_string())
}

async fn bind(address: &str) -> Result<TcpListener, String> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| format!("cannot listen on {address}: {error}"))
}

fn announce(settings: &Settings, with_gateway: bool) {
    let Settings { legacy, client, public_origin, .. } = settings;
    println!("\nOpen  http://{client}/  and sign in as alice, password wonderland.\n");
    println!("  http://{client}    demo client");
    if with_gateway {
        println!("  {public_origin}    gateway (Parapet), the address that clients know");
    }
    println!("  http://{legacy}    legacy authorization server, which knows nothing of PAR");
    if with_gateway {
        by_hand(settings);
    }
    println!("\nCtrl-C stops all of it.");
}

/// The same with curl, with the code verifier of RFC 7636 appendix B.
fn by_hand(settings: &Settings) {
    let Settings { public_origin, par_path, client_id, client_secret, redirect_uri, .. } = settings;
    println!(
        "\nBy hand: push a request,\n
  curl -u '{client_id}:{client_secret}' {public_origin}{par_path} \\
    -d response_type=code -d scope=openid -d state=by-hand \\
    --data-urlencode redirect_uri={redirect_uri} \\
    -d code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM -d code_challenge_method=S256
\nopen, within its lifetime, the address\n
  {public_origin}/authorize?client_id={client_id}&request_uri=<request_uri of the answer>
\nand exchange the code that ends up in the address bar:\n
  curl -u '{client_id}:{client_secret}' {public_origin}/token \\
    -d grant_type=authorization_code -d code=<code> \\
    --data-urlencode redirect_uri={redirect_uri} \\
    -d code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
}
