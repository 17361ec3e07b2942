//! The authorization endpoint of the whole gateway, in front of an upstream that does as it is told.

mod around;
mod bodies;
mod completion;
mod cookies;
mod deferred;
mod desk;
mod form_post;
mod logs;
mod outage;
mod outgoing;
mod own_query;
mod pages;
mod plain;
mod post;
mod redeem;
mod required;
mod single_use;
mod unaccompanied;
mod unknown;
mod unread;
mod unregistered;

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use toml::{Table, Value};

use crate::support::gateway::Gateway;
use crate::support::http::encode;
use crate::support::ports::free_port;
use crate::support::raw::{Answer, Raw};
use crate::support::upstream::{Seen, Step, Upstream};

/// What every upstream here says of itself.
pub(crate) const METADATA: &str = r#"{
    "issuer": "https://login.example",
    "authorization_endpoint": "https://login.example/authorize",
    "token_endpoint": "https://login.example/token",
    "userinfo_endpoint": "https://login.example/userinfo",
    "jwks_uri": "https://login.example/jwks",
    "response_types_supported": ["code"]
}"#;

const BASE: &str = r#"
[server]
listen = ["127.0.0.1:0"]
issuer = "https://login.example"
[admin]
listen = ""
[upstream]
url = "http://127.0.0.1:9"
[par]
[[clients]]
client_id = "web"
authentication = "client_secret_basic"
secret = "web-secret"
redirect_uris = ["https://client.example/cb", "https://client.example/second"]
[[clients]]
client_id = "shop"
authentication = "client_secret_basic"
secret = "shop-secret"
redirect_uris = ["https://shop.example/cb"]
[[clients]]
client_id = "bank"
authentication = "client_secret_basic"
secret = "bank-secret"
redirect_uris = ["https://bank.example/cb"]
[[clients]]
client_id = "closed"
authentication = "client_secret_basic"
secret = "closed-secret"
redirect_uris = ["https://closed.example/cb"]
enabled = false
"#;

/// What most tests push.
pub(crate) const FORM: &[(&str, &str)] = &[
    ("response_type", "code"),
    ("redirect_uri", "https://client.example/cb"),
    ("state", "pushed-state"),
    ("scope", "openid profile"),
];

/// The reference configuration of these tests with `settings` laid over it; a table under
/// `clients.ID` changes that client.
pub(crate) fn configuration(settings: &str) -> String {
    let mut base: Table = BASE.parse().unwrap();
    let mut settings: Table = settings.parse().unwrap();
    if let Some(Value::Table(changes)) = settings.remove("clients") {
        for client in base["clients"].as_array_mut().unwrap() {
            let client = client.as_table_mut().unwrap();
            let id = client["client_id"].as_str().unwrap().to_owned();
            if let Some(Value::Table(changes)) = changes.get(&id) {
                client.extend(changes.clone());
            }
        }
    }
    for (name, table) in settings {
        let under = base.entry(name).or_insert_with(|| Table::new().into());
        under.as_table_mut().unwrap().extend(table.as_table().unwrap().clone());
    }
    base.to_string()
}

/// A gateway with its upstream.
pub(crate) struct Front {
    pub(crate) upstream: Upstream,
    pub(crate) gateway: Gateway,
}

impl Front {
    /// The upstream answers `200` to everything.
    pub(crate) async fn start(settings: &str) -> Self {
        Self::answering(settings, |_| ok("upstream")).await
    }

    /// The upstream answers as told, metadata apart.
    pub(crate) async fn answering(
        settings: &str,
        script: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let upstream = upstream(script).await;
        let url = format!("[upstream]\nurl = \"http://{}\"", upstream.address);
        let mut table: Table = configuration(settings).parse().unwrap();
        let url: Table = url.parse().unwrap();
        let under = table["upstream"].as_table_mut().unwrap();
        under.extend(url["upstream"].as_table().unwrap().clone());
        let front = Self { upstream, gateway: Gateway::start(&table.to_string()).await };
        // From here on the gateway knows the upstream's endpoints.
        let known = front.visit("/.well-known/openid-configuration").await;
        assert_eq!(known.status, 200, "{}", known.text());
        front
    }

    pub(crate) async fn connect(&self) -> Raw {
        let address = self.gateway.url.trim_start_matches("http://").parse().unwrap();
        Raw::connect(address).await
    }

    /// Sends a whole request, gives the answer.
    pub(crate) async fn send(&self, request: &str) -> Answer {
        let method = request.split(' ').next().unwrap();
        let mut client = self.connect().await;
        client.send(request).await;
        client.answer_to(method).await
    }

    /// `GET target`.
    pub(crate) async fn visit(&self, target: &str) -> Answer {
        self.visit_with(target, "").await
    }

    /// `GET target` with further header lines, each ended by CR LF.
    pub(crate) async fn visit_with(&self, target: &str, headers: &str) -> Answer {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: login.example\r\n{headers}\r\n")).await
    }

    /// `POST target` with a form.
    pub(crate) async fn post(&self, target: &str, form: &str) -> Answer {
        self.send(&post(target, form)).await
    }

    /// Pushes [`FORM`] for `web`; gives the query of the visit.
    pub(crate) async fn pushed(&self) -> String {
        self.push("web", FORM).await
    }

    /// Pushes for a client; gives the query of the visit.
    pub(crate) async fn push(&self, client_id: &str, form: &[(&str, &str)]) -> String {
        let answer = self.try_push(client_id, form).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let request_uri = answer["request_uri"].as_str().unwrap();
        format!("client_id={client_id}&request_uri={request_uri}")
    }

    pub(crate) async fn try_push(&self, client_id: &str, form: &[(&str, &str)]) -> Answer {
        let pair = STANDARD.encode(format!("{client_id}:{client_id}-secret"));
        let body = encode(form);
        self.send(&format!(
            "POST /par HTTP/1.1\r\nHost: login.example\r\nAuthorization: Basic {pair}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await
    }

    /// The requests that reached the upstream, metadata apart.
    pub(crate) fn calls(&self) -> Vec<Seen> {
        let is_call = |seen: &Seen| !seen.target.contains("/.well-known/");
        self.upstream.seen().into_iter().filter(is_call).collect()
    }
}

/// An upstream that serves [`METADATA`] as `OpenID` Connect Discovery has it, and else as told.
pub(crate) async fn upstream(
    script: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
) -> Upstream {
    upstream_on(([127, 0, 0, 1], free_port()).into(), script).await
}

/// The same at a known address.
pub(crate) async fn upstream_on(
    address: SocketAddr,
    script: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
) -> Upstream {
    Upstream::on(address, move |seen| {
        let answer = match seen.target.as_str() {
            "/.well-known/openid-configuration" => ok(METADATA),
            target if target.contains("/.well-known/") => {
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()
            }
            _ => script(seen),
        };
        vec![Step::Bytes(answer)]
    })
    .await
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub(crate) fn redirect(status: &str, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

pub(crate) fn post(target: &str, form: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: login.example\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
}

/// The `Cookie` line that a browser sends after these answers.
pub(crate) fn cookies(answers: &[&Answer]) -> String {
    let set = answers.iter().flat_map(|answer| answer.all("set-cookie"));
    let pairs: Vec<_> = set.map(|set| set.split(';').next().unwrap()).collect();
    format!("Cookie: {}\r\n", pairs.join("; "))
}

/// The error of a page in JSON form, which must be that and nothing more.
pub(crate) fn error(answer: &Answer) -> String {
    let page: serde_json::Value = serde_json::from_slice(&answer.body)
        .unwrap_or_else(|_| panic!("no JSON in {} {}", answer.status, answer.text()));
    assert_eq!(answer.field("location"), None);
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert_eq!(page["request_id"].as_str(), answer.field("x-request-id"));
    page["error"].as_str().unwrap().to_owned()
}

/// Asserts a refusal with this status and code.
pub(crate) fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, error(answer).as_str()), (status, code), "{}", answer.text());
}
