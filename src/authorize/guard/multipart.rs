//! A `multipart/form-data` body (RFC 7578) read as the loosest server would read it: any two dashes
//! open a part, wherever they stand, and every `name` in the part's fields counts.

use super::{LONGEST, Pair, keep, name_of, names_matter};

/// Most bytes of a part's fields that are looked at in one go.
const FIELDS: usize = 1024;

/// How many of them are looked at again with what follows.
const OVERLAP: usize = 256;

/// Most names that one part may have; no honest one has more than one.
const MOST_NAMES: usize = 8;

/// Reads byte by byte, in constant memory.
#[derive(Debug)]
pub(super) struct MultipartReader {
    place: Place,
    /// A part's fields: line ends and blanks are one blank, backslashes are left out.
    fields: Vec<u8>,
    line_is_empty: bool,
    /// Names in the fields that are being read.
    names: Vec<String>,
    /// Names of the value that is being read.
    of: Vec<String>,
    value: Vec<u8>,
    unreadable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the content of a part.
    Content,
    /// There, behind a dash.
    Dash,
    /// In the fields of a part, boundary line included.
    Fields,
}

impl MultipartReader {
    pub(super) const fn new() -> Self {
        Self {
            place: Place::Content,
            fields: Vec::new(),
            line_is_empty: false,
            names: Vec::new(),
            of: Vec::new(),
            value: Vec::new(),
            unreadable: false,
        }
    }

    /// Takes the next byte; a pair where one may end with it.
    pub(super) fn byte(&mut self, byte: u8) -> Option<Pair> {
        let pair = self.value_byte(byte);
        match (self.place, byte) {
            (Place::Fields, _) => self.field_byte(byte),
            (Place::Dash, b'-') => self.open(),
            (_, b'-') => self.place = Place::Dash,
            _ => self.place = Place::Content,
        }
        pair
    }

    /// What is left when the body ends.
    pub(super) fn end(&mut self) -> Option<Pair> {
        self.read_names();
        self.of.append(&mut self.names);
        self.pair()
    }

    /// Whether a part has so many names that not all of them could be kept.
    pub(super) const fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    fn open(&mut self) {
        self.place = Place::Fields;
        self.line_is_empty = false;
        self.fields.clear();
    }

    /// The first line of a part's content is its value. It may end at two dashes, and may go on.
    fn value_byte(&mut self, byte: u8) -> Option<Pair> {
        if self.of.is_empty() {
            return None;
        }
        if byte == b'\r' || byte == b'\n' {
            return self.pair();
        }
        let is_kept = self.value.len() < LONGEST;
        keep(&mut self.value, byte);
        let text = self.value.strip_suffix(b"--").filter(|_| is_kept)?;
        let value = String::from_utf8_lossy(text).into_owned();
        Some(Pair { names: self.of.clone(), value })
    }

    fn field_byte(&mut self, byte: u8) {
        if byte == b'\n' && self.line_is_empty {
            self.read_names();
            self.fields.clear();
            self.of = std::mem::take(&mut self.names);
            self.place = Place::Content;
            return;
        }
        match byte {
            b'\n' => self.line_is_empty = true,
            b'\r' => {}
            _ => self.line_is_empty = false,
        }
        // A line end stays one: it ends an open quote to some servers.
        let byte = match byte {
            b'\r' | b'\n' => b'\n',
            b'\t' | b'\x0c' => b' ',
            byte => byte,
        };
        let repeats = self.fields.last() == Some(&byte) && matches!(byte, b' ' | b'\n');
        if byte == b'\\' || repeats {
            return;
        }
        if self.fields.len() == FIELDS {
            self.read_names();
            self.fields.drain(..FIELDS - OVERLAP);
        }
        self.fields.push(byte);
    }

    fn read_names(&mut self) {
        let text = String::from_utf8_lossy(&self.fields).into_owned();
        self.unreadable |= is_encoded(&text);
        for name in names_in(&text) {
            // An encoded word (RFC 2047), which some servers decode.
            self.unreadable |= name.contains("=?");
            if !names_matter(&name) || self.names.contains(&name) {
                continue;
            }
            if self.names.len() == MOST_NAMES {
                self.unreadable = true;
                return;
            }
            self.names.push(name);
        }
    }

    fn pair(&mut self) -> Option<Pair> {
        let value = String::from_utf8_lossy(&self.value).into_owned();
        self.value.clear();
        let names = std::mem::take(&mut self.of);
        (!names.is_empty()).then_some(Pair { names, value })
    }
}

/// Whether a part's fields announce content that some servers decode and others do not
/// (`Content-Transfer-Encoding`, RFC 7578 §4.7).
fn is_encoded(fields: &str) -> bool {
    const HEADER: &str = "content-transfer-encoding";
    let lower = fields.to_ascii_lowercase();
    lower.match_indices(HEADER).any(|(at, _)| {
        let value = lower.get(at + HEADER.len()..).unwrap_or_default().trim_start();
        let value = value.strip_prefix(':').unwrap_or(value).trim_start();
        let plain = ["7bit", "8bit", "binary"].into_iter().find_map(|one| value.strip_prefix(one));
        !plain.is_some_and(|rest| rest.is_empty() || rest.starts_with('\n'))
    })
}

/// The value of every `name`, `name*` (RFC 5987) and `name*0` (RFC 2231) in a part's fields, the
/// pieces of the last kind put together.
fn names_in(fields: &str) -> Vec<String> {
    let lower = fields.to_ascii_lowercase();
    let mut names = Vec::new();
    let mut pieces = String::new();
    for (at, found) in lower.match_indices("name") {
        let before = lower.get(..at).and_then(|before| before.bytes().next_back());
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            continue;
        }
        let after = lower.get(at + found.len()..).unwrap_or_default().trim_start();
        let behind = after.trim_start_matches(|c: char| c == '*' || c.is_ascii_digit());
        let Some(value) = behind.trim_start().strip_prefix('=') else { continue };
        let value = unquoted(value.trim_start());
        let value = value.rsplit_once('\'').map_or(value, |(_, tail)| tail);
        if after.len() != behind.len() {
            pieces.push_str(value);
        }
        names.push(name_of(value.as_bytes()));
    }
    names.push(name_of(pieces.as_bytes()));
    names
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
