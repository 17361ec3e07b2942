//! Text reduced to what every server keeps of it: letters and digits, case folded. Servers strip,
//! fold, normalise and split names in ways of their own; whatever they do, this much stays.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Letters and digits of `text` in compatibility form, without accents and case.
#[must_use]
pub fn skeleton(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        return Cow::Borrowed(text);
    }
    if text.is_ascii() {
        let kept = text.bytes().filter(u8::is_ascii_alphanumeric);
        return Cow::Owned(kept.map(|byte| char::from(byte.to_ascii_lowercase())).collect());
    }
    // Upper case first: it takes the dotless i and the long s to their plain letters.
    let upper = text.nfkd().flat_map(char::to_uppercase);
    let lower = upper.flat_map(char::to_lowercase).nfkd();
    Cow::Owned(lower.filter(|letter| letter.is_alphanumeric()).collect())
}

/// An identifier as the loosest collation of a database compares it: case, accents, width, blanks and
/// invisible letters off; punctuation stays.
#[must_use]
pub fn fold_identifier(text: &str) -> String {
    if text.is_ascii() {
        let kept = text.bytes().filter(u8::is_ascii_graphic);
        return kept.map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    }
    let upper = text.nfkd().flat_map(char::to_uppercase);
    let lower = upper.flat_map(char::to_lowercase).nfkd();
    lower.filter(|letter| is_seen(*letter)).collect()
}

/// Whether a letter is seen: neither an accent, nor a blank or a control, nor a letter without width.
fn is_seen(letter: char) -> bool {
    let invisible = matches!(
        letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{fffd}'
    ) || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(letter, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}');
    !invisible && !is_combining_mark(letter) && !letter.is_control() && !letter.is_whitespace()
}

/// Whether the skeleton of `name`, which is ASCII, is `skeleton`.
#[must_use]
pub fn has_skeleton(name: &str, skeleton: &str) -> bool {
    let kept = name.bytes().filter(u8::is_ascii_alphanumeric);
    kept.map(|byte| byte.to_ascii_lowercase()).eq(skeleton.bytes())
}

/// The first piece of `name` that is not empty, where controls, brackets, quotes and separators end
/// one: to some server it is the name (`scope[x]`, `[scope][0]`, `scope%00x`).
#[must_use]
pub fn leading_piece(name: &str) -> Option<&str> {
    let ends = |letter: char| letter.is_control() || "[]{}()<>\"'`\\;&=,".contains(letter);
    name.split(ends).find(|piece| piece.chars().any(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_digits_are_what_stays() {
        for (text, expected) in [
            ("scope", "scope"),
            ("client_id", "clientid"),
            (" Client-ID\0", "clientid"),
            ("ſcope", "scope"),
            ("tokKen", "tokken"),
            ("ıİ", "ii"),
            ("Ｓｃｏｐｅ１", "scope1"),
            ("ﬁ", "fi"),
            ("straße", "strasse"),
            ("müst", "must"),
            ("\u{200b}", ""),
        ] {
            assert_eq!(skeleton(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_piece_ends_where_some_server_ends_it() {
        for (name, expected) in [
            ("scope[x]", Some("scope")),
            ("[[scope]]", Some("scope")),
            ("\0scope\0x", Some("scope")),
            ("scope\"; filename=\"x", Some("scope")),
            ("scope", Some("scope")),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(leading_piece(name), expected, "{name:?}");
        }
    }
}
