//! Whose name a browser may have asked for. A page of a stranger can give its own name the address of
//! this listener (DNS rebinding) and read what it answers; it cannot do so with an address or with
//! `localhost`.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::HeaderValue;

/// Whether `host` (RFC 9110 §7.2) is an address, or `localhost` or a name below it.
pub(super) fn is_nobodys_name(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host.and_then(|host| host.to_str().ok()) else {
        return false;
    };
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest.split_once(']').filter(|(_, port)| is_port(port));
        return address.is_some_and(|(address, _)| address.parse::<Ipv6Addr>().is_ok());
    }
    let (name, port) = host.find(':').map_or((host, ""), |at| host.split_at(at));
    let name = name.to_ascii_lowercase();
    let is_local = name == "localhost" || name.ends_with(".localhost");
    is_port(port) && (is_local || name.parse::<Ipv4Addr>().is_ok())
}

/// `:9901`, or nothing.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_nobodys_names() {
        let judged = |host: &str| is_nobodys_name(Some(&HeaderValue::from_str(host).unwrap()));
        for host in [
            "127.0.0.1:9901",
            "127.0.0.1",
            "[::1]:9901",
            "[::1]",
            "10.2.3.4:9901",
            "localhost",
            "LocalHost:80",
            "parapet.localhost:9901",
        ] {
            assert!(judged(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:9901",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "127.1",
            "[::1",
            "[::1]x",
            "127.0.0.1:x",
            "::1",
        ] {
            assert!(!judged(host), "{host}");
        }
        assert!(!is_nobodys_name(None));
    }
}
