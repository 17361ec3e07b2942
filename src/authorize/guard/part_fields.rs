//! The fields of one part of a multipart body, kept as far as they matter: line ends and blanks are one,
//! backslashes are left out.

use super::field::{LONGEST, name_of, strip_lead};
use super::has_strange_charset;

/// Most bytes of a part's fields that are looked at in one go.
const FIELDS: usize = 1024;

/// Bytes at the end that are looked at again with what follows.
const OVERLAP: usize = 256;

/// The bytes of the fields that came last.
#[derive(Debug, Default)]
pub(super) struct FieldBytes {
    bytes: Vec<u8>,
    /// A `Content-Disposition` stood in what is no longer kept.
    disposed: bool,
}

impl FieldBytes {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.disposed = false;
    }

    pub(super) fn push(&mut self, byte: u8) {
        // A line end stays one: it ends an open quote to some servers.
        let byte = match byte {
            b'\r' | b'\n' => b'\n',
            b'\t' | b'\x0c' => b' ',
            byte => byte,
        };
        let repeats = self.bytes.last() == Some(&byte) && matches!(byte, b' ' | b'\n');
        if byte != b'\\' && !repeats {
            self.bytes.push(byte);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= FIELDS
    }

    /// Lets go of what has been read, but for the end, which may go on, and for an open name of which
    /// nothing but blanks has come: some servers strip any number of them.
    pub(super) fn shorten(&mut self) {
        self.disposed = self.dispose();
        if let Some((name, value)) = open_name(&self.bytes) {
            let length = self.bytes.len();
            strip_lead(&mut self.bytes, value);
            if self.bytes.len() < length {
                self.bytes.drain(..name);
                return;
            }
        }
        self.bytes.drain(..FIELDS - OVERLAP);
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Looks for a `Content-Disposition`, without which no server finds a name.
    pub(super) fn dispose(&self) -> bool {
        const HEADER: &[u8] = b"content-disposition";
        self.disposed
            || self.bytes.windows(HEADER.len()).any(|window| window.eq_ignore_ascii_case(HEADER))
    }
}

/// The places at which the last `name` with a value begins, and that value.
fn open_name(bytes: &[u8]) -> Option<(usize, usize)> {
    let name = bytes.windows(4).rposition(|window| window.eq_ignore_ascii_case(b"name"))?;
    let rest = bytes.get(name..)?;
    let mut value = rest.iter().position(|&byte| byte == b'=')? + 1;
    let is_extended = rest.get(..value)?.contains(&b'*');
    let quotes = rest.iter().rposition(|&byte| byte == b'\'');
    if let Some(quote) = quotes.filter(|quote| is_extended && *quote >= value) {
        value = quote + 1;
    }
    let opening = |byte: &&u8| byte.is_ascii_whitespace() || **byte == b'"' || **byte == b'\'';
    value += rest.get(value..)?.iter().take_while(opening).count();
    Some((name, name + value))
}

/// Tells that a part's fields announce content that some servers decode and others do not
/// (`Content-Transfer-Encoding`, RFC 7578 §4.7).
pub(super) fn is_encoded(fields: &str) -> bool {
    const HEADER: &str = "content-transfer-encoding";
    let lower = fields.to_ascii_lowercase();
    let mut lines = lower.split('\n').filter(|line| line.starts_with("content-type"));
    lines.any(has_strange_charset)
        || lower.match_indices(HEADER).any(|(at, _)| {
            let value = lower.get(at + HEADER.len()..).unwrap_or_default().trim_start();
            let value = value.strip_prefix(':').unwrap_or(value).trim_start();
            let plain =
                ["7bit", "8bit", "binary"].into_iter().find_map(|one| value.strip_prefix(one));
            !plain.is_some_and(|rest| rest.is_empty() || rest.starts_with('\n'))
        })
}

/// The value of every `name`, `name*` (RFC 5987) and `name*0` (RFC 2231) in a part's fields, the
/// pieces of the last kind put together.
pub(super) fn names_in(fields: &str) -> Vec<String> {
    let lower = fields.to_ascii_lowercase();
    let mut names = Vec::new();
    let mut pieces = String::new();
    for (at, found) in lower.match_indices("name") {
        let before = lower.get(..at).and_then(|before| before.bytes().next_back());
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            continue;
        }
        let after = lower.get(at + found.len()..).unwrap_or_default().trim_start_matches(is_blank);
        let behind = after.trim_start_matches(|c: char| c == '*' || c.is_ascii_digit());
        let Some(value) = behind.trim_start_matches(is_blank).strip_prefix('=') else { continue };
        let value = without_comment(value.trim_start_matches(is_blank));
        let line = value.split([';', '\n']).next().unwrap_or_default();
        let piece = value.split(';').next().unwrap_or_default();
        let value = unquoted(value);
        let behind_quote =
            |text: &str| text.rsplit_once('\'').map_or(text, |(_, tail)| tail).to_owned();
        let tail = behind_quote(value);
        if after.len() != behind.len() {
            // The charset before it may hold anything to a patient server.
            let quoted = behind.split('\'').skip(1).take(8);
            names.extend(quoted.map(|text| name_of(text.as_bytes())));
            pieces.push_str(&tail);
        }
        let line_tail = behind_quote(line);
        let piece_tail = behind_quote(piece);
        let all = [value, tail.as_str(), line, line_tail.as_str(), piece_tail.as_str()];
        names.extend(all.map(|text| name_of(text.as_bytes())));
    }
    names.push(name_of(pieces.as_bytes()));
    names.dedup();
    names
}

fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control()
}

/// A value without a comment before it, as mail has them (RFC 5322 §3.2.2).
fn without_comment(value: &str) -> &str {
    let comment = value.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    comment.map_or(value, |(_, rest)| rest.trim_start_matches(is_blank))
}

/// A parameter's value, quoted or not; an open quote goes to the end.
fn unquoted(text: &str) -> &str {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inner = text.get(1..).unwrap_or_default();
            inner.split(quote).next().unwrap_or_default()
        }
        _ => text.split([';', ' ', '\n', '"']).next().unwrap_or_default(),
    }
}

const _: () = assert!(OVERLAP < FIELDS && FIELDS <= LONGEST);
