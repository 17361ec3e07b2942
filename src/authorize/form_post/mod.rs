//! Answers by a page (OAuth 2.0 Form Post Response Mode): the upstream gives the browser a form that
//! sends itself to the client. Such a page is read whole, its request is spent, and only then does
//! the browser see it.

use std::borrow::Cow;
use std::io::Read as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use http::{Method, Response};
use parking_lot::Mutex;

use self::page::{Form, FormReader};
use super::completion::{Answered, Conclusion};
use super::departure::Departure;
use super::flow::AnswerBy;
use super::{AuthorizeError, Endpoint, Flow};
use crate::client::Peer;

mod page;

/// Largest page that is read.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// Largest page that is held whole where it is only judged: as a page of ours may take the place of one
/// that is, and nothing of it was sent.
const SMALL_PAGE_BYTES: usize = 16 * 1024;

/// The head of a page of the upstream.
#[derive(Debug, Clone, Copy)]
pub struct PageHead<'a> {
    /// Path of the browser's request.
    pub path: &'a str,
    /// Header fields of the browser's request, for its tickets.
    pub asked: &'a HeaderMap,
    /// The page's own.
    pub headers: &'a HeaderMap,
    /// The flow of the very request that this answers, if it was expanded.
    pub flow: Option<&'a Flow>,
    /// Who sees the page.
    pub peer: &'a Peer,
}

/// A page that may be a completion, on its way to the browser.
pub struct FormPost {
    endpoint: Arc<Endpoint>,
    path: String,
    asked: HeaderMap,
    flow: Option<Flow>,
    peer: Peer,
    is_readable: bool,
    mode: Mode,
    held: BytesMut,
}

/// Way in which a page is read.
#[derive(Debug)]
enum Mode {
    /// Whole: some login of this browser is to be answered by a page, or the page is compressed.
    Whole {
        /// Its content coding, in lower case.
        coding: String,
    },
    /// As it streams: it is only judged. It is held as long as it is small, and from the first field on
    /// that is named like what an answer hands out. The lock is never waited for: it lets threads share
    /// what only one uses.
    Streaming(Box<Mutex<FormReader>>),
    /// Not: the parser has given it up, as no answer is like it.
    Raw,
}

impl Endpoint {
    /// Whether a page in the answer to a request with these fields may be a completion: the browser
    /// has a ticket that says so.
    #[must_use]
    pub fn may_be_answered_by_page(&self, headers: &HeaderMap) -> bool {
        let tickets = self.cookies.tickets(headers);
        tickets.iter().any(|ticket| ticket.answer_by == AnswerBy::Page)
    }

    /// Looks at a page where it may be a completion.
    #[must_use]
    pub fn form_post(self: &Arc<Self>, page: PageHead<'_>) -> Option<FormPost> {
        let by_flow = page.flow.is_some_and(|flow| flow.answer_by() == AnswerBy::Page);
        let awaited = by_flow || self.may_be_answered_by_page(page.asked);
        if !awaited && !self.judges_answers() {
            return None;
        }
        let is_readable = is_readable(page.headers, awaited);
        Some(FormPost {
            endpoint: Arc::clone(self),
            path: page.path.to_owned(),
            asked: page.asked.clone(),
            flow: page.flow.cloned(),
            peer: page.peer.clone(),
            is_readable: is_readable || !awaited,
            mode: match coding(page.headers) {
                coding if awaited || coding == "gzip" => Mode::Whole { coding },
                // Nobody asked for such a page.
                _ if !is_readable => Mode::Raw,
                _ => Mode::Streaming(Box::new(Mutex::new(FormReader::frugal()))),
            },
            held: BytesMut::new(),
        })
    }
}

impl FormPost {
    /// Reads the next piece; gives what may go on already.
    ///
    /// # Errors
    /// The page in place of one that cannot be read, or that may be an answer and is over 1 MiB: nobody
    /// knows what it completes.
    pub fn feed(&mut self, piece: &[u8]) -> Result<Bytes, Box<Response<Bytes>>> {
        if !self.is_readable {
            return Err(self.unreadable());
        }
        let may_go = match &mut self.mode {
            Mode::Raw => return Ok(Bytes::copy_from_slice(piece)),
            Mode::Whole { .. } => {
                self.held.extend_from_slice(piece);
                false
            }
            Mode::Streaming(reader) => {
                let reader = reader.get_mut();
                let is_read = reader.write(piece).is_ok();
                self.held.extend_from_slice(&reader.take_read());
                let hands_out = reader.hands_out();
                if !is_read && !hands_out {
                    self.mode = Mode::Raw;
                }
                !hands_out && (!is_read || self.held.len() > SMALL_PAGE_BYTES)
            }
        };
        if may_go {
            return Ok(self.held.split().freeze());
        }
        if self.held.len() > MAX_PAGE_BYTES { Err(self.unreadable()) } else { Ok(Bytes::new()) }
    }

    /// The rest of the page, where it hands nothing to anybody who must have pushed; no login is ended
    /// by it.
    pub fn judged(&mut self) -> Option<Bytes> {
        let (page, forms) = self.read_forms()?;
        let is_withheld = |form: &Form| {
            let address = self.address(form);
            let names = form.inputs.iter().map(|(name, _)| name.as_str());
            self.endpoint.withheld_form(&self.departure(&address), names).is_some()
        };
        (!forms.iter().any(is_withheld)).then_some(page)
    }

    /// The rest of the page and its forms.
    fn read_forms(&mut self) -> Option<(Bytes, Vec<Form>)> {
        let page = self.held.split();
        match std::mem::replace(&mut self.mode, Mode::Raw) {
            Mode::Raw => Some((page.freeze(), Vec::new())),
            Mode::Whole { coding } => {
                let forms = page::forms(&readable(&page, &coding)).ok()?;
                Some((page.freeze(), forms))
            }
            Mode::Streaming(reader) => {
                let (forms, rest) = reader.into_inner().end().ok()?;
                let mut page = page;
                page.extend_from_slice(&rest);
                Some((page.freeze(), forms))
            }
        }
    }

    /// Ends the flow that ends with this page, and gives the page.
    ///
    /// # Errors
    /// The page in place of one that must not reach the browser.
    pub async fn end(&mut self) -> Result<Bytes, Box<Response<Bytes>>> {
        let is_whole = matches!(&self.mode, Mode::Whole { coding } if coding != "gzip");
        let (page, forms) = self.read_forms().ok_or_else(|| self.unreadable())?;
        let mut amended: Option<Vec<u8>> = None;
        // From the last to the first, so that places stay where they are.
        for form in forms.iter().rev() {
            if self.completes(form).await? && is_whole {
                let page = amended.as_deref().unwrap_or_else(|| page.as_ref());
                amended = Some(with_iss(page, form.content, &self.endpoint.settings.issuer));
            }
        }
        Ok(amended.map_or(page, Bytes::from))
    }

    /// Whether this form ended a flow and lacks `iss`.
    async fn completes(&self, form: &Form) -> Result<bool, Box<Response<Bytes>>> {
        let Some(answered) = Answered::of_form(|name| form.value(name)) else {
            return Ok(false);
        };
        let address = self.address(form);
        let departure = self.departure(&address);
        match self.endpoint.conclude(&departure, &answered).await? {
            Conclusion::Other => {
                let names = form.inputs.iter().map(|(name, _)| name.as_str());
                match self.endpoint.withheld_form(&departure, names) {
                    Some(page) => Err(Box::new(page)),
                    None => Ok(false),
                }
            }
            Conclusion::Ended => Ok(self.endpoint.wants_iss(&answered)),
        }
    }

    /// A form's address as browsers resolve it.
    fn address(&self, form: &Form) -> String {
        let action = form.action.as_str();
        if url::Url::parse(action).is_ok() {
            return action.to_owned();
        }
        let own = [self.endpoint.settings.origin.as_str(), &self.path].concat();
        let resolved = url::Url::parse(&own).and_then(|own| {
            // The empty address is that of the page, whatever its base.
            let base = form.base.as_deref().filter(|_| !action.is_empty());
            base.map_or(Ok(own.clone()), |base| own.join(base))?.join(action)
        });
        resolved.map_or_else(|_| action.to_owned(), String::from)
    }

    fn departure<'a>(&'a self, address: &'a str) -> Departure<'a> {
        Departure {
            // Only pages for a browser with a ticket are held, so the index is not asked.
            method: &Method::GET,
            location: address,
            path: &self.path,
            headers: &self.asked,
            flow: self.flow.as_ref(),
            peer: &self.peer,
        }
    }

    fn unreadable(&self) -> Box<Response<Bytes>> {
        let departure = self.departure("");
        let (error, flow) = (AuthorizeError::UnreadablePage, self.flow.as_ref());
        Box::new(super::completion::refusal(&departure, error, flow))
    }
}

/// The page as it can be read: a compressed one that is only judged is unpacked, within bounds and as far
/// as it can be.
fn readable<'p>(page: &'p [u8], coding: &str) -> Cow<'p, [u8]> {
    if coding != "gzip" {
        return Cow::Borrowed(page);
    }
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(page).take(4 * MAX_PAGE_BYTES as u64);
    // Browsers show what stands before a fault.
    let _ = reader.read_to_end(&mut unpacked);
    Cow::Owned(unpacked)
}

fn text(headers: &HeaderMap, name: HeaderName) -> String {
    let value = headers.get(name).map(http::HeaderValue::as_bytes).unwrap_or_default();
    String::from_utf8_lossy(value).trim().to_ascii_lowercase()
}

fn coding(headers: &HeaderMap) -> String {
    text(headers, CONTENT_ENCODING)
}

/// Whether the page's bytes are text that is a superset of ASCII. One that is only judged may be
/// compressed by a server that does so unasked.
fn is_readable(headers: &HeaderMap, awaited: bool) -> bool {
    let coding = coding(headers);
    let charset = text(headers, CONTENT_TYPE);
    (matches!(coding.as_str(), "" | "identity") || (coding == "gzip" && !awaited))
        && !["utf-16", "utf-32", "utf-7", "ucs-2", "iso-2022"]
            .iter()
            .any(|odd| charset.contains(odd))
}

/// The page with the field `iss` (RFC 9207 §2) as the first of the form whose content begins there.
fn with_iss(page: &[u8], content: usize, issuer: &str) -> Vec<u8> {
    let (before, after) = page.split_at_checked(content).unwrap_or((page, &[]));
    let mut amended = Vec::with_capacity(page.len() + issuer.len() + 64);
    amended.extend_from_slice(before);
    amended.extend_from_slice(br#"<input type="hidden" name="iss" value=""#);
    let issuer = issuer.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    amended.extend_from_slice(issuer.as_bytes());
    amended.extend_from_slice(br#""/>"#);
    amended.extend_from_slice(after);
    amended
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn b156_iss_is_a_field_of_the_form_and_nothing_else_changes() {
        let amended = with_iss(b"<form>x</form>", 6, "https://a/?\"&<");
        assert_eq!(
            String::from_utf8(amended).unwrap(),
            "<form><input type=\"hidden\" name=\"iss\" value=\"https://a/?&quot;&amp;&lt;\"/>x</form>"
        );
    }

    #[test]
    fn only_plain_text_is_readable() {
        for (name, value, readable) in [
            (CONTENT_ENCODING, "gzip", false),
            (CONTENT_ENCODING, "identity", true),
            (CONTENT_TYPE, "text/html; charset=ISO-8859-1", true),
            (CONTENT_TYPE, "text/html; charset=UTF-16LE", false),
        ] {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
            assert_eq!(is_readable(&headers, true), readable, "{value}");
        }
    }
}
