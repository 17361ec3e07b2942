//! Authorization server metadata (RFC 8414, RFC 9126 §5): the upstream's documents with what the
//! gateway adds, answered by the gateway itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};

use crate::answer;
use crate::config::Config;
use crate::oauth::error::ErrorCode;
use crate::oauth::target::{fold_path, is_foldable, without_format};
use crate::upstream::{Discovery, FetchError, Snapshot};

pub use merge::Additions;

use keys::Keys;

mod keys;
pub mod merge;
mod request_object;

/// The endpoint and what it works with.
#[derive(Debug)]
pub struct Endpoint {
    discovery: Arc<Discovery>,
    additions: Additions,
    keys: Option<Keys>,
    rendered: ArcSwapOption<Rendered>,
}

/// The merged documents of one snapshot, by path.
#[derive(Debug)]
struct Rendered {
    of: Arc<Snapshot>,
    documents: BTreeMap<String, Bytes>,
}

impl Endpoint {
    /// The endpoint as configured.
    #[must_use]
    pub fn new(config: &Config, discovery: Arc<Discovery>, additions: Additions) -> Self {
        Self { discovery, additions, keys: Keys::new(config), rendered: ArcSwapOption::empty() }
    }

    /// Whether `path` is one of ours, or another spelling of it that the server could answer with a
    /// document of its own.
    #[must_use]
    pub fn serves(&self, path: &str) -> bool {
        let is_place = |path: &str| self.discovery.places().iter().any(|place| place == path);
        let is_keys = |path: &str| {
            self.keys.as_ref().is_some_and(|keys| {
                self.discovery.current().is_some_and(|snapshot| keys.are_at(path, &snapshot))
            })
        };
        if is_place(path) || is_keys(path) || !is_foldable(path) {
            return is_place(path) || is_keys(path);
        }
        let Some(folded) = fold_path(path) else { return false };
        let alike = |known: &str| {
            let known = fold_path(known);
            known.as_deref() == Some(&folded)
                || known.as_deref().is_some_and(|known| without_format(&folded) == Some(known))
        };
        let snapshot = self.keys.as_ref().and_then(|_| self.discovery.current());
        let keys = snapshot.as_deref().and_then(|snapshot| self.keys.as_ref()?.path(snapshot));
        self.discovery.places().iter().map(String::as_str).chain(keys).any(alike)
    }

    /// Answers `GET` and `HEAD`; the last good documents serve while the upstream is away.
    pub async fn answer(&self, method: &Method, path: &str) -> Response<Bytes> {
        if method != Method::GET && method != Method::HEAD {
            let refusal = answer::refusal(ErrorCode::MethodNotAllowed, "the method must be GET");
            return answer::with_allow(refusal, "GET, HEAD");
        }
        match self.discovery.available().await {
            Ok(snapshot) => match &self.keys {
                Some(keys) if keys.are_at(path, &snapshot) => {
                    keys.answer(&self.discovery, &snapshot).await
                }
                _ => self.document(&snapshot, path),
            },
            Err(error) => unavailable(&error),
        }
    }

    fn document(&self, snapshot: &Arc<Snapshot>, path: &str) -> Response<Bytes> {
        let rendered = self.rendered.load_full();
        let rendered = rendered.filter(|rendered| Arc::ptr_eq(&rendered.of, snapshot));
        let rendered = rendered.unwrap_or_else(|| self.render(snapshot));
        let Some(document) = rendered.documents.get(path) else {
            return answer::refusal(ErrorCode::NotFound, "there is no document here");
        };
        let mut response = Response::new(document.clone());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }

    fn render(&self, snapshot: &Arc<Snapshot>) -> Arc<Rendered> {
        let documents = self.discovery.places().iter().map(|place| {
            let document = snapshot.documents.get(place).unwrap_or(&snapshot.primary);
            let merged = self.additions.merge(document.clone());
            // A map of JSON values always serialises.
            (place.clone(), serde_json::to_vec(&merged).unwrap_or_default().into())
        });
        let rendered =
            Arc::new(Rendered { of: Arc::clone(snapshot), documents: documents.collect() });
        self.rendered.store(Some(Arc::clone(&rendered)));
        rendered
    }
}

fn unavailable(error: &FetchError) -> Response<Bytes> {
    let (code, description) = match error {
        FetchError::Timeout => {
            (ErrorCode::GatewayTimeout, "the authorization server did not answer in time")
        }
        FetchError::Unreachable(_) | FetchError::JustFailed => {
            (ErrorCode::TemporarilyUnavailable, "the authorization server cannot be reached")
        }
        FetchError::Body(_) | FetchError::Status(_) | FetchError::NotJson | FetchError::Path(_) => {
            (ErrorCode::BadGateway, "the authorization server has no usable metadata")
        }
    };
    answer::with_retry_after(answer::refusal(code, description), std::time::Duration::from_secs(2))
}
