//! Who is asking: the registered clients, how they prove themselves, and how often they may try.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::config;
use crate::oauth::redirect_uri;
use crate::upstream::key_set::KeyFetcher;

use url::Url;

use addresses::Addresses;
use resemblance::Resemblance;

pub use assertion::Assertions;
pub use authentication::{Authenticated, AuthenticationError, authenticate};
pub use keys::ClientKeys;
pub use ledger::Ledger;
pub use limits::Limits;

mod addresses;
pub mod assertion;
pub mod authentication;
mod budgets;
pub mod certificate;
pub mod dpop;
pub mod keys;
mod ledger;
pub mod limits;
mod resemblance;

/// All clients of the configuration, by `client_id`.
#[derive(Debug)]
pub struct Registry {
    clients: HashMap<Arc<str>, Arc<Client>>,
    by_address: Addresses,
    pushing: Resemblance,
}

/// A registered client and the policy that holds for it.
#[derive(Debug)]
pub struct Client {
    /// As the upstream knows it.
    pub client_id: Arc<str>,
    /// The rules that hold for it.
    pub rules: &'static config::Rules,
    /// The one way it proves itself.
    pub authentication: config::Authentication,
    /// Its public keys.
    pub keys: Option<ClientKeys>,
    /// What its request objects must be like.
    pub request_object: config::ClientRequestObject,
    /// Registered redirect URIs; empty leaves the check to the upstream.
    pub redirect_uris: Vec<String>,
    /// It may push others too (RFC 9126 §2.4).
    pub allow_unregistered_redirect_uris: bool,
    /// Scope values it may ask for; `None` leaves the check to the upstream.
    pub scopes: Option<Vec<String>>,
    /// Types of authorization details it may ask for; `None` leaves that to `[par]` and the upstream.
    pub authorization_details_types: Option<Vec<String>>,
    /// Its tokens are bound to a key by `DPoP`, so its pushes must name one (RFC 9449 §5.2, §10).
    pub dpop_bound_access_tokens: bool,
    /// Redeem-by time of its requests.
    pub lifetime: Duration,
    /// S256 or nothing (RFC 7636).
    pub require_pkce: bool,
    /// It must push (RFC 9126 §6).
    pub require_pushed_authorization_requests: bool,
    /// Whether it may do anything.
    pub enabled: bool,
}

/// Who is on the other end of a connection. The proxy puts it into the request's extensions.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Address of the caller, or of whom a trusted proxy names; `None` on a unix socket.
    pub address: Option<IpAddr>,
    /// Whether a trusted proxy said that the caller came without TLS.
    pub insecure: bool,
    /// The gateway's number of the request.
    pub request_id: Arc<str>,
}

impl Registry {
    /// The clients of the configuration, with what `[par]` says where their table is silent.
    #[must_use]
    pub fn new(clients: &[config::Client], par: &config::Par, fetcher: &Arc<KeyFetcher>) -> Self {
        let nobody = Self {
            clients: HashMap::new(),
            by_address: Addresses::of([].into_iter()),
            pushing: Resemblance::default(),
        };
        nobody.succeeded_by(clients, par, fetcher)
    }

    /// The same in the place of `self`; keys that were fetched from an address are kept with it.
    #[must_use]
    pub fn succeeded_by(
        &self,
        clients: &[config::Client],
        par: &config::Par,
        fetcher: &Arc<KeyFetcher>,
    ) -> Self {
        let clients: HashMap<_, _> = clients
            .iter()
            .map(|client| {
                let client_id: Arc<str> = client.client_id.as_str().into();
                let rules = client.profile.rules();
                let record = Client {
                    client_id: Arc::clone(&client_id),
                    rules,
                    authentication: client.authentication.clone(),
                    keys: client.keys.as_ref().map(|keys| {
                        let last = self.find(&client_id).and_then(|last| last.keys.as_ref());
                        ClientKeys::new(keys, fetcher, last)
                    }),
                    request_object: client.request_object,
                    redirect_uris: client.redirect_uris.clone(),
                    allow_unregistered_redirect_uris: client.allow_unregistered_redirect_uris,
                    scopes: client.scopes.clone(),
                    authorization_details_types: client.authorization_details_types.clone(),
                    dpop_bound_access_tokens: client.dpop_bound_access_tokens,
                    lifetime: client.lifetime.unwrap_or(par.lifetime),
                    require_pkce: rules.needs_pkce
                        || client.require_pkce.unwrap_or(par.require_pkce),
                    require_pushed_authorization_requests: rules.must_push
                        || client.require_pushed_authorization_requests,
                    enabled: client.enabled,
                };
                (client_id, Arc::new(record))
            })
            .collect();
        let by_address = Addresses::of(clients.values().map(|client| (&**client).into()));
        let must_push = |client: &&Arc<Client>| client.require_pushed_authorization_requests;
        let pushing = clients.values().filter(must_push).map(|client| &*client.client_id);
        let pushing = pushing.collect();
        Self { clients, by_address, pushing }
    }

    /// The client of this name, disabled or not.
    #[must_use]
    pub fn find(&self, client_id: &str) -> Option<&Arc<Client>> {
        self.clients.get(client_id)
    }

    /// The clients that an answer at `location` could be for, by their registered redirect URIs, then
    /// those that may push any, and the redirect URI that each must have pushed; at most
    /// [`MOST_ADDRESSEES`](config::MOST_ADDRESSEES). Other clients without registered ones are not found.
    #[must_use]
    pub fn addressees<'a>(&'a self, location: &'a str) -> Vec<(&'a str, Cow<'a, str>)> {
        self.by_address.leading_to(location)
    }

    /// The clients that registered this address, read as browsers read it: whatever a client's server
    /// could take for its own.
    #[must_use]
    pub fn holders_of(&self, url: &Url) -> Vec<&Arc<str>> {
        self.by_address.holders_of(url)
    }

    /// Looks whether files with keys have changed. To be called now and then, off the requests'
    /// threads.
    pub fn reload_keys(&self) {
        for keys in self.clients.values().filter_map(|client| client.keys.as_ref()) {
            keys.reload();
        }
    }

    /// Whether a request that names this client must be pushed: one of a client whose table says so, or
    /// of a name that the server's database could take for such a client's.
    #[must_use]
    pub fn must_push(&self, client_id: &str) -> bool {
        match self.find(client_id) {
            Some(client) => client.require_pushed_authorization_requests,
            None => self.pushing.resemble(client_id),
        }
    }

    /// Whether any client must push.
    #[must_use]
    pub fn any_must_push(&self) -> bool {
        self.clients.values().any(|client| client.require_pushed_authorization_requests)
    }

    /// Whether S256 is required of any client.
    #[must_use]
    pub fn any_needs_pkce(&self) -> bool {
        self.clients.values().any(|client| client.require_pkce)
    }
}

impl Client {
    /// Whether the client may be answered at `redirect_uri`, which it pushed. Where its table names
    /// none, or lets it choose, that is for the upstream to say.
    #[must_use]
    pub fn may_redirect_to(&self, redirect_uri: &str) -> bool {
        self.redirect_uris.is_empty()
            || self
                .redirect_uris
                .iter()
                .any(|known| redirect_uri::is_registered(redirect_uri, known))
            || self.allow_unregistered_redirect_uris && redirect_uri::is_unmistakable(redirect_uri)
    }

    /// Where the client is answered that pushed this `redirect_uri`, or none: then at its first
    /// registered one.
    #[must_use]
    pub fn redirect_uri_of<'a>(&'a self, pushed: Option<&'a str>) -> Option<&'a str> {
        pushed.or_else(|| self.redirect_uris.first().map(String::as_str))
    }

    /// Whether the client may ask for this scope value.
    #[must_use]
    pub fn may_ask_for(&self, scope: &str) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|known| known == scope))
    }
}
