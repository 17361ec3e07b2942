//! The collector: one `POST` per batch (OTLP 1.9, "OTLP/HTTP").

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

use crate::telemetry::trace::settings::Settings;

/// Where batches go.
pub(super) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Duration,
}

/// Why a batch was not taken. No text of the collector, no address.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the collector cannot be reached")]
    Unreachable,
    #[error("the collector did not answer in time")]
    Timeout,
    #[error("the collector answered {0}")]
    Status(StatusCode),
}

/// How often a batch is tried.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// Again, where that may help.
    Repeats,
    /// Once: the program ends.
    Once,
}

impl Collector {
    pub(super) fn new(settings: Settings) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(settings.timeout));
        let mut authorities = RootCertStore::empty();
        if settings.endpoint.scheme_str() == Some("https") {
            let system = rustls_native_certs::load_native_certs();
            authorities.add_parsable_certificates(system.certs);
        }
        let tls = ClientConfig::builder().with_root_certificates(authorities).with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        let Settings { endpoint, headers, timeout, .. } = settings;
        Self { client, endpoint, headers, timeout }
    }

    /// Sends a batch; tries again after a failure that may pass.
    pub(super) async fn send(&self, body: Vec<u8>, patience: Patience) -> Result<(), SendError> {
        let body = Bytes::from(body);
        let mut pauses: &[Duration] = match patience {
            Patience::Repeats => &PAUSES,
            Patience::Once => &[],
        };
        loop {
            let sent = tokio::time::timeout(self.timeout, self.post(body.clone())).await;
            let Err(error) = sent.unwrap_or(Err(SendError::Timeout)) else { return Ok(()) };
            let Some((pause, rest)) = pauses.split_first().filter(|_| error.may_pass()) else {
                return Err(error);
            };
            tokio::time::sleep(*pause).await;
            pauses = rest;
        }
    }

    async fn post(&self, body: Bytes) -> Result<(), SendError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let answer = self.client.request(request).await.map_err(|_| SendError::Unreachable)?;
        let status = answer.status();
        // Read so that the connection can be used again.
        let _ = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
        if status.is_success() { Ok(()) } else { Err(SendError::Status(status)) }
    }
}

impl SendError {
    /// The statuses are those that OTLP lists as worth another try.
    fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable => true,
            Self::Timeout => false,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }
}

const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];

const LONGEST_ANSWER: usize = 64 * 1024;

const AGENT: &str = concat!("parapet/", env!("CARGO_PKG_VERSION"));
