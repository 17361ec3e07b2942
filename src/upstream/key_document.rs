//! The upstream's published keys (RFC 7517 §5), asked for where the gateway answers them with its own
//! among them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

use super::{Document, FetchError, HttpClient};

/// Where the upstream's `jwks_uri` leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KeysPlace {
    /// The documents name none.
    #[default]
    Nowhere,
    /// A path, perhaps with a query, at the upstream or the gateway.
    Here {
        /// The path alone.
        path: String,
        /// Path and query.
        target: String,
    },
    /// Somewhere else, where the gateway can change nothing.
    Elsewhere,
}

/// A set of keys as the upstream answered it.
#[derive(Debug, Clone)]
pub struct KeyDocument {
    /// The whole document; `keys` in it is an array.
    pub document: Document,
    /// How long it may be kept, where the upstream says so.
    pub cache_control: Option<HeaderValue>,
}

/// The last good document, and whether its keys go together with ours.
#[derive(Debug)]
pub(super) struct KeyDocuments {
    own: BTreeSet<String>,
    last: ArcSwapOption<KeyDocument>,
    clash: AtomicBool,
    elsewhere_told: AtomicBool,
}

impl KeyDocuments {
    /// For a gateway that publishes these keys.
    pub(super) fn new(own: &[Value]) -> Self {
        let kid = |key: &Value| Some(key.get("kid")?.as_str()?.to_owned());
        Self {
            own: own.iter().filter_map(kid).collect(),
            last: ArcSwapOption::empty(),
            clash: AtomicBool::new(false),
            elsewhere_told: AtomicBool::new(false),
        }
    }

    /// Takes over the last good document of the same upstream.
    pub(super) fn take_over(&self, other: &Self) {
        if let Some(document) = other.last.load_full() {
            self.clash.store(other.clash(), Ordering::Relaxed);
            self.judge(&document);
            self.last.store(Some(document));
        }
        let told = other.elsewhere_told.load(Ordering::Relaxed);
        self.elsewhere_told.store(told, Ordering::Relaxed);
    }

    /// Looks at the upstream's keys where ours go among them.
    pub(super) async fn look(&self, client: &HttpClient, place: &KeysPlace) {
        if self.own.is_empty() {
            return;
        }
        match place {
            KeysPlace::Nowhere => {}
            KeysPlace::Here { target, .. } => {
                if let Err(error) = self.fetch(client, target).await {
                    tracing::warn!(%error, "keys of the upstream not available");
                }
            }
            KeysPlace::Elsewhere if self.elsewhere_told.swap(true, Ordering::Relaxed) => {}
            KeysPlace::Elsewhere => tracing::warn!(
                "the upstream's jwks_uri leads to another server: the keys of \
                 [[request_object.decryption_keys]] are not published, give them to clients yourself"
            ),
        }
    }

    /// Whether a key of the upstream had the name of one of ours when last seen.
    pub(super) fn clash(&self) -> bool {
        self.clash.load(Ordering::Relaxed)
    }

    /// What the upstream answers now at `target`; where it fails, what it answered last.
    pub(super) async fn fetch(
        &self,
        client: &HttpClient,
        target: &str,
    ) -> Result<Arc<KeyDocument>, FetchError> {
        match client.get(target).await.and_then(|answer| read(&answer)) {
            Ok(document) => {
                let document = Arc::new(document);
                self.judge(&document);
                self.last.store(Some(Arc::clone(&document)));
                Ok(document)
            }
            Err(error) => self.last.load_full().ok_or(error),
        }
    }

    /// Says so where a name begins to stand for two keys.
    fn judge(&self, document: &KeyDocument) {
        let kids = document.kids().filter(|kid| self.own.contains(*kid));
        let clashing: Vec<&str> = kids.collect();
        let is_new =
            self.clash.swap(!clashing.is_empty(), Ordering::Relaxed) == clashing.is_empty();
        if is_new && !clashing.is_empty() {
            tracing::error!(
                kids = clashing.join(" "),
                "the upstream publishes keys under a kid of [[request_object.decryption_keys]]: ours \
                 are left out until the names differ"
            );
        }
    }
}

impl KeyDocument {
    /// The names of its keys.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        let keys = self.document.get("keys").and_then(Value::as_array);
        keys.into_iter().flatten().filter_map(|key| key.get("kid")?.as_str())
    }
}

fn read(answer: &Response<bytes::Bytes>) -> Result<KeyDocument, FetchError> {
    if answer.status() != StatusCode::OK {
        return Err(FetchError::Status(answer.status()));
    }
    match serde_json::from_slice(answer.body()) {
        Ok(Value::Object(document)) if document.get("keys").is_some_and(Value::is_array) => {
            let cache_control = answer.headers().get(CACHE_CONTROL).cloned();
            Ok(KeyDocument { document, cache_control })
        }
        _ => Err(FetchError::NotJson),
    }
}
