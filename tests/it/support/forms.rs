//! The forms of an HTML page: enough of HTML for login and consent pages.

/// A `<form>` and the controls that are sent with it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// As written; empty where the form posts to the page's own address.
    pub action: String,
    pub is_post: bool,
    pub controls: Vec<Control>,
}

/// An `<input>` or `<button>`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Lower case: `hidden`, `text`, `password`, `submit`, …
    pub kind: String,
    pub name: String,
    pub value: String,
}

impl Form {
    /// Whether it asks for a password.
    pub fn is_login(&self) -> bool {
        self.controls.iter().any(|control| control.kind == "password")
    }

    /// The fields that a person would send: typed into, agreed to.
    pub fn filled(&self, user: &str, password: &str) -> Vec<(String, String)> {
        let agree = self.controls.iter().rposition(|control| {
            control.kind == "submit" && !control.value.eq_ignore_ascii_case("cancel")
        });
        let sent = self.controls.iter().enumerate().filter(|(at, control)| {
            !control.name.is_empty() && (control.kind != "submit" || Some(*at) == agree)
        });
        sent.map(|(_, control)| {
            let value = match control.kind.as_str() {
                "password" => password,
                "text" | "email" => user,
                _ => &control.value,
            };
            (control.name.clone(), value.to_owned())
        })
        .collect()
    }
}

/// All forms of a page, in order.
pub fn forms(page: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let mut open = false;
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = split_tag(after);
        rest = after;
        let (name, attributes) = attributes(tag);
        match (name.as_str(), forms.last_mut()) {
            ("form", _) => {
                open = true;
                forms.push(Form {
                    action: value_of(&attributes, "action"),
                    is_post: value_of(&attributes, "method").eq_ignore_ascii_case("post"),
                    controls: Vec::new(),
                });
            }
            ("/form", _) => open = false,
            ("input" | "button", Some(form)) if open => {
                form.controls.push(control(&name, &attributes));
            }
            ("script" | "style", _) => {
                let end = format!("</{name}");
                rest = rest.find(&end).map_or("", |at| &rest[at..]);
            }
            _ => {}
        }
    }
    forms
}

fn control(tag: &str, attributes: &[(String, String)]) -> Control {
    let kind = value_of(attributes, "type").to_ascii_lowercase();
    let usual = if tag == "button" { "submit" } else { "text" };
    Control {
        kind: if kind.is_empty() { usual.to_owned() } else { kind },
        name: value_of(attributes, "name"),
        value: value_of(attributes, "value"),
    }
}

/// Splits behind the `>` that ends the tag; one inside quotes does not.
fn split_tag(text: &str) -> (&str, &str) {
    if let Some(comment) = text.strip_prefix("!--") {
        return ("!--", comment.split_once("-->").map_or("", |(_, rest)| rest));
    }
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), close) if open == close => quote = None,
            (None, '>') => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    (text, "")
}

/// The name of a tag and its attributes, names in lower case, values decoded.
fn attributes(tag: &str) -> (String, Vec<(String, String)>) {
    let (name, mut rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '/');
        if rest.is_empty() {
            return (name.to_ascii_lowercase(), found);
        }
        let end = rest.find(|letter: char| letter.is_whitespace() || letter == '=');
        let (key, after) = rest.split_at(end.unwrap_or(rest.len()));
        let (value, after) = match after.trim_start().strip_prefix('=') {
            Some(after) => attribute_value(after.trim_start()),
            None => ("", after),
        };
        found.push((key.to_ascii_lowercase(), unescape(value)));
        rest = after;
    }
}

fn attribute_value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(quoted) = text.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

fn value_of(attributes: &[(String, String)], name: &str) -> String {
    attributes
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.clone())
        .unwrap_or_default()
}

/// Text with its character references decoded.
pub fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let reference = rest.find(';').and_then(|end| Some((end, character(&rest[1..end])?)));
        if let Some((end, character)) = reference {
            plain.push(character);
            rest = &rest[end + 1..];
        } else {
            plain.push('&');
            rest = &rest[1..];
        }
    }
    plain + rest
}

fn character(reference: &str) -> Option<char> {
    match reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = reference.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[test]
fn a_consent_form_is_filled_as_a_person_would() {
    let page = r#"<script>"<form>"</script><!-- <form> --><FORM method=POST action='/a?b&amp;c'>
        <input type="hidden" name=next value="x&#x2F;&quot;>"/><input name="username" required>
        <input type=password name="p"><button name="allow" value="yes">Go</button>
        <input type="submit" name="no" value="Cancel"></form><input name="outside">"#;
    let forms = forms(page);
    assert_eq!(forms.len(), 1);
    assert!(forms[0].is_post && forms[0].is_login());
    assert_eq!(forms[0].action, "/a?b&c");
    let sent = forms[0].filled("alice", "wonderland");
    let expected =
        [("next", "x/\">"), ("username", "alice"), ("p", "wonderland"), ("allow", "yes")];
    assert_eq!(sent, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
