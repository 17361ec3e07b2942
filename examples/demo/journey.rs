//! The record of a sign-in: which addresses the browser saw, and how we know.
//!
//! The demo client and the legacy server are one process and share this record. A cookie names the
//! journey; cookies do not know ports, so both sites receive it. What the legacy server *receives*
//! is not what the browser saw, as the gateway stands between them: the record takes only what the
//! browser itself says (the `Referer` of a form, the address it calls us by) and what we told it.

use parking_lot::Mutex;

use crate::exposure::{self, Direction, Part};
use crate::shelf::Shelf;

/// The cookie that names a journey.
pub(crate) const COOKIE: &str = "demo_journey";

/// All journeys of late.
#[derive(Debug)]
pub(crate) struct Journeys(Mutex<Shelf<Journey>>);

/// One sign-in, from the button to the tokens.
#[derive(Debug, Clone)]
pub(crate) struct Journey {
    /// How the request travels.
    pub(crate) way: Way,
    /// `state` of the request; the answer must bring it back.
    pub(crate) state: String,
    /// `nonce` of the request; the ID token must hold it.
    pub(crate) nonce: String,
    /// The secret behind `code_challenge`.
    pub(crate) code_verifier: String,
    /// The push and its answer, where there was one.
    pub(crate) push: Option<Push>,
    /// The addresses that the browser saw, in order.
    pub(crate) hops: Vec<Hop>,
    /// How it ended; `None` while it is under way.
    pub(crate) outcome: Option<Outcome>,
}

/// How the authorization request reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Every parameter in the URL, through the browser.
    Plain,
    /// Pushed; the browser carries a reference (RFC 9126).
    Par,
}

/// A push that the browser never saw.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    /// Where it went.
    pub(crate) endpoint: String,
    /// The names it carried.
    pub(crate) names: Vec<String>,
    /// The answer, as it came.
    pub(crate) answer: String,
}

/// One address that the browser saw.
#[derive(Debug, Clone)]
pub(crate) struct Hop {
    /// What happened there.
    pub(crate) title: &'static str,
    /// How we know.
    pub(crate) source: &'static str,
    /// The address.
    pub(crate) url: String,
    /// Whither it carries its parameters.
    pub(crate) direction: Direction,
    /// Names of the request's parameters in hidden fields of the page itself.
    pub(crate) in_the_page: Vec<String>,
}

impl Hop {
    /// The address, cut into what tells and what does not.
    pub(crate) fn parts(&self) -> Vec<Part> {
        exposure::read(&self.url, self.direction)
    }
}

/// The end of a journey.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// The claims of the ID token, verified, and what the userinfo endpoint says.
    SignedIn {
        /// Claims of the ID token.
        id_token: serde_json::Value,
        /// Answer of the userinfo endpoint.
        userinfo: serde_json::Value,
    },
    /// Why nobody is signed in.
    Failed(String),
}

impl Journeys {
    /// No journey yet.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Shelf::new()))
    }

    /// Writes down that `journey` begins.
    pub(crate) fn begin(&self, id: String, journey: Journey) {
        self.0.lock().put(id, journey);
    }

    /// The journey as it stands.
    pub(crate) fn look(&self, id: &str) -> Option<Journey> {
        self.0.lock().find(id).cloned()
    }

    /// Writes down an address; a page that is sent twice (a mistyped password) counts once.
    pub(crate) fn saw(&self, id: &str, hop: Hop) {
        let mut journeys = self.0.lock();
        let Some(journey) = journeys.find(id).filter(|journey| journey.outcome.is_none()) else {
            return;
        };
        if journey.hops.len() < MAX_HOPS
            && journey.hops.last().is_none_or(|last| last.url != hop.url)
        {
            journey.hops.push(hop);
        }
    }

    /// Writes down how it ended.
    pub(crate) fn end(&self, id: &str, outcome: Outcome) {
        if let Some(journey) = self.0.lock().find(id) {
            journey.outcome = Some(outcome);
        }
    }
}

const MAX_HOPS: usize = 20;
