//! A server that has one quirk at a time.

use serde_json::json;

use crate::support::upstream::{Seen, Step, Upstream};

pub(super) const ISSUER: &str = "https://login.example";

/// How the server behaves. Without a change it is one that a gateway stands before without a word.
#[derive(Debug, Clone)]
pub(super) struct Ways {
    /// Where its metadata are.
    pub(super) metadata: Option<&'static str>,
    /// What it calls itself.
    pub(super) issuer: &'static str,
    /// Where its endpoints are, as it says.
    pub(super) origin: &'static str,
    /// Paths that take authorization requests; the metadata name the first.
    pub(super) paths: Vec<&'static str>,
    pub(super) methods: &'static [&'static str],
    /// The longest target.
    pub(super) longest: usize,
    pub(super) answer: Answer,
    pub(super) token_error: &'static str,
    pub(super) date: Option<&'static str>,
    /// A header that it insists on.
    pub(super) insists_on: Option<&'static str>,
    pub(super) further: &'static [(&'static str, &'static str)],
}

/// To a request at the authorization endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// A redirect to a login page that shows nothing.
    Login,
    /// The same, with the request in this parameter.
    Carries(&'static str),
    /// A page that shows the state.
    Page,
    /// 400, as the client is not known.
    Refuses,
    /// A redirect to the client.
    Returns,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            metadata: Some("/.well-known/openid-configuration"),
            issuer: ISSUER,
            origin: ISSUER,
            paths: vec!["/authorize"],
            methods: &["GET", "POST"],
            longest: usize::MAX,
            answer: Answer::Login,
            token_error: "invalid_client",
            date: None,
            insists_on: None,
            further: &[],
        }
    }
}

impl Ways {
    pub(super) async fn start(self) -> Upstream {
        Upstream::scripted(move |seen| vec![Step::Bytes(self.reply(seen).into_bytes())]).await
    }

    fn reply(&self, seen: &Seen) -> String {
        let path = seen.target.split('?').next().unwrap();
        if seen.target.len() > self.longest {
            return self.text("414 Too Long", "text/plain", "too long");
        }
        if self.insists_on.is_some_and(|name| seen.field(name).is_none()) {
            return self.text("403 Forbidden", "text/plain", "no");
        }
        if Some(path) == self.metadata {
            return self.text("200 OK", "application/json", &self.document());
        }
        if path == "/token" {
            let body = json!({ "error": self.token_error }).to_string();
            return self.text("401 Unauthorized", "application/json", &body);
        }
        if !self.paths.contains(&path) {
            return self.text("404 Not Found", "text/html", "nothing");
        }
        if !self.methods.contains(&seen.method.as_str()) {
            return self.text("405 Method Not Allowed", "text/html", "no");
        }
        self.authorize(seen)
    }

    fn authorize(&self, seen: &Seen) -> String {
        let body = String::from_utf8_lossy(&seen.body).into_owned();
        let query = seen.target.split_once('?').map_or(body, |(_, query)| query.to_owned());
        let sent = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            let found = pairs.find(|(known, _)| known == name);
            found.map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        match self.answer {
            Answer::Login => self.to("/login"),
            Answer::Carries(name) => {
                let own = format!("{}?{query}", self.paths[0]);
                let own: String = url::form_urlencoded::byte_serialize(own.as_bytes()).collect();
                self.to(&format!("/login?{name}={own}"))
            }
            Answer::Page => self.text("200 OK", "text/html", &format!("<p>{}", sent("state"))),
            Answer::Refuses => self.text("400 Bad Request", "text/html", "who is that?"),
            Answer::Returns => self.to(&format!("{}?error=access_denied", sent("redirect_uri"))),
        }
    }

    fn document(&self) -> String {
        let mut document = json!({
            "issuer": self.issuer,
            "authorization_endpoint": format!("{}{}", self.origin, self.paths[0]),
            "token_endpoint": format!("{}/token", self.origin),
        });
        for (name, value) in self.further {
            document[name] = json!(value);
        }
        document.to_string()
    }

    fn to(&self, location: &str) -> String {
        self.with("302 Found", &format!("location: {location}\r\n"), "")
    }

    fn text(&self, status: &str, kind: &str, body: &str) -> String {
        self.with(status, &format!("content-type: {kind}; charset=utf-8\r\n"), body)
    }

    fn with(&self, status: &str, fields: &str, body: &str) -> String {
        let date = self.date.map(|date| format!("date: {date}\r\n")).unwrap_or_default();
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{date}{fields}content-length: {length}\r\n\r\n{body}")
    }
}
