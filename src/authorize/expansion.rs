//! From what is kept to the request that goes upstream. Nothing of the browser's query is in it.

use std::borrow::Cow;

use bytes::Bytes;
use http::Method;

use crate::config;
use crate::oauth::names;
pub use crate::oauth::parameters::value_in as value;
use crate::oauth::parameters::{Encoder, Parameters};
use crate::oauth::target::loose;

/// How the full parameter set travels.
#[derive(Debug, Clone)]
pub enum Rules {
    /// All in the query, as it is kept.
    Query,
    /// Registered names and these in a form body, the rest in the query.
    Body(Vec<String>),
}

/// A request for the upstream's authorization endpoint.
#[derive(Debug, PartialEq, Eq)]
pub struct Full {
    /// `GET` or `POST`.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// A form, for `POST`.
    pub form: Option<Bytes>,
}

impl Rules {
    /// The rules of `[upstream] authorize_method` and `post_parameters`.
    #[must_use]
    pub fn new(upstream: &config::Upstream) -> Self {
        match upstream.authorize_method {
            config::AuthorizeMethod::Get => Self::Query,
            config::AuthorizeMethod::Post => Self::Body(upstream.post_parameters.clone()),
        }
    }

    /// Whether the request travels in a body.
    #[must_use]
    pub const fn posts(&self) -> bool {
        matches!(self, Self::Body(_))
    }

    /// The full request; `query` is in our own canonical spelling.
    #[must_use]
    pub fn expand(&self, path: &str, query: &str) -> Full {
        match self {
            Self::Query => Full { method: Method::GET, target: target(path, query), form: None },
            Self::Body(further) => {
                let (body, rest) = split(query, further);
                Full {
                    method: Method::POST,
                    target: if rest.is_empty() { path.to_owned() } else { target(path, &rest) },
                    form: Some(body.into()),
                }
            }
        }
    }
}

fn target(path: &str, query: &str) -> String {
    let mut target = String::with_capacity(path.len() + 1 + query.len());
    target.push_str(path);
    target.push('?');
    target.push_str(query);
    target
}

/// What travels in the body, and what in the query.
fn split(query: &str, further: &[String]) -> (String, String) {
    let mut body = Encoder::with_capacity(query.len());
    let mut rest = Encoder::default();
    if let Ok(parameters) = Parameters::parse(query.as_bytes()) {
        for (name, value) in parameters.iter() {
            let in_body =
                names::is_authorization(name) || further.iter().any(|known| known == name);
            let half = if in_body { &mut body } else { &mut rest };
            half.push(name, value);
        }
    }
    (body.finish(), rest.finish())
}

/// A kept query behind the one that the endpoint's own URL has (RFC 6749 §3.1). What was pushed
/// under a name of that one stands in its place, so that no name comes twice.
#[must_use]
pub fn with_own<'a>(own: &str, query: &'a str) -> Cow<'a, str> {
    let name = |pair: &str| loose(pair.split('=').next().unwrap_or_default()).into_owned();
    let pushed: Vec<_> = if own.is_empty() { vec![] } else { query.split('&').map(name).collect() };
    let mut whole: Vec<_> =
        own.split('&').filter(|pair| !pair.is_empty() && !pushed.contains(&name(pair))).collect();
    if whole.is_empty() {
        return Cow::Borrowed(query);
    }
    whole.push(query);
    Cow::Owned(whole.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b132_by_get_the_kept_query_travels_as_it_is() {
        let full = Rules::Query.expand("/authorize", "client_id=a&state=s");
        assert_eq!(full.method, Method::GET);
        assert_eq!(full.target, "/authorize?client_id=a&state=s");
        assert_eq!(full.form, None);
    }

    #[test]
    fn by_post_only_the_closed_list_travels_in_the_body() {
        let rules = Rules::Body(vec!["kc_idp_hint".to_owned()]);
        let full =
            rules.expand("/authorize", "client_id=a&answer=accept&scope=x%20y&kc_idp_hint=g");
        assert_eq!(full.method, Method::POST);
        assert_eq!(full.target, "/authorize?answer=accept");
        assert_eq!(full.form.unwrap(), "client_id=a&scope=x%20y&kc_idp_hint=g");
        assert_eq!(rules.expand("/a", "client_id=a").target, "/a");
    }

    #[test]
    fn the_endpoints_own_query_goes_first_and_no_name_comes_twice() {
        assert_eq!(with_own("", "client_id=a"), "client_id=a");
        assert_eq!(with_own("p=x", "client_id=a"), "p=x&client_id=a");
        assert_eq!(with_own("p=x&q=1", "client_id=a&p=y"), "q=1&client_id=a&p=y");
        assert_eq!(with_own("%70=x", "client_id=a&p=y"), "client_id=a&p=y");
        let rules = Rules::Body(Vec::new());
        let full = rules.expand("/a", &with_own("p=x", "client_id=a"));
        assert_eq!(
            (full.target.as_str(), full.form.unwrap().as_ref()),
            ("/a?p=x", &b"client_id=a"[..])
        );
    }
}
