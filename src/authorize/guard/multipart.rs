//! A `multipart/form-data` body (RFC 7578) read as the loosest server would read it: any two dashes
//! open a part, wherever they stand, and every `name` in the part's fields counts.

use super::field::{Beginning, Pair};
use super::names_matter;
use super::part_fields::{FieldBytes, is_encoded, names_in};

/// Most names that one part may have; no honest one has more than one.
const MOST_NAMES: usize = 8;

/// Reads byte by byte, in constant memory.
#[derive(Debug, Default)]
pub(super) struct MultipartReader {
    place: Place,
    fields: FieldBytes,
    /// Where the line ends lie that came last.
    lines: Lines,
    /// The fields have ended to a server that takes bare line ends.
    ended_loosely: bool,
    /// The fields hold a blank line of bare carriage returns, which ends them to some servers alone.
    torn: bool,
    /// Names in the fields that are being read.
    names: Vec<String>,
    /// Names of the value that is being read.
    of: Vec<String>,
    value: Beginning,
    unreadable: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the content of a part.
    #[default]
    Content,
    /// There, behind a dash.
    Dash,
    /// In the fields of a part, boundary line included.
    Fields,
}

impl MultipartReader {
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

    /// Whether a part could not be read: not all of its names could be kept, its content is encoded, or
    /// servers differ in where its fields end.
    pub(super) const fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    fn open(&mut self) {
        self.place = Place::Fields;
        self.lines = Lines::default();
        self.torn = false;
        self.ended_loosely = false;
        self.fields.clear();
    }

    /// The first line of a part's content that is not empty is its value. It may end at two dashes, and
    /// may go on.
    fn value_byte(&mut self, byte: u8) -> Option<Pair> {
        if self.of.is_empty() {
            return None;
        }
        if byte == b'\r' || byte == b'\n' {
            return if self.value.is_blank() { None } else { self.pair() };
        }
        self.value.push(byte);
        let text = self.value.as_bytes().strip_suffix(b"--")?;
        let value = super::field::encoded(text);
        Some(Pair { names: self.of.clone(), value })
    }

    fn field_byte(&mut self, byte: u8) {
        match self.lines.after(byte) {
            // Some servers skip empty lines before the fields.
            End::Strict if self.fields.dispose() => {
                self.read_names();
                self.fields.clear();
                // Again where they ended before: servers differ in where the content begins.
                let names = std::mem::take(&mut self.names);
                if !names.is_empty() {
                    self.of = names;
                }
                self.place = Place::Content;
                return;
            }
            End::Strict | End::Loose if !self.ended_loosely => {
                self.read_names();
                self.of.clone_from(&self.names);
                self.ended_loosely = true;
            }
            End::Torn => self.torn = true,
            End::Strict | End::Loose | End::None => {}
        }
        if (self.ended_loosely || self.torn) && self.lines.open_a_part() {
            self.read_names();
            self.names.clear();
            self.open();
            return;
        }
        if self.fields.is_full() {
            self.read_names();
            self.fields.shorten();
        }
        self.fields.push(byte);
    }

    fn read_names(&mut self) {
        let text = self.fields.text();
        self.unreadable |= is_encoded(&text);
        for name in names_in(&text) {
            // An encoded word (RFC 2047), which some servers decode.
            self.unreadable |= name.contains("=?");
            let is_late = self.ended_loosely && !self.names.contains(&name);
            if !names_matter(&name) || is_late && !self.fields.dispose() {
                continue;
            }
            // What follows the end is content to some servers, and fields to others.
            self.unreadable |= self.torn || is_late;
            if self.names.contains(&name) {
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
        let value = self.value.bare();
        self.value.clear();
        let names = std::mem::take(&mut self.of);
        (!names.is_empty()).then_some(Pair { names, value })
    }
}

/// An end of a part's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The fields go on.
    None,
    /// An empty line, as the RFC has it.
    Strict,
    /// An empty line with bare line feeds, which ends them to some servers alone.
    Loose,
    /// An empty line with bare carriage returns.
    Torn,
}

/// The line ends that came last.
#[derive(Debug, Default)]
struct Lines {
    last: [u8; 4],
    is_empty: bool,
}

impl Lines {
    fn after(&mut self, byte: u8) -> End {
        self.last.rotate_left(1);
        let [.., before, last] = &mut self.last;
        *last = byte;
        let is_torn = *before == b'\r' && byte == b'\r';
        let was_empty = self.is_empty;
        self.is_empty = byte == b'\n' || byte == b'\r' && was_empty;
        match byte {
            b'\n' if self.last == *b"\r\n\r\n" => End::Strict,
            b'\n' if was_empty => End::Loose,
            _ if is_torn => End::Torn,
            _ => End::None,
        }
    }

    /// Whether a line has just begun like a boundary's.
    fn open_a_part(&self) -> bool {
        self.last.ends_with(b"\n--")
    }
}
