//! Calls at an authorize path that carry no reference of ours: which login they are of, by the table of
//! [`steps`](super::steps).

use std::cmp::Reverse;
use std::sync::Arc;

use http::Method;

use super::flow::Ticket;
use super::mask::Stamp;
use super::pin::{Emitter, Pin, carries_the_request};
use super::resume::{fields, speaks_of};
use super::steps::{Carries, Course, Held, Rule, course};
use super::{AuthorizeError, Body, Decision, Endpoint, Flow, Visit, expansion};
use crate::oauth::parameters::Parameters;

impl Endpoint {
    /// A call without a `request_uri`, by the table of [`steps`](super::steps); `None` where it is no
    /// call of a login.
    pub(super) async fn unnamed(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Option<Decision>, AuthorizeError> {
        let tickets = self.cookies.tickets(visit.headers);
        if tickets.is_empty() {
            return Ok(None);
        }
        let rule = if self.settings.required { Rule::Required } else { Rule::Optional };
        let query = Parameters::parse(visit.query.unwrap_or_default().as_bytes())
            .map_err(|_| AuthorizeError::Malformed);
        let (query, form) = match (query, fields(visit)) {
            (Ok(query), Ok(form)) => (query, form),
            // It may be the server's own business to read it.
            _ if rule == Rule::Optional => return Ok(None),
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        if let Some(flow) = self.claimed(visit, &tickets, (&query, &form)).await? {
            return self.stepped(visit, flow, &query).map(Some);
        }
        let named = carries_the_request(&query) || carries_the_request(&form);
        let asks = form.count("request") + query.count("request") > 0;
        let carries = match visit.body {
            Body::Unread => Carries::Unread,
            _ if named || asks => Carries::Request,
            Body::None | Body::Form(_) | Body::Multipart(..) => Carries::Nothing,
        };
        match course(Held::Ticket, rule, carries) {
            Course::Step if visit.method == Method::POST => {
                self.step_of_a_page(visit, &tickets, (&query, &form)).await
            }
            Course::Pinned | Course::Step | Course::Untouched | Course::Refused => Ok(None),
        }
    }

    /// The live login that a call names by its own values.
    async fn claimed(
        &self,
        visit: &Visit<'_>,
        tickets: &[Ticket],
        (query, form): (&Parameters<'_>, &Parameters<'_>),
    ) -> Result<Option<Flow>, AuthorizeError> {
        for ticket in tickets {
            let Some(held) = self.held(ticket).await? else { continue };
            let request = Arc::clone(&held.request);
            let named = (&ticket.reference, ticket.flow);
            let stamp = Stamp::new(named, &request.flow_key, &request.query);
            let speaks = |given| {
                let (given, masked) = stamp.put_back(given);
                masked || self.names_login(&given, &request.query)
            };
            if speaks(form) || speaks(query) {
                return self.live(visit, ticket, held).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether `given` names the login with this stored query. Where plain requests pass, one with a
    /// `state` of its own is another request than one that was pushed without.
    fn names_login(&self, given: &Parameters<'_>, pushed: &str) -> bool {
        let own =
            |name: &str| given.value(name).is_some() && expansion::value(pushed, name).is_none();
        let another = ["state", "nonce", "code_challenge"].into_iter().any(own);
        speaks_of(given, pushed) && (self.settings.required || !another)
    }

    /// A step of a page that is posted to the bare path with nothing that names its request. It is
    /// pinned to the login that it contradicts nothing of, one that showed a page before others, and goes
    /// as it came where that holds of several; where it contradicts the only login there is, that one's
    /// values stand.
    async fn step_of_a_page(
        &self,
        visit: &Visit<'_>,
        tickets: &[Ticket],
        (query, form): (&Parameters<'_>, &Parameters<'_>),
    ) -> Result<Option<Decision>, AuthorizeError> {
        let mut flows = Vec::new();
        for ticket in tickets {
            let Some(held) = self.held(ticket).await? else { continue };
            if let Ok(flow) = self.live(visit, ticket, held) {
                flows.push((ticket.started_at, flow));
            }
        }
        flows.sort_by_key(|(started_at, flow)| (Reverse(flow.shown().page), Reverse(*started_at)));
        let is_only = flows.len() == 1;
        let mut agreeing: Vec<_> = flows
            .into_iter()
            .map(|(_, flow)| flow)
            .filter(|flow| is_only || self.agrees(flow, query, form))
            .collect();
        let with_page = agreeing.iter().filter(|flow| flow.shown().page).count();
        if with_page > 1 {
            return Ok(Some(Decision::Pass));
        }
        if agreeing.is_empty() {
            return if is_only { Ok(None) } else { Err(AuthorizeError::Malformed) };
        }
        self.stepped(visit, agreeing.swap_remove(0), query).map(Some)
    }

    /// Whether nothing in a step would have to be set back to what this flow pushed.
    fn agrees(&self, flow: &Flow, query: &Parameters<'_>, form: &Parameters<'_>) -> bool {
        let stamp = Stamp::of(flow);
        let ((query, _), (form, _)) = (stamp.put_back(query), stamp.put_back(form));
        Pin::new(&flow.request.query, &self.rules).is_ok_and(|pin| {
            let pin = pin.with_pages(flow.shown());
            pin.form(&form).is_none() && pin.query(&query, Emitter::Browser).is_none()
        })
    }
}
