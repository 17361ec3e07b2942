//! A form body watched while it streams by, in constant memory.

use super::Guard;
use crate::oauth::names::reads_as;
use crate::oauth::target::{Traits, loose};
use crate::telemetry::metrics::{GuardPlace, meter};

/// Longest name or value that is looked at; a longer one is none that matters.
const LONGEST: usize = 1024;

/// Sees a body piece by piece, before the upstream does.
#[derive(Debug)]
pub struct BodyScan {
    guard: Guard,
    format: Format,
    asked: Asked,
    name: Vec<u8>,
    value: Vec<u8>,
    place: Place,
    /// A part's name was `client_id`, and its value is still to come.
    client_follows: bool,
}

/// What was asked for so far, in query and body together: some servers read them as one.
#[derive(Debug)]
struct Asked {
    /// A `client_id` was named.
    client: bool,
    /// One that must push was.
    concerned: bool,
    /// `response_type`, `request` or `request_uri` was.
    authorization: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `application/x-www-form-urlencoded`
    Form,
    /// `multipart/form-data`
    Multipart,
}

/// Where in the body the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a form's name; in a multipart body, where a name could begin.
    Name,
    /// In a value.
    Value,
    /// In a multipart header's `name="…"`.
    Quoted,
}

impl BodyScan {
    pub(super) fn form(guard: Guard, query: &Traits) -> Self {
        Self::new(guard, Format::Form, query)
    }

    pub(super) fn multipart(guard: Guard, query: &Traits) -> Self {
        Self::new(guard, Format::Multipart, query)
    }

    fn new(guard: Guard, format: Format, query: &Traits) -> Self {
        let asked = Asked {
            client: !query.client_ids.is_empty(),
            concerned: guard.concerns(&query.client_ids),
            authorization: query.asks_for_authorization(),
        };
        let (name, value) = (Vec::new(), Vec::new());
        Self { guard, format, asked, name, value, place: Place::Name, client_follows: false }
    }

    /// Sees the next piece; true means that the request must be cut before this piece.
    pub fn feed(&mut self, piece: &[u8]) -> bool {
        for &byte in piece {
            match self.format {
                Format::Form => self.form_byte(byte),
                Format::Multipart => self.multipart_byte(byte),
            }
        }
        self.refuses()
    }

    /// Sees the end; true means that the request must be cut.
    pub fn end(&mut self) -> bool {
        match self.format {
            Format::Form => self.note_pair(),
            Format::Multipart => self.note_part(),
        }
        self.refuses()
    }

    fn refuses(&self) -> bool {
        let refused = self.asked.client && self.asked.concerned && self.asked.authorization;
        if refused {
            meter().guard_refusal(GuardPlace::Body);
        }
        refused
    }

    fn form_byte(&mut self, byte: u8) {
        match (byte, self.place) {
            (b'&' | b';', _) => self.note_pair(),
            (b'=', Place::Name) => self.place = Place::Value,
            (_, Place::Value) => keep(&mut self.value, byte),
            (_, _) => keep(&mut self.name, byte),
        }
    }

    /// Every `name="x"`, wherever it stands: what is a part's header and what only looks like one
    /// is the boundary's word, and servers read boundaries each in its own way. Behind the name
    /// `client_id`, what stands behind the empty line up to the next line is the value.
    fn multipart_byte(&mut self, byte: u8) {
        match self.place {
            Place::Name => self.header_byte(byte),
            Place::Quoted
                if matches!(byte, b'"' | b';' | b'\r' | b'\n') && !self.name.is_empty() =>
            {
                self.note_part_name();
                keep_last(&mut self.value, byte);
            }
            Place::Quoted if byte == b'"' => {}
            Place::Quoted => keep(&mut self.name, byte),
            Place::Value if byte == b'\r' || byte == b'\n' => self.note_part(),
            Place::Value => keep(&mut self.value, byte),
        }
    }

    fn header_byte(&mut self, byte: u8) {
        keep_last(&mut self.value, byte);
        if ends_with_name(&self.value) {
            self.begin_anew();
            self.place = Place::Quoted;
        } else if self.client_follows
            && (self.value.ends_with(b"\r\n\r\n") || self.value.ends_with(b"\n\n"))
        {
            self.value.clear();
            self.place = Place::Value;
        }
    }

    /// One pair of a form is read.
    fn note_pair(&mut self) {
        let name = String::from_utf8_lossy(&self.name);
        let name = loose(&name);
        if reads_as(&name, "client_id") {
            let value = String::from_utf8_lossy(&self.value).into_owned();
            self.note_client(&value);
        } else {
            self.asked.authorization |= asks_for_authorization(&name);
        }
        self.begin_anew();
    }

    /// The name of a part is read.
    fn note_part_name(&mut self) {
        let name = String::from_utf8_lossy(&self.name);
        let name = loose(&name);
        let is_client = reads_as(&name, "client_id");
        self.asked.authorization |= asks_for_authorization(&name);
        self.asked.client |= is_client;
        self.client_follows |= is_client;
        self.begin_anew();
    }

    /// The value of a part is read, where it matters.
    fn note_part(&mut self) {
        if self.place == Place::Value {
            let value = String::from_utf8_lossy(&self.value).into_owned();
            self.note_client(&value);
            self.client_follows = false;
        } else if self.place == Place::Quoted && !self.name.is_empty() {
            self.note_part_name();
        }
        self.begin_anew();
    }

    fn note_client(&mut self, value: &str) {
        self.asked.client = true;
        let spellings = [value.to_owned(), loose(value).into_owned()];
        self.asked.concerned |= self.guard.concerns(&spellings);
    }

    fn begin_anew(&mut self) {
        self.name.clear();
        self.value.clear();
        self.place = Place::Name;
    }
}

fn asks_for_authorization(name: &str) -> bool {
    ["response_type", "request", "request_uri"].iter().any(|known| reads_as(name, known))
}

fn keep(buffer: &mut Vec<u8>, byte: u8) {
    if buffer.len() < LONGEST {
        buffer.push(byte);
    }
}

/// Keeps the last few bytes only.
fn keep_last(buffer: &mut Vec<u8>, byte: u8) {
    if buffer.len() >= 16 {
        buffer.drain(..8);
    }
    buffer.push(byte);
}

/// Whether a header parameter `name=` has just begun; `filename=` is another one.
fn ends_with_name(seen: &[u8]) -> bool {
    let Some(start) = seen.len().checked_sub(5) else {
        return false;
    };
    let (before, tail) = seen.split_at(start);
    tail.eq_ignore_ascii_case(b"name=") && !before.last().is_some_and(u8::is_ascii_alphanumeric)
}
