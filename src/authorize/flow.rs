//! The ticket that ties a browser to the request it started: a cookie of the gateway's own.
//!
//! It carries the reference, the flow's name, when the flow began, and a code over these under a
//! key that only the stored request holds. So a flow needs no record of its own, nobody can make a
//! ticket from a `request_uri` alone, and the request is found where no `request_uri` is in sight.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::{COOKIE, HeaderMap};
use subtle::ConstantTimeEq as _;

use super::shown::Shown;
use crate::clock::Timestamp;
use crate::oauth::request_uri::Reference;
use crate::store::{FlowId, PushedRequest};

/// Most flows one browser may have.
pub const MOST_FLOWS: usize = 8;

/// Part of every cookie name of ours.
pub const MARK: &str = "parapet-";

const REFERENCE: usize = 32;
const FLOW: usize = 12;
const TIME: usize = 8;
const CODE: usize = 16;
const LENGTH: usize = REFERENCE + FLOW + TIME + 1 + Shown::LENGTH + CODE;

/// Where the answer to a request will stand, so that it is known without a look into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerBy {
    /// In an address: query or fragment.
    Address,
    /// In a form of a page (OAuth 2.0 Form Post Response Mode).
    Page,
}

impl AnswerBy {
    /// As the pushed `response_mode` has it.
    #[must_use]
    pub fn of(query: &str) -> Self {
        match super::expansion::value(query, "response_mode").as_deref() {
            Some("form_post" | "form_post.jwt") => Self::Page,
            _ => Self::Address,
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Address => 0,
            Self::Page => 1,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Address),
            1 => Some(Self::Page),
            _ => None,
        }
    }
}

/// Proof that a browser started a request in time. `Debug` shows no reference.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    /// Which request.
    pub reference: Reference,
    /// Which run through it.
    pub flow: FlowId,
    /// When it began, by the store's clock.
    pub started_at: Timestamp,
    /// Where its answer will stand.
    pub answer_by: AnswerBy,
    /// The pages that the endpoint showed in this login.
    pub shown: Shown,
    code: [u8; CODE],
}

impl Ticket {
    /// A ticket for `request`, under its own key.
    #[must_use]
    pub fn issue(
        reference: Reference,
        flow: FlowId,
        started_at: Timestamp,
        request: &PushedRequest,
    ) -> Self {
        let answer_by = AnswerBy::of(&request.query);
        let shown = Shown::default();
        let code = [0; CODE];
        let ticket = Self { reference, flow, started_at, answer_by, shown, code };
        ticket.with_shown(shown, &request.flow_key)
    }

    /// The ticket with another record of pages, under the key of its request.
    #[must_use]
    pub fn with_shown(self, shown: Shown, flow_key: &[u8; 32]) -> Self {
        let mut ticket = Self { shown, ..self };
        ticket.code = ticket.expected_code(flow_key);
        ticket
    }

    /// Whether the gateway issued this ticket for this request.
    #[must_use]
    pub fn is_genuine(&self, flow_key: &[u8; 32]) -> bool {
        bool::from(self.code.ct_eq(&self.expected_code(flow_key)))
    }

    fn expected_code(&self, flow_key: &[u8; 32]) -> [u8; CODE] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, flow_key);
        let mut context = hmac::Context::with_key(&key);
        context.update(b"parapet/v3/ticket");
        context.update(self.reference.as_bytes());
        context.update(&self.flow.0);
        context.update(&self.started_at.as_millis().to_be_bytes());
        context.update(&[self.answer_by.byte()]);
        context.update(&self.shown.to_bytes());
        let mut code = [0; CODE];
        let tag = context.sign();
        for (to, from) in code.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        code
    }

    fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(self.reference.as_bytes());
        bytes.extend_from_slice(&self.flow.0);
        bytes.extend_from_slice(&self.started_at.as_millis().to_be_bytes());
        bytes.push(self.answer_by.byte());
        bytes.extend_from_slice(&self.shown.to_bytes());
        bytes.extend_from_slice(&self.code);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (reference, rest) = bytes.split_first_chunk::<REFERENCE>()?;
        let (flow, rest) = rest.split_first_chunk::<FLOW>()?;
        let (time, rest) = rest.split_first_chunk::<TIME>()?;
        let (answer_by, rest) = rest.split_first()?;
        let (shown, rest) = rest.split_first_chunk::<{ Shown::LENGTH }>()?;
        let code = <[u8; CODE]>::try_from(rest).ok()?;
        Some(Self {
            reference: Reference::from_bytes(*reference),
            flow: FlowId(*flow),
            started_at: Timestamp::from_millis(u64::from_be_bytes(*time)),
            answer_by: AnswerBy::from_byte(*answer_by)?,
            shown: Shown::from_bytes(*shown)?,
            code,
        })
    }
}

/// How the cookies are named and dressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookies {
    /// `__Host-` and `Secure`, for an https issuer.
    Secure,
    /// Neither, for an http issuer on loopback.
    Loopback,
}

impl Cookies {
    /// The tickets of a request, in the order of its cookies: at most eight, one for each reference. What
    /// cannot be read is none.
    #[must_use]
    pub fn tickets(self, headers: &HeaderMap) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        for header in headers.get_all(COOKIE) {
            let Ok(text) = header.to_str() else { continue };
            if !text.contains(MARK) {
                continue;
            }
            let pairs = text.split(';').filter_map(|pair| pair.trim().split_once('='));
            for (name, value) in pairs {
                let ours = name.strip_prefix(self.prefix()).and_then(|_| Ticket::decode(value));
                let ours = ours.filter(|ticket| self.name(&ticket.reference) == name);
                let is_new = |ticket: &Ticket| {
                    !tickets.iter().any(|known: &Ticket| known.reference == ticket.reference)
                };
                // Each costs a look into the store.
                if let Some(ticket) =
                    ours.filter(|ticket| tickets.len() < MOST_FLOWS && is_new(ticket))
                {
                    tickets.push(ticket);
                }
            }
        }
        tickets
    }

    /// `Set-Cookie` for a new ticket.
    #[must_use]
    pub fn set(self, ticket: &Ticket, lifetime: Duration) -> Option<HeaderValue> {
        self.header(&ticket.reference, &ticket.encode(), lifetime.as_secs())
    }

    /// `Set-Cookie` that takes a ticket away.
    #[must_use]
    pub fn clear(self, reference: &Reference) -> Option<HeaderValue> {
        self.header(reference, "", 0)
    }

    /// Those of `tickets` that must go so that a new one makes at most [`MOST_FLOWS`]: the oldest.
    #[must_use]
    pub fn surplus(tickets: &[Ticket]) -> Vec<Reference> {
        let mut by_age: Vec<_> = tickets.iter().collect();
        by_age.sort_by_key(|ticket| ticket.started_at);
        let surplus = (by_age.len() + 1).saturating_sub(MOST_FLOWS);
        by_age.into_iter().take(surplus).map(|ticket| ticket.reference).collect()
    }

    fn header(self, reference: &Reference, value: &str, max_age: u64) -> Option<HeaderValue> {
        let secure = match self {
            Self::Secure => "; Secure",
            Self::Loopback => "",
        };
        let name = self.name(reference);
        let text =
            format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}");
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    fn name(self, reference: &Reference) -> String {
        format!("{}{}", self.prefix(), URL_SAFE_NO_PAD.encode(tag(reference)))
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Secure => "__Host-parapet-",
            Self::Loopback => "parapet-",
        }
    }
}

/// Six bytes that name a request to the browser that holds its ticket, and open nothing.
#[must_use]
pub fn tag(reference: &Reference) -> [u8; 6] {
    let hash = digest(&SHA256, reference.as_bytes());
    let mut tag = [0; 6];
    for (to, from) in tag.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [5; 32];

    fn ticket(number: u8) -> Ticket {
        let started_at = Timestamp::from_millis(1_000 + u64::from(number));
        Ticket::issue(
            Reference::from_bytes([number; 32]),
            FlowId([9; 12]),
            started_at,
            &request("response_mode=form_post.jwt"),
        )
    }

    fn request(query: &str) -> PushedRequest {
        PushedRequest { client_id: "web".into(), query: query.into(), flow_key: KEY, index: None }
    }

    #[test]
    fn a_ticket_says_where_the_answer_will_stand() {
        for (query, answer_by) in [
            ("", AnswerBy::Address),
            ("response_mode=query", AnswerBy::Address),
            ("response_mode=jwt", AnswerBy::Address),
            ("a=b&response_mode=form_post", AnswerBy::Page),
            ("response_mode=form_post.jwt", AnswerBy::Page),
        ] {
            let at = Timestamp::from_millis(1);
            let request = request(query);
            let reference = Reference::from_bytes([1; 32]);
            let mut ticket = Ticket::issue(reference, FlowId([9; 12]), at, &request);
            ticket = Ticket::decode(&ticket.encode()).unwrap();
            assert_eq!(ticket.answer_by, answer_by, "{query}");
            assert!(ticket.is_genuine(&KEY));
            ticket.shown.page = true;
            assert!(!ticket.is_genuine(&KEY), "the record is under the code");
            ticket = ticket.with_shown(ticket.shown, &KEY);
            assert!(ticket.is_genuine(&KEY));
            ticket.answer_by =
                if answer_by == AnswerBy::Page { AnswerBy::Address } else { AnswerBy::Page };
            assert!(!ticket.is_genuine(&KEY), "the word is under the code");
        }
    }

    fn as_request(set: &[HeaderValue]) -> HeaderMap {
        let pairs = set.iter().map(|set| set.to_str().unwrap().split(';').next().unwrap());
        let text = format!("a=b; {}; c=d", pairs.collect::<Vec<_>>().join("; "));
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&text).unwrap())])
    }

    #[test]
    fn a_ticket_comes_back_from_the_browser() {
        for cookies in [Cookies::Secure, Cookies::Loopback] {
            let set = cookies.set(&ticket(1), Duration::from_secs(1800)).unwrap();
            let back = cookies.tickets(&as_request(&[set]));
            assert_eq!(back.len(), 1);
            assert_eq!(back[0].reference, ticket(1).reference);
            assert!(back[0].is_genuine(&KEY));
            assert!(!back[0].is_genuine(&[6; 32]));
        }
    }

    #[test]
    fn cookies_are_dressed_for_their_issuer() {
        let set = Cookies::Secure.set(&ticket(1), Duration::from_secs(60)).unwrap();
        let text = set.to_str().unwrap();
        assert!(text.starts_with("__Host-parapet-"), "{text}");
        assert!(text.ends_with("; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"), "{text}");
        let set = Cookies::Loopback.set(&ticket(1), Duration::from_secs(60)).unwrap();
        assert!(!set.to_str().unwrap().contains("Secure"));
        assert!(set.is_sensitive());
    }

    #[test]
    fn a_changed_ticket_is_not_genuine() {
        let mut forged = ticket(1);
        forged.started_at = Timestamp::from_millis(9_999_999);
        assert!(!forged.is_genuine(&KEY));
        let mut moved = ticket(1);
        moved.reference = Reference::from_bytes([2; 32]);
        assert!(!moved.is_genuine(&KEY));
    }

    #[test]
    fn eight_flows_stay_under_a_kibibyte_and_the_oldest_goes() {
        let tickets: Vec<_> = (1..=8).map(ticket).collect();
        let set: Vec<_> = tickets
            .iter()
            .map(|ticket| Cookies::Secure.set(ticket, Duration::from_secs(1)).unwrap())
            .collect();
        let header = as_request(&set);
        assert!(header[COOKIE].len() < 1024, "{} bytes", header[COOKIE].len());
        assert_eq!(Cookies::Secure.tickets(&header).len(), 8);
        assert_eq!(Cookies::surplus(&tickets), [tickets[0].reference]);
        assert!(Cookies::surplus(&tickets[..7]).is_empty());
    }

    #[test]
    fn b268_of_many_tickets_eight_are_looked_at_each_once() {
        let many: Vec<_> = (1..=40).map(ticket).collect();
        let set = |tickets: &[Ticket]| -> HeaderMap {
            let set =
                tickets.iter().map(|one| Cookies::Secure.set(one, Duration::from_secs(1)).unwrap());
            as_request(&set.collect::<Vec<_>>())
        };
        assert_eq!(Cookies::Secure.tickets(&set(&many)).len(), MOST_FLOWS);
        let twice = [many[0], many[0], many[1], many[0]];
        let read = Cookies::Secure.tickets(&set(&twice));
        let references: Vec<_> = read.iter().map(|ticket| ticket.reference).collect();
        assert_eq!(references, [many[0].reference, many[1].reference]);
    }

    #[test]
    fn strange_cookies_are_no_tickets() {
        for text in [
            "parapet-x=",
            "parapet-=AAAA",
            "parapet-x=!!",
            "__Host-parapet-x=AAAA",
            ";;;",
            "parapet-",
        ] {
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(text))]);
            assert!(Cookies::Loopback.tickets(&headers).is_empty(), "{text}");
        }
    }
}
