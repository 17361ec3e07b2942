//! A form body watched while it streams by, in constant memory.

use super::field::{Beginning, LONGEST, Pair};
use super::multipart::MultipartReader;
use super::{Guard, Reading, names_matter};
use crate::oauth::names::reads_as;
use crate::oauth::target::Traits;
use crate::telemetry::metrics::{GuardPlace, meter};

/// Sees a body piece by piece, before the upstream does.
#[derive(Debug)]
pub struct BodyScan {
    guard: Guard,
    reader: Reader,
    /// Of query and body together: some servers read both as one.
    traits: Traits,
    concerned: bool,
    unreadable: bool,
    /// The path is the authorization endpoint's, where a client alone makes a request.
    at_endpoint: bool,
}

#[derive(Debug)]
enum Reader {
    Form(FormReader),
    Multipart(MultipartReader),
    Nothing,
}

impl Reader {
    /// Whether it met what it could not keep.
    const fn is_lost(&self) -> bool {
        matches!(self, Self::Multipart(reader) if reader.is_unreadable())
    }
}

impl BodyScan {
    pub(super) fn new(guard: Guard, reading: Reading, query: Option<&str>) -> Self {
        let reader = match reading {
            Reading::Form => Reader::Form(FormReader::default()),
            Reading::Multipart => Reader::Multipart(MultipartReader::default()),
            Reading::Unreadable => Reader::Nothing,
        };
        let traits = Traits::of(query.unwrap_or_default());
        let mut scan =
            Self { guard, reader, traits, concerned: false, unreadable: false, at_endpoint: false };
        scan.weigh();
        scan
    }

    /// The same for a body that goes to the authorization endpoint.
    pub(super) fn at_the_endpoint(self) -> Self {
        Self { at_endpoint: true, ..self }
    }

    /// Sees the next piece; true means that the request must be cut before this piece.
    pub fn feed(&mut self, piece: &[u8]) -> bool {
        for &byte in piece {
            let pair = match &mut self.reader {
                Reader::Form(reader) => reader.byte(byte),
                Reader::Multipart(reader) => reader.byte(byte),
                Reader::Nothing => {
                    self.unreadable = true;
                    break;
                }
            };
            self.note(pair);
        }
        self.refuses()
    }

    /// Sees the end; true means that the request must be cut.
    pub fn end(&mut self) -> bool {
        let pair = match &mut self.reader {
            Reader::Form(reader) => reader.pair(),
            Reader::Multipart(reader) => reader.end(),
            Reader::Nothing => None,
        };
        self.note(pair);
        self.refuses()
    }

    fn refuses(&self) -> bool {
        let asks = self.at_endpoint || self.traits.is_authorization_request();
        let refused = asks && self.concerned || self.unreadable || self.reader.is_lost();
        if refused {
            meter().guard_refusal(GuardPlace::Body);
        }
        refused
    }

    fn note(&mut self, pair: Option<Pair>) {
        let Some(Pair { names, value }) = pair else {
            return;
        };
        for name in names {
            // Too long to be told from every client's to a server that folds much of it away.
            self.unreadable |= value.len() >= LONGEST && reads_as(&name, "client_id");
            self.traits.note(&name, &value);
        }
        self.weigh();
    }

    /// Judges the clients named so far and keeps one of them: however many are named, none is
    /// forgotten.
    fn weigh(&mut self) {
        let named = !self.traits.client_ids.is_empty();
        self.concerned |= named && self.guard.concerns(&self.traits.client_ids);
        self.traits.client_ids.truncate(1);
        self.traits.request_uris.truncate(1);
    }
}

/// Reads `application/x-www-form-urlencoded`; `&` and `;` separate.
#[derive(Debug, Default)]
struct FormReader {
    name: Beginning,
    value: Beginning,
    in_value: bool,
}

impl FormReader {
    fn byte(&mut self, byte: u8) -> Option<Pair> {
        match byte {
            b'&' | b';' => return self.pair(),
            b'=' if !self.in_value => self.in_value = true,
            _ if self.in_value => self.value.push(byte),
            _ => self.name.push(byte),
        }
        None
    }

    fn pair(&mut self) -> Option<Pair> {
        let (name, value) = (self.name.name(), self.value.encoded());
        self.name.clear();
        self.value.clear();
        self.in_value = false;
        names_matter(&name).then(|| Pair { names: vec![name], value })
    }
}
