//! One request over a connection of its own, to any origin: for the commands that ask a server once.
//! Nothing is followed, retried or kept open, and every answer is bounded in size and time.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::CertificateDer;
use tower::ServiceExt as _;

use super::MAX_ANSWER_BYTES;
use super::tls::{self, Shown, TlsError};
use crate::config::UpstreamTls;

/// Asks servers, each time over a new connection.
#[derive(Debug, Clone)]
pub struct Caller {
    connector: HttpsConnector<HttpConnector>,
    shown: Shown,
    timeout: Duration,
}

/// Why there is no answer. The texts begin where "the server" would stand before them.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection, or no TLS on it.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The connection ended before the answer did, or what came is no HTTP.
    #[error("breaks the connection: {0}")]
    Broken(String),
    /// It took too long.
    #[error("does not answer within {0:?}")]
    Timeout(Duration),
    /// The answer is larger than 1 MiB.
    #[error("answers with more than 1 MiB")]
    TooLarge,
    /// What was to be asked has no scheme and host.
    #[error("has no legal address")]
    Address,
}

impl Caller {
    /// One that believes these authorities, shows this certificate, and waits so long for a whole
    /// answer.
    ///
    /// # Errors
    /// [`TlsError`] where a file cannot be used. That no authority is known shows at a handshake only.
    pub fn new(tls: &UpstreamTls, timeout: Duration) -> Result<Self, TlsError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(timeout));
        let shown = Shown::default();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::watched_client_config(tls, &shown)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self { connector, shown, timeout })
    }

    /// Sends a request whose URI has scheme and host; path and query travel byte for byte. A `Host`
    /// that is not set is that of the URI.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let answer = self.exchange(request);
        let late = |_| CallError::Timeout(self.timeout);
        tokio::time::timeout(self.timeout, answer).await.map_err(late)?
    }

    /// The chain that the last server showed, leaf first, also where it was not believed.
    #[must_use]
    pub fn shown(&self) -> Vec<CertificateDer<'static>> {
        self.shown.chain()
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let (server, request) = addressed(request)?;
        let unreachable =
            |error: Box<dyn Error + Send + Sync>| CallError::Unreachable(innermost(error.as_ref()));
        let stream = self.connector.clone().oneshot(server).await.map_err(unreachable)?;
        let (mut sender, connection) = http1::handshake(stream).await.map_err(|e| broken(&e))?;
        let answer = async move {
            let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
                Some(_) => CallError::TooLarge,
                None => broken(error.as_ref()),
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let mut answer = pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            // What has arrived is still to be read.
            _ = connection => {}
        }
        answer.await
    }
}

/// Where to connect to, and the request as it stands on the wire.
fn addressed(request: Request<Bytes>) -> Result<(Uri, Request<Full<Bytes>>), CallError> {
    let server = request.uri().clone();
    let authority = server.authority().filter(|_| server.scheme().is_some());
    let authority = authority.ok_or(CallError::Address)?;
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    let host = HeaderValue::from_str(host).map_err(|_| CallError::Address)?;
    let target = server.path_and_query().cloned();
    let target = target.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut request = request.map(Full::new);
    *request.uri_mut() = Uri::from(target);
    request.headers_mut().entry(HOST).or_insert(host);
    Ok((server, request))
}

fn broken(error: &(dyn Error + 'static)) -> CallError {
    CallError::Broken(innermost(error))
}

/// The cause at the bottom, which says most.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Asks a server that answers one request with these bytes and closes; gives its request too.
    async fn asked(answer: &[u8], target: &str) -> (Result<Response<Bytes>, CallError>, String) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{target}", listener.local_addr().unwrap());
        let caller = Caller::new(&UpstreamTls::default(), Duration::from_secs(5)).unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer).await.unwrap();
            String::from_utf8(head).unwrap()
        };
        let call = caller.send(Request::get(url).body(Bytes::new()).unwrap());
        tokio::join!(call, server)
    }

    #[tokio::test]
    async fn targets_travel_as_they_are_and_answers_come_whole() {
        let (answer, head) = asked(b"HTTP/1.1 200 OK\r\n\r\nto the end", "//a/%41?b=c&&d").await;
        assert_eq!(answer.unwrap().body(), "to the end");
        assert!(head.starts_with("GET //a/%41?b=c&&d HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nhost: 127.0.0.1:"), "{head}");
    }

    #[tokio::test]
    async fn odd_servers_are_errors() {
        for (answer, expected) in [
            (&b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"[..], "breaks the connection"),
            (b"SSH-2.0-what\r\n", "breaks the connection"),
            (b"", "breaks the connection"),
        ] {
            let error = asked(answer, "/").await.0.unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let caller = Caller::new(&UpstreamTls::default(), Duration::from_millis(200)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let call = |url: &str| caller.send(Request::get(url).body(Bytes::new()).unwrap());
        assert!(matches!(call(&url).await, Err(CallError::Timeout(_))));
        drop(listener);
        assert!(matches!(call(&url).await, Err(CallError::Unreachable(_))));
        assert!(matches!(call("/path").await, Err(CallError::Address)));
    }
}
