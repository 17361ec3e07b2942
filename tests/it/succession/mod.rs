//! One process after another: stop, restart, upgrade, and what a service manager has to do with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::task::JoinHandle;

use crate::support::front::{ISSUER, REDIRECT_URI, is_completed};
use crate::support::http::{Answer, encode, try_send};
use crate::support::upstream::Upstream;

mod drain;
mod restart;
mod rolling;
mod systemd;
mod upgrade;

/// A gateway in front of `upstream`, with further lines in `[server]` and `[store]`.
fn toml(upstream: &Upstream, server: &str, store: &str) -> String {
    let listen = if server.contains("listen") { "" } else { "listen = [\"127.0.0.1:0\"]" };
    format!(
        "[server]\nissuer = \"{ISSUER}\"\n{listen}\n{server}\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [upstream]\nurl = \"http://{}\"\n[store]\n{store}\n\
         [limits]\npushes_per_client = \"100000/s\"\nfailures_per_address = \"100000/s\"\n\
         [[clients]]\nclient_id = \"the-client\"\nauthentication = \"none\"\n\
         redirect_uris = [\"{REDIRECT_URI}\"]\n",
        upstream.address
    )
}

/// `[store]` with a snapshot beside the configuration.
const SNAPSHOT: &str =
    "snapshot = \"pending\"\nsnapshot_key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"\n";

/// Sends a request over a connection of its own.
async fn ask(request: Request<Bytes>) -> Result<Answer, String> {
    let target = format!("{} {}", request.method(), request.uri().path());
    try_send(request).await.map_err(|error| format!("{target}: {error:?}"))
}

async fn push(url: &str, state: &str) -> Result<String, String> {
    let form = encode(&[
        ("client_id", "the-client"),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT_URI),
        ("login_hint", "planted@client.example"),
        ("state", state),
    ]);
    let media = "application/x-www-form-urlencoded";
    let request = Request::post(format!("{url}/par")).header("content-type", media);
    let pushed = ask(request.body(form.into()).unwrap()).await?;
    if pushed.status == 201 {
        Ok(pushed.json()["request_uri"].as_str().unwrap().to_owned())
    } else {
        Err(format!("push: {} {}", pushed.status, pushed.text()))
    }
}

/// Gives the ticket.
async fn redeem(url: &str, request_uri: &str) -> Result<String, String> {
    let query = format!("client_id=the-client&request_uri={request_uri}");
    let request = Request::get(format!("{url}/authorize?{query}"));
    let started = ask(request.body(Bytes::new()).unwrap()).await?;
    match started.header("set-cookie") {
        Some(cookie) if started.status == 200 => {
            Ok(cookie.split(';').next().unwrap_or_default().to_owned())
        }
        _ => Err(format!("redeem: {} {}", started.status, started.text())),
    }
}

async fn complete(url: &str, ticket: &str, state: &str) -> Result<(), String> {
    let request = Request::get(format!("{url}/done?state={state}")).header("cookie", ticket);
    let ended = ask(request.body(Bytes::new()).unwrap()).await?;
    if is_completed(&ended) {
        Ok(())
    } else {
        Err(format!("complete: {} {}", ended.status, ended.text()))
    }
}

/// Whole flows, one after the other on each task, until it is stopped.
struct Load {
    over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<(usize, Vec<String>)>>,
}

impl Load {
    fn start(url: &str, tasks: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let work = |task: usize| {
            let (url, over) = (url.to_owned(), Arc::clone(&over));
            tokio::spawn(async move {
                let (mut done, mut failed) = (0, Vec::new());
                while !over.load(Ordering::SeqCst) {
                    let state = format!("t{task}n{done}");
                    let flow = async {
                        let request_uri = push(&url, &state).await?;
                        let ticket = redeem(&url, &request_uri).await?;
                        complete(&url, &ticket, &state).await
                    };
                    match flow.await {
                        Ok(()) => done += 1,
                        Err(error) => failed.push(error),
                    }
                }
                (done, failed)
            })
        };
        Self { tasks: (0..tasks).map(work).collect(), over }
    }

    /// How many flows were completed, and what failed.
    async fn stop(self) -> (usize, Vec<String>) {
        self.over.store(true, Ordering::SeqCst);
        let (mut done, mut failed) = (0, Vec::new());
        for task in self.tasks {
            let (flows, errors) = task.await.unwrap();
            done += flows;
            failed.extend(errors);
        }
        (done, failed)
    }
}

/// Lets the load work on.
async fn some_time() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}
