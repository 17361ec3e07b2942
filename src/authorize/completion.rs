//! The end of a flow: the upstream sends the browser back to the client. Seen in the `Location` of
//! its answer, or in a form of its page, spent in one atomic step, and completed with `iss`
//! (RFC 9207).

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Response};

use super::departure::{Departure, Onward};
use super::redeem::redirect_uri_still_stands;
use super::{AuthorizeError, Endpoint, Flow, circumstances, expansion, page};
use crate::oauth::parameters::encode;
use crate::oauth::redirect_uri::{leads_respelled, leads_to};
use crate::oauth::target::loose;
use crate::store::{self, IndexKey, PushedRequest, Spend};
use crate::telemetry::audit;
use crate::telemetry::metrics::{CompletionOutcome, StoreOperation, meter};

/// How an answer stands to the flows of this browser.
pub(super) enum Ending {
    /// It ends none of them.
    None,
    /// It ends this one.
    Of(Flow),
    /// It would end this one, whose time is over.
    Late(Flow),
    /// It speaks of this one, but is not enough to end it.
    Unspent(Flow),
}

/// What an answer without `state` may end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stateless {
    /// Any request: it answers that very request.
    Any,
    /// A request that had no `state` either.
    Equal,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conclusion {
    /// It ends no flow of this browser.
    Other,
    /// It speaks for one; what is enough to end it has spent it.
    Ended,
}

/// What an authorization response says (RFC 6749 §4.1.2).
pub(super) struct Answered<'a> {
    /// Where in the URL its parameters end; 0 in a form.
    end: usize,
    pub(super) state: Option<Cow<'a, str>>,
    pub(super) outcome: CompletionOutcome,
    has_iss: bool,
    pub(super) is_jarm: bool,
}

impl Endpoint {
    /// Looks whether a flow of this browser ends with this answer, and ends it.
    pub(super) async fn complete(&self, departure: &Departure<'_>) -> Onward {
        let Some(answered) = Answered::read(departure.location) else {
            return self.withheld(departure).map_or(Onward::Unchanged, Onward::Refused);
        };
        match self.conclude(departure, &answered).await {
            Ok(Conclusion::Ended) if self.wants_iss(&answered) => {
                let location = departure.location;
                let amended = with_iss(location, answered.end, &self.settings.issuer);
                HeaderValue::from_str(&amended).map_or(Onward::Unchanged, Onward::Amended)
            }
            Ok(Conclusion::Ended) => Onward::Unchanged,
            Ok(Conclusion::Other) => {
                self.withheld(departure).map_or(Onward::Unchanged, Onward::Refused)
            }
            Err(page) => Onward::Refused(*page),
        }
    }

    /// Ends the flow that `answered` ends, where there is one. The error is the page in place of an
    /// answer that must not reach the browser.
    pub(super) async fn conclude(
        &self,
        departure: &Departure<'_>,
        answered: &Answered<'_>,
    ) -> Result<Conclusion, Box<Response<Bytes>>> {
        let (error, flow) = match self.ending(departure, answered).await {
            Ok(Ending::None) => return Ok(Conclusion::Other),
            Ok(Ending::Of(flow)) if !self.belongs(answered, &flow) => {
                return Err(Box::new(Self::refusal(departure)));
            }
            Ok(Ending::Of(flow)) => match self.end(departure, answered, &flow).await {
                Ok(()) => return Ok(Conclusion::Ended),
                Err(error) => (error, Some(flow)),
            },
            Ok(Ending::Unspent(flow)) => {
                tell(departure, answered, &flow);
                return Ok(Conclusion::Ended);
            }
            Ok(Ending::Late(flow)) => (AuthorizeError::Expired, Some(flow)),
            Err(error) => (error, None),
        };
        Err(Box::new(refusal(departure, error, flow.as_ref())))
    }

    /// Whether the answer lacks `iss` (RFC 9207 §2); a signed one has its own.
    pub(super) fn wants_iss(&self, answered: &Answered<'_>) -> bool {
        self.settings.add_iss && !answered.has_iss && !answered.is_jarm
    }

    /// The flow that ends: that of the answered request itself, else the one of a ticket.
    async fn ending(
        &self,
        departure: &Departure<'_>,
        answered: &Answered<'_>,
    ) -> Result<Ending, AuthorizeError> {
        let ends = |request: &PushedRequest, stateless| {
            answered.is_for(request, stateless) && self.leads_back(departure.location, request)
        };
        if let Some(flow) = departure.flow
            && ends(&flow.request, Stateless::Any)
        {
            return Ok(Ending::Of(flow.clone()));
        }
        let mut ending = Ending::None;
        // Two requests may have the same `state`: the one begun last is meant.
        let mut tickets = self.cookies.tickets(departure.headers);
        tickets.sort_by_key(|ticket| std::cmp::Reverse(ticket.started_at));
        for ticket in tickets {
            let held = self.store.read(&ticket.reference).await;
            let held = held.map_err(|e| AuthorizeError::Store(StoreOperation::Read, e))?;
            let Some(held) = held else { continue };
            let is_meant = if held.is_tombstone() {
                self.would_end(departure, answered, &held.request)
            } else {
                ticket.is_genuine(&held.request.flow_key)
                    && (held.has(ticket.flow) || held.spent.is_some())
                    && ends(&held.request, Stateless::Equal)
            };
            if !is_meant {
                continue;
            }
            let flow = Flow::found(ticket, held.request);
            // One that has ended is the last guess.
            if held.spent.is_some() {
                if matches!(ending, Ending::None) {
                    ending = Ending::Of(flow);
                }
                continue;
            }
            if held.now < ticket.started_at + self.settings.login_lifetime {
                meter().login_duration(held.now.since(ticket.started_at));
                return Ok(Ending::Of(flow));
            }
            if matches!(ending, Ending::None) {
                ending = Ending::Late(flow);
            }
        }
        if self.is_unaccompanied(departure) {
            return self.ending_by_index(departure, answered).await;
        }
        Ok(ending)
    }

    /// Whether an answer would end the request that this tombstone stands for.
    fn would_end(
        &self,
        departure: &Departure<'_>,
        answered: &Answered<'_>,
        tombstone: &PushedRequest,
    ) -> bool {
        let addressees = self.registry.addressees(departure.location);
        let own = addressees.iter().filter(|(id, _)| **id == *tombstone.client_id);
        match (&tombstone.index, answered.state.as_deref()) {
            (Some(index), Some(state)) => own.into_iter().any(|(client_id, redirect_uri)| {
                IndexKey::new(&self.settings.issuer, client_id, state, redirect_uri) == *index
            }),
            (None, None) => own.count() > 0,
            (_, _) => answered.is_jarm && own.count() > 0,
        }
    }

    /// Whether `location` is the pushed `redirect_uri`; where none was pushed, the only registered
    /// one.
    fn leads_back(&self, location: &str, request: &PushedRequest) -> bool {
        let pushed = expansion::value(&request.query, "redirect_uri");
        let client = self.registry.find(&request.client_id);
        let only = || client.and_then(|client| client.redirect_uris.first()).map(String::as_str);
        let Some(redirect_uri) = pushed.as_deref().or_else(only) else {
            return false;
        };
        leads_to(location, redirect_uri) || leads_respelled(location, redirect_uri)
    }

    async fn end(
        &self,
        departure: &Departure<'_>,
        answered: &Answered<'_>,
        flow: &Flow,
    ) -> Result<(), AuthorizeError> {
        // Who may not begin with it any more gets no code for it either (B-146).
        let client = self.registry.find(&flow.request.client_id).filter(|client| client.enabled);
        if !client.is_some_and(|client| redirect_uri_still_stands(&flow.request, client)) {
            return Err(AuthorizeError::ClientDisabled);
        }
        let kind = if answered.outcome == CompletionOutcome::Error {
            store::Outcome::Error
        } else {
            store::Outcome::Code
        };
        let completion = store::Completion { flow: flow.id, outcome: kind, request: &flow.request };
        let outcome = match self.store.spend(&flow.reference, completion).await {
            Ok(Spend::Spent) => answered.outcome,
            Ok(Spend::Repeated) => CompletionOutcome::Repeated,
            Ok(Spend::AlreadySpent | Spend::Unknown) => return Err(AuthorizeError::LostRace),
            Err(error) => return Err(AuthorizeError::Store(StoreOperation::Spend, error)),
        };
        meter().completion(outcome);
        tell(departure, answered, flow);
        Ok(())
    }
}

/// Tells the audit trail of an answer that goes to the client.
fn tell(departure: &Departure<'_>, answered: &Answered<'_>, flow: &Flow) {
    let at = circumstances(flow, departure.peer);
    if answered.outcome == CompletionOutcome::Error {
        audit::completion_error(at);
    } else {
        audit::completion_code(at);
    }
}

impl<'a> Answered<'a> {
    /// The response in the query or the fragment of `location`; `None` where there is none.
    fn read(location: &'a str) -> Option<Self> {
        let (rest, fragment) = location.split_once('#').unwrap_or((location, ""));
        let query = rest.split_once('?').map_or("", |(_, query)| query);
        Self::of(query, rest.len()).or_else(|| Self::of(fragment, location.len()))
    }

    fn of(parameters: &'a str, end: usize) -> Option<Self> {
        let value = |name: &str| {
            let pairs = parameters.split('&').filter_map(|pair| pair.split_once('='));
            pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| loose(value))
        };
        Some(Self { end, ..Self::told(value)? })
    }

    /// An answer in the fields of a form.
    pub(super) fn of_form(value: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        Self::told(|name| value(name).map(Cow::Borrowed))
    }

    fn told(value: impl Fn(&str) -> Option<Cow<'a, str>>) -> Option<Self> {
        let is_jarm = value("response").is_some();
        let tokens = ["code", "id_token", "access_token"];
        // What hands something out is no error, whatever stands beside it.
        let outcome = if is_jarm || tokens.into_iter().any(|name| value(name).is_some()) {
            CompletionOutcome::Code
        } else if value("error").is_some() {
            CompletionOutcome::Error
        } else {
            return None;
        };
        let state = value("state").filter(|state| !state.is_empty());
        let has_iss = value("iss").is_some();
        Some(Self { end: 0, state, outcome, has_iss, is_jarm })
    }
}

impl Answered<'_> {
    /// Whether this is an answer to `request`, by its `state`; signed answers hide theirs.
    fn is_for(&self, request: &PushedRequest, stateless: Stateless) -> bool {
        let state = expansion::value(&request.query, "state");
        self.is_jarm || self.state == state || (self.state.is_none() && stateless == Stateless::Any)
    }
}

/// The page in place of an answer that must not reach the browser, logged and counted.
pub(super) fn refusal(
    departure: &Departure<'_>,
    error: AuthorizeError,
    flow: Option<&Flow>,
) -> Response<Bytes> {
    meter().completion(CompletionOutcome::Refused);
    if let AuthorizeError::Store(operation, store_error) = error {
        meter().store_error(operation, store_error.cause());
    }
    if let Some(flow) = flow {
        let at = circumstances(flow, departure.peer);
        audit::completion_refused(at, error.reason().as_str());
    }
    page(error, departure.headers, departure.peer)
}

/// `location` with `iss` behind the response's own parameters, in query or fragment as they are.
fn with_iss(location: &str, end: usize, issuer: &str) -> String {
    let (before, after) = location.split_at_checked(end).unwrap_or((location, ""));
    let mut amended = String::with_capacity(location.len() + issuer.len() + 16);
    amended.push_str(before);
    amended.push_str("&iss=");
    encode(&mut amended, issuer);
    amended.push_str(after);
    amended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b155_answers_are_read_from_query_and_fragment() {
        let answered = Answered::read("https://c/cb?code=1&state=a%20b").unwrap();
        assert_eq!(answered.state.as_deref(), Some("a b"));
        assert_eq!(answered.outcome, CompletionOutcome::Code);
        let answered = Answered::read("https://c/cb#error=access_denied&iss=x").unwrap();
        assert_eq!(answered.outcome, CompletionOutcome::Error);
        assert!(answered.has_iss);
        assert!(Answered::read("https://c/cb?response=eyJ").unwrap().is_jarm);
        for location in ["https://c/cb", "/login?next=%2Fa%3Fcode%3D1", "https://c/cb?state=1"] {
            assert!(Answered::read(location).is_none(), "{location}");
        }
    }

    #[test]
    fn b154_iss_goes_where_the_answer_is() {
        let issuer = "https://login.example/a";
        let cases = [
            ("https://c/cb?code=1", "https://c/cb?code=1&iss=https%3A%2F%2Flogin.example%2Fa"),
            (
                "https://c/cb?x=1#code=1",
                "https://c/cb?x=1#code=1&iss=https%3A%2F%2Flogin.example%2Fa",
            ),
            (
                "https://c/cb?code=1#_=_",
                "https://c/cb?code=1&iss=https%3A%2F%2Flogin.example%2Fa#_=_",
            ),
            (
                "https://c/cb?code=1#code=1",
                "https://c/cb?code=1&iss=https%3A%2F%2Flogin.example%2Fa#code=1",
            ),
        ];
        for (location, expected) in cases {
            let answered = Answered::read(location).unwrap();
            assert_eq!(with_iss(location, answered.end, issuer), expected);
        }
    }
}
