//! What the upstream's metadata document says that the gateway acts on.

use serde_json::Value;

use super::{Document, KeysPlace};
use crate::oauth::parameters::Parameters;
use crate::oauth::response_type;

/// What the upstream can do, as its documents say. A list that it does not publish is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Path of the authorization endpoint.
    pub authorization_path: String,
    /// Query of the authorization endpoint's own URL, where it has one (RFC 6749 §3.1).
    pub authorization_query: Option<String>,
    /// `response_types_supported`
    pub response_types: Vec<String>,
    /// `response_modes_supported`
    pub response_modes: Vec<String>,
    /// `token_endpoint` as the gateway publishes it: never on the upstream's internal origin.
    pub token_endpoint: Option<String>,
    /// Paths of all other endpoints.
    pub other_paths: Vec<String>,
    /// `dpop_signing_alg_values_supported`; empty where it does not support `DPoP` (RFC 9449 §5.1).
    pub dpop_algorithms: Vec<String>,
    /// `authorization_details_types_supported` (RFC 9396 §10)
    pub authorization_details_types: Vec<String>,
    /// `authorization_response_iss_parameter_supported`
    pub adds_iss: bool,
    /// Where its keys are published.
    pub keys: KeysPlace,
}

impl Capabilities {
    /// What `document` says of endpoints on these origins. A `configured` path stands in for the
    /// authorization endpoint's.
    #[must_use]
    pub fn of(document: &Document, origins: [&str; 2], configured: Option<&str>) -> Self {
        let endpoints = document.iter().filter(|(name, _)| {
            name.ends_with("_endpoint") || *name == "jwks_uri" || *name == "check_session_iframe"
        });
        let mut capabilities = Self {
            authorization_path: configured.unwrap_or_default().to_owned(),
            response_types: strings(document, "response_types_supported"),
            response_modes: strings(document, "response_modes_supported"),
            dpop_algorithms: strings(document, "dpop_signing_alg_values_supported"),
            authorization_details_types: strings(document, "authorization_details_types_supported"),
            adds_iss: document
                .get("authorization_response_iss_parameter_supported")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            keys: document.get("jwks_uri").map_or(KeysPlace::Nowhere, |uri| place_of(uri, origins)),
            ..Self::default()
        };
        let token_endpoint = document.get("token_endpoint").and_then(Value::as_str);
        capabilities.token_endpoint = token_endpoint.map(|url| published(url, origins));
        for (name, value) in endpoints {
            let Some((path, query)) = value.as_str().and_then(|url| target_of(url, origins)) else {
                continue;
            };
            if name != "authorization_endpoint" {
                capabilities.other_paths.push(path.to_owned());
            } else if configured.is_none() {
                path.clone_into(&mut capabilities.authorization_path);
                capabilities.authorization_query = query.map(str::to_owned);
            }
        }
        capabilities
    }

    /// Whether this `response_type` is offered; where none is listed, nobody can tell.
    #[must_use]
    pub fn may_take_response_type(&self, pushed: &str) -> bool {
        self.response_types.is_empty()
            || self.response_types.iter().any(|offer| response_type::is_same(offer, pushed))
    }

    /// Whether this `response_mode` is offered; where none is listed, nobody can tell.
    #[must_use]
    pub fn may_take_response_mode(&self, pushed: &str) -> bool {
        self.response_modes.is_empty() || self.response_modes.iter().any(|mode| mode == pushed)
    }
}

/// Where `jwks_uri` leads.
fn place_of(uri: &Value, origins: [&str; 2]) -> KeysPlace {
    match uri.as_str().and_then(|url| target_of(url, origins)) {
        None => KeysPlace::Elsewhere,
        Some((path, query)) => KeysPlace::Here {
            path: path.to_owned(),
            target: query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")),
        },
    }
}

/// A URL as the gateway publishes it: what stands on the internal origin moves to the public one.
fn published(url: &str, [public, internal]: [&str; 2]) -> String {
    let rest = url.strip_prefix(internal);
    let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    rest.map_or_else(|| url.to_owned(), |rest| format!("{public}{rest}"))
}

/// Path and query of a URL on one of these origins; a query that cannot be read is none.
fn target_of<'a>(url: &'a str, origins: [&str; 2]) -> Option<(&'a str, Option<&'a str>)> {
    let target = origins
        .into_iter()
        .find_map(|origin| url.strip_prefix(origin))
        .filter(|path| path.starts_with('/'))?;
    let target = target.split('#').next().unwrap_or(target);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_sound = !query.is_empty()
        && query.bytes().all(|byte| byte.is_ascii_graphic())
        && Parameters::parse(query.as_bytes()).is_ok();
    Some((path, is_sound.then_some(query)))
}

fn strings(document: &Document, name: &str) -> Vec<String> {
    let list = document.get(name).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b063_the_token_endpoint_is_never_an_internal_address() {
        let origins = ["https://login.example", "http://127.0.0.1:9"];
        for (url, published) in [
            ("http://127.0.0.1:9/token", "https://login.example/token"),
            ("https://login.example/token", "https://login.example/token"),
            ("http://127.0.0.1:90/token", "http://127.0.0.1:90/token"),
        ] {
            let document = serde_json::json!({ "token_endpoint": url });
            let known = Capabilities::of(document.as_object().unwrap(), origins, None);
            assert_eq!(known.token_endpoint.as_deref(), Some(published));
        }
    }

    #[test]
    fn the_endpoints_own_query_is_kept_apart_from_its_path() {
        let origins = ["https://login.example", "http://127.0.0.1:9"];
        for (url, path, query) in [
            ("https://login.example/a", "/a", None),
            ("https://login.example/a?", "/a", None),
            ("https://login.example/a?p=policy#x", "/a", Some("p=policy")),
            ("http://127.0.0.1:9/a?p=1&q=2", "/a", Some("p=1&q=2")),
            ("https://login.example/a?p=\u{e4}", "/a", None),
            ("https://other.example/a?p=1", "", None),
        ] {
            let document = serde_json::json!({
                "authorization_endpoint": url,
                "token_endpoint": "https://login.example/token?p=policy",
            });
            let known = Capabilities::of(document.as_object().unwrap(), origins, None);
            assert_eq!(known.authorization_path, path, "{url}");
            assert_eq!(known.authorization_query.as_deref(), query, "{url}");
            assert_eq!(known.other_paths, ["/token"]);
            let own = Capabilities::of(document.as_object().unwrap(), origins, Some("/own"));
            assert_eq!((own.authorization_path.as_str(), own.authorization_query), ("/own", None));
        }
    }
}
