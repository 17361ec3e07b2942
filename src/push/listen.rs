//! Waits at a loopback `redirect_uri` until the browser comes back with an answer (RFC 8252 §7.3).

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::{Host, Url, form_urlencoded};

use super::Pushed;

/// Largest form that is read, and longest wait for a request and for the last page to be fetched.
const MOST_BYTES: usize = 64 * 1024;
const HEAD: Duration = Duration::from_secs(10);
const FAREWELL: Duration = Duration::from_secs(1);

/// Connections at once.
const CONNECTIONS: usize = 16;

/// Listens where the browser will come to.
#[derive(Debug)]
pub struct Return {
    listener: TcpListener,
    path: Arc<str>,
}

/// Why nobody came back.
#[derive(Debug, thiserror::Error)]
pub enum ReturnError {
    /// Not an address of this machine.
    #[error("--listen needs a redirect_uri such as http://127.0.0.1:8081/callback")]
    Address,
    /// The port is taken.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, std::io::Error),
    /// Not in time.
    #[error("nobody came back within {0:?}")]
    Timeout(Duration),
}

/// What the browser brought.
#[derive(Debug)]
pub struct Answer(Vec<(String, String)>);

impl Return {
    /// Takes the port of `redirect_uri`.
    ///
    /// # Errors
    /// [`ReturnError::Address`], [`ReturnError::Bind`]
    pub async fn bind(redirect_uri: &str) -> Result<Self, ReturnError> {
        let url = Url::parse(redirect_uri).map_err(|_| ReturnError::Address)?;
        let host = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain("localhost")) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(Host::Domain(_)) | None => return Err(ReturnError::Address),
        };
        if url.scheme() != "http" || !host.is_loopback() {
            return Err(ReturnError::Address);
        }
        let address = SocketAddr::new(host, url.port_or_known_default().unwrap_or(80));
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| ReturnError::Bind(address, error))?;
        Ok(Self { listener, path: url.path().into() })
    }

    /// Waits for the first call with a code or an error.
    ///
    /// # Errors
    /// [`ReturnError::Timeout`]
    pub async fn answer(self, limit: Duration) -> Result<Answer, ReturnError> {
        let (brought, mut answers) = mpsc::channel(1);
        let mut connections = JoinSet::new();
        let serving = async {
            loop {
                let full = connections.len() >= CONNECTIONS;
                tokio::select! {
                    Some(answer) = answers.recv() => return answer,
                    Some(_) = connections.join_next() => {}
                    accepted = self.listener.accept(), if !full => if let Ok((stream, _)) = accepted {
                        connections.spawn(serve(stream, Arc::clone(&self.path), brought.clone()));
                    }
                }
            }
        };
        let answer = timeout(limit, serving).await.map_err(|_| ReturnError::Timeout(limit))?;
        let farewell = async { while connections.join_next().await.is_some() {} };
        drop(timeout(FAREWELL, farewell).await);
        Ok(Answer(answer))
    }
}

type Pairs = Vec<(String, String)>;

async fn serve(stream: TcpStream, path: Arc<str>, brought: mpsc::Sender<Pairs>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (path, brought) = (Arc::clone(&path), brought.clone());
        async move { Ok::<_, Infallible>(reply(request, &path, &brought).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // A browser that breaks off comes again or does not.
    let _ = connection.await;
}

async fn reply(
    request: Request<Incoming>,
    path: &str,
    brought: &mpsc::Sender<Pairs>,
) -> Response<Full<Bytes>> {
    let mut pairs = Vec::new();
    if request.uri().path() == path {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let body = Limited::new(request.into_body(), MOST_BYTES);
        let body = timeout(HEAD, body.collect()).await;
        let body = body.ok().and_then(Result::ok).map(Collected::to_bytes).unwrap_or_default();
        pairs.extend(form_urlencoded::parse(query.as_bytes()).into_owned());
        pairs.extend(form_urlencoded::parse(&body).into_owned());
    }
    let is_answer = pairs.iter().any(|(name, _)| name == "code" || name == "error");
    let (status, text) = if is_answer {
        let _ = brought.try_send(pairs);
        (StatusCode::OK, "The answer has arrived. You can close this page.\n")
    } else {
        (StatusCode::NOT_FOUND, "Nothing is here.\n")
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    for (name, value) in
        [(CONTENT_TYPE, "text/plain"), (CACHE_CONTROL, "no-store"), (CONNECTION, "close")]
    {
        response.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    response
}

impl Answer {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether it has a code, and `state` and `iss` are what they must be (RFC 6749 §10.12, RFC 9207).
    #[must_use]
    pub fn is_right(&self, pushed: &Pushed) -> bool {
        self.value("code").is_some() && self.wrong(pushed).is_empty()
    }

    /// Which of `state` and `iss` are not those of this push.
    fn wrong(&self, pushed: &Pushed) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        if self.value("state") != pushed.state.as_deref() {
            wrong.push("state");
        }
        if self.value("iss").is_some_and(|iss| iss != pushed.issuer) {
            wrong.push("iss");
        }
        wrong
    }

    /// `code`, `error`, `error_description`, `iss` and the list `wrong`.
    #[must_use]
    pub fn json(&self, pushed: &Pushed) -> Value {
        json!({
            "code": self.value("code"),
            "error": self.value("error"),
            "error_description": self.value("error_description"),
            "iss": self.value("iss"),
            "wrong": self.wrong(pushed),
        })
    }

    /// The same in lines.
    #[must_use]
    pub fn text(&self, pushed: &Pushed) -> String {
        let names = ["code", "error", "error_description", "iss"];
        let lines = names.into_iter().filter_map(|name| {
            let value = self.value(name)?.replace(|letter: char| letter.is_control(), " ");
            Some(format!("{name:<17} {value}\n"))
        });
        let wrong = self.wrong(pushed);
        let judged = if wrong.is_empty() {
            "state and iss are right\n".to_owned()
        } else {
            format!("wrong: {}\n", wrong.join(" and "))
        };
        lines.chain([judged]).collect()
    }
}
