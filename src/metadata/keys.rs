//! The published keys (RFC 7517 §5): those of the upstream, unchanged, and the public parts of the
//! keys to encrypt request objects to.

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use serde_json::{Value, json};

use super::unavailable;
use crate::config;
use crate::upstream::discovery::Snapshot;
use crate::upstream::{Discovery, KeyDocument, KeysPlace};

/// How long a set may be kept where the upstream does not say.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// What the gateway publishes, and where.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    own: Vec<Value>,
    own_path: String,
}

impl Keys {
    /// As configured; `None` where there is nothing to publish.
    pub(super) fn new(config: &config::Config) -> Option<Self> {
        let own = config.published_keys().to_vec();
        (!own.is_empty()).then(|| Self { own, own_path: own_path(config) })
    }

    /// Whether the set is at `path`, while the upstream's documents say this.
    pub(super) fn are_at(&self, path: &str, snapshot: &Snapshot) -> bool {
        self.path(snapshot) == Some(path)
    }

    /// The path of the set; `None` where it is on another host.
    pub(super) fn path<'a>(&'a self, snapshot: &'a Snapshot) -> Option<&'a str> {
        match &snapshot.capabilities.keys {
            KeysPlace::Nowhere => Some(&self.own_path),
            KeysPlace::Here { path: here, .. } => Some(here),
            KeysPlace::Elsewhere => None,
        }
    }

    /// The set.
    pub(super) async fn answer(
        &self,
        discovery: &Discovery,
        snapshot: &Snapshot,
    ) -> Response<Bytes> {
        let KeysPlace::Here { target, .. } = &snapshot.capabilities.keys else {
            return response(&json!({ "keys": self.own }), KEPT);
        };
        match discovery.key_document(target).await {
            Ok(upstream) => {
                let kept = upstream.cache_control.clone().unwrap_or(KEPT);
                response(&self.merged(&upstream), kept)
            }
            Err(error) => unavailable(&error),
        }
    }

    /// Ours behind those of the upstream; without ours whose name the upstream uses.
    fn merged(&self, upstream: &KeyDocument) -> Value {
        let is_free = |key: &&Value| {
            let kid = key.get("kid").and_then(Value::as_str).unwrap_or_default();
            upstream.kids().all(|known| known != kid)
        };
        let own = self.own.iter().filter(is_free).cloned();
        let mut document = upstream.document.clone();
        if let Some(Value::Array(keys)) = document.get_mut("keys") {
            keys.extend(own);
        }
        Value::Object(document)
    }
}

/// Where the set is while the upstream has none.
pub(super) fn own_path(config: &config::Config) -> String {
    format!("{}/jwks", config.par.path)
}

fn response(document: &Value, kept: HeaderValue) -> Response<Bytes> {
    // JSON values always serialise.
    let mut response = Response::new(serde_json::to_vec(document).unwrap_or_default().into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, kept);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b179_the_upstreams_keys_stay_and_no_name_stands_twice() {
        let keys = |names: &[&str]| names.iter().map(|kid| json!({"kid": kid})).collect::<Vec<_>>();
        let ours = Keys { own: keys(&["enc", "new"]), own_path: "/par/jwks".into() };
        let upstream = json!({"keys": [{"kid": "sig", "x": 1}, {"kid": "enc"}, {}], "vendor": 1});
        let Value::Object(document) = upstream else { panic!("an object") };
        let merged = ours.merged(&KeyDocument { document, cache_control: None });
        let expected = json!({"keys": [{"kid": "sig", "x": 1}, {"kid": "enc"}, {}, {"kid": "new"}], "vendor": 1});
        assert_eq!(merged, expected);
    }
}
