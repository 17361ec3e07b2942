//! What the forms of a page would send, as browsers read them.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use lol_html::html_content::Element;
use lol_html::{HtmlRewriter, Settings, element};

/// A form of a page. `Debug` shows no value: there may be a code among them.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Form {
    /// Where it leads; empty for the page's own address.
    pub(super) action: String,
    /// Name and value of its `input` elements, in order.
    pub(super) inputs: Vec<(String, String)>,
    /// Where in the page the form's content begins.
    pub(super) content: usize,
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

/// What was found so far.
#[derive(Default)]
struct Found {
    forms: Vec<Form>,
    /// Inputs that name the form they belong to.
    adopted: Vec<(String, (String, String))>,
}

/// The forms of `page`, an ASCII-compatible text.
pub(super) fn forms(page: &[u8]) -> Result<Vec<Form>, Unreadable> {
    let found = RefCell::new(Found::default());
    let form = element!("form", |form| {
        found.borrow_mut().forms.push(Form {
            action: attribute(form, "action").trim().to_owned(),
            inputs: Vec::new(),
            content: form.source_location().bytes().end,
            id: form.get_attribute("id"),
        });
        Ok(())
    });
    let input = element!("input[name]", |input| {
        let pair = (attribute(input, "name"), attribute(input, "value"));
        let mut found = found.borrow_mut();
        match input.get_attribute("form") {
            Some(id) => found.adopted.push((id, pair)),
            // End tags may be missing or out of place: whatever follows counts for the last form.
            None => found.forms.last_mut().into_iter().for_each(|form| {
                form.inputs.push(pair.clone());
            }),
        }
        Ok(())
    });
    // Odd pages are to be read as well as they can be, not to be given up.
    let settings = Settings::new()
        .with_strict(false)
        .append_element_content_handler(form)
        .append_element_content_handler(input);
    let mut reader = HtmlRewriter::new(settings, |_: &[u8]| {});
    reader.write(page).map_err(|_| Unreadable)?;
    reader.end().map_err(|_| Unreadable)?;
    let Found { mut forms, adopted } = found.into_inner();
    for (id, pair) in adopted {
        if let Some(form) = forms.iter_mut().find(|form| form.id.as_deref() == Some(&id)) {
            form.inputs.push(pair);
        }
    }
    Ok(forms)
}

fn attribute(element: &Element<'_, '_>, name: &str) -> String {
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
