//! What came of a push, for people and for programs.

use std::fmt;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Hint;
use crate::config::Secret;

/// A request that was taken.
#[derive(Debug)]
pub struct Pushed {
    /// Who took it.
    pub issuer: String,
    /// The reference.
    pub request_uri: String,
    /// In seconds.
    pub expires_in: u64,
    /// Where to send the browser.
    pub authorize_url: String,
    /// As it was pushed.
    pub state: Option<String>,
    /// As it was pushed.
    pub nonce: Option<String>,
    /// What the code is redeemed with; `None` where the challenge was not ours.
    pub code_verifier: Option<Secret>,
}

/// Whether the verifier is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verifier {
    /// In the output.
    Shown,
    /// It stays out.
    Hidden,
}

impl Pushed {
    /// The members of the JSON form, in the order of the lines.
    fn members(&self, verifier: Verifier) -> Vec<(&'static str, Value)> {
        let verifier = self.code_verifier.as_ref().filter(|_| verifier == Verifier::Shown);
        let members = [
            ("request_uri", json!(self.request_uri)),
            ("expires_in", json!(self.expires_in)),
            ("authorize_url", json!(self.authorize_url)),
            ("state", json!(self.state)),
            ("nonce", json!(self.nonce)),
            ("code_verifier", json!(verifier.map(Secret::expose))),
        ];
        members.into_iter().filter(|(_, value)| !value.is_null()).collect()
    }

    /// An object of texts, and `expires_in`, a number.
    #[must_use]
    pub fn json(&self, verifier: Verifier) -> Value {
        let members = self.members(verifier).into_iter();
        Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// One line for each.
    #[must_use]
    pub fn text(&self, verifier: Verifier) -> String {
        let lines = self.members(verifier).into_iter().map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{name:<13} {value}\n")
        });
        lines.collect()
    }
}

/// A request that was not taken.
#[derive(Debug)]
pub struct Refusal {
    /// Never 201.
    pub status: StatusCode,
    /// The code, or what stands in its place.
    pub error: String,
    /// What the server says of it.
    pub description: String,
    /// What may be the matter.
    pub hint: Hint,
}

/// Most characters of a server's text that are shown.
const SHOWN: usize = 400;

impl Refusal {
    /// Reads an answer; it may be anything.
    pub(super) fn of(answer: &Response<Bytes>) -> Self {
        let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(printable);
        let error = text("error").unwrap_or_else(|| "(no error code)".to_owned());
        let description = text("error_description");
        let description = description.unwrap_or_else(|| {
            if body.is_null() {
                "the answer is no JSON; was it the gateway that answered?".to_owned()
            } else {
                "(no error_description)".to_owned()
            }
        });
        let hint = Hint::of(answer.status(), &error, &description);
        Self { status: answer.status(), error, description, hint }
    }

    /// `status`, `error`, `error_description`, `hint` and `see`.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "status": self.status.as_u16(),
            "error": self.error,
            "error_description": self.description,
            "hint": self.hint.text,
            "see": self.hint.see(),
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the push is refused: {} {}", self.status.as_u16(), self.error)?;
        writeln!(f, "  {}", self.description)?;
        write!(f, "  hint: {}; see {}", self.hint.text, self.hint.see())
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_is_shown_to_those_who_ask() {
        let pushed = Pushed {
            issuer: "https://a.example".to_owned(),
            request_uri: "urn:1".to_owned(),
            expires_in: 60,
            authorize_url: "https://a.example/".to_owned(),
            state: None,
            nonce: Some("n".to_owned()),
            code_verifier: Some(Secret::new("hunter2".to_owned())),
        };
        let text = pushed.text(Verifier::Hidden);
        assert_eq!(
            text,
            "request_uri   urn:1\nexpires_in    60\nauthorize_url https://a.example/\nnonce         n\n"
        );
        assert!(!format!("{pushed:?}{}", pushed.json(Verifier::Hidden)).contains("hunter2"));
        assert!(pushed.text(Verifier::Shown).ends_with("code_verifier hunter2\n"));
    }

    #[test]
    fn any_answer_is_a_refusal_that_can_be_printed() {
        for (body, expected) in [
            ("{\"error\":\"invalid_scope\",\"error_description\":\"a\\u001b[1m\"}", "  a[1m\n"),
            ("<html>", "no JSON"),
            ("{\"error\":5}", "(no error code)"),
            ("[]", "(no error_description)"),
        ] {
            let answer = Response::builder().status(400).body(Bytes::from(body)).unwrap();
            let text = Refusal::of(&answer).to_string();
            assert!(text.contains(expected) && !text.contains('\u{1b}'), "{text}");
        }
    }
}
