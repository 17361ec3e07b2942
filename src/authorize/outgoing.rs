//! Judge of what goes out where requests must be pushed: a code, a token or a signed response reaches
//! the browser only as the answer to a pushed login of this browser, by whatever door of the server it
//! came. It is the net behind everything that judges what comes in.

use http::Response;

use bytes::Bytes;
use url::Url;

use super::completion::Answered;
use super::departure::Departure;
use super::{AuthorizeError, Endpoint, Flow, expansion, page};
use crate::oauth::target::loose;
use crate::telemetry::audit::{self, Circumstances};
use crate::telemetry::metrics::{CompletionOutcome, GuardPlace, meter};

/// Parameters that hand something out (RFC 6749 §4, `OpenID` Connect Core §3, JARM §2).
const HANDED: [&str; 4] = ["access_token", "code", "id_token", "response"];

impl Endpoint {
    /// Whether answers of the server are judged: some client must push.
    #[must_use]
    pub fn judges_answers(&self) -> bool {
        self.rule.holds()
    }

    /// The page in place of an answer that hands something out and belongs to no pushed login.
    pub(super) fn withheld(&self, departure: &Departure<'_>) -> Option<Response<Bytes>> {
        if !self.judges_answers() || !may_hand_out(departure.location.as_bytes()) {
            return None;
        }
        let url = self.resolved(departure.location, departure.path)?;
        let parts = [url.query(), url.fragment()].into_iter().flatten();
        let names = parts.flat_map(|part| part.split(['&', ';']));
        let hands_out = names.filter_map(|pair| pair.split_once('='));
        let hands_out = hands_out.filter(|(_, value)| !value.is_empty());
        let hands_out = hands_out.map(|(name, _)| loose(name)).any(|name| is_handed(&name));
        (hands_out && self.is_withheld_from(&url, departure.path)).then(|| Self::refusal(departure))
    }

    /// The same of a form with fields of these names that leads to the departure's address.
    pub(super) fn withheld_form<'n>(
        &self,
        departure: &Departure<'_>,
        mut names: impl Iterator<Item = &'n str>,
    ) -> Option<Response<Bytes>> {
        if !self.judges_answers() || !names.any(is_handed) {
            return None;
        }
        let url = self.resolved(departure.location, departure.path)?;
        self.is_withheld_from(&url, departure.path).then(|| Self::refusal(departure))
    }

    /// Whether an answer belongs to the login that it speaks of: with the `state` that was pushed, and
    /// signed only where that was asked for (JARM §2.3).
    pub(super) fn belongs(&self, answered: &Answered<'_>, flow: &Flow) -> bool {
        let request = &flow.request;
        if answered.outcome == CompletionOutcome::Error || !self.rule.binds(&request.client_id) {
            return true;
        }
        if answered.is_jarm {
            let mode = expansion::value(&request.query, "response_mode");
            return mode.is_some_and(|mode| mode.ends_with("jwt"));
        }
        let pushed = expansion::value(&request.query, "state");
        pushed.is_none() || pushed == answered.state
    }

    /// The refusal of an answer, told and counted.
    pub(super) fn refusal(departure: &Departure<'_>) -> Response<Bytes> {
        let error = AuthorizeError::PushRequired;
        meter().completion(CompletionOutcome::Refused);
        meter().guard_refusal(GuardPlace::Answer);
        let at = Circumstances {
            client_id: departure.flow.map(|flow| &*flow.request.client_id),
            request_id: &departure.peer.request_id,
            reference: departure.flow.map(|flow| &flow.reference),
            client_address: departure.peer.address,
        };
        audit::completion_refused(at, error.reason().as_str());
        page(error, departure.headers, departure.peer)
    }

    /// Whether whoever is at this address must have pushed. Where a client that need not push shares it,
    /// it is free.
    fn is_withheld_from(&self, url: &Url, path: &str) -> bool {
        let holders = self.registry.holders_of(url);
        if holders.is_empty() {
            let is_public = url.origin().ascii_serialization() == self.settings.origin;
            let is_ours = self.rule.covers(path) || self.is_authorize_path(path);
            return self.rule.is_general() && !is_public && is_ours;
        }
        holders.iter().all(|client_id| self.rule.binds(client_id))
    }

    /// An address as a browser at `path` resolves it (WHATWG URL); `None` where it goes nowhere.
    fn resolved(&self, location: &str, path: &str) -> Option<Url> {
        Url::parse(location).ok().or_else(|| {
            let own = Url::parse(&[self.settings.origin.as_str(), path].concat()).ok()?;
            own.join(location).ok()
        })
    }
}

/// Whether an address could hand something out: cheap, asked of every redirect.
#[must_use]
pub fn may_hand_out(address: &[u8]) -> bool {
    let has = |word: &[u8]| address.windows(word.len()).any(|window| window == word);
    let has_parameters = address.iter().any(|byte| matches!(byte, b'?' | b'#'));
    has_parameters && (has(b"%") || HANDED.iter().any(|name| has(name.as_bytes())))
}

/// Whether a parameter of this name hands something out.
#[must_use]
pub fn is_handed(name: &str) -> bool {
    HANDED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b306_what_may_hand_out_is_looked_at() {
        for address in ["/cb?code=1", "https://c/#access_token=x", "/cb?c%6fde=1", "x:/?response=y"]
        {
            assert!(may_hand_out(address.as_bytes()), "{address}");
        }
        for address in ["/login", "/login?next=1", "code", "/response/code"] {
            assert!(!may_hand_out(address.as_bytes()), "{address}");
        }
    }
}
