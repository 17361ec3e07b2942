//! One fetch of a client's key set: bounded in size and time, without redirects, and only to where
//! it may lead.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, HeaderMap};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ipnet::IpNet;
use url::Url;

use super::destination::{Destinations, Refused};
use crate::clock::Clock;
use crate::config;
use crate::jose::KeySet;
use crate::jose::keys::{KeySetError, LARGEST_DOCUMENT};
use crate::telemetry::metrics::FetchResult;
use crate::upstream::tls;

/// Longest time from asking to the last byte.
pub(super) const TOTAL_TIMEOUT: Duration = Duration::from_secs(3);

/// How long keys are believed that come without `max-age`.
const USUAL_AGE: Duration = Duration::from_secs(10 * 60);

const SHORTEST_AGE: Duration = Duration::from_secs(60);
const LONGEST_AGE: Duration = Duration::from_secs(24 * 60 * 60);

type Http = Client<HttpsConnector<HttpConnector<Destinations>>, Empty<Bytes>>;

/// Fetches the key sets of all clients.
#[derive(Debug)]
pub struct KeyFetcher {
    allowed: Arc<[IpNet]>,
    ca: Option<PathBuf>,
    /// What `ca` held when this was made.
    trusted: Option<Vec<u8>>,
    pub(super) clock: Arc<dyn Clock>,
    over_tls: OnceLock<Option<Http>>,
    in_clear: OnceLock<Http>,
}

/// A key set as it came.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) keys: KeySet,
    pub(super) age: Duration,
}

/// Why a key set could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysFetchError {
    #[error(transparent)]
    Refused(Refused),
    #[error("the server cannot be reached: {0}")]
    Unreachable(hyper_util::client::legacy::Error),
    #[error("no answer within 3 seconds")]
    Timeout,
    #[error("the answer is broken or larger than 512 KiB")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Keys(#[from] KeySetError),
    #[error("there is no usable TLS configuration")]
    NoTls,
}

impl KeysFetchError {
    pub(super) fn result(&self) -> FetchResult {
        match self {
            Self::Refused(Refused::Address) => FetchResult::Forbidden,
            Self::Refused(Refused::Resolution(_)) | Self::Unreachable(_) | Self::NoTls => {
                FetchResult::Unavailable
            }
            Self::Timeout => FetchResult::Timeout,
            Self::Body(error) if error.is::<LengthLimitError>() => FetchResult::TooLarge,
            Self::Status(_) => FetchResult::Status,
            Self::Body(_) | Self::Keys(_) => FetchResult::Malformed,
        }
    }
}

impl KeyFetcher {
    /// Fetches to where `policy` allows. Nothing is opened until the first fetch.
    #[must_use]
    pub fn new(policy: &config::ClientKeysPolicy, clock: Arc<dyn Clock>) -> Self {
        Self {
            allowed: policy.allow_private_addresses.as_slice().into(),
            ca: policy.ca.clone(),
            trusted: content(policy),
            clock,
            over_tls: OnceLock::new(),
            in_clear: OnceLock::new(),
        }
    }

    /// The one for another policy: the same where it fetches to where that allows and nowhere else, and
    /// believes the same servers.
    #[must_use]
    pub fn succeeded_by(this: &Arc<Self>, policy: &config::ClientKeysPolicy) -> Arc<Self> {
        let is_same = *this.allowed == *policy.allow_private_addresses
            && this.ca == policy.ca
            && this.trusted == content(policy);
        if is_same {
            return Arc::clone(this);
        }
        Arc::new(Self::new(policy, Arc::clone(&this.clock)))
    }

    pub(super) async fn fetch(&self, uri: &Url) -> Result<Fetched, KeysFetchError> {
        tokio::time::timeout(TOTAL_TIMEOUT, self.ask(uri))
            .await
            .map_err(|_| KeysFetchError::Timeout)?
    }

    async fn ask(&self, uri: &Url) -> Result<Fetched, KeysFetchError> {
        let (http, destinations) = if uri.scheme() == "https" {
            let destinations = Destinations::over_tls(&self.allowed);
            let http =
                self.over_tls.get_or_init(|| over_tls(self.ca.as_deref(), destinations.clone()));
            (http.as_ref().ok_or(KeysFetchError::NoTls)?, destinations)
        } else {
            let destinations = Destinations::in_clear(&self.allowed);
            // Never asked for https, so it needs no authorities.
            (self.in_clear.get_or_init(|| in_clear(destinations.clone())), destinations)
        };
        if !destinations.admit_literal(uri) {
            return Err(KeysFetchError::Refused(Refused::Address));
        }
        let mut request = Request::new(Empty::new());
        *request.uri_mut() =
            uri.as_str().parse().map_err(|_| KeysFetchError::Status(StatusCode::BAD_REQUEST))?;
        let accept = HeaderValue::from_static("application/jwk-set+json, application/json");
        request.headers_mut().insert(ACCEPT, accept);
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let response = http.request(request).await.map_err(told_apart)?;
        if response.status() != StatusCode::OK {
            return Err(KeysFetchError::Status(response.status()));
        }
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_DOCUMENT).collect().await;
        let body = body.map_err(KeysFetchError::Body)?.to_bytes();
        Ok(Fetched { keys: KeySet::parse(&body)?, age: age(&head.headers) })
    }
}

fn content(policy: &config::ClientKeysPolicy) -> Option<Vec<u8>> {
    policy.ca.as_ref().and_then(|ca| std::fs::read(ca).ok())
}

/// A refusal of ours lies somewhere below the client's error.
fn told_apart(error: hyper_util::client::legacy::Error) -> KeysFetchError {
    let mut below: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = below {
        if matches!(cause.downcast_ref(), Some(Refused::Address)) {
            return KeysFetchError::Refused(Refused::Address);
        }
        below = cause.source();
    }
    KeysFetchError::Unreachable(error)
}

fn connector(destinations: Destinations) -> HttpConnector<Destinations> {
    let mut connector = HttpConnector::new_with_resolver(destinations);
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(TOTAL_TIMEOUT));
    connector
}

fn over_tls(ca: Option<&Path>, destinations: Destinations) -> Option<Http> {
    let settings = tls::public_client_config(ca)
        .inspect_err(|error| tracing::error!(%error, "no jwks_uri can be fetched"))
        .ok()?;
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(settings)
        .https_only()
        .enable_http1()
        .wrap_connector(connector(destinations));
    Some(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
}

fn in_clear(destinations: Destinations) -> Http {
    let nobody = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(nobody)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector(destinations));
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)
}

/// How long an answer may be kept (RFC 9111 §5.2.2.1), within our bounds.
fn age(headers: &HeaderMap) -> Duration {
    let fields = headers.get_all(CACHE_CONTROL).iter().filter_map(|field| field.to_str().ok());
    let directives = fields.flat_map(|field| field.split(',')).map(str::trim);
    let ages = directives.filter_map(|directive| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if ["no-store", "no-cache"].iter().any(|never| name.eq_ignore_ascii_case(never)) {
            return Some(Duration::ZERO);
        }
        let seconds = value.trim_matches('"').parse().ok().map(Duration::from_secs);
        seconds.filter(|_| name.eq_ignore_ascii_case("max-age"))
    });
    ages.min().map_or(USUAL_AGE, |age| age.clamp(SHORTEST_AGE, LONGEST_AGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b227_keys_are_kept_between_a_minute_and_a_day() {
        for (field, seconds) in [
            (None, 600),
            (Some("public"), 600),
            (Some("max-age=x"), 600),
            (Some("max-age=0"), 60),
            (Some("public, Max-Age=300"), 300),
            (Some("max-age=\"120\""), 120),
            (Some("max-age=999999999"), 86_400),
            (Some("no-store, max-age=300"), 60),
            (Some("no-cache"), 60),
            (Some("s-maxage=900, max-age=400"), 400),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(field) = field {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static(field));
            }
            assert_eq!(age(&headers), Duration::from_secs(seconds), "{field:?}");
        }
    }
}
