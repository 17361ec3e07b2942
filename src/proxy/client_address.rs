//! Who the client is: the connection's other end, or whom trusted proxies name.

use std::net::{IpAddr, Ipv4Addr};

use http::HeaderMap;
use http::header::FORWARDED;
use ipnet::IpNet;

use super::application::Peer;

/// Judges a request by the connection it came on. Forwarding fields count only from a trusted
/// peer, and each further hop only if the one that names it is trusted too (RFC 7239 §8.1).
pub(super) fn peer(direct: Option<IpAddr>, trusted: &[IpNet], headers: &HeaderMap) -> Peer {
    let mut address = direct.map(|address| address.to_canonical());
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    // Whoever may open a unix socket runs on this machine.
    if !is_trusted(address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))) {
        return Peer { address, trusted: false, secure: false };
    }
    // A proxy that sets one field lets the client's other one through, and X-Forwarded-For is the
    // one that proxies set.
    let hops = if headers.contains_key(X_FORWARDED_FOR) {
        forwarded_for(headers)
    } else {
        forwarded(headers)
    };
    for hop in hops {
        let Some(named) = hop else { break };
        let named = named.to_canonical();
        address = Some(named);
        if !is_trusted(named) {
            break;
        }
    }
    Peer { address, trusted: true, secure: is_secure(headers) }
}

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The last word of the proxy next to us.
fn is_secure(headers: &HeaderMap) -> bool {
    headers
        .get_all("x-forwarded-proto")
        .iter()
        .next_back()
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.rsplit(',').next())
        .is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}

/// Hops of `X-Forwarded-For`, nearest first; `None` for what is no address.
fn forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    elements(headers, X_FORWARDED_FOR, node)
}

/// Hops of `Forwarded` (RFC 7239 §4), nearest first; `None` for `unknown` and hidden names.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    elements(headers, FORWARDED.as_str(), |element| {
        element
            .split(';')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
            .and_then(|(_, value)| node(value))
    })
}

fn elements(
    headers: &HeaderMap,
    name: &str,
    read: impl Fn(&str) -> Option<IpAddr>,
) -> Vec<Option<IpAddr>> {
    headers
        .get_all(name)
        .iter()
        .rev()
        .flat_map(|value| value.to_str().unwrap_or_default().rsplit(','))
        .map(read)
        .collect()
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `"[2001:db8::1]:80"` (RFC 7239 §6).
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']')?.0.parse().ok();
    }
    text.parse().ok().or_else(|| text.split_once(':')?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(direct: &str, fields: &[(&'static str, &'static str)]) -> Peer {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        peer(Some(direct.parse().unwrap()), &trusted, &headers)
    }

    #[test]
    fn untrusted_peer_is_its_own_word() {
        let peer = judged(
            "192.0.2.9",
            &[("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https")],
        );
        assert_eq!(peer.address.unwrap().to_string(), "192.0.2.9");
        assert!(!peer.trusted && !peer.secure);
    }

    #[test]
    fn hops_are_walked_from_the_right_and_only_while_trusted() {
        for (field, value, client) in [
            ("x-forwarded-for", "203.0.113.7", "203.0.113.7"),
            ("x-forwarded-for", "1.1.1.1, 203.0.113.7", "203.0.113.7"),
            ("x-forwarded-for", "203.0.113.7, 10.2.2.2", "203.0.113.7"),
            ("x-forwarded-for", "203.0.113.7:4711", "203.0.113.7"),
            ("x-forwarded-for", "1.1.1.1, unknown, 10.2.2.2", "10.2.2.2"),
            ("x-forwarded-for", "", "10.1.1.1"),
            ("forwarded", "for=1.1.1.1, FOR=\"[2001:db8::7]:80\";proto=https", "2001:db8::7"),
            ("forwarded", "for=_hidden", "10.1.1.1"),
            ("forwarded", "proto=https;for=192.0.2.4", "192.0.2.4"),
        ] {
            assert_eq!(
                judged("10.1.1.1", &[(field, value)]).address.unwrap().to_string(),
                client,
                "{value}"
            );
        }
    }

    #[test]
    fn several_fields_are_one_list_and_x_forwarded_for_goes_first() {
        let peer = judged(
            "::ffff:10.1.1.1",
            &[
                ("forwarded", "for=6.6.6.6"),
                ("x-forwarded-for", "1.1.1.1"),
                ("x-forwarded-for", "203.0.113.7, 10.3.3.3"),
            ],
        );
        assert_eq!(peer.address.unwrap().to_string(), "203.0.113.7");
        assert!(peer.trusted);
    }

    #[test]
    fn scheme_is_the_nearest_trusted_word() {
        assert!(judged("10.1.1.1", &[("x-forwarded-proto", "http, https")]).secure);
        assert!(!judged("10.1.1.1", &[("x-forwarded-proto", "https, http")]).secure);
    }

    #[test]
    fn unix_socket_peer_counts_as_loopback() {
        let loopback = ["127.0.0.1/32".parse().unwrap()];
        let mut headers = HeaderMap::new();
        let unnamed = peer(None, &loopback, &headers);
        assert_eq!((unnamed.address, unnamed.trusted), (None, true), "nobody in particular");
        headers.insert(X_FORWARDED_FOR, "203.0.113.7".parse().unwrap());
        let named = peer(None, &loopback, &headers);
        assert_eq!(named.address, Some("203.0.113.7".parse().unwrap()));
        let stranger = peer(None, &[], &headers);
        assert_eq!((stranger.address, stranger.trusted), (None, false));
    }
}
