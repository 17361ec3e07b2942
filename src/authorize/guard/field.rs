//! One field of a body that is read byte by byte: the begin of a name or value, as far as it matters.

use crate::oauth::folding::skeleton;
use crate::oauth::target::{loose, unfolded};

/// Longest name or value that is looked at; a longer one is none that matters.
pub(super) const LONGEST: usize = 1024;

/// Longest encoding of one letter that may be cut in two at the end of what is kept.
const LONGEST_LETTER: usize = 24;

/// One field of a form: its name, in every way in which it could be read, and its value, encoded as
/// in a query.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) names: Vec<String>,
    pub(super) value: String,
}

/// The begin of a text. Some servers strip any number of blanks, so that a text full of them begins
/// behind them.
#[derive(Debug, Default)]
pub(super) struct Beginning(Vec<u8>);

impl Beginning {
    /// Takes the next byte.
    pub(super) fn push(&mut self, byte: u8) {
        if self.0.len() < LONGEST {
            self.0.push(byte);
            if self.0.len() == LONGEST {
                strip_lead(&mut self.0, 0);
            }
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether nothing but blanks has come.
    pub(super) fn is_blank(&self) -> bool {
        self.0.iter().all(u8::is_ascii_whitespace)
    }

    /// The text as a name.
    pub(super) fn name(&self) -> String {
        name_of(&self.0)
    }

    /// The text as a value that came encoded.
    pub(super) fn encoded(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// The text as a value that came as it is.
    pub(super) fn bare(&self) -> String {
        encoded(&self.0)
    }
}

/// A value that came as it is, encoded as in a query.
pub(super) fn encoded(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('%', "%25").replace('+', "%2B")
}

/// Decodes a name as it came in a body.
pub(super) fn name_of(bytes: &[u8]) -> String {
    loose(&String::from_utf8_lossy(bytes)).into_owned()
}

/// Takes off what stands at `from` and behind, where no letter and no digit is in it; an encoding at
/// the end that may go on stays.
pub(super) fn strip_lead(text: &mut Vec<u8>, from: usize) {
    let open = text.iter().rposition(|&byte| byte == b'%');
    let open = open.filter(|at| *at >= from && text.len() - at < LONGEST_LETTER);
    let end = open.unwrap_or(text.len());
    let lead = String::from_utf8_lossy(text.get(from..end).unwrap_or_default()).into_owned();
    if unfolded(&lead).is_some_and(|lead| skeleton(&lead).is_empty()) {
        text.drain(from..end);
    }
}
