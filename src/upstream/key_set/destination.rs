//! Where a `jwks_uri` may lead. The address is judged after its name was resolved, and the connection
//! goes to the very address that was judged: a name that resolves to something else a moment later
//! changes nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use ipnet::IpNet;
use url::{Host, Url};

/// Which addresses may be connected to.
#[derive(Debug, Clone)]
pub(super) struct Destinations {
    allowed: Arc<[IpNet]>,
    /// Without TLS nobody but this machine is asked.
    loopback_only: bool,
}

/// The address is not public, and the configuration does not allow it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// The name resolves to nothing else.
    #[error("the address is private, and [client_keys] allow_private_addresses does not name it")]
    Address,
    /// The name does not resolve.
    #[error(transparent)]
    Resolution(#[from] std::io::Error),
}

impl Destinations {
    pub(super) fn over_tls(allowed: &Arc<[IpNet]>) -> Self {
        Self { allowed: Arc::clone(allowed), loopback_only: false }
    }

    pub(super) fn in_clear(allowed: &Arc<[IpNet]>) -> Self {
        Self { allowed: Arc::clone(allowed), loopback_only: true }
    }

    /// Whether `address` may be connected to.
    pub(super) fn admit(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if self.loopback_only && !address.is_loopback() {
            return false;
        }
        is_public(address) || self.allowed.iter().any(|range| range.contains(&address))
    }

    /// The connector asks no resolver about an address in the URL itself.
    pub(super) fn admit_literal(&self, uri: &Url) -> bool {
        match uri.host() {
            Some(Host::Ipv4(address)) => self.admit(address.into()),
            Some(Host::Ipv6(address)) => self.admit(address.into()),
            Some(Host::Domain(_)) => true,
            None => false,
        }
    }

    async fn resolve(self, name: Name) -> Result<std::vec::IntoIter<SocketAddr>, Refused> {
        let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
        let admitted: Vec<_> = found.filter(|found| self.admit(found.ip())).collect();
        if admitted.is_empty() { Err(Refused::Address) } else { Ok(admitted.into_iter()) }
    }
}

impl tower::Service<Name> for Destinations {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Refused;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Refused>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().resolve(name))
    }
}

/// Whether an address is one of the public internet's (RFC 6890 and its registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

/// Global unicast is `2000::/3`. What embeds an IPv4 address is as public as that.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
    };
    match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Protocol assignments with Teredo and ORCHID, and documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: &[&str] = &[
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];

    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "223.255.255.255",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2606:4700:4700::1111",
        "2a00:1450::1",
        "2001:4860:4860::8888",
    ];

    #[test]
    fn b227_only_public_addresses_are_public() {
        let none: Arc<[IpNet]> = Arc::new([]);
        let destinations = Destinations::over_tls(&none);
        for address in PRIVATE {
            assert!(!destinations.admit(address.parse().unwrap()), "{address}");
        }
        for address in PUBLIC {
            assert!(destinations.admit(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn b227_private_addresses_are_allowed_by_name_only() {
        let allowed: Arc<[IpNet]> = Arc::new(["10.0.0.0/8".parse().unwrap()]);
        let destinations = Destinations::over_tls(&allowed);
        for (address, admitted) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("192.168.1.1", false), ("::1", false)]
        {
            assert_eq!(destinations.admit(address.parse().unwrap()), admitted, "{address}");
        }
        let in_clear = Destinations::in_clear(&allowed);
        assert!(!in_clear.admit("10.1.2.3".parse().unwrap()));
        assert!(!in_clear.admit("127.0.0.1".parse().unwrap()));
        let uri = |text: &str| Url::parse(text).unwrap();
        assert!(destinations.admit_literal(&uri("https://10.0.0.1/jwks")));
        for text in ["https://2130706433/jwks", "https://0x7f.1/jwks", "https://[::1]/jwks"] {
            assert!(!destinations.admit_literal(&uri(text)), "{text}");
        }
    }

    #[tokio::test]
    async fn b227_names_are_judged_by_what_they_resolve_to() {
        let none: Arc<[IpNet]> = Arc::new([]);
        let refused = Destinations::over_tls(&none).resolve("localhost".parse().unwrap()).await;
        assert!(matches!(refused, Err(Refused::Address)), "{refused:?}");
    }
}
