//! The demo client: an application that signs people in with `OpenID` Connect, the old way or with
//! PAR, and then tells what the browser saw.

use std::sync::Arc;

use http::header::HOST;
use http::{Method, StatusCode};

use crate::exposure::Direction;
use crate::journey::{self, Hop, Journey, Journeys, Outcome, Way};
use crate::settings::Settings;
use crate::web::{self, Answer, Call, Fault, Parameters, Site};

use self::back_channel::BackChannel;

mod back_channel;
mod pages;

/// The client and its web site.
#[derive(Debug)]
pub(crate) struct DemoClient {
    settings: Settings,
    /// Origin of the authorization server as this client knows it.
    server: String,
    back_channel: BackChannel,
    journeys: Arc<Journeys>,
}

impl DemoClient {
    /// A client that takes what is at the origin `server` for its authorization server.
    pub(crate) fn new(settings: &Settings, server: String, journeys: Arc<Journeys>) -> Self {
        Self {
            back_channel: BackChannel::new(settings, server.clone()),
            settings: settings.clone(),
            server,
            journeys,
        }
    }

    /// Pushing needs the gateway.
    fn can_push(&self) -> bool {
        self.server == self.settings.public_origin
    }

    /// `/start?mode=plain` or `par`: sends the browser to the authorization server.
    async fn start(&self, call: &Call) -> Result<Answer, Fault> {
        let way = match call.parameters().value("mode") {
            "plain" => Way::Plain,
            "par" if self.can_push() => Way::Par,
            _ => return web::redirect("/"),
        };
        let mut journey = Journey {
            way,
            state: web::random_token()?,
            nonce: web::random_token()?,
            code_verifier: web::random_token()?,
            push: None,
            hops: Vec::new(),
            outcome: None,
        };
        let request = self.request(&journey);
        let query = match way {
            Way::Plain => request,
            Way::Par => {
                let (push, request_uri) = self.back_channel.push(&request).await?;
                journey.push = Some(push);
                Parameters(vec![
                    ("client_id".into(), self.settings.client_id.clone()),
                    ("request_uri".into(), request_uri),
                ])
            }
        };
        let url = format!("{}/authorize?{}", self.server, query.encode());
        journey.hops.push(Hop {
            title: "The client sends the browser to the authorization server",
            source: "the Location that this client sent",
            url: url.clone(),
            direction: Direction::Request,
            in_the_page: Vec::new(),
        });
        let id = web::random_token()?;
        self.journeys.begin(id.clone(), journey);
        web::with_cookie(web::redirect(&url)?, journey::COOKIE, &id)
    }

    fn request(&self, journey: &Journey) -> Parameters {
        let pairs = [
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.settings.redirect_uri),
            ("scope", "openid profile"),
            ("state", &journey.state),
            ("nonce", &journey.nonce),
            ("code_challenge", &web::s256(&journey.code_verifier)),
            ("code_challenge_method", "S256"),
            ("login_hint", "alice@wonderland.example"),
        ];
        let pairs = pairs.into_iter();
        Parameters(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The redirect URI: the answer of the authorization server.
    async fn callback(&self, call: &Call) -> Result<Answer, Fault> {
        let id = call.cookie(journey::COOKIE);
        let answer = call.parameters();
        let ours = self
            .journeys
            .look(id)
            .filter(|journey| journey.outcome.is_none() && journey.state == answer.value("state"));
        let Some(journey) = ours else {
            return Ok(web::html(StatusCode::BAD_REQUEST, pages::stray()));
        };
        let hop = Hop {
            title: "The browser comes back to the client",
            source: "the address by which the browser called this client",
            url: format!("{}?{}", self.settings.redirect_uri, call.query),
            direction: Direction::Answer,
            in_the_page: Vec::new(),
        };
        self.journeys.saw(id, hop);
        let outcome = match self.complete(&journey, &answer).await {
            Ok(outcome) => outcome,
            Err(fault) => Outcome::Failed(fault.to_string()),
        };
        self.journeys.end(id, outcome);
        web::redirect("/result")
    }

    async fn complete(&self, journey: &Journey, answer: &Parameters) -> Result<Outcome, Fault> {
        let iss = answer.value("iss");
        if !iss.is_empty() && iss != self.settings.issuer {
            return Err(Fault::Peer(format!("the answer comes from {iss}")));
        }
        let error = answer.value("error");
        if !error.is_empty() {
            let why = answer.value("error_description");
            return Err(Fault::Peer(format!("{error}: {why}")));
        }
        let tokens =
            self.back_channel.exchange(answer.value("code"), &journey.code_verifier).await?;
        let id_token = self.back_channel.verified_claims(&tokens.id_token, &journey.nonce).await?;
        let userinfo = self.back_channel.userinfo(&tokens.access_token).await?;
        Ok(Outcome::SignedIn { id_token, userinfo })
    }

    fn result(&self, call: &Call) -> Result<Answer, Fault> {
        let journey = self.journeys.look(call.cookie(journey::COOKIE));
        let Some(Journey { outcome: Some(outcome), .. }) = &journey else {
            return web::redirect("/");
        };
        let page = journey.as_ref().map(|journey| pages::result(journey, outcome, self.can_push()));
        Ok(web::html(StatusCode::OK, page.unwrap_or_default()))
    }

    fn home(&self, call: &Call) -> Result<Answer, Fault> {
        if call.header(HOST) != self.settings.client {
            // The journey's cookie belongs to the host of the redirect URI.
            return web::redirect(&format!("http://{}/", self.settings.client));
        }
        let page = pages::home(&self.server, self.can_push());
        Ok(web::html(StatusCode::OK, page))
    }

    fn callback_path(&self) -> &str {
        let origin = format!("http://{}", self.settings.client);
        self.settings.redirect_uri.strip_prefix(&origin).unwrap_or("/callback")
    }
}

impl Site for DemoClient {
    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        match (&call.method, call.path.as_str()) {
            (&Method::GET, "/") => self.home(&call),
            (&Method::GET, "/start") => self.start(&call).await,
            (&Method::GET, "/result") => self.result(&call),
            (&Method::GET, path) if path == self.callback_path() => self.callback(&call).await,
            _ => Ok(web::html(StatusCode::NOT_FOUND, pages::not_found())),
        }
    }
}
