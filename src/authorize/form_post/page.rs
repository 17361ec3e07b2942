//! What the forms of a page would send, as browsers read them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use lol_html::html_content::Element;
use lol_html::send::{HtmlRewriter, SendHandlerTypes, Settings};
use lol_html::{MemorySettings, OutputSink, element};
use parking_lot::Mutex;

use crate::authorize::outgoing::is_handed;

/// A form of a page. `Debug` shows no value: there may be a code among them.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Form {
    /// Where it leads; empty for the page's own address.
    pub(super) action: String,
    /// Name and value of its `input` elements, in order.
    pub(super) inputs: Vec<(String, String)>,
    /// Where in the page the form's content begins.
    pub(super) content: usize,
    /// The page's own base address.
    pub(super) base: Option<String>,
    id: Option<String>,
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.inputs.iter().map(|(name, _)| name).collect();
        f.debug_struct("Form").field("inputs", &names).finish_non_exhaustive()
    }
}

impl Form {
    /// The first value under `name`.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.inputs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A page that cannot be taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Most bytes that the parser may keep of a page, and most of the fields that are kept.
const MAX_BYTES: usize = 1 << 20;

/// What was found so far, and the part of the page that was read.
#[derive(Default)]
struct Found {
    forms: Vec<Form>,
    /// Inputs that name the form they belong to.
    adopted: Vec<(String, (String, String))>,
    /// Further addresses of forms, by the number of the form.
    actions: Vec<(usize, String)>,
    /// The address that others are relative to.
    base: Option<String>,
    /// Some field is named like what an answer hands out.
    hands_out: bool,
    /// Fields that no answer has are left out, and forms without any.
    is_frugal: bool,
    /// Bytes of fields.
    bytes: usize,
    read: Vec<u8>,
}

/// Reader of the forms of a page, piece by piece and in bounded memory.
pub(super) struct FormReader {
    reader: HtmlRewriter<'static, Read>,
    found: Arc<Mutex<Found>>,
}

struct Read(Arc<Mutex<Found>>);

impl OutputSink for Read {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        self.0.lock().read.extend_from_slice(chunk);
    }
}

impl fmt::Debug for FormReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormReader").finish_non_exhaustive()
    }
}

impl FormReader {
    /// A reader of all forms of an ASCII-compatible text.
    pub(super) fn new() -> Self {
        Self::over(Found::default())
    }

    /// A reader that keeps of a page what an answer could be made of.
    pub(super) fn frugal() -> Self {
        Self::over(Found { is_frugal: true, ..Found::default() })
    }

    fn over(found: Found) -> Self {
        let found = Arc::new(Mutex::new(found));
        let seen = Arc::clone(&found);
        let element = element!("form, base, input, button, select, textarea", move |element| {
            seen.lock().see(element);
            Ok(())
        });
        let memory = MemorySettings::new()
            .with_max_allowed_memory_usage(MAX_BYTES)
            .with_graceful_bail_out_on_memory_limit_exceeded(true);
        // Odd pages are to be read as well as they can be, not to be given up.
        let settings = Settings::new_send()
            .append_element_content_handler(element)
            .with_memory_settings(memory)
            .with_strict(false);
        Self { reader: HtmlRewriter::new(settings, Read(Arc::clone(&found))), found }
    }

    /// Reads the next piece.
    pub(super) fn write(&mut self, piece: &[u8]) -> Result<(), Unreadable> {
        self.reader.write(piece).map_err(|_| Unreadable)
    }

    /// The bytes that were read since the last time. A tag that is not over is not among them.
    pub(super) fn take_read(&self) -> Vec<u8> {
        std::mem::take(&mut self.found.lock().read)
    }

    /// Whether a field was read that is named like what an answer hands out.
    pub(super) fn hands_out(&self) -> bool {
        self.found.lock().hands_out
    }

    /// The forms and the rest of the page.
    pub(super) fn end(self) -> Result<(Vec<Form>, Vec<u8>), Unreadable> {
        self.reader.end().map_err(|_| Unreadable)?;
        let found = std::mem::take(&mut *self.found.lock());
        if found.bytes > MAX_BYTES && found.hands_out {
            return Err(Unreadable);
        }
        Ok(found.ended())
    }
}

/// The forms of `page`, an ASCII-compatible text.
pub(super) fn forms(page: &[u8]) -> Result<Vec<Form>, Unreadable> {
    let mut reader = FormReader::new();
    reader.write(page)?;
    reader.end().map(|(forms, _)| forms)
}

impl Found {
    fn see(&mut self, element: &Element<'_, '_, SendHandlerTypes>) {
        match element.tag_name().as_str() {
            "form" => self.see_form(element),
            "base" if element.has_attribute("href") => {
                self.base.get_or_insert_with(|| attribute(element, "href").trim().to_owned());
            }
            "base" => {}
            _ => self.see_field(element),
        }
    }

    fn see_form(&mut self, element: &Element<'_, '_, SendHandlerTypes>) {
        let is_needless = |form: &mut Form| {
            form.id.is_none() && !form.inputs.iter().any(|(name, _)| is_handed(name))
        };
        if self.is_frugal {
            self.forms.pop_if(is_needless);
        }
        self.forms.push(Form {
            action: attribute(element, "action").trim().to_owned(),
            inputs: Vec::new(),
            content: element.source_location().bytes().end,
            base: None,
            id: element.get_attribute("id"),
        });
    }

    fn see_field(&mut self, element: &Element<'_, '_, SendHandlerTypes>) {
        // Such a button sends the form elsewhere.
        if element.has_attribute("formaction") {
            let action = attribute(element, "formaction").trim().to_owned();
            let form = self.forms.len().checked_sub(1);
            self.actions.extend(form.map(|form| (form, action)));
        }
        if !element.has_attribute("name") {
            return;
        }
        let pair = (attribute(element, "name"), attribute(element, "value"));
        let is_text = element.tag_name() == "textarea";
        self.hands_out |= is_handed(&pair.0) && (is_text || !pair.1.is_empty());
        let is_of_an_answer = is_handed(&pair.0) || ["error", "iss", "state"].contains(&&*pair.0);
        if self.is_frugal && !is_of_an_answer {
            return;
        }
        self.bytes = self.bytes.saturating_add(pair.0.len() + pair.1.len());
        if self.bytes > MAX_BYTES {
            return;
        }
        match element.get_attribute("form") {
            Some(id) => self.adopted.push((id, pair)),
            // End tags may be missing or out of place: whatever follows counts for the last form.
            None => self.forms.last_mut().into_iter().for_each(|form| {
                form.inputs.push(pair.clone());
            }),
        }
    }

    fn ended(self) -> (Vec<Form>, Vec<u8>) {
        let Self { mut forms, adopted, actions, base, read, .. } = self;
        for (id, pair) in adopted {
            if let Some(form) = forms.iter_mut().find(|form| form.id.as_deref() == Some(&id)) {
                form.inputs.push(pair);
            }
        }
        let elsewhere = actions.into_iter().filter_map(|(form, action)| {
            let form = forms.get(form)?;
            let (inputs, content) = (form.inputs.clone(), form.content);
            Some(Form { action, inputs, content, ..Form::default() })
        });
        let elsewhere: Vec<_> = elsewhere.collect();
        forms.extend(elsewhere);
        for form in &mut forms {
            form.base.clone_from(&base);
        }
        (forms, read)
    }
}

fn attribute(element: &Element<'_, '_, SendHandlerTypes>, name: &str) -> String {
    element.get_attribute(name).map_or_else(String::new, |value| unescape(&value).into_owned())
}

/// The text that stands behind character references, as far as servers use them in URLs and values.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut pieces = text.split('&');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| !c.is_ascii_alphanumeric() && c != '#');
        let (name, rest) = piece.split_at(end.unwrap_or(piece.len()));
        if let Some(character) = character(name) {
            plain.push(character);
            plain.push_str(rest.strip_prefix(';').unwrap_or(rest));
        } else {
            plain.push('&');
            plain.push_str(piece);
        }
    }
    Cow::Owned(plain)
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, character)| *character)
}

/// HTML has two thousand; these are the ASCII ones that may stand in a URL.
const NAMED: [(&str, char); 24] = [
    ("amp", '&'),
    ("AMP", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("QUOT", '"'),
    ("apos", '\''),
    ("colon", ':'),
    ("sol", '/'),
    ("quest", '?'),
    ("equals", '='),
    ("num", '#'),
    ("percnt", '%'),
    ("plus", '+'),
    ("period", '.'),
    ("lowbar", '_'),
    ("comma", ','),
    ("semi", ';'),
    ("commat", '@'),
    ("excl", '!'),
    ("lpar", '('),
    ("rpar", ')'),
    ("ast", '*'),
    ("dollar", '$'),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn form(action: &str, inputs: &[(&str, &str)]) -> (String, Vec<(String, String)>) {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        (action.to_owned(), inputs.iter().map(pair).collect())
    }

    fn read(page: &str) -> Vec<(String, Vec<(String, String)>)> {
        forms(page.as_bytes()).unwrap().into_iter().map(|form| (form.action, form.inputs)).collect()
    }

    #[test]
    fn debug_shows_no_value() {
        let page = b"<form action=/cb?state=S3><input name=code value=S3CRET></form>";
        let shown = format!("{:?}", forms(page).unwrap());
        assert!(shown.contains("code") && !shown.contains("S3"), "{shown}");
    }

    #[test]
    fn forms_are_read_as_browsers_do() {
        let page = r#"<!DOCTYPE html><body onload="x()"><!-- <form action="/no"> -->
            <script>"<form action='/no'>"</script>
            <FORM method=post ACTION=' https&#58;//c&sol;cb?a=1&amp;b=2 '><table>
            <input type="hidden" name="code" value="a&quot;&#x2F;&lt;"/><INPUT NAME=state value=s&x>
            <input type=submit value=Go></table></form>
            <input form=f name=late value=1><form id=f><input name="empty"></form>"#;
        assert_eq!(
            read(page),
            [
                form("https://c/cb?a=1&b=2", &[("code", "a\"/<"), ("state", "s&x")]),
                form("", &[("empty", ""), ("late", "1")]),
            ]
        );
        let page = r#"<form id=f action=/x></form><input form=f name=late value="a&b&;&#xZ;&no;">"#;
        assert_eq!(read(page), [form("/x", &[("late", "a&b&;&#xZ;&no;")])]);
    }

    #[test]
    fn the_place_of_a_forms_content_is_a_byte_of_the_page() {
        let page = "\u{e4}<p><form action='/x'\n>here";
        let found = forms(page.as_bytes()).unwrap();
        assert_eq!(page.get(found[0].content..), Some("here"));
    }
}
