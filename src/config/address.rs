//! The addresses of the file: issuer, upstream, listeners, web origins.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use http::HeaderValue;
use ipnet::IpNet;
use url::{Host, Url};

use super::server::Listen;

/// The issuer identifier (RFC 8414 §2): an https URL, or http on loopback, with neither query nor
/// fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    origin_len: usize,
}

impl Issuer {
    /// Takes `text` as it is, a last slash included; `None` where it is not an issuer identifier.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = strict_url(text)?;
        let origin_len = origin_len(text)?;
        let path = text.get(origin_len..)?;
        let fits = is_https_or_loopback(&url)
            && !text.contains(['?', '#'])
            && (path == url.path() || path.is_empty())
            && !path.contains("//");
        fits.then(|| Self { text: text.to_owned(), origin_len })
    }

    /// The identifier as configured, to be compared and sent byte for byte.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `scheme://host[:port]`, the public origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.text.get(..self.origin_len).unwrap_or_default()
    }

    /// `host[:port]`, the public authority.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.origin().split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The path behind the origin without a last slash: empty, or `/tenant`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(self.origin_len..).unwrap_or_default().trim_end_matches('/')
    }

    /// `https` or `http`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.text.split_once("://").map_or("", |(scheme, _)| scheme)
    }

    /// Whether the issuer is reached by https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme() == "https"
    }
}

/// `[upstream] url`: an origin, no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamUrl {
    /// https rather than http.
    pub https: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// The port, the scheme's own where none was given.
    pub port: u16,
}

impl UpstreamUrl {
    /// `None` where `text` is not an http or https origin; one last slash is allowed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = strict_url(text)?;
        let path = text.get(origin_len(text)?..)?;
        let port = url.port_or_known_default()?;
        if !matches!(path, "" | "/") || port == 0 {
            return None;
        }
        let host = match url.host()? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Some(Self { https: url.scheme() == "https", host, port })
    }

    /// `host[:port]` as a `Host` field has it: IPv6 in brackets, the scheme's own port left out.
    #[must_use]
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default_port = if self.https { 443 } else { 80 };
        if self.port == default_port { host } else { format!("{host}:{}", self.port) }
    }

    /// `scheme://host[:port]`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.https { "https" } else { "http" }, self.authority())
    }
}

impl Listen {
    /// Reads `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("unix:") {
            Some(path) => {
                (path.starts_with('/') && path.len() > 1).then(|| Self::Unix(PathBuf::from(path)))
            }
            None => text.parse::<SocketAddr>().ok().map(Self::Tcp),
        }
    }
}

/// A range of addresses, or one address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
}

/// A web origin exactly as browsers send it (RFC 6454 §6.2).
pub(super) fn web_origin(text: &str) -> Option<HeaderValue> {
    let origin = strict_url(text)?.origin().ascii_serialization();
    (origin == text).then(|| HeaderValue::from_str(text).ok()).flatten()
}

/// A redirect URI that can be registered (RFC 6749 §3.1.2): absolute, without a fragment, and not
/// one that a browser would run or show as content.
pub(super) fn is_redirect_uri(text: &str) -> bool {
    const REFUSED_SCHEMES: [&str; 3] = ["javascript", "data", "vbscript"];
    text.bytes().all(|byte| byte.is_ascii_graphic())
        && Url::parse(text)
            .is_ok_and(|url| url.fragment().is_none() && !REFUSED_SCHEMES.contains(&url.scheme()))
}

/// Whether `url` is https, or http on a host that is this one.
pub(super) fn is_https_or_loopback(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && here)
}

/// Where `scheme://authority` ends.
fn origin_len(text: &str) -> Option<usize> {
    let authority = text.find("://")? + "://".len();
    let rest = text.get(authority..)?;
    Some(authority + rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// An http or https URL of printable ASCII with a host and without userinfo, written so that the
/// parser has nothing to repair.
fn strict_url(text: &str) -> Option<Url> {
    let (scheme, rest) = text.split_once("://")?;
    let clean = matches!(scheme, "http" | "https")
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !rest.starts_with(['/', '?', '#'])
        && !text.contains(['\\', '@']);
    clean.then(|| Url::parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_is_kept_byte_for_byte() {
        for (text, origin, authority, path) in [
            ("https://login.example.com", "https://login.example.com", "login.example.com", ""),
            ("https://login.example.com/", "https://login.example.com", "login.example.com", ""),
            (
                "https://login.example.com:8443/tenant/a/",
                "https://login.example.com:8443",
                "login.example.com:8443",
                "/tenant/a",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1:8080", ""),
            ("http://[::1]/", "http://[::1]", "[::1]", ""),
            ("http://localhost", "http://localhost", "localhost", ""),
        ] {
            let issuer = Issuer::parse(text).unwrap();
            assert_eq!(issuer.as_str(), text);
            assert_eq!(issuer.origin(), origin);
            assert_eq!(issuer.authority(), authority);
            assert_eq!(issuer.path(), path);
            assert_eq!(issuer.is_https(), text.starts_with("https"));
        }
    }

    #[test]
    fn issuers_that_are_none() {
        for text in [
            "",
            "login.example.com",
            "http://login.example.com",
            "http://10.0.0.1",
            "https://login.example.com?",
            "https://login.example.com/#",
            "https://u:p@login.example.com",
            "https://@login.example.com",
            "https:///login",
            "https://",
            "HTTPS://login.example.com",
            "https://login.example.com/a/../b",
            "https://login.example.com//",
            "https://login.example.com/a b",
            " https://login.example.com",
            "https://login.example.com\\a",
            "https://login.example.com:99999",
            "ftp://login.example.com",
        ] {
            assert_eq!(Issuer::parse(text), None, "{text}");
        }
    }

    #[test]
    fn upstream_urls() {
        for (text, authority, origin) in [
            ("http://127.0.0.1:9000", "127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("http://idp.internal/", "idp.internal", "http://idp.internal"),
            ("https://idp.internal:443", "idp.internal", "https://idp.internal"),
            ("https://[::1]:8443", "[::1]:8443", "https://[::1]:8443"),
        ] {
            let url = UpstreamUrl::parse(text).unwrap();
            assert_eq!((url.authority(), url.origin()), (authority.into(), origin.into()));
        }
        for text in [
            "",
            "http://",
            "http:///idp",
            "http://:9000",
            "http://idp:0",
            "http://idp/path",
            "http://idp/?a",
            "http://idp#a",
            "http://u@idp",
            "tcp://idp:1",
            "idp:9000",
        ] {
            assert_eq!(UpstreamUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn listeners_networks_origins_and_redirect_uris() {
        assert_eq!(
            Listen::parse("unix:/run/parapet.sock"),
            Some(Listen::Unix("/run/parapet.sock".into()))
        );
        for text in ["unix:", "unix:/", "unix:run", "localhost:80", "8080", ":80"] {
            assert_eq!(Listen::parse(text), None, "{text}");
        }
        assert_eq!(network("10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert!(network("10.0.0.0/8").is_some() && network("10.0.0.0/33").is_none());
        assert!(web_origin("https://app.example").is_some());
        for text in
            ["*", "null", "https://app.example/", "https://app.example:443", "https://App.example"]
        {
            assert_eq!(web_origin(text), None, "{text}");
        }
        assert!(is_redirect_uri("com.example.app:/callback"));
        assert!(is_redirect_uri("http://127.0.0.1:8081/callback?a=b"));
        for text in [
            "",
            "/callback",
            "https://a.example/#",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,a",
            "https://a.example/a b",
        ] {
            assert!(!is_redirect_uri(text), "{text}");
        }
    }
}
