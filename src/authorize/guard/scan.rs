//! A form body watched while it streams by, in constant memory.

use super::{Guard, name_of, value_matters};
use crate::oauth::target::Traits;
use crate::telemetry::metrics::{GuardPlace, meter};

/// Longest name or value that is looked at; a longer one is none that matters.
const LONGEST: usize = 1024;

/// Sees a body piece by piece, before the upstream does.
#[derive(Debug)]
pub struct BodyScan {
    guard: Guard,
    format: Format,
    traits: Traits,
    name: Vec<u8>,
    value: Vec<u8>,
    place: Place,
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
    /// In a form's name; in a multipart body, outside any name.
    Name,
    /// In a value.
    Value,
    /// In a multipart header's `name="…"`.
    Quoted,
    /// Behind a multipart header's name, before the empty line.
    Header,
}

impl BodyScan {
    pub(super) fn form(guard: Guard) -> Self {
        Self::new(guard, Format::Form)
    }

    pub(super) fn multipart(guard: Guard) -> Self {
        Self::new(guard, Format::Multipart)
    }

    fn new(guard: Guard, format: Format) -> Self {
        Self {
            guard,
            format,
            traits: Traits::default(),
            name: Vec::new(),
            value: Vec::new(),
            place: Place::Name,
        }
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
        self.note();
        self.refuses()
    }

    fn refuses(&self) -> bool {
        let refused =
            self.traits.is_authorization_request() && self.guard.concerns(&self.traits.client_ids);
        if refused {
            meter().guard_refusal(GuardPlace::Body);
        }
        refused
    }

    fn form_byte(&mut self, byte: u8) {
        match (byte, self.place) {
            (b'&' | b';', _) => self.note(),
            (b'=', Place::Name) => self.place = Place::Value,
            (_, Place::Value) => keep(&mut self.value, byte),
            (_, _) => keep(&mut self.name, byte),
        }
    }

    /// `name="x"` of a part's header, then what stands behind the empty line up to the next line.
    fn multipart_byte(&mut self, byte: u8) {
        match self.place {
            Place::Name => {
                keep_last(&mut self.value, byte);
                if ends_with_name(&self.value) {
                    self.value.clear();
                    self.place = Place::Quoted;
                }
            }
            Place::Quoted
                if matches!(byte, b'"' | b';' | b'\r' | b'\n') && !self.name.is_empty() =>
            {
                self.place = Place::Header;
            }
            Place::Quoted if byte == b'"' => {}
            Place::Quoted => keep(&mut self.name, byte),
            Place::Header => {
                keep_last(&mut self.value, byte);
                if self.value.ends_with(b"\r\n\r\n") || self.value.ends_with(b"\n\n") {
                    self.value.clear();
                    self.place = Place::Value;
                }
            }
            Place::Value if byte == b'\r' || byte == b'\n' => self.note(),
            Place::Value => keep(&mut self.value, byte),
        }
    }

    /// One pair is read.
    fn note(&mut self) {
        let name = name_of(&self.name);
        if !name.is_empty() {
            let value =
                if value_matters(&name) { String::from_utf8_lossy(&self.value) } else { "".into() };
            if self.traits.client_ids.len() + self.traits.request_uris.len() < 16 {
                self.traits.note(&name, &value);
            }
        }
        self.name.clear();
        self.value.clear();
        self.place = Place::Name;
    }
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
