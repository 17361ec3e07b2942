//! "Wonderland ID", a small legacy authorization server: the code flow with PKCE and `OpenID`
//! Connect, a login page, a consent page, and no pushed authorization requests.
//!
//! Like many of its kind it sends the whole request through the browser twice more: in the address
//! of the login page (`/login?next=/authorize?…`) and in the hidden fields of the consent page.

use std::sync::Arc;

use http::header::REFERER;
use http::{Method, StatusCode};
use parapet::clock::Clock;
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::exposure::Direction;
use crate::journey::{self, Hop, Journeys};
use crate::settings::Settings;
use crate::shelf::Shelf;
use crate::web::{self, Answer, Call, Fault, Parameters, Site};

use self::request::{Refusal, RegisteredClient};
use self::token::{Grant, Tokens};

mod pages;
mod request;
mod token;

/// The authorization server.
#[derive(Debug)]
pub(crate) struct Legacy {
    public_origin: String,
    client: RegisteredClient,
    sessions: Mutex<Shelf<Session>>,
    tokens: Tokens,
    journeys: Arc<Journeys>,
}

/// A browser, signed in or not yet.
#[derive(Debug, Clone)]
struct Session {
    id: String,
    csrf_token: String,
    username: Option<&'static str>,
}

impl Legacy {
    /// A server that takes the issuer's origin for its own, with the one client of `settings`.
    pub(crate) fn new(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        journeys: Arc<Journeys>,
    ) -> Result<Self, Fault> {
        Ok(Self {
            public_origin: settings.public_origin.clone(),
            client: RegisteredClient {
                client_id: settings.client_id.clone(),
                client_secret: settings.client_secret.clone(),
                redirect_uri: settings.redirect_uri.clone(),
            },
            sessions: Mutex::new(Shelf::new()),
            tokens: Tokens::new(settings.issuer.clone(), clock)?,
            journeys,
        })
    }

    fn discovery(&self) -> Answer {
        let at = |path: &str| format!("{}{path}", self.public_origin);
        let document = json!({
            "issuer": self.tokens.issuer(),
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/userinfo"),
            "jwks_uri": at("/jwks.json"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "profile"],
        });
        web::json(StatusCode::OK, &document)
    }

    /// `GET /authorize`: the login page for a stranger, the consent page for a user.
    fn authorize(&self, call: &Call) -> Result<Answer, Fault> {
        let parameters = call.parameters();
        if let Err(refusal) = request::check(&parameters, &self.client) {
            return self.refuse(&refusal, &parameters);
        }
        let Some((session, username)) = self.user(call) else {
            let back = format!("/authorize?{}", call.query);
            let next = utf8_percent_encode(&back, IN_A_QUERY);
            return web::redirect(&format!("/login?next={next}"));
        };
        let page = pages::consent(username, &session.csrf_token, &parameters);
        Ok(web::html(StatusCode::OK, page))
    }

    /// `POST /authorize`: the consent page comes back.
    fn consent(&self, call: &Call) -> Result<Answer, Fault> {
        let form = call.form();
        let Some((session, username)) = self.user(call) else {
            return Ok(pages::stale());
        };
        if !same(form.value("csrf_token"), &session.csrf_token) {
            return Ok(pages::stale());
        }
        let allowed = form.value("answer") == "allow";
        let parameters = form.without(&["csrf_token", "answer"]);
        // These stood in the page, whatever stood in its address; of them `client_id` tells nothing.
        let hidden = parameters.0.iter().map(|(name, _)| name.clone());
        let hidden = hidden.filter(|name| name != "client_id").collect();
        self.note(call, "The consent page", hidden);
        if let Err(refusal) = request::check(&parameters, &self.client) {
            return self.refuse(&refusal, &parameters);
        }
        // One sign-in, one session: every run of the demonstration begins at the login page.
        self.sessions.lock().take(&session.id);
        if !allowed {
            return self.refuse(&Refusal::denied(), &parameters);
        }
        let code = self.tokens.grant(Grant::of(&parameters, username))?;
        self.send_back(&[("code", &code)], &parameters)
    }

    /// `GET /login`
    fn login_page(&self, call: &Call) -> Result<Answer, Fault> {
        let next = call.parameters();
        let session = match self.session(call) {
            Some(session) => session,
            None => self.open_session(None)?,
        };
        let page = pages::login(&session.csrf_token, next.value("next"), "");
        web::with_cookie(web::html(StatusCode::OK, page), COOKIE, &session.id)
    }

    /// `POST /login`: back to where the browser came from, on this server only.
    fn login(&self, call: &Call) -> Result<Answer, Fault> {
        let form = call.form();
        let known = self.session(call);
        let Some(session) =
            known.filter(|session| same(form.value("csrf_token"), &session.csrf_token))
        else {
            return Ok(pages::stale());
        };
        let next = form.value("next");
        if !next.starts_with("/authorize?") {
            return Ok(pages::stale());
        }
        self.note(call, "The login page", Vec::new());
        if form.value("username") != USERNAME || !same(form.value("password"), PASSWORD) {
            let page = pages::login(&session.csrf_token, next, "Wrong name or password.");
            return Ok(web::html(StatusCode::OK, page));
        }
        self.sessions.lock().take(&session.id);
        let session = self.open_session(Some(USERNAME))?;
        web::with_cookie(web::redirect(next)?, COOKIE, &session.id)
    }

    fn refuse(&self, refusal: &Refusal, parameters: &Parameters) -> Result<Answer, Fault> {
        match refusal {
            Refusal::Page(why) => Ok(pages::refusal(why)),
            Refusal::Redirect(error, why) => {
                self.send_back(&[("error", error), ("error_description", why)], parameters)
            }
        }
    }

    /// The answer to the client, whose address has been checked. Never with `iss` (RFC 9207):
    /// this server is too old to know it.
    fn send_back(&self, answer: &[(&str, &str)], parameters: &Parameters) -> Result<Answer, Fault> {
        let mut query = Parameters::default();
        for (name, value) in answer {
            query.0.push(((*name).to_owned(), (*value).to_owned()));
        }
        let state = parameters.value("state");
        if !state.is_empty() {
            query.0.push(("state".to_owned(), state.to_owned()));
        }
        web::redirect(&format!("{}?{}", self.client.redirect_uri, query.encode()))
    }

    fn open_session(&self, username: Option<&'static str>) -> Result<Session, Fault> {
        let session =
            Session { id: web::random_token()?, csrf_token: web::random_token()?, username };
        let mut sessions = self.sessions.lock();
        sessions.put(session.id.clone(), session.clone());
        Ok(session)
    }

    fn session(&self, call: &Call) -> Option<Session> {
        self.sessions.lock().find(call.cookie(COOKIE)).cloned()
    }

    fn user(&self, call: &Call) -> Option<(Session, &'static str)> {
        let session = self.session(call)?;
        let username = session.username?;
        Some((session, username))
    }

    /// Writes down the address of the page whose form this is, as the browser names it.
    fn note(&self, call: &Call, title: &'static str, in_the_page: Vec<String>) {
        let referer = call.header(REFERER);
        if referer.is_empty() {
            return;
        }
        let hop = Hop {
            title,
            source: "the Referer that the browser sent along with this page's form",
            url: referer.to_owned(),
            direction: Direction::Request,
            in_the_page,
        };
        self.journeys.saw(call.cookie(journey::COOKIE), hop);
    }
}

impl Site for Legacy {
    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        match (&call.method, call.path.as_str()) {
            (
                &Method::GET,
                "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server",
            ) => Ok(self.discovery()),
            (&Method::GET, "/authorize") => self.authorize(&call),
            (&Method::POST, "/authorize") => self.consent(&call),
            (&Method::GET, "/login") => self.login_page(&call),
            (&Method::POST, "/login") => self.login(&call),
            (&Method::POST, "/token") => self.tokens.exchange(&call, &self.client),
            (&Method::GET, "/jwks.json") => self.tokens.jwks(),
            (&Method::GET, "/userinfo") => Ok(self.tokens.userinfo(&call)),
            (&Method::GET, "/") => Ok(pages::home()),
            _ => Ok(pages::not_found()),
        }
    }
}

/// Compares secrets in a time that tells nothing of them.
fn same(presented: &str, expected: &str) -> bool {
    use subtle::ConstantTimeEq as _;
    bool::from(presented.as_bytes().ct_eq(expected.as_bytes()))
}

const COOKIE: &str = "wonderland_session";
const USERNAME: &str = "alice";
const PASSWORD: &str = "wonderland";

/// As Django quotes a `next`: the slash stays.
const IN_A_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests;
