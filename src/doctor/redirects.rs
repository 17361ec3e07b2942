//! Where the request goes after the first hop: into an address, into a page, or nowhere.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use super::Finding;
use super::answer::location;
use super::authorize::Endpoint;
use super::prober::Prober;

/// How deep a request may be wrapped.
const DEPTH: usize = 3;

/// What the redirect shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Carrier {
    /// The parameter that holds the request, such as `next`; `None` where it holds none.
    pub(super) parameter: Option<String>,
}

pub(super) fn look(prober: &Prober<'_>, endpoint: &Endpoint) -> (Carrier, Vec<Finding>) {
    const CHECK: &str = "authorize.redirect";
    let state = prober.state();
    let Some(to) = location(&endpoint.answer) else {
        return (Carrier::default(), vec![page(prober, endpoint, &state)]);
    };
    let place = to.split(['?', '#']).next().unwrap_or_default();
    if to.starts_with(&prober.redirect_uri()) {
        return (Carrier::default(), vec![answered(prober, CHECK)]);
    }
    let parameter = carrier(to, &state);
    let finding = match (&parameter, prober.config.authorize.continuation) {
        (Some(name), true) => Finding::good(
            CHECK,
            format!("puts the request into `{name}` of {place}; browsers get a handle there"),
        ),
        (Some(name), false) => {
            Finding::problem(CHECK, format!("puts the request into `{name}` of {place}"))
                .advice("addresses show what was pushed")
                .line("authorize", "continuation", true)
        }
        (None, _) if holds(to, &state) => Finding::warning(
            CHECK,
            format!("puts the request into {place} in a way that the gateway does not know"),
        )
        .advice("sign in once and look at the addresses; see docs/upstreams.md"),
        (None, _) => {
            Finding::good(CHECK, format!("sends browsers to {place}, without the request"))
        }
    };
    (Carrier { parameter }, vec![finding])
}

/// A redirect to the client. A server must not answer at an address that it cannot know
/// (RFC 6749 §3.1.2.4).
fn answered(prober: &Prober<'_>, check: &'static str) -> Finding {
    if prober.has_client() {
        return Finding::skipped(check, "the server answers the client at once");
    }
    let says = "sends browsers of a client that does not exist to any redirect_uri";
    Finding::problem(check, says).advice("the server is an open redirector; mend that first")
}

fn page(prober: &Prober<'_>, endpoint: &Endpoint, state: &str) -> Finding {
    const CHECK: &str = "authorize.page";
    let status = endpoint.kind.status;
    if status >= 400 {
        let advice = if prober.has_client() {
            "does the server know that client, and its first redirect_uri in the configuration?"
        } else {
            "name a client that it knows: --client ID"
        };
        let says = format!("the server refuses the client ({status}) before it redirects");
        return Finding::skipped(CHECK, says).advice(advice);
    }
    if String::from_utf8_lossy(endpoint.answer.body()).contains(state) {
        let says = format!("its page at the endpoint ({status}) shows the request");
        if prober.config.authorize.mask_html {
            return Finding::good(CHECK, format!("{says}; mask_html hides fields and links"));
        }
        return Finding::warning(CHECK, says)
            .advice("the browser can read it there; hidden fields and links can be masked")
            .line("authorize", "mask_html", true);
    }
    Finding::good(CHECK, format!("its page at the endpoint ({status}) does not show the request"))
}

/// The parameter of an address in which `state` stands, up to three encodings deep.
fn carrier(address: &str, state: &str) -> Option<String> {
    let query = address.split_once(['?', '#']).map(|(_, query)| query)?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let found = pairs.find(|(name, value)| name != "state" && holds(value, state));
    let own = || form_urlencoded::parse(query.as_bytes()).find(|(_, value)| value == state);
    found.or_else(own).map(|(name, _)| name.into_owned())
}

fn holds(text: &str, state: &str) -> bool {
    let mut text = Cow::Borrowed(text);
    for _ in 0..=DEPTH {
        if text.contains(state) {
            return true;
        }
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        text = Cow::Owned(decoded);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_found_in_redirects() {
        for (address, expected) in [
            ("/login/?next=/authorize%3Fa%3Db%26state%3Dabc", Some("next")),
            ("/login?a=b&ReturnUrl=%2Fauthorize%253Fstate%253Dabc", Some("ReturnUrl")),
            ("https://h.example/login?state=abc", Some("state")),
            ("/login?state=abc&back=%2Fauthorize%3Fstate%3Dabc", Some("back")),
            ("/interaction/1", None),
            ("/login?next=%2F", None),
        ] {
            assert_eq!(carrier(address, "abc").as_deref(), expected, "{address}");
        }
        assert!(holds("%2525abc", "abc") && !holds("YWJj", "abc"));
    }
}
