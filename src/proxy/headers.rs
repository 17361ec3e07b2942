//! What the upstream is told in header fields, and what it must not hear; what its answers must not
//! say of where it is.

use std::net::{IpAddr, Ipv4Addr};

use http::header::{CONTENT_LOCATION, COOKIE, FORWARDED, HOST, HeaderName, LOCATION, REFRESH};
use http::{HeaderMap, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};

use super::application::{Peer, RequestId};
use crate::config::{Config, SecretHeader};

/// `X-Request-Id`
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// In the name of every cookie of the gateway.
pub(super) const OWN_COOKIE: &str = "parapet-";

/// The fields that are the same for every request, made once.
#[derive(Debug)]
pub(super) struct ForwardingFields {
    public_host: HeaderValue,
    public_scheme: HeaderValue,
    public_port: HeaderValue,
    /// `;host=…;proto=…`
    forwarded_tail: String,
    /// `Host` of the listener for certificates, in lower case. The upstream knows only one name.
    alias_host: Option<String>,
    /// `Host` for the upstream, where the client's own is not kept.
    own_host: Option<HeaderValue>,
    secret: Option<SecretHeader>,
    public_origin: String,
    /// How the upstream may name itself, in lower case; empty where that is its public name too.
    internal_origins: Vec<String>,
}

impl ForwardingFields {
    pub(super) fn new(config: &Config) -> Result<Self, http::header::InvalidHeaderValue> {
        let issuer = &config.server.issuer;
        let port = issuer
            .authority()
            .rsplit_once(':')
            .map(|(_, port)| port)
            .filter(|port| !port.ends_with(']'))
            .unwrap_or(if issuer.is_https() { "443" } else { "80" });
        let own_host = (!config.upstream.preserve_host)
            .then(|| config.upstream.url.authority().parse())
            .transpose()?;
        Ok(Self {
            public_host: issuer.authority().parse()?,
            public_scheme: issuer.scheme().parse()?,
            public_port: port.parse()?,
            forwarded_tail: format!(";host=\"{}\";proto={}", issuer.authority(), issuer.scheme()),
            alias_host: alias_host(config),
            own_host,
            secret: config.upstream.secret_header.clone(),
            public_origin: issuer.origin().to_owned(),
            internal_origins: internal_origins(config),
        })
    }

    /// Turns the client's fields into what the upstream gets.
    pub(super) fn apply(
        &self,
        request: &mut RequestHeader,
        peer: &Peer,
        id: &RequestId,
    ) -> pingora::Result<()> {
        remove(request, |name| self.is_kept_from_upstream(name, peer.trusted));
        cut_own_cookies(request)?;
        if let Some(host) = &self.own_host {
            request.insert_header(HOST, host.clone())?;
        } else if self.is_alias(request.headers.get(HOST)) {
            request.insert_header(HOST, self.public_host.clone())?;
        }
        // One address and no chain: whoever counts hops from the right, and whoever takes the
        // leftmost, both find the client.
        let client = peer.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let address = client.to_string();
        let node = if client.is_ipv6() {
            format!("for=\"[{address}]\"{}", self.forwarded_tail)
        } else {
            format!("for={address}{}", self.forwarded_tail)
        };
        if let (Ok(address), Ok(node)) =
            (HeaderValue::try_from(address), HeaderValue::try_from(node))
        {
            request.insert_header(X_FORWARDED_FOR, address.clone())?;
            request.insert_header(X_REAL_IP, address)?;
            request.insert_header(FORWARDED, node)?;
        }
        // The scheme of the issuer, not of the connection: TLS may end before the gateway without
        // anybody saying so, and servers (gunicorn among them) build their addresses from this.
        request.insert_header(X_FORWARDED_PROTO, self.public_scheme.clone())?;
        request.insert_header(X_FORWARDED_HOST, self.public_host.clone())?;
        request.insert_header(X_FORWARDED_PORT, self.public_port.clone())?;
        request.insert_header(X_REQUEST_ID, id.0.clone())?;
        if let Some(secret) = &self.secret {
            request.insert_header(secret.name.clone(), secret.value.clone())?;
        }
        Ok(())
    }

    /// Whether `Host` is absent or the alias.
    fn is_alias(&self, host: Option<&HeaderValue>) -> bool {
        host.is_none_or(|host| {
            self.alias_host
                .as_ref()
                .is_some_and(|alias| host.as_bytes().eq_ignore_ascii_case(alias.as_bytes()))
        })
    }

    fn is_kept_from_upstream(&self, name: &str, trusted: bool) -> bool {
        // Servers in the CGI tradition read `x_forwarded_for` as `x-forwarded-for`.
        name.contains('_')
            || REWRITING.contains(&name)
            || (!trusted && is_certificate(name))
            || self.secret.as_ref().is_some_and(|secret| secret.name == name)
    }

    /// Turns the upstream's own address into the public one, in the three fields that send a
    /// browser somewhere.
    pub(super) fn publish(&self, response: &mut ResponseHeader) -> pingora::Result<()> {
        if self.internal_origins.is_empty() {
            return Ok(());
        }
        for name in [LOCATION, CONTENT_LOCATION, REFRESH] {
            let Some(value) = response.headers.get(&name) else {
                continue;
            };
            if let Some(public) = self.public_spelling(&name, value) {
                response.insert_header(name, public)?;
            }
        }
        Ok(())
    }

    fn public_spelling(&self, name: &HeaderName, value: &HeaderValue) -> Option<HeaderValue> {
        // Some servers write raw UTF-8 here.
        let value = std::str::from_utf8(value.as_bytes()).ok()?;
        let lower = value.to_ascii_lowercase();
        let at = if *name == REFRESH {
            let after = lower.find("url=")? + "url=".len();
            let quote = usize::from(lower.get(after..)?.starts_with(['"', '\'']));
            after + quote
        } else {
            0
        };
        let address = lower.get(at..)?;
        let origin = self.internal_origins.iter().find(|origin| {
            address
                .strip_prefix(origin.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#', '"', '\'']))
        })?;
        let (head, tail) = (value.get(..at)?, value.get(at + origin.len()..)?);
        HeaderValue::try_from(format!("{head}{}{tail}", self.public_origin)).ok()
    }
}

/// Whether the request carries one of the gateway's cookies.
pub(super) fn has_own_cookie(headers: &HeaderMap) -> bool {
    headers.get_all(COOKIE).iter().any(names_own_cookie)
}

fn names_own_cookie(value: &HeaderValue) -> bool {
    std::str::from_utf8(value.as_bytes()).map_or_else(
        |_| value.as_bytes().windows(OWN_COOKIE.len()).any(|part| part == OWN_COOKIE.as_bytes()),
        |text| text.contains(OWN_COOKIE),
    )
}

/// Cuts the gateway's cookies out; a request without any keeps its fields byte for byte.
fn cut_own_cookies(request: &mut RequestHeader) -> pingora::Result<()> {
    if !has_own_cookie(&request.headers) {
        return Ok(());
    }
    let kept: Vec<HeaderValue> =
        request.headers.get_all(COOKIE).iter().filter_map(without_own_cookies).collect();
    request.remove_header(&COOKIE);
    for value in kept {
        request.append_header(COOKIE, value)?;
    }
    Ok(())
}

/// `None` where no other cookie is left.
fn without_own_cookies(value: &HeaderValue) -> Option<HeaderValue> {
    if !names_own_cookie(value) {
        return Some(value.clone());
    }
    let is_own = |pair: &[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.windows(OWN_COOKIE.len()).any(|part| part == OWN_COOKIE.as_bytes())
    };
    let kept: Vec<&[u8]> = value
        .as_bytes()
        .split(|byte| *byte == b';')
        .filter(|pair| !is_own(pair))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
        .collect();
    if kept.is_empty() {
        return None;
    }
    HeaderValue::from_bytes(&kept.join(&b"; "[..])).ok()
}

fn remove(request: &mut RequestHeader, unwanted: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> =
        request.headers.keys().filter(|name| unwanted(name.as_str())).cloned().collect();
    for name in names {
        request.remove_header(&name);
    }
}

/// Where a TLS end in front of us puts the client's certificate.
fn is_certificate(name: &str) -> bool {
    const PREFIXES: [&str; 5] =
        ["client-cert", "ssl-client", "x-ssl-", "x-amzn-mtls-", "x-forwarded-tls-client-cert"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || matches!(name, "x-forwarded-client-cert" | "x-arr-clientcert" | "x-client-cert")
}

/// Fields that make a server see another request than the one that was judged, and those that the
/// gateway says itself.
const REWRITING: [&str; 20] = [
    "forwarded",
    "x-envoy-original-path",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-uri",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-uri",
    "x-original-url",
    "x-override-url",
    "x-real-ip",
    "x-rewrite-url",
];

fn alias_host(config: &Config) -> Option<String> {
    let url = &config.server.mtls.as_ref()?.public_url;
    url.strip_prefix("https://").map(str::to_ascii_lowercase)
}

fn internal_origins(config: &Config) -> Vec<String> {
    let url = &config.upstream.url;
    let origin = url.origin().to_ascii_lowercase();
    if origin == config.server.issuer.origin().to_ascii_lowercase() {
        return Vec::new();
    }
    let port = format!(":{}", url.port);
    if origin.ends_with(&port) {
        return vec![origin];
    }
    let with_port = format!("{origin}{port}");
    vec![with_port, origin]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_cookies_are_cut_and_others_stay() {
        for (given, left) in [
            ("__Host-parapet-abc=1", None),
            ("a=1; __Host-parapet-abc=2; b=3", Some("a=1; b=3")),
            ("a=parapet-1;b=2", Some("a=parapet-1; b=2")),
            ("a=1;b=2", Some("a=1;b=2")),
            ("parapet-x=1;a=\"q q\"", Some("a=\"q q\"")),
        ] {
            let value = HeaderValue::from_static(given);
            let cut = without_own_cookies(&value);
            assert_eq!(cut.as_ref().map(|value| value.to_str().unwrap()), left, "{given}");
        }
    }

    #[test]
    fn b231_internal_addresses_are_turned_in_raw_utf8_too() {
        let word = HeaderValue::from_static("x");
        let fields = ForwardingFields {
            public_host: word.clone(),
            public_scheme: word.clone(),
            public_port: word,
            forwarded_tail: String::new(),
            alias_host: None,
            own_host: None,
            secret: None,
            public_origin: "https://login.example".to_owned(),
            internal_origins: vec!["http://idp:9000".to_owned()],
        };
        let turned = |text: &str| {
            let value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
            let public = fields.public_spelling(&LOCATION, &value)?;
            Some(String::from_utf8(public.as_bytes().to_vec()).unwrap())
        };
        for (internal, public) in [
            ("http://idp:9000/a?b=c", Some("https://login.example/a?b=c")),
            ("HTTP://IDP:9000/\u{e9}?x=\u{fc}", Some("https://login.example/\u{e9}?x=\u{fc}")),
            ("http://idp:90001/", None),
        ] {
            assert_eq!(turned(internal).as_deref(), public, "{internal}");
        }
    }

    #[test]
    fn certificate_fields_are_known_by_name() {
        for name in ["client-cert", "client-cert-chain", "x-ssl-client-verify", "ssl-client-s-dn"] {
            assert!(is_certificate(name), "{name}");
        }
        assert!(!is_certificate("client-id"));
    }
}
