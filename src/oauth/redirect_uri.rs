//! When a redirect URI is a registered one.

use std::borrow::Cow;
use std::net::IpAddr;

use url::Url;

use super::target::loose;

/// Whether `pushed` is `registered`: byte for byte, except that a loopback address may come with
/// any port (RFC 8252 §7.3). `localhost` is a name, not an address, and gets no such freedom.
#[must_use]
pub fn is_registered(pushed: &str, registered: &str) -> bool {
    if pushed == registered {
        return true;
    }
    match (loopback(pushed), loopback(registered)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// Whether `uri` is one that may be pushed at all: absolute, no fragment, visible ASCII, and not a
/// scheme that a browser runs as code (RFC 6749 §3.1.2).
#[must_use]
pub fn is_acceptable(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let legal_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let runs = ["javascript", "data", "vbscript", "blob", "file", "about"];
    legal_scheme
        && !runs.iter().any(|code| scheme.eq_ignore_ascii_case(code))
        && !rest.is_empty()
        && uri.bytes().all(|byte| byte.is_ascii_graphic())
        && !uri.contains(['#', '\\'])
}

/// Whether `uri`, which nobody registered, is sure to be recognised in an answer, and shows whom it leads
/// to: in the spelling of a browser, without a user, and without a parameter that an answer has.
#[must_use]
pub fn is_unmistakable(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let is_plain = url.username().is_empty() && url.password().is_none();
    is_plain && url.as_str() == uri && !uri.ends_with(['?', '&']) && answered(uri) == uri
}

/// Whether `uri` is http on a loopback address (RFC 8252 §7.3). `localhost` is a name.
#[must_use]
pub fn is_loopback(uri: &str) -> bool {
    loopback(uri).is_some()
}

/// Whether `location` leads to `redirect_uri`: the same URI with further parameters in query or
/// fragment, and nothing else.
#[must_use]
pub fn leads_to(location: &str, redirect_uri: &str) -> bool {
    location.strip_prefix(redirect_uri).is_some_and(|rest| match rest.bytes().next() {
        None | Some(b'#') => true,
        Some(b'?') => !redirect_uri.contains('?'),
        Some(b'&') => redirect_uri.contains('?'),
        Some(_) => redirect_uri.ends_with('?') || redirect_uri.ends_with('&'),
    })
}

/// The same address in another spelling: letter case of the host, default port, percent-encoding.
#[must_use]
pub fn leads_respelled(location: &str, redirect_uri: &str) -> bool {
    let (Ok(location), Ok(redirect_uri)) = (Url::parse(location), Url::parse(redirect_uri)) else {
        return false;
    };
    let path = |url: &Url| loose(url.path()).into_owned();
    let pushed: Vec<_> = redirect_uri.query_pairs().collect();
    let sent: Vec<_> = location.query_pairs().collect();
    location.scheme() == redirect_uri.scheme()
        && location.host_str() == redirect_uri.host_str()
        && location.port_or_known_default() == redirect_uri.port_or_known_default()
        && path(&location) == path(&redirect_uri)
        && pushed.iter().all(|pair| sent.contains(pair))
}

/// The redirect URI that a client with this registered one must have pushed for `location` to lead
/// there; `None` where `location` leads elsewhere.
#[must_use]
pub fn led_to<'a>(location: &str, registered: &'a str) -> Option<Cow<'a, str>> {
    if leads_to(location, registered) || leads_respelled(location, registered) {
        return Some(Cow::Borrowed(registered));
    }
    // On a loopback address the port may be another one than the registered.
    let (_, tail) = loopback(registered)?;
    let authority = location.strip_prefix("http://")?;
    let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
    let pushed = ["http://", authority.get(..end)?, tail].concat();
    (is_registered(&pushed, registered) && leads_to(location, &pushed))
        .then_some(Cow::Owned(pushed))
}

/// The redirect URI that was pushed where nobody registered it and `location` is the answer: all
/// before the fragment, and before the first parameter that an answer has. A server writes those
/// behind what is there.
#[must_use]
pub fn answered(location: &str) -> &str {
    const ANSWER: [&str; 12] = [
        "access_token",
        "code",
        "error",
        "error_description",
        "error_uri",
        "expires_in",
        "id_token",
        "iss",
        "response",
        "scope",
        "session_state",
        "state",
    ];
    let address = location.split('#').next().unwrap_or(location);
    let Some((before, query)) = address.split_once('?') else {
        return address;
    };
    let is_own = |pair: &&str| pair.split('=').next().is_none_or(|name| !ANSWER.contains(&name));
    let own = query.split('&').take_while(is_own);
    let end = before.len() + own.map(|pair| pair.len() + 1).sum::<usize>();
    address.get(..end).unwrap_or(address)
}

/// Host and what follows the port of `http://<loopback address>[:port]…`.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port))
            if !host.ends_with(':') && (host.ends_with(']') || !host.contains(':')) =>
        {
            (host, Some(port))
        }
        _ => (authority, None),
    };
    let address: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    let is_digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port_is_a_number = port.is_none_or(|port| is_digits(port) && port.parse::<u16>().is_ok());
    (address.is_loopback() && port_is_a_number).then_some((host, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b024_what_was_pushed_stands_before_the_answer() {
        for (location, pushed) in [
            ("https://c.example/cb?code=1&state=2", "https://c.example/cb"),
            ("https://c.example/cb?state=2&code=1", "https://c.example/cb"),
            ("https://c.example/cb#code=1&state=2", "https://c.example/cb"),
            ("https://c.example/cb?a=1&b=2&code=1", "https://c.example/cb?a=1&b=2"),
            ("https://c.example/cb?a=1#code=1", "https://c.example/cb?a=1"),
            ("https://c.example/cb?a=code&iss=x&code=1", "https://c.example/cb?a=code"),
            ("https://c.example/cb", "https://c.example/cb"),
            ("com.example.app:/cb?code=1", "com.example.app:/cb"),
        ] {
            assert_eq!(answered(location), pushed, "{location}");
            assert!(leads_to(location, pushed), "{location}");
        }
    }

    #[test]
    fn b028_loopback_addresses_may_change_their_port() {
        assert!(is_registered("http://127.0.0.1:51004/cb", "http://127.0.0.1/cb"));
        assert!(is_registered("http://127.0.0.1/cb", "http://127.0.0.1:8081/cb"));
        assert!(is_registered("http://[::1]:9/cb", "http://[::1]/cb"));
        assert!(!is_registered("http://localhost:9/cb", "http://localhost/cb"));
        assert!(!is_registered("http://127.0.0.1:9/other", "http://127.0.0.1/cb"));
        assert!(!is_registered("http://127.0.0.1:9@evil.example/cb", "http://127.0.0.1/cb"));
        assert!(!is_registered("http://127.0.0.1:x/cb", "http://127.0.0.1/cb"));
        assert!(!is_registered("http://127.0.0.1:+9/cb", "http://127.0.0.1/cb"));
        assert!(!is_registered("http://127.0.0.1:/cb", "http://127.0.0.1/cb"));
        assert!(!is_registered("https://127.0.0.1:9/cb", "https://127.0.0.1/cb"));
    }

    #[test]
    fn b222_everything_else_is_compared_byte_for_byte() {
        let registered = "https://client.example/cb";
        for pushed in [
            "https://client.example/CB",
            "https://client.example/cb/",
            "https://client.example/cb?x=1",
            "https://client.example/%63b",
            "https://client.example/a/../cb",
            "https://user@client.example/cb",
            "https://client.example\\cb",
            "https://CLIENT.example/cb",
        ] {
            assert!(!is_registered(pushed, registered), "{pushed}");
        }
        assert!(is_registered(registered, registered));
    }

    #[test]
    fn b026_what_nobody_registered_has_one_spelling() {
        for uri in ["https://t.example/", "https://t.example/cb?own=1", "app.example:/cb"] {
            assert!(is_unmistakable(uri), "{uri}");
        }
        for uri in [
            "https://t.example",
            "https://T.example/cb",
            "https://t.example:443/cb",
            "https://t.example/a/../cb",
            "https://known.example@t.example/cb",
            "https://t.example/cb?code=1",
            "https://t.example/cb?own=1&iss=x",
            "https://t.example/cb?",
            "https://t.example/cb?own=1&",
            "https:t.example/cb",
            "/cb",
        ] {
            assert!(!is_unmistakable(uri), "{uri}");
        }
    }

    #[test]
    fn b026_schemes_that_run_and_fragments_are_not_acceptable() {
        for uri in [
            "/cb",
            "cb",
            "https://c.example/#f",
            "javascript:alert(1)",
            "DATA:text/html,x",
            "https:",
            "https://c.example/a b",
            ":x",
        ] {
            assert!(!is_acceptable(uri), "{uri}");
        }
        for uri in ["https://c.example/cb", "com.example.app:/cb", "http://127.0.0.1:1/cb?x=1"] {
            assert!(is_acceptable(uri), "{uri}");
        }
    }

    #[test]
    fn a_location_leads_to_the_uri_or_it_does_not() {
        let uri = "https://c.example/cb";
        for location in
            ["https://c.example/cb", "https://c.example/cb?code=1", "https://c.example/cb#code=1"]
        {
            assert!(leads_to(location, uri), "{location}");
        }
        for location in [
            "https://c.example/cbx?code=1",
            "https://c.example/cb/x",
            "https://c.example/c",
            "https://c.example/cb&code=1",
        ] {
            assert!(!leads_to(location, uri), "{location}");
        }
        assert!(leads_to("https://c.example/cb?a=1&code=2", "https://c.example/cb?a=1"));
        assert!(!leads_to("https://c.example/cb?a=12&code=2", "https://c.example/cb?a=1"));
    }

    #[test]
    fn respelled_addresses_are_the_same_address() {
        let redirect_uri = "https://client.example/cb";
        assert!(leads_respelled("HTTPS://Client.Example:443/%63b?code=1", redirect_uri));
        assert!(!leads_respelled("https://client.example/cb2?code=1", redirect_uri));
        assert!(!leads_respelled("https://evil.example/cb?code=1", redirect_uri));
    }

    #[test]
    fn the_pushed_address_is_told_from_where_it_leads() {
        let led = |location, registered| led_to(location, registered).map(Cow::into_owned);
        let cb = "https://c.example/cb";
        assert_eq!(led("https://c.example/cb?code=1", cb).as_deref(), Some(cb));
        assert_eq!(led("https://C.example:443/cb?code=1", cb).as_deref(), Some(cb));
        assert_eq!(led("https://c.example/cb2?code=1", cb), None);
        let loopback = "http://127.0.0.1/cb";
        assert_eq!(
            led("http://127.0.0.1:51004/cb?code=1", loopback).as_deref(),
            Some("http://127.0.0.1:51004/cb")
        );
        for location in ["http://127.0.0.1:51004/c?code=1", "http://127.0.0.2:1/cb?code=1", "http:"]
        {
            assert_eq!(led(location, loopback), None, "{location}");
        }
    }
}
