//! Pages that the server's authorize endpoint showed in a login. A body travels to the endpoint only
//! where a page could have sent it; the login's ticket says so, sealed, on whichever replica.

use std::cell::Cell;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, StatusCode};
use lol_html::{HtmlRewriter, Settings, element};

use super::{Endpoint, Flow};
use crate::oauth::names::Vocabulary;
use crate::oauth::parameters::Parameters;

/// Largest page that is read for its fields.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// Most pushed names that are looked for in pages.
const MAX_NAMES: usize = 16;

/// Record of the pages that the endpoint showed in a login.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The endpoint answered a call of this login with a page.
    pub page: bool,
    /// One bit for each of the first sixteen pushed names outside the vocabulary, in their order: set
    /// where a page had it as a field to fill in.
    pub fields: u16,
}

impl Shown {
    /// Bytes of the sealed form.
    pub(super) const LENGTH: usize = 3;

    pub(super) const fn to_bytes(self) -> [u8; Self::LENGTH] {
        let [high, low] = self.fields.to_be_bytes();
        [self.page as u8, high, low]
    }

    pub(super) const fn from_bytes([page, high, low]: [u8; Self::LENGTH]) -> Option<Self> {
        let fields = u16::from_be_bytes([high, low]);
        match page {
            0 => Some(Self { page: false, fields }),
            1 => Some(Self { page: true, fields }),
            _ => None,
        }
    }

    /// Both records together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { page: self.page | other.page, fields: self.fields | other.fields }
    }

    /// The pushed names outside the vocabulary that some page had as a field to fill in.
    pub(super) fn fillable(self, pushed: &Parameters<'_>, vocabulary: &Vocabulary) -> Vec<String> {
        let names = foreign_names(pushed, vocabulary).into_iter().enumerate();
        names.filter(|(bit, _)| self.fields >> bit & 1 == 1).map(|(_, name)| name).collect()
    }
}

/// The first pushed names that are outside the vocabulary, each once.
fn foreign_names(pushed: &Parameters<'_>, vocabulary: &Vocabulary) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in pushed.iter().filter(|(name, _)| !vocabulary.contains(name)) {
        if names.len() < MAX_NAMES && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Reader of a page's fields, which holds the page back until it has read them all: what it finds
/// belongs into a header field.
#[derive(Debug)]
pub struct FieldReader {
    flow: Flow,
    names: Vec<String>,
    held: BytesMut,
    is_over: bool,
}

impl Endpoint {
    /// The ticket of `flow` anew, where this answer to its call at `path` is a page of the endpoint.
    #[must_use]
    pub fn page_shown(
        &self,
        flow: &Flow,
        path: &str,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Option<HeaderValue> {
        let is_page = status.is_success() && is_page(headers) && self.is_authorize_path(path);
        is_page.then(|| self.ticket_with(flow, Shown { page: true, fields: 0 })).flatten()
    }

    /// A reader for the page that answers a call of `flow` at `path`, where something was pushed that
    /// could be the name of a field.
    #[must_use]
    pub fn field_reader(&self, flow: &Flow, path: &str) -> Option<FieldReader> {
        let names = self.watched_names(flow);
        (!names.is_empty() && self.is_authorize_path(path)).then(|| FieldReader {
            flow: flow.clone(),
            names,
            held: BytesMut::new(),
            is_over: false,
        })
    }

    /// Whether the pages of a login are read for their fields: something was pushed under a name outside
    /// the vocabulary.
    #[must_use]
    pub fn reads_fields(&self, flow: &Flow) -> bool {
        // Names of the vocabulary are written without escapes.
        let mut names = flow.request.query.split('&').filter_map(|pair| pair.split('=').next());
        names.any(|name| !self.rules.vocabulary.contains(name))
    }

    /// The ticket of a flow with what a reader found.
    #[must_use]
    pub fn fields_shown(&self, reader: &FieldReader, fields: u16) -> Option<HeaderValue> {
        self.ticket_with(&reader.flow, Shown { page: true, fields })
    }

    fn watched_names(&self, flow: &Flow) -> Vec<String> {
        let pushed = Parameters::parse(flow.request.query.as_bytes()).unwrap_or_default();
        foreign_names(&pushed, &self.rules.vocabulary)
    }

    fn ticket_with(&self, flow: &Flow, shown: Shown) -> Option<HeaderValue> {
        let ticket = flow.ticket.as_ref()?;
        let shown = shown.and(ticket.shown);
        if shown == ticket.shown {
            return None;
        }
        let ticket = ticket.with_shown(shown, &flow.request.flow_key);
        self.cookies.set(&ticket, self.settings.login_lifetime)
    }
}

impl FieldReader {
    /// Keeps the next piece; gives what is let go because the page is too large.
    pub fn feed(&mut self, piece: &[u8]) -> Bytes {
        self.held.extend_from_slice(piece);
        if self.is_over || self.held.len() > MAX_PAGE_BYTES {
            self.is_over = true;
            return self.held.split().freeze();
        }
        Bytes::new()
    }

    /// The rest of the page, and a bit for each watched name that it has as a field to fill in; none
    /// where it was too large.
    pub fn end(&mut self) -> (Bytes, u16) {
        let page = self.held.split().freeze();
        let fields = if self.is_over { 0 } else { self.fields(&page) };
        (page, fields)
    }

    /// Whether the page has been let go unread.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    fn fields(&self, page: &[u8]) -> u16 {
        let found = Cell::new(0);
        let field = element!("input[name], select[name], textarea[name], button[name]", |field| {
            let kind = field.get_attribute("type").unwrap_or_default();
            let is_hidden =
                field.tag_name() == "input" && kind.trim().eq_ignore_ascii_case("hidden");
            let name = field.get_attribute("name").unwrap_or_default();
            let name = super::mask::decode(&name);
            if let Some(bit) = self.names.iter().position(|known| !is_hidden && *known == name) {
                found.set(found.get() | 1 << bit);
            }
            Ok(())
        });
        let settings = Settings::new().with_strict(false).append_element_content_handler(field);
        let mut reader = HtmlRewriter::new(settings, |_: &[u8]| {});
        let is_read = reader.write(page).is_ok() && reader.end().is_ok();
        if is_read { found.get() } else { 0 }
    }
}

/// Whether an answer is a page, also where browsers must guess that it is one.
fn is_page(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(CONTENT_TYPE) else { return true };
    let essence = media_type.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii();
    ["text/html", "application/xhtml+xml"]
        .iter()
        .any(|page| essence.eq_ignore_ascii_case(page.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_vocabulary_have_a_bit_each() {
        let query = "client_id=a&audience=x&allow=1&scope=s&allow=2&acr=3";
        let pushed = Parameters::parse(query.as_bytes()).unwrap();
        let plain = Vocabulary::default();
        assert_eq!(foreign_names(&pushed, &plain), ["audience", "allow", "acr"]);
        let shown = Shown { page: true, fields: 0b101 };
        assert_eq!(shown.fillable(&pushed, &plain), ["audience", "acr"]);
        let known = Vocabulary::with(&["audience".to_owned()]);
        assert_eq!(shown.fillable(&pushed, &known), ["allow"]);
        assert_eq!(Shown::from_bytes(shown.to_bytes()), Some(shown));
        assert_eq!(Shown::from_bytes([2, 0, 0]), None);
        assert_eq!(shown.and(Shown { page: false, fields: 2 }).fields, 0b111);
    }

    #[test]
    fn pages_are_told_from_other_answers() {
        for (media_type, expected) in [
            (None, true),
            (Some("text/html; charset=utf-8"), true),
            (Some("Application/XHTML+xml"), true),
            (Some("application/json"), false),
            (Some("text/plain"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(media_type) = media_type {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            }
            assert_eq!(is_page(&headers), expected, "{media_type:?}");
        }
    }
}
