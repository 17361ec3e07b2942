//! "PAR required" means required: an authorization request is refused on whatever path and in
//! whatever spelling it comes, in the query or in a body that streams by.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::rule::PushRule;
use crate::client::Registry;
use crate::config;
use crate::oauth::names;
use crate::oauth::target::{Traits, fold_path, unfolded, without_format};
use crate::telemetry::metrics::{GuardPlace, meter};
use crate::upstream::{AuthorizationPath, Discovery};

pub use scan::BodyScan;

mod field;
mod multipart;
mod part_fields;
mod scan;

/// Watches what passes through.
#[derive(Debug, Clone)]
pub struct Guard {
    rule: PushRule,
    discovery: Arc<Discovery>,
    extra_paths: Vec<String>,
}

impl Guard {
    /// The guard as configured; `None` where nobody must push.
    #[must_use]
    pub fn new(
        config: &config::Config,
        registry: Arc<Registry>,
        discovery: Arc<Discovery>,
    ) -> Option<Self> {
        let rule = PushRule::new(config, registry);
        let extra_paths = config.upstream.authorize_paths.clone();
        rule.holds().then_some(Self { rule, discovery, extra_paths })
    }

    /// Whether a request that would pass through must not.
    #[must_use]
    pub fn refuses(&self, path: &str, query: Option<&str>) -> bool {
        let traits = Traits::of(query.unwrap_or_default());
        let at_endpoint = self.is_authorize_path(path);
        if at_endpoint && (self.concerns(&traits.client_ids) || holds_a_query(path)) {
            meter().guard_refusal(GuardPlace::Path);
            return true;
        }
        let refused = traits.is_authorization_request()
            && self.rule.covers(path)
            && self.concerns(&traits.client_ids)
            && !self.is_other_endpoint(path);
        if refused {
            meter().guard_refusal(GuardPlace::Query);
        }
        refused
    }

    /// A scanner for a body that could hold a form, whatever the method: some servers read the
    /// body of a `GET` too.
    #[must_use]
    pub fn body_scan(
        &self,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Option<BodyScan> {
        let at_endpoint = self.is_authorize_path(path);
        if self.is_other_endpoint(path) || !(at_endpoint || self.rule.covers(path)) {
            return None;
        }
        let reading = match Reading::of(headers) {
            None if at_endpoint => Some(Reading::Unreadable),
            reading => reading,
        };
        let scan = BodyScan::new(self.clone(), reading?, query);
        Some(if at_endpoint { scan.at_the_endpoint() } else { scan })
    }

    fn concerns(&self, client_ids: &[String]) -> bool {
        self.rule.concerns(client_ids)
    }

    /// Whether the path is the authorization endpoint's to some server. A path that does not stop
    /// unfolding could be. Another endpoint of the metadata is itself, even where it looks like the
    /// authorization endpoint's with a format behind it.
    fn is_authorize_path(&self, path: &str) -> bool {
        let is_endpoint =
            |folded: &str| is_endpoint_path(&self.discovery, &self.extra_paths, folded);
        fold_path(path).is_none_or(|folded| {
            let is_dressed = without_format(&folded).is_some_and(is_endpoint)
                || is_below_a_script(&self.discovery, &self.extra_paths, &folded);
            is_endpoint(&folded) || is_dressed && !self.is_other_endpoint(path)
        })
    }

    /// Whether the path is another endpoint of the metadata.
    #[must_use]
    pub fn is_other_endpoint(&self, path: &str) -> bool {
        let snapshot = self.discovery.current();
        snapshot.is_some_and(|known| known.capabilities.other_paths.iter().any(|p| p == path))
    }
}

/// Whether a folded path is that of the authorization endpoint, or a further one of the preset's.
pub(super) fn is_endpoint_path(discovery: &Discovery, extra: &[String], folded: &str) -> bool {
    let advertised = discovery.authorization_path();
    let advertised = advertised.as_ref().map(AuthorizationPath::as_str);
    let mut paths = extra.iter().map(String::as_str).chain(advertised);
    paths.any(|known| !known.is_empty() && fold_path(known).as_deref() == Some(folded))
}

/// Whether a folded path leads on below an endpoint that is a script: `/authorize.php/x` runs
/// `/authorize.php`.
fn is_below_a_script(discovery: &Discovery, extra: &[String], folded: &str) -> bool {
    folded.match_indices('/').skip(1).any(|(slash, _)| {
        folded.get(..slash).is_some_and(|parent| {
            without_format(parent).is_some() && is_endpoint_path(discovery, extra, parent)
        })
    })
}

/// Whether a server that decodes the path too early finds a query in it, which names anybody.
fn holds_a_query(path: &str) -> bool {
    unfolded(path).is_none_or(|path| path.contains(['?', '#']))
}

/// How a server could read a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// `application/x-www-form-urlencoded`
    Form,
    /// `multipart/form-data`
    Multipart,
    /// As parameters that cannot be watched: compressed, in a character set that is not built on
    /// ASCII, or under two media types at once.
    Unreadable,
}

impl Reading {
    /// `None` where no server finds parameters in the body. Without a media type it could be a form.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let types: Vec<String> =
            headers.get_all(CONTENT_TYPE).iter().map(|value| lower(value.as_bytes())).collect();
        let names = |what: &str| types.iter().any(|media_type| media_type.contains(what));
        let unnamed = types.iter().all(|media_type| media_type.trim().is_empty());
        let reading = match (names("form-urlencoded") || unnamed, names("multipart/")) {
            (false, false) => return None,
            (true, false) => Self::Form,
            (false, true) => Self::Multipart,
            (true, true) => Self::Unreadable,
        };
        let encoded = is_encoded(headers);
        let strange = types.iter().any(|media_type| has_strange_charset(media_type));
        Some(if encoded || strange { Self::Unreadable } else { reading })
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    codings.any(|coding| !matches!(lower(coding.as_bytes()).trim(), "" | "identity"))
}

/// Whether a media type in lower case names a character set in which ASCII text is not itself.
fn has_strange_charset(media_type: &str) -> bool {
    let like_ascii = ["utf-8", "utf8", "us-ascii", "ascii", "iso-8859-", "latin1", "windows-125"];
    media_type.split("charset").skip(1).any(|rest| {
        let value = rest.trim_start_matches([' ', '\t', '*', '=', '"', '\'']);
        !value.is_empty() && !like_ascii.iter().any(|known| value.starts_with(known))
    })
}

fn lower(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).to_ascii_lowercase()
}

/// Whether a field of this name makes an authorization request.
fn names_matter(name: &str) -> bool {
    let parts = ["client_id", "response_type", "request", "request_uri"];
    parts.iter().any(|part| names::reads_as(name, part))
}

#[cfg(test)]
mod tests;
