//! `multipart/form-data` (RFC 7578), read and written as far as consent pages need it: whole, small,
//! and strict enough that no server reads other fields out of it than we do.

use std::borrow::Cow;
use std::ops::Range;

use crate::oauth::names;

/// Most parts that are read.
const MOST: usize = 128;

/// The parts of a form, as they stand in a body.
#[derive(Debug)]
pub struct Multipart<'a> {
    boundary: &'a str,
    parts: Vec<Part<'a>>,
}

/// One part.
#[derive(Debug)]
pub struct Part<'a> {
    /// Its `name`.
    pub name: Cow<'a, str>,
    /// Its content where it is a plain field; `None` for a file.
    pub value: Option<&'a str>,
    raw: &'a [u8],
}

/// The body cannot be read, or could be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the multipart body cannot be read")]
pub struct MultipartError;

impl<'a> Multipart<'a> {
    /// Reads a body by the boundary in its `Content-Type`.
    ///
    /// # Errors
    /// [`MultipartError`]
    pub fn parse(content_type: &'a str, body: &'a [u8]) -> Result<Self, MultipartError> {
        let boundary = boundary(content_type).ok_or(MultipartError)?;
        let delimiter = format!("--{boundary}");
        let mut rest = body.strip_prefix(delimiter.as_bytes()).ok_or(MultipartError)?;
        let next = format!("\r\n{delimiter}");
        let mut parts = Vec::new();
        while !rest.starts_with(b"--") {
            let begin = rest.strip_prefix(b"\r\n").ok_or(MultipartError)?;
            let end = find(begin, next.as_bytes()).ok_or(MultipartError)?;
            let raw = begin.get(..end).ok_or(MultipartError)?;
            parts.push(Part::parse(raw)?);
            rest = begin.get(end + next.len()..).ok_or(MultipartError)?;
            if parts.len() > MOST {
                return Err(MultipartError);
            }
        }
        Ok(Self { boundary, parts })
    }

    /// The parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// Names and values of the plain fields, in order.
    #[must_use]
    pub fn into_fields(self) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        let fields = self.parts.into_iter();
        fields.filter_map(|part| Some((part.name, Cow::Borrowed(part.value?)))).collect()
    }

    /// A body with `fields` in place of the plain fields and every file as it was.
    #[must_use]
    pub fn with_fields(&self, fields: &[(Cow<'_, str>, Cow<'_, str>)]) -> Vec<u8> {
        let mut body = Vec::new();
        let begin = |body: &mut Vec<u8>| {
            body.extend_from_slice(format!("--{}\r\n", self.boundary).as_bytes());
        };
        for (name, value) in fields {
            begin(&mut body);
            let name = name.replace('"', "%22");
            let head =
                format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(head.as_bytes());
        }
        for file in self.parts.iter().filter(|part| part.value.is_none()) {
            begin(&mut body);
            body.extend_from_slice(file.raw);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        body
    }
}

impl<'a> Part<'a> {
    fn parse(raw: &'a [u8]) -> Result<Self, MultipartError> {
        let end = find(raw, b"\r\n\r\n").ok_or(MultipartError)?;
        let head = raw.get(..end).ok_or(MultipartError)?;
        let head = std::str::from_utf8(head).map_err(|_| MultipartError)?;
        let content = raw.get(end + 4..).ok_or(MultipartError)?;
        let disposition = disposition(head)?;
        let name = parameter(disposition, "name").ok_or(MultipartError)?;
        // `name*` and encodings of the part are read by some servers and not by others.
        let twofold = parameter(disposition, "name*").is_some()
            || head.to_ascii_lowercase().contains("content-transfer-encoding");
        if twofold || name.is_empty() {
            return Err(MultipartError);
        }
        let is_file = parameter(disposition, "filename").is_some()
            || parameter(disposition, "filename*").is_some();
        if is_file && (names::is_authorization(name) || names::imitates_registered(name)) {
            return Err(MultipartError);
        }
        let value = if is_file {
            None
        } else {
            Some(std::str::from_utf8(content).map_err(|_| MultipartError)?)
        };
        Ok(Self { name: Cow::Borrowed(name), value, raw })
    }
}

/// The one `Content-Disposition: form-data` of a part's head.
fn disposition(head: &str) -> Result<&str, MultipartError> {
    let mut found = None;
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(MultipartError)?;
        if name.eq_ignore_ascii_case("content-disposition") && found.replace(value.trim()).is_some()
        {
            return Err(MultipartError);
        }
    }
    let value = found.ok_or(MultipartError)?;
    let form_data = value.get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("form-data"));
    if form_data { Ok(value) } else { Err(MultipartError) }
}

/// A parameter of a header value, quotes off.
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = value;
    while let Some(range) = next_parameter(rest) {
        let piece = rest.get(range.clone())?.trim();
        if let Some((key, value)) = piece.split_once('=')
            && key.trim().eq_ignore_ascii_case(name)
        {
            let value = value.trim();
            let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            return Some(quoted.unwrap_or(value));
        }
        rest = rest.get(range.end..)?;
    }
    None
}

/// Where the next parameter stands: behind a `;` and up to the next one outside quotes.
fn next_parameter(text: &str) -> Option<Range<usize>> {
    let mut quoted = false;
    let mut begin = None;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b';' if !quoted => match begin {
                None => begin = Some(index + 1),
                Some(begin) => return Some(begin..index),
            },
            _ => {}
        }
    }
    begin.map(|begin| begin..text.len())
}

fn boundary(content_type: &str) -> Option<&str> {
    parameter(content_type, "boundary").filter(|boundary| {
        !boundary.is_empty()
            && boundary.len() <= 70
            && boundary.bytes().all(|b| b.is_ascii_graphic())
    })
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"xx\"";
    const BODY: &[u8] = b"--xx\r\nContent-Disposition: form-data; name=\"scope\"\r\n\r\nopenid\r\n\
--xx\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a;b\"\r\nContent-Type: image/png\r\n\r\n\xff\r\n\
--xx--\r\n";

    #[test]
    fn fields_and_files_are_read_and_written() {
        let form = Multipart::parse(TYPE, BODY).unwrap();
        let read: Vec<_> = form.parts().iter().map(|p| (p.name.as_ref(), p.value)).collect();
        assert_eq!(read, [("scope", Some("openid")), ("f", None)]);
        let body = form.with_fields(&[("scope".into(), "openid email".into())]);
        let again = Multipart::parse(TYPE, &body).unwrap();
        let read: Vec<_> = again.parts().iter().map(|p| (p.name.as_ref(), p.value)).collect();
        assert_eq!(read, [("scope", Some("openid email")), ("f", None)]);
        assert!(find(&body, b"\xff").is_some());
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let part = |head: &str| format!("--xx\r\n{head}\r\n\r\nv\r\n--xx--\r\n").into_bytes();
        for head in [
            "Content-Disposition: form-data",
            "Content-Disposition: form-data; name=\"\"",
            "Content-Disposition: form-data; name=a; name*=UTF-8''b",
            "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b",
            "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64",
            "Content-Disposition: attachment; name=a",
            "Content-Disposition: form-data; name=\"scope\"; filename=\"x\"",
            "Content-Type: text/plain",
            "nonsense",
        ] {
            assert!(Multipart::parse(TYPE, &part(head)).is_err(), "{head}");
        }
        for body in [
            &b""[..],
            b"--xx",
            b"--xx\r\n",
            b"preamble\r\n--xx--",
            b"--xx\nContent-Disposition: form-data; name=a\n\nv\n--xx--",
        ] {
            assert!(Multipart::parse(TYPE, body).is_err());
        }
        assert!(Multipart::parse("multipart/form-data", BODY).is_err());
    }
}
