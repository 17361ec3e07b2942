//! What the demonstration takes from `gateway.toml`: where its three parts meet.

use std::path::Path;

use serde::Deserialize;
use url::Url;

/// Addresses and the one client, read from the gateway's own configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `[server] issuer`
    pub(crate) issuer: String,
    /// Origin of the issuer: where browsers meet the gateway.
    pub(crate) public_origin: String,
    /// First TCP address of `[server] listen`.
    pub(crate) gateway: String,
    /// `[admin] listen`; empty where it is off.
    pub(crate) admin: String,
    /// `host:port` of `[upstream] url`: where the legacy server listens.
    pub(crate) legacy: String,
    /// `[par] path`
    pub(crate) par_path: String,
    /// `client_id` of the first client with a plain secret.
    pub(crate) client_id: String,
    /// Its secret.
    pub(crate) client_secret: String,
    /// Its first redirect URI.
    pub(crate) redirect_uri: String,
    /// `host:port` of that URI: where the demo client listens.
    pub(crate) client: String,
}

impl Settings {
    /// Reads the file. The gateway itself judges it in full; only what is needed is looked at here.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let client = file
            .clients
            .into_iter()
            .find(|client| !client.secret.is_empty() && !client.redirect_uris.is_empty())
            .ok_or("the demonstration needs one [[clients]] with `secret` and `redirect_uris`")?;
        let redirect_uri = client.redirect_uris.into_iter().next().unwrap_or_default();
        let mut listen = file.server.listen.into_iter();
        let gateway = listen
            .find(|address| !address.starts_with("unix:"))
            .ok_or("[server] listen: the demonstration needs a TCP address")?;
        Ok(Self {
            public_origin: origin(&file.server.issuer, "[server] issuer")?,
            issuer: file.server.issuer,
            gateway,
            admin: file.admin.listen,
            legacy: authority(&file.upstream.url, "[upstream] url")?,
            par_path: file.par.path,
            client_id: client.id,
            client_secret: client.secret,
            client: authority(&redirect_uri, "[[clients]] redirect_uris")?,
            redirect_uri,
        })
    }
}

fn parse_url(text: &str, key: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{key}: {error}"))?;
    if url.scheme() == "http" {
        Ok(url)
    } else {
        Err(format!("{key}: the demonstration speaks plain http only"))
    }
}

fn origin(text: &str, key: &str) -> Result<String, String> {
    Ok(parse_url(text, key)?.origin().ascii_serialization())
}

fn authority(text: &str, key: &str) -> Result<String, String> {
    let url = parse_url(text, key)?;
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    Ok(format!("{host}:{port}"))
}

#[derive(Deserialize)]
struct File {
    server: Server,
    upstream: Upstream,
    #[serde(default)]
    admin: Admin,
    #[serde(default)]
    par: Par,
    #[serde(default)]
    clients: Vec<Client>,
}

#[derive(Deserialize)]
struct Server {
    issuer: String,
    #[serde(default = "default_listen")]
    listen: Vec<String>,
}

#[derive(Deserialize)]
struct Upstream {
    url: String,
}

#[derive(Deserialize)]
#[serde(default)]
struct Admin {
    listen: String,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9901".into() }
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct Par {
    path: String,
}

impl Default for Par {
    fn default() -> Self {
        Self { path: "/par".into() }
    }
}

#[derive(Deserialize)]
struct Client {
    #[serde(rename = "client_id")]
    id: String,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    redirect_uris: Vec<String>,
}

fn default_listen() -> Vec<String> {
    vec!["127.0.0.1:8080".into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [server]
        issuer = "http://127.0.0.1:8080"
        [upstream]
        url = "http://127.0.0.1:9000"
        [[clients]]
        client_id = "public"
        redirect_uris = ["http://127.0.0.1:1/callback"]
        [[clients]]
        client_id = "demo-web"
        secret = "demo-secret"
        redirect_uris = ["http://127.0.0.1:8081/callback"]
    "#;

    #[test]
    fn addresses_come_from_the_file_and_its_defaults() {
        let settings = Settings::parse(FILE).unwrap();
        assert_eq!(settings.legacy, "127.0.0.1:9000");
        assert_eq!(settings.gateway, "127.0.0.1:8080");
        assert_eq!(settings.admin, "127.0.0.1:9901");
        assert_eq!(settings.client, "127.0.0.1:8081");
        assert_eq!(settings.client_id, "demo-web");
        assert_eq!(settings.par_path, "/par");
    }

    #[test]
    fn an_https_upstream_is_named() {
        let file = FILE.replace("http://127.0.0.1:9000", "https://login.example.com");
        let problem = Settings::parse(&file).unwrap_err();
        assert!(problem.starts_with("[upstream] url"), "{problem}");
    }
}
