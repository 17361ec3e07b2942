//! `htu`: the address that a proof was made for, compared as RFC 9449 §4.3 wants it, without query
//! and fragment and after the normalisation of RFC 3986 §6.2.2 and §6.2.3.

use http::Request;
use http::header::HOST;
use url::Url;

use crate::config;

/// The addresses of the push endpoint as clients know them.
#[derive(Debug)]
pub(super) struct Targets {
    own: Option<Url>,
    /// On the listener for certificates (RFC 8705 §5).
    alias: Option<Url>,
}

impl Targets {
    pub(super) fn new(server: &config::Server, path: &str) -> Self {
        let on = |origin: &str| normalised(&format!("{origin}{path}"));
        Self {
            own: on(server.issuer.origin()),
            alias: server.mtls.as_ref().and_then(|mtls| on(&mtls.public_url)),
        }
    }

    /// Whether `htu` is the address at which `request` called us.
    pub(super) fn is_called<B>(&self, htu: &str, request: &Request<B>) -> bool {
        let alias = self.alias.as_ref().filter(|alias| is_on(alias, request));
        let called = alias.or(self.own.as_ref());
        called.is_some() && normalised(htu).as_ref() == called
    }
}

/// An http URL without query and fragment; `None` where it is none.
fn normalised(url: &str) -> Option<Url> {
    // The parser would take blanks and controls off, and turn backslashes.
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return None;
    }
    let mut url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

/// Whether the request names the authority of `url`.
fn is_on<B>(url: &Url, request: &Request<B>) -> bool {
    let field = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let named = request.uri().authority().map(http::uri::Authority::as_str).or(field);
    let called = named.and_then(|named| normalised(&format!("{}://{named}/", url.scheme())));
    called.is_some_and(|called| called.origin() == url.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b190_addresses_are_compared_after_normalisation() {
        let own = normalised("https://login.example/as/par");
        for same in [
            "https://login.example/as/par",
            "HTTPS://LOGIN.Example:443/as/par",
            "https://login.example/as/par?a=b#c",
            "https://login.example/as/./x/../par",
        ] {
            assert_eq!(normalised(same), own, "{same}");
        }
        for other in [
            "http://login.example/as/par",
            "https://login.example:8443/as/par",
            "https://login.example/as/par/",
            "https://login.example/AS/par",
            "https://user@login.example/as/par",
            "https://login.example\\as/par",
            " https://login.example/as/par",
            "https://login.example/as/p\u{e4}r",
            "/as/par",
            "",
        ] {
            assert_ne!(normalised(other), own, "{other}");
        }
    }

    #[test]
    fn b191_the_alias_counts_where_it_was_called() {
        let targets = Targets {
            own: normalised("https://login.example/par"),
            alias: normalised("https://mtls.login.example/par"),
        };
        let on = |host: &str| Request::post("/par").header(HOST, host).body(()).unwrap();
        let (own, alias) = ("https://login.example/par", "https://mtls.login.example/par");
        for (host, htu, holds) in [
            ("login.example", own, true),
            ("login.example", alias, false),
            ("mtls.login.example", alias, true),
            ("MTLS.login.example:443", alias, true),
            ("mtls.login.example", own, false),
            ("mtls.login.example:8443", alias, false),
            ("10.0.0.7:8080", own, true),
        ] {
            assert_eq!(targets.is_called(htu, &on(host)), holds, "{htu} at {host}");
        }
    }
}
