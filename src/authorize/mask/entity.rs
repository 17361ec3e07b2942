//! Character references in attribute values (HTML, "Named character references"): those of ASCII,
//! which is all that servers write into URLs and parameters, and all numeric ones.

use std::borrow::Cow;

/// Named references that end with `;`.
const NAMED: [(&str, char); 43] = [
    ("AMP", '&'),
    ("GT", '>'),
    ("Hat", '^'),
    ("LT", '<'),
    ("NewLine", '\n'),
    ("QUOT", '"'),
    ("Tab", '\t'),
    ("UnderBar", '_'),
    ("VerticalLine", '|'),
    ("amp", '&'),
    ("apos", '\''),
    ("ast", '*'),
    ("bsol", '\\'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dollar", '$'),
    ("equals", '='),
    ("excl", '!'),
    ("grave", '`'),
    ("gt", '>'),
    ("lbrace", '{'),
    ("lbrack", '['),
    ("lcub", '{'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lsqb", '['),
    ("lt", '<'),
    ("midast", '*'),
    ("nbsp", '\u{a0}'),
    ("num", '#'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("quest", '?'),
    ("quot", '"'),
    ("rbrace", '}'),
    ("rbrack", ']'),
    ("rcub", '}'),
    ("rpar", ')'),
    ("rsqb", ']'),
    ("semi", ';'),
    ("sol", '/'),
];

/// Named references that old pages write without `;`.
const BARE: [(&str, char); 4] = [("amp", '&'), ("gt", '>'), ("lt", '<'), ("quot", '"')];

/// Longest name above.
const LONGEST: usize = 12;

/// The value that a browser reads out of an attribute. An unknown reference stays as it stands.
#[must_use]
pub(in crate::authorize) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('&') {
        out.push_str(plain);
        if let Some((character, tail)) = reference(after) {
            out.push(character);
            rest = tail;
        } else {
            out.push('&');
            rest = after;
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// `text` as an attribute value between double quotes, quotes themselves apart.
#[must_use]
pub(super) fn encode(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// What the text behind `&` stands for, and what follows.
fn reference(text: &str) -> Option<(char, &str)> {
    if let Some(number) = text.strip_prefix('#') {
        return numeric(number);
    }
    let length = text.bytes().take(LONGEST + 1).take_while(u8::is_ascii_alphanumeric).count();
    let (name, rest) = text.split_at_checked(length)?;
    if let Some(rest) = rest.strip_prefix(';')
        && let Some((_, character)) = NAMED.iter().find(|(known, _)| *known == name)
    {
        return Some((*character, rest));
    }
    // `?a=1&lt=2` is a parameter, not a reference.
    let (_, character) = BARE.iter().find(|(known, _)| *known == name)?;
    (!rest.starts_with(['=', ';'])).then_some((*character, rest))
}

fn numeric(text: &str) -> Option<(char, &str)> {
    let (digits, radix) = match text.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let length = digits.chars().take_while(|digit| digit.is_digit(radix)).count();
    let (number, rest) = digits.split_at_checked(length)?;
    let number = u32::from_str_radix(number, radix).ok()?;
    let character = char::from_u32(number).filter(|&c| c != '\0').unwrap_or('\u{fffd}');
    Some((character, rest.strip_prefix(';').unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_browsers_read_them() {
        for (text, expected) in [
            ("?a=1&amp;b=2", "?a=1&b=2"),
            ("?a=1&b=2&lt=3&gt;", "?a=1&b=2&lt=3>"),
            ("&#x26;&#38;&#X26&#38x", "&&&&x"),
            ("&quot;&apos;&#39;&lbrace;", "\"''{"),
            ("client&lowbar;id&equals;a&amp", "client_id=a&"),
            ("&nosuch;&&;&#;&#x;", "&nosuch;&&;&#;&#x;"),
            ("&#0;&#x110000;", "\u{fffd}\u{fffd}"),
            ("&ampere", "&ampere"),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        for text in ["/a?b=1&c=2&amp;", "<&quot;>", "plain"] {
            assert_eq!(decode(&encode(text)), text);
        }
    }

    #[test]
    fn no_name_is_longer_than_what_is_read() {
        assert!(NAMED.iter().all(|(name, _)| name.len() <= LONGEST));
        assert!(NAMED.is_sorted());
    }
}
