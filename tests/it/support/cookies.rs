//! A browser's cookie jar, as far as one host on loopback needs it (RFC 6265bis).

use std::fmt::Write as _;

use url::Url;

/// One `Set-Cookie` header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    pub name: String,
    pub value: String,
    pub path: String,
    pub secure: bool,
    pub http_only: bool,
    /// As written: `Lax`, `Strict`, `None`; `None` where it is missing.
    pub same_site: Option<String>,
    domain: Option<String>,
    removed: bool,
}

impl Cookie {
    /// Reads the field as the answer to a request for `url`.
    pub fn parse(field: &str, url: &Url) -> Option<Self> {
        let mut parts = field.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let mut cookie = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            path: default_path(url),
            secure: false,
            http_only: false,
            same_site: None,
            domain: None,
            removed: false,
        };
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            match key.to_ascii_lowercase().as_str() {
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "domain" => cookie.domain = Some(value.trim_start_matches('.').to_owned()),
                "secure" => cookie.secure = true,
                "httponly" => cookie.http_only = true,
                "samesite" => cookie.same_site = Some(value.to_owned()),
                "max-age" => cookie.removed = value.parse::<i64>().is_ok_and(|age| age <= 0),
                "expires" => cookie.removed |= value.contains("1970"),
                _ => {}
            }
        }
        Some(cookie)
    }

    /// Whether a browser takes it from `url`: prefixes keep their promises, no cookie for another
    /// host. Loopback counts as secure, as in browsers.
    fn is_acceptable(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let trustworthy = url.scheme() == "https" || is_loopback(host);
        let own = self.domain.as_deref().is_none_or(|domain| domain == host);
        let host_prefix = !self.name.starts_with("__Host-")
            || (self.secure && self.path == "/" && self.domain.is_none());
        let secure_prefix = !self.name.starts_with("__Secure-") || self.secure;
        own && host_prefix && secure_prefix && (trustworthy || !self.secure)
    }
}

/// Cookies by host, path and name. Ports do not tell cookies apart, nor do they make another site:
/// all that happens on loopback is same-site.
#[derive(Debug, Default)]
pub struct Jar(Vec<(String, Cookie)>);

impl Jar {
    /// Takes a cookie from an answer of `url`, or forgets the one that it expires.
    pub fn take(&mut self, cookie: &Cookie, url: &Url) {
        if !cookie.is_acceptable(url) {
            return;
        }
        let host = url.host_str().unwrap_or_default();
        self.0.retain(|(owner, old)| {
            owner != host || old.name != cookie.name || old.path != cookie.path
        });
        if !cookie.removed {
            self.0.push((host.to_owned(), cookie.clone()));
        }
    }

    /// The `Cookie` header field for a request to `url`, longest path first.
    pub fn header(&self, url: &Url) -> Option<String> {
        let host = url.host_str().unwrap_or_default();
        let mut sent: Vec<&Cookie> = self
            .0
            .iter()
            .filter(|(owner, cookie)| owner == host && path_matches(&cookie.path, url.path()))
            .map(|(_, cookie)| cookie)
            .collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let mut field = String::new();
        for cookie in sent {
            let separator = if field.is_empty() { "" } else { "; " };
            write!(field, "{separator}{}={}", cookie.name, cookie.value).expect("a string");
        }
        (!field.is_empty()).then_some(field)
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.starts_with("127.")
}

fn default_path(url: &Url) -> String {
    match url.path().rfind('/') {
        Some(0) | None => "/".to_owned(),
        Some(end) => url.path()[..end].to_owned(),
    }
}

fn path_matches(cookie: &str, request: &str) -> bool {
    request
        .strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

#[test]
fn a_jar_sends_by_path_and_forgets_what_expired() {
    let at = |path: &str| Url::parse(&format!("http://127.0.0.1:1{path}")).expect("a URL");
    let mut jar = Jar::default();
    for field in ["a=1; Path=/x; HttpOnly", "b=2; Path=/", "__Host-c=3; Secure; Path=/x"] {
        jar.take(&Cookie::parse(field, &at("/x/y")).expect("a cookie"), &at("/x/y"));
    }
    assert_eq!(jar.header(&at("/x/z")).as_deref(), Some("a=1; b=2"));
    assert_eq!(jar.header(&at("/xy")).as_deref(), Some("b=2"));
    jar.take(&Cookie::parse("b=; Path=/; Max-Age=0", &at("/")).expect("a cookie"), &at("/"));
    assert_eq!(jar.header(&at("/")), None);
}
