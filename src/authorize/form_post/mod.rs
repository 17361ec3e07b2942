//! Answers by a page (OAuth 2.0 Form Post Response Mode): the upstream gives the browser a form that
//! sends itself to the client. Such a page is read whole, its request is spent, and only then does
//! the browser see it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use self::page::Form;
use super::completion::{Answered, Conclusion};
use super::departure::Departure;
use super::flow::AnswerBy;
use super::{AuthorizeError, Endpoint, Flow};
use crate::client::Peer;

mod page;

/// Largest page that is read.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

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
    held: BytesMut,
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
        if !by_flow && !self.may_be_answered_by_page(page.asked) {
            return None;
        }
        Some(FormPost {
            endpoint: Arc::clone(self),
            path: page.path.to_owned(),
            asked: page.asked.clone(),
            flow: page.flow.cloned(),
            peer: page.peer.clone(),
            is_readable: is_readable(page.headers),
            held: BytesMut::new(),
        })
    }
}

impl FormPost {
    /// Keeps the next piece.
    ///
    /// # Errors
    /// The page in place of one that cannot be read, or not within 1 MiB: nobody knows what it
    /// completes.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), Box<Response<Bytes>>> {
        if !self.is_readable || self.held.len() + piece.len() > MAX_PAGE_BYTES {
            return Err(self.unreadable());
        }
        self.held.extend_from_slice(piece);
        Ok(())
    }

    /// Ends the flow that ends with this page, and gives the page.
    ///
    /// # Errors
    /// The page in place of one that must not reach the browser.
    pub async fn end(&mut self) -> Result<Bytes, Box<Response<Bytes>>> {
        let page = std::mem::take(&mut self.held).freeze();
        let forms = page::forms(&page).map_err(|_| self.unreadable())?;
        let mut amended: Option<Vec<u8>> = None;
        // From the last to the first, so that places stay where they are.
        for form in forms.iter().rev() {
            if self.completes(form).await? {
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
        let address = self.address(&form.action);
        let departure = self.departure(&address);
        match self.endpoint.conclude(&departure, &answered).await? {
            Conclusion::Other => Ok(false),
            Conclusion::Ended => Ok(self.endpoint.wants_iss(&answered)),
        }
    }

    /// A form's address as browsers resolve it.
    fn address(&self, action: &str) -> String {
        if url::Url::parse(action).is_ok() {
            return action.to_owned();
        }
        let own = [self.endpoint.settings.origin.as_str(), &self.path].concat();
        let resolved = url::Url::parse(&own).and_then(|own| own.join(action));
        resolved.map_or_else(|_| action.to_owned(), String::from)
    }

    fn departure<'a>(&'a self, address: &'a str) -> Departure<'a> {
        Departure {
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

/// Whether the page's bytes are text that is a superset of ASCII.
fn is_readable(headers: &HeaderMap) -> bool {
    let text = |name| {
        let value = headers.get(name).map(http::HeaderValue::as_bytes).unwrap_or_default();
        String::from_utf8_lossy(value).to_ascii_lowercase()
    };
    let coding = text(CONTENT_ENCODING);
    let charset = text(CONTENT_TYPE);
    matches!(coding.trim(), "" | "identity")
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
            assert_eq!(is_readable(&headers), readable, "{value}");
        }
    }
}
