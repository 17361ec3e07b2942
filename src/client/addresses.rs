//! Whose address is it: clients by their registered redirect URIs, and those that may push any.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use url::{Host, Url};

use super::Client;
use crate::config::MOST_ADDRESSEES;
use crate::oauth::redirect_uri::{answered, led_to};
use crate::oauth::target::loose;

/// Where clients are answered.
#[derive(Debug)]
pub(super) struct Addresses {
    /// Names of clients and their redirect URIs, by scheme and host.
    registered: HashMap<String, Vec<(Arc<str>, String)>>,
    /// Clients that may push any.
    free: Vec<Arc<str>>,
}

/// A client, as far as it matters here.
pub(super) struct Addressee<'a> {
    client_id: &'a Arc<str>,
    redirect_uris: &'a [String],
    is_free: bool,
}

impl<'a> From<&'a Client> for Addressee<'a> {
    fn from(client: &'a Client) -> Self {
        Self {
            client_id: &client.client_id,
            redirect_uris: &client.redirect_uris,
            is_free: client.allow_unregistered_redirect_uris,
        }
    }
}

impl Addresses {
    pub(super) fn of<'a>(clients: impl Iterator<Item = Addressee<'a>>) -> Self {
        let mut registered: HashMap<_, Vec<_>> = HashMap::new();
        let mut free = Vec::new();
        for client in clients {
            for redirect_uri in client.redirect_uris {
                if let Some(host) = scheme_and_host(redirect_uri) {
                    let address = (Arc::clone(client.client_id), redirect_uri.clone());
                    registered.entry(host).or_default().push(address);
                }
            }
            free.extend(client.is_free.then(|| Arc::clone(client.client_id)));
        }
        // The same few are found, and in the same order, after every start.
        for clients in registered.values_mut() {
            clients.sort();
        }
        free.sort();
        Self { registered, free }
    }

    pub(super) fn holders_of(&self, url: &Url) -> Vec<&Arc<str>> {
        let clients = self.registered.get(&host_of(url));
        let clients = clients.into_iter().flatten().filter(|(_, registered)| {
            Url::parse(registered).is_ok_and(|registered| is_same_place(url, &registered))
        });
        clients.map(|(client_id, _)| client_id).collect()
    }

    pub(super) fn leading_to<'a>(&'a self, location: &'a str) -> Vec<(&'a str, Cow<'a, str>)> {
        let host = scheme_and_host(location);
        let clients = host.as_ref().and_then(|host| self.registered.get(host));
        let clients = clients.into_iter().flatten().filter_map(|(client_id, registered)| {
            Some((&**client_id, led_to(location, registered)?))
        });
        let mut found: Vec<_> = clients.take(MOST_ADDRESSEES).collect();
        if host.is_some() {
            let free = self.free.iter().map(|name| (&**name, Cow::Borrowed(answered(location))));
            let new: Vec<_> = free.filter(|one| !found.contains(one)).collect();
            found.extend(new);
            found.truncate(MOST_ADDRESSEES);
        }
        found
    }
}

fn scheme_and_host(uri: &str) -> Option<String> {
    Some(host_of(&Url::parse(uri).ok()?))
}

fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    [url.scheme(), "://", &host].concat()
}

/// Whether two addresses of one host have one port and path. Loopback addresses may have any port, and
/// servers differ in escapes, letter case and a last slash.
fn is_same_place(url: &Url, registered: &Url) -> bool {
    let path = |url: &Url| loose(url.path()).trim_end_matches('/').to_lowercase();
    let is_loopback = match registered.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    };
    path(url) == path(registered)
        && (is_loopback || url.port_or_known_default() == registered.port_or_known_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who is found, of clients given by name and addresses; the name of a free one ends in `*`.
    fn found(clients: &[(&str, &[&str])], location: &str) -> Vec<String> {
        let clients: Vec<(Arc<str>, Vec<String>)> = clients
            .iter()
            .map(|(name, uris)| ((*name).into(), uris.iter().map(|&uri| uri.to_owned()).collect()))
            .collect();
        let addresses = Addresses::of(clients.iter().map(|(client_id, redirect_uris)| Addressee {
            client_id,
            redirect_uris,
            is_free: client_id.ends_with('*'),
        }));
        let found = addresses.leading_to(location);
        found.iter().map(|(client_id, uri)| format!("{client_id} {uri}")).collect()
    }

    #[test]
    fn clients_are_found_by_where_an_answer_leads() {
        let clients = [
            ("b", &["https://c.example/cb", "https://c.example/other"][..]),
            ("a", &["https://c.example/cb"]),
            ("native", &["http://127.0.0.1/cb", "com.example.app:/cb"]),
            ("open", &[]),
        ];
        for (location, expected) in [
            (
                "https://c.example/cb?code=1",
                &["a https://c.example/cb", "b https://c.example/cb"][..],
            ),
            ("https://c.example/other#code=1", &["b https://c.example/other"]),
            ("http://127.0.0.1:9/cb?code=1", &["native http://127.0.0.1:9/cb"]),
            ("com.example.app:/cb?code=1", &["native com.example.app:/cb"]),
            ("https://c.example/third?code=1", &[]),
            ("https://d.example/cb?code=1", &[]),
            ("/cb?code=1", &[]),
        ] {
            assert_eq!(found(&clients, location), expected, "{location}");
        }
    }

    #[test]
    fn b024_clients_that_may_push_any_address_come_behind_those_that_registered_it() {
        let clients = [
            ("a*", &["https://a.example/cb"][..]),
            ("b*", &[]),
            ("c", &["https://x.example/cb"]),
            ("open", &[]),
        ];
        for (location, expected) in [
            (
                "https://x.example/cb?code=1&state=2",
                &["c https://x.example/cb", "a* https://x.example/cb", "b* https://x.example/cb"][..],
            ),
            (
                "https://a.example/cb?code=1",
                &["a* https://a.example/cb", "b* https://a.example/cb"],
            ),
            (
                "https://y.example/cb?own=1&state=2&code=1",
                &["a* https://y.example/cb?own=1", "b* https://y.example/cb?own=1"],
            ),
            ("/cb?code=1&state=2", &[]),
        ] {
            assert_eq!(found(&clients, location), expected, "{location}");
        }
    }

    #[test]
    fn at_most_a_few_are_found() {
        let names: Vec<_> = (10..30).map(|number| number.to_string()).collect();
        let uris = &["https://c.example/cb"][..];
        let clients: Vec<_> = names.iter().map(|name| (name.as_str(), uris)).collect();
        let found = found(&clients, "https://c.example/cb?code=1");
        assert_eq!(found.len(), MOST_ADDRESSEES);
        assert_eq!(found[0], "10 https://c.example/cb");
    }
}
