//! A `multipart/form-data` body (RFC 7578) read as the loosest server would read it: any line that
//! begins with `--` opens a part, and every `name` in the part's fields counts.

use super::{LONGEST, Pair, keep, name_of, names_matter};

/// Most bytes of a part's fields that are looked at in one go.
const FIELDS: usize = 1024;

/// How many of them are looked at again with what follows.
const OVERLAP: usize = 256;

/// Reads byte by byte, in constant memory.
#[derive(Debug)]
pub(super) struct MultipartReader {
    place: Place,
    /// A part's fields: line ends and blanks are one blank, backslashes are left out.
    fields: Vec<u8>,
    line_is_empty: bool,
    names: Vec<String>,
    value: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a line of content, behind so many dashes and nothing else.
    LineStart(u8),
    /// In a line of content.
    Line,
    /// In the fields of a part, boundary line included.
    Fields,
    /// In the first line of a part's content.
    Value,
}

impl MultipartReader {
    pub(super) const fn new() -> Self {
        Self {
            place: Place::LineStart(0),
            fields: Vec::new(),
            line_is_empty: false,
            names: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Takes the next byte; a pair where one ends with it.
    pub(super) fn byte(&mut self, byte: u8) -> Option<Pair> {
        let ends_line = byte == b'\r' || byte == b'\n';
        match self.place {
            Place::LineStart(_) | Place::Line if ends_line => self.place = Place::LineStart(0),
            Place::LineStart(0) if byte == b'-' => self.place = Place::LineStart(1),
            Place::LineStart(_) if byte == b'-' => self.open(),
            Place::LineStart(_) => self.place = Place::Line,
            Place::Line => {}
            Place::Fields => self.field_byte(byte),
            Place::Value if ends_line => {
                self.place = Place::LineStart(0);
                return self.pair();
            }
            Place::Value => {
                keep(&mut self.value, byte);
                if self.value == b"--" {
                    self.value.clear();
                    let pair = self.pair();
                    self.open();
                    return pair;
                }
            }
        }
        None
    }

    /// What is left when the body ends.
    pub(super) fn end(&mut self) -> Option<Pair> {
        self.read_names();
        self.pair()
    }

    fn open(&mut self) {
        self.place = Place::Fields;
        self.line_is_empty = false;
        self.fields.clear();
    }

    fn field_byte(&mut self, byte: u8) {
        if byte == b'\n' && self.line_is_empty {
            self.read_names();
            self.fields.clear();
            self.place = Place::Value;
            return;
        }
        match byte {
            b'\n' => self.line_is_empty = true,
            b'\r' => {}
            _ => self.line_is_empty = false,
        }
        let byte = if byte.is_ascii_whitespace() { b' ' } else { byte };
        if byte == b'\\' || (byte == b' ' && self.fields.last() == Some(&b' ')) {
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
        for name in names_in(&text) {
            if names_matter(&name) && !self.names.contains(&name) && self.names.len() < 8 {
                self.names.push(name);
            }
        }
    }

    fn pair(&mut self) -> Option<Pair> {
        let value = String::from_utf8_lossy(&self.value).into_owned();
        self.value.clear();
        let names = std::mem::take(&mut self.names);
        (!names.is_empty()).then_some(Pair { names, value })
    }
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
        _ => text.split([';', ' ', '"']).next().unwrap_or_default(),
    }
}

const _: () = assert!(OVERLAP < FIELDS && FIELDS <= LONGEST);
