//! `multipart/form-data` (RFC 7578), read and written as far as consent pages need it: whole, small,
//! and strict. Servers read such bodies in many ways, so none of the browser's goes on as it came:
//! every part is written anew, under a boundary of our own.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};

use super::Pair;
pub use super::part::{Content, Part};

/// Most parts that are read.
const MOST: usize = 128;

/// Longest boundary (RFC 2046 §5.1.1).
const LONGEST_BOUNDARY: usize = 70;

/// The parts of a form.
#[derive(Debug)]
pub struct Multipart<'a> {
    parts: Vec<Part<'a>>,
    /// For a boundary that nobody knows before the body is there.
    seed: [u8; 16],
}

/// A body of our own making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its `Content-Type`.
    pub media_type: String,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// The body cannot be read, or could be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the multipart body cannot be read")]
pub struct MultipartError;

impl<'a> Multipart<'a> {
    /// Reads a body by the boundary in its `Content-Type`. Nothing may stand before the first part or
    /// behind the last, and no part may hold anything that looks like a boundary line.
    ///
    /// # Errors
    /// [`MultipartError`]
    pub fn parse(content_type: &str, body: &'a [u8]) -> Result<Self, MultipartError> {
        let delimiter = format!("--{}", boundary(content_type)?);
        let mut rest = body.strip_prefix(delimiter.as_bytes()).ok_or(MultipartError)?;
        let mut parts = Vec::new();
        while let Some(begin) = rest.strip_prefix(b"\r\n").filter(|rest| !rest.is_empty()) {
            // Some servers look for it at the begin of a line, some anywhere.
            let end = find(begin, delimiter.as_bytes()).ok_or(MultipartError)?;
            let (raw, next) = begin.split_at_checked(end).ok_or(MultipartError)?;
            parts.push(Part::parse(raw.strip_suffix(b"\r\n").ok_or(MultipartError)?)?);
            rest = next.get(delimiter.len()..).ok_or(MultipartError)?;
            if parts.len() > MOST {
                return Err(MultipartError);
            }
        }
        if rest != b"--" && rest != b"--\r\n" {
            return Err(MultipartError);
        }
        Ok(Self { parts, seed: seed(body)? })
    }

    /// The parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// Names and values of the plain fields, in order.
    #[must_use]
    pub fn into_fields(self) -> Vec<Pair<'a>> {
        let fields = self.parts.into_iter().filter_map(|part| match part.content {
            Content::Value(value) => Some((Cow::Borrowed(part.name), Cow::Borrowed(value))),
            Content::File { .. } => None,
        });
        fields.collect()
    }

    /// The same form, written by us.
    ///
    /// # Errors
    /// [`MultipartError`] where a part holds the boundary; no honest one does.
    pub fn anew(&self) -> Result<Written, MultipartError> {
        self.written(&self.parts)
    }

    /// The form with `fields` in place of the plain fields, and every file.
    ///
    /// # Errors
    /// [`MultipartError`] where a part or field holds the boundary; no honest one does.
    pub fn with_fields(&self, fields: &[Pair<'_>]) -> Result<Written, MultipartError> {
        let mut parts: Vec<Part<'_>> = fields
            .iter()
            .map(|(name, value)| Part { name, content: Content::Value(value) })
            .collect();
        let files = self.parts.iter().filter(|part| !matches!(part.content, Content::Value(_)));
        parts.extend(files.cloned());
        self.written(&parts)
    }

    fn written(&self, parts: &[Part<'_>]) -> Result<Written, MultipartError> {
        let boundary = format!("parapet-{:032x}", u128::from_be_bytes(self.seed));
        let mut body = Vec::new();
        for part in parts {
            if find(part.bytes(), boundary.as_bytes()).is_some() {
                return Err(MultipartError);
            }
            body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            part.write(&mut body);
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Ok(Written { media_type: format!("multipart/form-data; boundary={boundary}"), body })
    }
}

/// Nobody can put the digest of a body into that body, and a repeated body gets the same boundary.
fn seed(body: &[u8]) -> Result<[u8; 16], MultipartError> {
    let digest = digest(&SHA256, body);
    digest.as_ref().first_chunk().copied().ok_or(MultipartError)
}

/// The one `boundary` of a `multipart/form-data`.
fn boundary(content_type: &str) -> Result<&str, MultipartError> {
    let (kind, parameters) = super::part::parameters(content_type)?;
    let boundary = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case("boundary"));
    let (_, boundary) = boundary.ok_or(MultipartError)?;
    let is_sound = !boundary.is_empty()
        && boundary.len() <= LONGEST_BOUNDARY
        && boundary.bytes().all(|byte| byte.is_ascii_graphic());
    let is_form = kind.eq_ignore_ascii_case("multipart/form-data");
    if is_form && is_sound { Ok(boundary) } else { Err(MultipartError) }
}

/// Where `what` begins.
pub(super) fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"xx\"";
    const DISPOSITION: &str = "Content-Disposition: form-data; ";

    fn field(rest: &str, content: &str) -> String {
        format!("--xx\r\n{DISPOSITION}{rest}\r\n\r\n{content}\r\n")
    }

    fn read(media_type: &str, body: &[u8]) -> Vec<(String, Option<String>)> {
        let form = Multipart::parse(media_type, body).unwrap();
        let own = |part: &Part<'_>| match part.content {
            Content::Value(value) => (part.name.to_owned(), Some(value.to_owned())),
            Content::File { .. } => (part.name.to_owned(), None),
        };
        form.parts().iter().map(own).collect()
    }

    fn pair(name: &str, value: &str) -> (String, Option<String>) {
        (name.to_owned(), Some(value.to_owned()))
    }

    #[test]
    fn fields_and_files_are_read_and_written_under_another_boundary() {
        let file = b"--xx\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a;b\"\r\n\
            Content-Type: image/png\r\n\r\n\xff\r\n";
        let body =
            [&file[..], field("name=\"scope\"", "openid").as_bytes(), b"--xx--\r\n"].concat();
        let form = Multipart::parse(TYPE, &body).unwrap();
        let anew = form.anew().unwrap();
        assert_eq!(
            read(&anew.media_type, &anew.body),
            [("f".to_owned(), None), pair("scope", "openid")]
        );
        let changed = form.with_fields(&[("scope".into(), "openid email".into())]).unwrap();
        let fields = [pair("scope", "openid email"), ("f".to_owned(), None)];
        assert_eq!(read(&changed.media_type, &changed.body), fields);
        let head = b"filename=\"a;b\"\r\nContent-Type: image/png\r\n\r\n\xff\r\n--parapet-";
        for written in [anew, changed] {
            assert!(find(&written.body, head).is_some());
            assert!(find(&written.body, b"xx").is_none());
        }
    }

    #[test]
    fn what_browsers_send_is_read() {
        for boundary in [
            "----WebKitFormBoundary7MA4YWxkTrZu0gW",
            "---------------------------9051914041544843365972754266",
            "----geckoformboundary8f0b2a4d1c9e7f3a5b6d8c0e2f4a6b8c",
        ] {
            let body = format!(
                "--{boundary}\r\n{DISPOSITION}name=\"empty\"\r\n\r\n\r\n\
                 --{boundary}\r\n{DISPOSITION}name=\"näme\"\r\n\r\nzwei\r\n--\r\nZeilen ü \u{1f600}\r\n\
                 --{boundary}\r\n{DISPOSITION}name=\"a%22b%0D%0A\"\r\n\r\n1; name=\"x\"\r\n\
                 --{boundary}\r\n{DISPOSITION}name=\"f\"; filename=\"\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n\r\n\
                 --{boundary}\r\n{DISPOSITION}name=\"g\"; filename=\"%22ß (1).png\"\r\n\
                 Content-Type: image/png\r\n\r\nPNG\r\n--{boundary}--\r\n"
            );
            let fields = [
                pair("empty", ""),
                pair("näme", "zwei\r\n--\r\nZeilen ü \u{1f600}"),
                pair("a%22b%0D%0A", "1; name=\"x\""),
                ("f".to_owned(), None),
                ("g".to_owned(), None),
            ];
            let media_type = format!("multipart/form-data; boundary={boundary}");
            assert_eq!(read(&media_type, body.as_bytes()), fields, "{boundary}");
            let form = Multipart::parse(&media_type, body.as_bytes()).unwrap();
            let anew = form.anew().unwrap();
            let ours = anew.media_type.split_once("boundary=").unwrap().1;
            assert_eq!(String::from_utf8(anew.body).unwrap(), body.replace(boundary, ours));
        }
        assert!(read(TYPE, b"--xx--\r\n").is_empty());
    }

    #[test]
    fn a_head_that_could_be_read_in_two_ways_is_refused() {
        for head in [
            "Content-Disposition: form-data",
            "Content-Disposition: form-data; name=\"\"",
            "Content-Disposition: form-data; name=a; name*=UTF-8''b",
            "Content-Disposition: form-data; name*0=a",
            "Content-Disposition: form-data; name=\"foo\"; name=\"scope\"",
            "Content-Disposition: form-data; name=\"foo\"; filename=\"a\"; FILENAME=\"b\"",
            "Content-Disposition: form-data; x=\"\\\"; name=foo; y=\"; name=\"scope\"",
            "Content-Disposition: form-data; name=\"foo\"\r\n x: ; name=\"scope\"",
            "Content-Disposition: form-data; name=\"foo\"\r\n\tx: ; name=\"scope\"",
            "Content-Disposition: form-data; name=\"foo\"\nx: ; name=\"scope\"",
            "Content-Disposition: form-data; name=\"foo\0\"",
            "Content-Disposition: form-data; name=\"scope%00\"",
            "Content-Disposition: form-data; name=\"sc%6Fpe\"",
            "Content-Disposition: form-data; name=\"=?utf-8?q?scope?=\"",
            "Content-Disposition: form-data; name=\"foo; name=scope\"",
            "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b",
            "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64",
            "Content-Disposition: form-data; name=a\r\nContent-Type: multipart/mixed; boundary=y",
            "Content-Disposition: attachment; name=a",
            "Content-Disposition: form-data; name=\"scope\"; filename=\"x\"",
            "Content-Type: text/plain",
            "nonsense",
        ] {
            let body = format!("--xx\r\n{head}\r\n\r\nv\r\n--xx--\r\n");
            assert!(Multipart::parse(TYPE, body.as_bytes()).is_err(), "{head}");
        }
    }

    #[test]
    fn boundary_lines_in_strange_places_are_refused() {
        let scope = field("name=\"scope\"", "admin");
        let inner = scope.replace("xx", "yy");
        for body in [
            String::new(),
            "--xx".to_owned(),
            "--xx\r\n".to_owned(),
            "preamble\r\n--xx--".to_owned(),
            "--xx\nContent-Disposition: form-data; name=a\n\nv\n--xx--".to_owned(),
            field("name=\"foo\"", &format!("1\n{scope}")) + "--xx--\r\n",
            field("name=\"foo\"", &format!("1{scope}")) + "--xx--\r\n",
            field("name=\"foo\"", "1") + "--xx--\r\n" + &scope + "--xx--\r\n",
            field("name=\"foo\"", "1") + "--xx--\n" + &scope + "--xx--\r\n",
            field("name=\"foo\"", "1") + "--xx-- ",
            field("name=\"foo\"", "1") + "--xx\r\n",
        ] {
            assert!(Multipart::parse(TYPE, body.as_bytes()).is_err(), "{body}");
        }
        let body = field("name=\"foo\"", &format!("{inner}--yy--")) + "--xx--\r\n";
        for media_type in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=xx; boundary=yy",
            "multipart/form-data; boundary=xx; Boundary=\"yy\"",
            "multipart/form-data; boundary=xx; boundary*=utf-8''yy",
            "multipart/form-data; x=\"\\\"; boundary=xx; y=\"; boundary=yy",
            "multipart/mixed; boundary=xx",
        ] {
            assert!(Multipart::parse(media_type, body.as_bytes()).is_err(), "{media_type}");
        }
        assert!(Multipart::parse(TYPE, body.as_bytes()).is_ok());
    }

    #[test]
    fn a_field_with_our_boundary_in_it_is_not_written() {
        let body = field("name=\"foo\"", "1") + "--xx--\r\n";
        let form = Multipart::parse(TYPE, body.as_bytes()).unwrap();
        let media_type = form.anew().unwrap().media_type;
        let ours = media_type.split_once("boundary=").unwrap().1.to_owned();
        assert!(form.with_fields(&[("state".into(), format!("--{ours}--").into())]).is_err());
    }
}
