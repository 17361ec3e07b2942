//! Continuation: an authorize URL that the upstream sends through the browser is replaced by a
//! handle. This file finds such URLs, at the top of a `Location` or nested in its parameters, and
//! puts the replacement in at the same depth of encoding.

use std::borrow::Cow;

use aws_lc_rs::hmac;

use super::flow::tag;
use crate::oauth::parameters::encode;
use crate::oauth::request_uri::Reference;
use crate::oauth::target::loose;
use crate::store::FlowId;

/// How many percent-decodings deep a URL may be hidden.
const DEEPEST: usize = 3;

/// Where URLs of our own are.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The public origin.
    pub origin: &'a str,
    /// The path of the request that is answered, for relative URLs.
    pub path: &'a str,
}

/// Replaces in `location` the query of every URL of our own for which `replace` (path, query) gives
/// another one; `None` where nothing was replaced. Everything around a replaced query stays as it
/// is, at its own depth of encoding.
pub fn rewrite(
    location: &str,
    place: Place<'_>,
    replace: &mut dyn FnMut(&str, &str) -> Option<String>,
) -> Option<String> {
    walk(location, place, 0, replace)
}

fn walk(
    url: &str,
    place: Place<'_>,
    depth: usize,
    replace: &mut dyn FnMut(&str, &str) -> Option<String>,
) -> Option<String> {
    let (address, fragment) = split_keeping(url, '#');
    let (address, query) = split_keeping(address, '?');
    let path = own_path(address, place)?;
    // Pages made by scripts keep their own path and query behind the `#`.
    let (route, route_query) = split_keeping(fragment, '?');
    let new_query = query
        .strip_prefix('?')
        .and_then(|query| replace(&path, query).or_else(|| pieces(query, place, depth, replace)));
    let new_route_query =
        route_query.strip_prefix('?').and_then(|query| pieces(query, place, depth, replace));
    if new_query.is_none() && new_route_query.is_none() {
        return None;
    }
    let marked =
        |new: Option<String>, old: &str| new.map_or(old.to_owned(), |new| format!("?{new}"));
    let (query, route_query) = (marked(new_query, query), marked(new_route_query, route_query));
    Some([address, &query, route, &route_query].concat())
}

/// A query in whose parameters something was replaced.
fn pieces(
    query: &str,
    place: Place<'_>,
    depth: usize,
    replace: &mut dyn FnMut(&str, &str) -> Option<String>,
) -> Option<String> {
    if depth == DEEPEST {
        return None;
    }
    let mut changed = false;
    let pieces: Vec<Cow<'_, str>> = query
        .split('&')
        .map(|piece| {
            let nested = nested(piece, place, depth, replace);
            changed |= nested.is_some();
            nested.map_or(Cow::Borrowed(piece), Cow::Owned)
        })
        .collect();
    changed.then(|| pieces.join("&"))
}

/// A parameter whose value is a URL in which something was replaced.
fn nested(
    piece: &str,
    place: Place<'_>,
    depth: usize,
    replace: &mut dyn FnMut(&str, &str) -> Option<String>,
) -> Option<String> {
    let (name, value) = piece.split_once('=')?;
    let url = loose(value);
    if !url.contains('?') && !url.contains("%3") {
        return None;
    }
    // A value that was encoded once more than it need be is peeled as a whole.
    let replaced = match walk(&url, place, depth + 1, replace) {
        Some(replaced) => replaced,
        None if depth + 1 < DEEPEST && !url.contains('?') && url.contains('%') => {
            let inner = walk(&loose(&url), place, depth + 2, replace)?;
            let mut once = String::new();
            encode(&mut once, &inner);
            once
        }
        None => return None,
    };
    let mut text = String::with_capacity(name.len() + 1 + 2 * replaced.len());
    text.push_str(name);
    text.push('=');
    encode(&mut text, &replaced);
    Some(text)
}

/// The path of an address on our own origin: absolute, without scheme, or relative.
pub(super) fn own_path<'a>(address: &'a str, place: Place<'_>) -> Option<Cow<'a, str>> {
    let path = whole_path(address, place)?;
    Some(if path.contains("/.") { Cow::Owned(without_dots(&path)) } else { path })
}

fn whole_path<'a>(address: &'a str, place: Place<'_>) -> Option<Cow<'a, str>> {
    if let Some(path) = strip_prefix_ignoring_case(address, place.origin)
        && path.starts_with('/')
    {
        return Some(Cow::Borrowed(path));
    }
    if let Some(path) = path_elsewhere(address, place) {
        return Some(Cow::Borrowed(path));
    }
    if address.starts_with('/') {
        return Some(Cow::Borrowed(address));
    }
    if address.contains(':') {
        return None;
    }
    if address.is_empty() {
        return Some(Cow::Owned(place.path.to_owned()));
    }
    let folder = place.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    Some(Cow::Owned(format!("{folder}/{address}")))
}

/// The path of an address with our host and port in another spelling: without scheme or under the
/// other one, with the port that goes without saying. Servers that do not know how they are reached
/// write such.
fn path_elsewhere<'a>(address: &'a str, place: Place<'_>) -> Option<&'a str> {
    let (own_scheme, own) = place.origin.split_once("://")?;
    let (scheme, rest) = ["https", "http"]
        .into_iter()
        .find_map(|scheme| {
            let rest = strip_prefix_ignoring_case(address, scheme)?.strip_prefix("://")?;
            Some((scheme, rest))
        })
        .or_else(|| Some((own_scheme, address.strip_prefix("//")?)))?;
    let (authority, path) = rest.split_at(rest.find('/')?);
    let port = |scheme| if scheme == "https" { ":443" } else { ":80" };
    let bare = |authority: &str, scheme| {
        authority.strip_suffix(port(scheme)).unwrap_or(authority).to_ascii_lowercase()
    };
    (bare(authority, scheme) == bare(own, own_scheme)).then_some(path)
}

/// `path` as browsers send it (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            "." => {}
            ".." => drop(kept.pop()),
            part => {
                kept.push(part);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..))?
}

/// Splits before the first `separator`, which stays with the tail.
fn split_keeping(text: &str, separator: char) -> (&str, &str) {
    text.find(separator).map_or((text, ""), |at| text.split_at(at))
}

/// The handle under which a query continues a flow: the same emission has the same handle, nobody
/// without the request's own key can make one, and its first bytes name the ticket it works with.
#[must_use]
pub fn handle(
    reference: &Reference,
    flow_key: &[u8; 32],
    flow: FlowId,
    at: (&str, &str),
) -> Reference {
    let (path, query) = at;
    let key = hmac::Key::new(hmac::HMAC_SHA256, flow_key);
    let mut context = hmac::Context::with_key(&key);
    context.update(b"parapet/v1/continuation");
    context.update(&flow.0);
    context.update(path.as_bytes());
    context.update(b"?");
    context.update(query.as_bytes());
    let code = context.sign();
    let mut bytes = [0; 32];
    let named = tag(reference);
    for (to, from) in bytes.iter_mut().zip(named.iter().chain(code.as_ref())) {
        *to = *from;
    }
    Reference::from_bytes(bytes)
}

/// Whether `handle` could continue a flow of the request with this reference.
#[must_use]
pub fn is_handle_of(handle: &Reference, reference: &Reference) -> bool {
    handle.as_bytes().starts_with(&tag(reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place { origin: "https://login.example", path: "/o/login" };

    /// Replaces the query of `/o/authorize/` by `H`.
    fn rewritten(location: &str) -> Option<String> {
        rewrite(location, PLACE, &mut |path, query| {
            (path == "/o/authorize/" && query.contains("client_id=a")).then(|| "H=1".to_owned())
        })
    }

    #[test]
    fn urls_are_found_at_the_top() {
        for (location, expected) in [
            ("/o/authorize/?client_id=a&state=s", "/o/authorize/?H=1"),
            (
                "https://login.example/o/authorize/?client_id=a#f",
                "https://login.example/o/authorize/?H=1#f",
            ),
            (
                "HTTPS://Login.Example/o/authorize/?client_id=a",
                "HTTPS://Login.Example/o/authorize/?H=1",
            ),
            ("//login.example/o/authorize/?client_id=a", "//login.example/o/authorize/?H=1"),
            (
                "https://login.example:443/o/authorize/?client_id=a",
                "https://login.example:443/o/authorize/?H=1",
            ),
            (
                "http://LOGIN.example/o/authorize/?client_id=a",
                "http://LOGIN.example/o/authorize/?H=1",
            ),
            (
                "//login.example:443/o/authorize/?client_id=a",
                "//login.example:443/o/authorize/?H=1",
            ),
            ("authorize/?client_id=a", "authorize/?H=1"),
            ("./authorize/?client_id=a", "./authorize/?H=1"),
            ("../../o/x/.././authorize/?client_id=a", "../../o/x/.././authorize/?H=1"),
            ("/a/../o/authorize/.?client_id=a", "/a/../o/authorize/.?H=1"),
        ] {
            assert_eq!(rewritten(location).as_deref(), Some(expected), "{location}");
        }
    }

    #[test]
    fn urls_are_found_nested_and_keep_their_depth() {
        // Django: slash left alone, the rest encoded.
        assert_eq!(
            rewritten(
                "/accounts/login/?next=/o/authorize/%3Fclient_id%3Da%26redirect_uri%3Dhttp%253A"
            )
            .as_deref(),
            Some("/accounts/login/?next=%2Fo%2Fauthorize%2F%3FH%3D1")
        );
        // glewlwyd: absolute, other parameters around it.
        assert_eq!(
            rewritten("https://login.example/login.html?scope=x&callback_url=https%3A%2F%2Flogin.example%2Fo%2Fauthorize%2F%3Fclient_id%3Da&l=1").as_deref(),
            Some("https://login.example/login.html?scope=x&callback_url=https%3A%2F%2Flogin.example%2Fo%2Fauthorize%2F%3FH%3D1&l=1")
        );
        // Two levels: a login page behind a broker page.
        let inner = "/o/login?next=%2Fo%2Fauthorize%2F%3Fclient_id%3Da";
        let mut outer = "/broker?to=".to_owned();
        encode(&mut outer, inner);
        let out = rewritten(&outer).unwrap();
        let once = loose(out.strip_prefix("/broker?to=").unwrap()).into_owned();
        assert_eq!(once, "/o/login?next=%2Fo%2Fauthorize%2F%3FH%3D1");
    }

    #[test]
    fn urls_are_found_behind_the_hash_of_a_scripts_page() {
        assert_eq!(
            rewritten("/app#/login?next=%2Fo%2Fauthorize%2F%3Fclient_id%3Da&l=1").as_deref(),
            Some("/app#/login?next=%2Fo%2Fauthorize%2F%3FH%3D1&l=1")
        );
        assert_eq!(rewritten("/app#/login?client_id=a"), None);
        assert_eq!(
            rewritten("https://client.example/#/x?next=%2Fo%2Fauthorize%2F%3Fclient_id%3Da"),
            None
        );
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        for location in [
            "https://client.example/o/authorize/?client_id=a",
            "https://login.example.evil/o/authorize/?client_id=a",
            "https://client.example/cb?code=1&next=%2Fo%2Fauthorize%2F%3Fclient_id%3Da",
            "/o/authorize/",
            "/o/authorize/?client_id=b",
            "mailto:a?client_id=a",
            "/o/other?client_id=a",
        ] {
            assert_eq!(rewritten(location), None, "{location}");
        }
    }

    #[test]
    fn a_handle_names_its_request_and_is_nobody_elses() {
        let reference = Reference::from_bytes([1; 32]);
        let make = |key, flow, at| handle(&reference, &[key; 32], FlowId([flow; 12]), at);
        let one = make(1, 1, ("/a", "q"));
        assert_eq!(one, make(1, 1, ("/a", "q")));
        assert!(is_handle_of(&one, &reference));
        assert!(!is_handle_of(&one, &Reference::from_bytes([2; 32])));
        for other in [
            make(2, 1, ("/a", "q")),
            make(1, 2, ("/a", "q")),
            make(1, 1, ("/b", "q")),
            make(1, 1, ("/a", "r")),
        ] {
            assert_ne!(one, other);
        }
    }
}
