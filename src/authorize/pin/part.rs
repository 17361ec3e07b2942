//! One part of a multipart body (RFC 7578 §4), read so strictly that its head means one thing to every
//! server, and written anew in one spelling.

use super::multipart::MultipartError;
use crate::oauth::names;
use crate::oauth::target::loose;

/// One part: a plain field or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its `name`, as it stands there.
    pub name: &'a str,
    /// What it holds.
    pub content: Content<'a>,
}

/// What a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// The value of a plain field.
    Value(&'a str),
    /// A file; an empty `filename` is that of an input in which none was chosen.
    File {
        /// Its `filename`.
        filename: &'a str,
        /// Its `Content-Type`.
        media_type: Option<&'a str>,
        /// Its bytes.
        bytes: &'a [u8],
    },
}

impl<'a> Part<'a> {
    /// Reads a part, from behind its boundary line to the next.
    ///
    /// # Errors
    /// [`MultipartError`]
    pub(super) fn parse(raw: &'a [u8]) -> Result<Self, MultipartError> {
        let end = super::multipart::find(raw, b"\r\n\r\n").ok_or(MultipartError)?;
        let (head, content) = raw.split_at_checked(end).ok_or(MultipartError)?;
        let content = content.get(4..).ok_or(MultipartError)?;
        let head = Head::parse(std::str::from_utf8(head).map_err(|_| MultipartError)?)?;
        let Some(filename) = head.filename else {
            let value = std::str::from_utf8(content).map_err(|_| MultipartError)?;
            return Ok(Self { name: head.name, content: Content::Value(value) });
        };
        if names::is_authorization(head.name) || names::imitates_registered(head.name) {
            return Err(MultipartError);
        }
        let content = Content::File { filename, media_type: head.media_type, bytes: content };
        Ok(Self { name: head.name, content })
    }

    /// The bytes that are not ours to choose.
    pub(super) const fn bytes(&self) -> &'a [u8] {
        match self.content {
            Content::Value(value) => value.as_bytes(),
            Content::File { bytes, .. } => bytes,
        }
    }

    /// Appends the part, without a boundary line, with a line end.
    pub(super) fn write(&self, body: &mut Vec<u8>) {
        // As browsers do (WHATWG HTML, "multipart/form-data encoding algorithm").
        let name = self.name.replace('"', "%22");
        let mut head = format!("Content-Disposition: form-data; name=\"{name}\"");
        if let Content::File { filename, media_type, .. } = self.content {
            head.push_str("; filename=\"");
            head.push_str(filename);
            head.push('"');
            if let Some(media_type) = media_type {
                head.push_str("\r\nContent-Type: ");
                head.push_str(media_type);
            }
        }
        head.push_str("\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(self.bytes());
        body.extend_from_slice(b"\r\n");
    }
}

/// The head of a part.
#[derive(Debug)]
struct Head<'a> {
    name: &'a str,
    filename: Option<&'a str>,
    media_type: Option<&'a str>,
}

impl<'a> Head<'a> {
    fn parse(text: &'a str) -> Result<Self, MultipartError> {
        let (mut disposition, mut media_type, mut length) = (None, None, None);
        for line in text.split("\r\n") {
            if line.chars().any(|c| c.is_control() || c == '\\') || line.starts_with(' ') {
                return Err(MultipartError);
            }
            let (name, value) = line.split_once(':').ok_or(MultipartError)?;
            // `Content-Transfer-Encoding` and others are heeded by some servers only.
            let place = match name.to_ascii_lowercase().as_str() {
                "content-disposition" => &mut disposition,
                "content-type" => &mut media_type,
                "content-length" => &mut length,
                _ => return Err(MultipartError),
            };
            if place.replace(value.trim_matches(' ')).is_some() {
                return Err(MultipartError);
            }
        }
        // Parts within a part are fields to some servers.
        let nested = |kind: &str| kind.to_ascii_lowercase().starts_with("multipart");
        if media_type.is_some_and(nested) {
            return Err(MultipartError);
        }
        let (name, filename) = Self::disposition(disposition.ok_or(MultipartError)?)?;
        Ok(Self { name, filename, media_type })
    }

    /// `name` and `filename` of a `form-data`; nothing else may stand there (RFC 7578 §4.2).
    fn disposition(value: &'a str) -> Result<(&'a str, Option<&'a str>), MultipartError> {
        let (kind, parameters) = parameters(value)?;
        let mut name = None;
        let mut filename = None;
        for (key, value) in parameters {
            match key.to_ascii_lowercase().as_str() {
                "name" => name = Some(value),
                "filename" => filename = Some(value),
                _ => return Err(MultipartError),
            }
        }
        let name = name.filter(|name| !name.is_empty()).ok_or(MultipartError)?;
        let disguised = is_disguised(name) || filename.is_some_and(hides_a_name);
        if !kind.eq_ignore_ascii_case("form-data") || disguised {
            return Err(MultipartError);
        }
        Ok((name, filename))
    }
}

/// Whether some server decodes a registered name out of this one: percent-encodings, encoded words
/// (RFC 2047), or a parameter within the quotes.
fn is_disguised(name: &str) -> bool {
    let decoded = loose(name);
    let registered = decoded != name
        && (names::is_authorization(&decoded) || names::imitates_registered(&decoded));
    registered || name.contains("=?") || hides_a_name(name)
}

fn hides_a_name(value: &str) -> bool {
    value.contains(';') && value.to_ascii_lowercase().contains("name")
}

/// A kind and its parameters, each of which stands there once.
type Parameters<'a> = (&'a str, Vec<(&'a str, &'a str)>);

/// Reads `kind; key=value; key="value"`: quotes off, no escapes, nothing left over.
///
/// # Errors
/// [`MultipartError`]
pub(super) fn parameters(text: &str) -> Result<Parameters<'_>, MultipartError> {
    let (kind, mut rest) = text.split_once(';').map_or((text, None), |(k, rest)| (k, Some(rest)));
    let mut found: Vec<(&str, &str)> = Vec::new();
    while let Some(piece) = rest {
        let (key, value) = piece.split_once('=').ok_or(MultipartError)?;
        let key = key.trim_matches(' ');
        let is_quoted = value.starts_with('"');
        let (value, tail) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(MultipartError)?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        let tail = tail.trim_matches(' ');
        let is_twice = found.iter().any(|(known, _)| known.eq_ignore_ascii_case(key));
        let is_odd = value.contains(['\\', '\r', '\n', '\0']) || !(is_quoted || is_token(value));
        if !is_token(key) || key.contains('*') || is_twice || is_odd {
            return Err(MultipartError);
        }
        rest = if tail.is_empty() {
            None
        } else {
            Some(tail.strip_prefix(';').ok_or(MultipartError)?)
        };
        found.push((key, value));
    }
    Ok((kind.trim_matches(' '), found))
}

/// Whether `text` is one word to every server without quotes; boundaries have `=` and `/` in them.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"',;\\<>()@[]{}".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_in_one_way_or_not_at_all() {
        assert_eq!(
            parameters("form-data; name=\"a; b\";Filename=c.png"),
            Ok(("form-data", vec![("name", "a; b"), ("Filename", "c.png")]))
        );
        assert_eq!(parameters("form-data"), Ok(("form-data", Vec::new())));
        for odd in [
            "k; a",
            "k; a=",
            "k; a=b c",
            "k; a=b\"c\"",
            "k; a=\"b",
            "k; a=\"b\"c",
            "k; a=\"b\\\"",
            "k; a*=b",
            "k; a=b; A=c",
            "k; a='b'",
            "k; =b",
            "k; a=b;",
        ] {
            assert_eq!(parameters(odd), Err(MultipartError), "{odd}");
        }
    }

    #[test]
    fn a_part_is_written_in_one_spelling() {
        let raw = "content-type:  text/html\r\nCONTENT-DISPOSITION:form-data;name=f; filename=\"ü.html\"\r\n\
                   Content-Length: 1\r\n\r\nx";
        let mut body = Vec::new();
        Part::parse(raw.as_bytes()).unwrap().write(&mut body);
        let text = "Content-Disposition: form-data; name=\"f\"; filename=\"ü.html\"\r\n\
                    Content-Type: text/html\r\n\r\nx\r\n";
        assert_eq!(String::from_utf8(body).unwrap(), text);
    }
}
