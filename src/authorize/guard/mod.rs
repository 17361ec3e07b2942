//! "PAR required" means required: an authorization request is refused on whatever path and in
//! whatever spelling it comes, in the query or in a body that streams by.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::request::Parts;

use crate::client::Registry;
use crate::config;
use crate::oauth::target::{Traits, fold_path};
use crate::telemetry::metrics::{GuardPlace, meter};
use crate::upstream::Discovery;
use crate::upstream::discovery::AuthorizationPath;

pub use scan::BodyScan;

mod scan;

/// Watches what passes through.
#[derive(Debug, Clone)]
pub struct Guard {
    registry: Arc<Registry>,
    discovery: Arc<Discovery>,
    required: bool,
    extra_paths: &'static [&'static str],
}

impl Guard {
    /// The guard as configured; `None` where nobody must push.
    #[must_use]
    pub fn new(
        config: &config::Config,
        registry: Arc<Registry>,
        discovery: Arc<Discovery>,
    ) -> Option<Self> {
        let required = config.par.required;
        let extra_paths = config.upstream.preset.extra_authorize_paths();
        (required || registry.any_must_push()).then_some(Self {
            registry,
            discovery,
            required,
            extra_paths,
        })
    }

    /// Whether a request that would pass through must not.
    #[must_use]
    pub fn refuses(&self, path: &str, query: Option<&str>) -> bool {
        let traits = Traits::of(query.unwrap_or_default());
        if self.is_authorize_path(path) && self.concerns(&traits.client_ids) {
            meter().guard_refusal(GuardPlace::Path);
            return true;
        }
        let refused = traits.is_authorization_request()
            && self.concerns(&traits.client_ids)
            && !self.is_other_endpoint(path);
        if refused {
            meter().guard_refusal(GuardPlace::Query);
        }
        refused
    }

    /// A scanner for a body that could hold a form.
    #[must_use]
    pub fn body_scan(&self, head: &Parts) -> Option<BodyScan> {
        if self.is_other_endpoint(head.uri.path()) {
            return None;
        }
        let query = Traits::of(head.uri.query().unwrap_or_default());
        let media_type =
            head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
        let media_type = media_type.unwrap_or_default();
        if media_type.starts_with(b"multipart/") {
            Some(BodyScan::multipart(self.clone(), &query))
        } else if media_type.is_empty()
            || media_type.starts_with(b"application/x-www-form-urlencoded")
        {
            Some(BodyScan::form(self.clone(), &query))
        } else {
            None
        }
    }

    /// Whether the rule holds for a request that names these clients. A request that names none is
    /// nobody's, and only the global rule is for it.
    fn concerns(&self, client_ids: &[String]) -> bool {
        self.required
            || client_ids.iter().any(|client_id| {
                let client = self.registry.find(client_id);
                client.is_some_and(|client| client.require_pushed_authorization_requests)
            })
    }

    /// Whether the path is the authorization endpoint's to some server. A path that does not stop
    /// unfolding could be.
    fn is_authorize_path(&self, path: &str) -> bool {
        let Some(folded) = fold_path(path) else {
            return true;
        };
        let advertised = self.discovery.authorization_path();
        let advertised = advertised.as_ref().map(AuthorizationPath::as_str);
        let mut paths = self.extra_paths.iter().copied().chain(advertised);
        paths.any(|known| !known.is_empty() && fold_path(known).as_ref() == Some(&folded))
    }

    fn is_other_endpoint(&self, path: &str) -> bool {
        let snapshot = self.discovery.current();
        snapshot.is_some_and(|known| known.capabilities.other_paths.iter().any(|p| p == path))
    }
}
