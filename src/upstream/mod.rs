//! The gateway's own small HTTP client towards the authorization server: bounded in size and time,
//! without redirects.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, HOST, HeaderMap};
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::config;

pub use authorization_path::AuthorizationPath;
pub use call::{CallError, Caller};
pub use capabilities::Capabilities;
pub use discovery::{Discovery, Document, Snapshot};
pub use key_document::{KeyDocument, KeysPlace};
pub use places::places;

mod authorization_path;
pub mod call;
pub mod capabilities;
pub mod discovery;
pub mod key_document;
pub mod key_set;
mod last_fetch;
mod places;
pub mod tls;
mod watched;

/// Largest answer that is read.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Longest time from asking to the last byte.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks the upstream for documents, as the public name that browsers use: some servers build
/// their documents from `Host` and `X-Forwarded-Proto`, and fail or redirect without.
#[derive(Debug)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    origin: String,
    headers: HeaderMap,
}

/// Why a document could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection, or it broke.
    #[error("the upstream cannot be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    /// It took too long.
    #[error("the upstream did not answer in time")]
    Timeout,
    /// The answer is broken or larger than 1 MiB.
    #[error("the upstream's answer is broken or too large")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another status than 200.
    #[error("the upstream answered {0}")]
    Status(http::StatusCode),
    /// Not a JSON object.
    #[error("the upstream's answer is not a JSON object")]
    NotJson,
    /// A fetch that was waited for failed.
    #[error("the upstream's documents could not be had a moment ago")]
    JustFailed,
    /// The path cannot be asked for.
    #[error("the path is not a legal request target")]
    Path(#[from] http::Error),
}

impl FetchError {
    /// Whether the upstream says that there is no such document, as opposed to failing.
    #[must_use]
    pub const fn is_absence(&self) -> bool {
        matches!(self, Self::Status(status) if status.as_u16() < 500)
    }
}

impl HttpClient {
    /// A client for the configured upstream.
    ///
    /// # Errors
    /// [`tls::TlsError`] where the TLS files cannot be used.
    pub fn new(
        upstream: &config::Upstream,
        issuer: &config::Issuer,
    ) -> Result<Self, tls::TlsError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(upstream.connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(&upstream.tls)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Ok(Self { client, origin: upstream.url.origin(), headers: headers(upstream, issuer) })
    }

    /// `GET path`, which begins with `/`. Any status is an answer.
    ///
    /// # Errors
    /// [`FetchError`]
    pub async fn get(&self, path: &str) -> Result<Response<Bytes>, FetchError> {
        let uri: Uri = format!("{}{path}", self.origin).parse().map_err(http::Error::from)?;
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        let answer = async {
            let response = self.client.request(request).await.map_err(FetchError::Unreachable)?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(FetchError::Body)?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        tokio::time::timeout(TOTAL_TIMEOUT, answer).await.map_err(|_| FetchError::Timeout)?
    }
}

/// What every request of the gateway's own has.
pub(crate) fn headers(upstream: &config::Upstream, issuer: &config::Issuer) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let authority = HeaderValue::from_str(issuer.authority());
    if let Ok(authority) = authority {
        if upstream.preserve_host {
            headers.insert(HOST, authority.clone());
        }
        headers.insert(HeaderName::from_static("x-forwarded-host"), authority);
    }
    let scheme = if issuer.is_https() { "https" } else { "http" };
    headers.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static(scheme));
    if let Some(secret) = &upstream.secret_header {
        headers.insert(secret.name.clone(), secret.value.clone());
    }
    headers
}
