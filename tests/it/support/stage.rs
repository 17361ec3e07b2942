//! The gateway in front of a real authorization server, ready for a login.

use super::gateway::Gateway;
use super::idp::{Django, OidcProvider};
use super::ports::free_port;
use super::relying_party::{Client, REDIRECT_URI};

/// A real authorization server and a gateway in front of it; both end with it.
#[derive(Debug)]
pub struct Stage<S> {
    /// The issuer that clients know: at the gateway.
    pub issuer: String,
    pub gateway: Gateway,
    pub upstream: S,
}

impl Stage<OidcProvider> {
    /// oidc-provider, with `required = true`.
    pub async fn oidc_provider() -> Self {
        Self::oidc_provider_as("oidc-provider", "required = true").await
    }

    /// oidc-provider behind this preset, with this in `[par]`.
    pub async fn oidc_provider_as(preset: &str, par: &str) -> Self {
        Self::oidc_provider_with(preset, par, "[]").await
    }

    /// The same with further clients at oidc-provider, a JSON array of their metadata; their tables
    /// may stand in `more`, behind what is in `[par]`.
    pub async fn oidc_provider_with(preset: &str, more: &str, known: &str) -> Self {
        let address = unused_address();
        let upstream = OidcProvider::start(&address, REDIRECT_URI, known).await;
        let toml = format!(
            "{}[upstream]\nurl = \"{}\"\npreset = \"{preset}\"\n[par]\n{more}\n{}",
            listeners(&address, &address),
            upstream.url,
            clients()
        );
        Self { gateway: gateway_at(&address, &toml).await, issuer: address, upstream }
    }
}

impl Stage<Django> {
    /// django-oauth-toolkit, with `required = false`.
    pub async fn django() -> Self {
        Self::django_as("django-oauth-toolkit", "required = false").await
    }

    /// django-oauth-toolkit behind this preset, with this in `[par]`.
    pub async fn django_as(preset: &str, par: &str) -> Self {
        let address = unused_address();
        let issuer = format!("{address}/o");
        let upstream = Django::start(&issuer, REDIRECT_URI).await;
        let toml = format!(
            "{}[upstream]\nurl = \"{}\"\npreset = \"{preset}\"\nmax_target_bytes = 8000\n\
             [par]\n{par}\n{}",
            listeners(&address, &issuer),
            upstream.url,
            clients()
        );
        Self { issuer, gateway: gateway_at(&address, &toml).await, upstream }
    }
}

async fn gateway_at(address: &str, toml: &str) -> Gateway {
    let gateway = Gateway::start(toml).await;
    assert_eq!(gateway.url, address);
    gateway
}

/// `[server]` and `[admin]` for a gateway at `address`, `http://127.0.0.1:PORT`.
pub fn listeners(address: &str, issuer: &str) -> String {
    let listen = address.trim_start_matches("http://");
    format!(
        "[server]\nlisten = [\"{listen}\"]\nissuer = \"{issuer}\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n"
    )
}

/// `[[clients]]`: the three that every server of `tests/idp` knows.
pub fn clients() -> String {
    let table = |client: Client| {
        let secret = match client.secret() {
            "" => String::new(),
            secret => format!("secret = \"{secret}\"\n"),
        };
        format!(
            "[[clients]]\nclient_id = \"{}\"\nauthentication = \"{}\"\n{secret}\
             redirect_uris = [\"{REDIRECT_URI}\"]\n",
            client.id(),
            client.authentication()
        )
    };
    [Client::ConfidentialBasic, Client::ConfidentialPost, Client::Public].map(table).concat()
}

fn unused_address() -> String {
    format!("http://127.0.0.1:{}", free_port())
}
