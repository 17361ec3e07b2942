//! What kind of answer it is: enough to tell "the same as there" from "something else".

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, LOCATION};

/// What two answers of one place have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) status: u16,
    /// Media type, without parameters.
    pub(super) media_type: String,
    /// Path of a redirect, down to its first segment: what follows may differ from call to call.
    pub(super) leads_to: Option<String>,
}

impl Kind {
    pub(super) fn of(answer: &Response<Bytes>) -> Self {
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let media_type = text(CONTENT_TYPE).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let leads_to = text(LOCATION).map(|location| first_segment(location).to_owned());
        Self {
            status: answer.status().as_u16(),
            media_type: media_type.to_ascii_lowercase(),
            leads_to,
        }
    }

    /// Whether the endpoint did its work, be it a refusal.
    pub(super) const fn is_of_an_endpoint(&self) -> bool {
        !matches!(self.status, 404 | 405 | 410 | 414 | 431 | 501..) && self.status != 500
    }
}

/// `location` of an answer, if it has one.
pub(super) fn location(answer: &Response<Bytes>) -> Option<&str> {
    answer.headers().get(LOCATION)?.to_str().ok()
}

/// `/a` of `https://h/a/b?c`, of `/a/b?c` and of `/a`.
fn first_segment(location: &str) -> &str {
    let bare = location.split(['?', '#']).next().unwrap_or_default();
    let path = bare
        .split_once("://")
        .map_or(bare, |(_, rest)| rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default());
    let end = path.get(1..).and_then(|rest| rest.find('/')).map_or(path.len(), |at| at + 1);
    path.get(..end).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_alike_by_their_first_segment() {
        for (location, expected) in [
            ("https://h.example/a/b?c", "/a"),
            ("/a/b?c=https://x/", "/a"),
            ("/a", "/a"),
            ("/", "/"),
            ("https://h.example", ""),
            ("", ""),
            ("/é/b", "/é"),
        ] {
            assert_eq!(first_segment(location), expected, "{location}");
        }
    }
}
