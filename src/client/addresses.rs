//! Whose address is it: clients by their registered redirect URIs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use url::Url;

use crate::oauth::redirect_uri::led_to;

/// Most clients that one answer is held to be for.
pub const MOST_ADDRESSEES: usize = 8;

/// Names of clients and their redirect URIs, by scheme and host.
#[derive(Debug)]
pub(super) struct Addresses(HashMap<String, Vec<(Arc<str>, String)>>);

impl Addresses {
    pub(super) fn of<'a>(clients: impl Iterator<Item = (&'a Arc<str>, &'a [String])>) -> Self {
        let mut by_host: HashMap<_, Vec<_>> = HashMap::new();
        for (client_id, redirect_uris) in clients {
            for redirect_uri in redirect_uris {
                if let Some(host) = scheme_and_host(redirect_uri) {
                    let address = (Arc::clone(client_id), redirect_uri.clone());
                    by_host.entry(host).or_default().push(address);
                }
            }
        }
        // The same few are found, and in the same order, after every start.
        for clients in by_host.values_mut() {
            clients.sort();
        }
        Self(by_host)
    }

    pub(super) fn leading_to(&self, location: &str) -> Vec<(&str, Cow<'_, str>)> {
        let clients = scheme_and_host(location).and_then(|host| self.0.get(&host));
        let clients = clients.into_iter().flatten().filter_map(|(client_id, registered)| {
            Some((&**client_id, led_to(location, registered)?))
        });
        clients.take(MOST_ADDRESSEES).collect()
    }
}

fn scheme_and_host(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    Some([url.scheme(), "://", url.host_str().unwrap_or_default()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who is found, of clients given by name and addresses.
    fn found(clients: &[(&str, &[&str])], location: &str) -> Vec<String> {
        let clients: Vec<(Arc<str>, Vec<String>)> = clients
            .iter()
            .map(|(name, uris)| ((*name).into(), uris.iter().map(|&uri| uri.to_owned()).collect()))
            .collect();
        let addresses = Addresses::of(clients.iter().map(|(name, uris)| (name, &uris[..])));
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
    fn at_most_a_few_are_found() {
        let names: Vec<_> = (10..30).map(|number| number.to_string()).collect();
        let uris = &["https://c.example/cb"][..];
        let clients: Vec<_> = names.iter().map(|name| (name.as_str(), uris)).collect();
        let found = found(&clients, "https://c.example/cb?code=1");
        assert_eq!(found.len(), MOST_ADDRESSEES);
        assert_eq!(found[0], "10 https://c.example/cb");
    }
}
