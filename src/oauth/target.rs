//! How loosely a server may read a request target: paths folded to one spelling, queries split at
//! every separator some server knows. For guards; nothing is rebuilt from what is read here.

use std::borrow::Cow;

use super::folding::fold_identifier;
use super::names;

/// Most rounds of percent-decoding before a path counts as hostile.
const ROUNDS: usize = 8;

/// A path as the loosest server reads it: decoded to a fixed point and cut at a `?`, `#` or NUL that
/// shows then, `\` as `/`, parameters after `;` off, slashes merged, dots resolved, letter case, blanks
/// and dots at the end of a segment, and a last slash off. `None` where decoding does not come to an end.
#[must_use]
pub fn fold_path(path: &str) -> Option<String> {
    let mut text = path.to_owned();
    let mut rounds = 0;
    loop {
        let decoded = unfolded(&text)?;
        let folded = fold_identifier(decoded.split(['?', '#', '\0']).next().unwrap_or_default());
        // What was dropped may have stood within an encoding.
        if folded == text {
            break;
        }
        text = folded;
        rounds += 1;
        if rounds > ROUNDS {
            return None;
        }
    }
    let text = text.replace('\\', "/");
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        let part = part.split(';').next().unwrap_or_default();
        let stem = part.trim_end_matches('.');
        match if stem.is_empty() { part } else { stem } {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    Some(parts.iter().fold(String::with_capacity(text.len()), |mut folded, part| {
        folded.push('/');
        folded.push_str(part);
        folded
    }))
}

/// Whether a path could fold to another spelling than its own: it is looked at more closely. Most paths
/// cannot.
#[must_use]
pub fn is_foldable(path: &str) -> bool {
    let odd = |byte: u8| {
        byte.is_ascii_uppercase() || matches!(byte, b'%' | b'\\' | b';') || !byte.is_ascii_graphic()
    };
    path.ends_with(['/', '.'])
        || path.contains("//")
        || path.contains("/.")
        || path.bytes().any(odd)
}

/// A folded path without a format suffix on its last segment, which frameworks such as Rails take off
/// (`/authorize.json`).
#[must_use]
pub fn without_format(folded: &str) -> Option<&str> {
    let segment = folded.rfind('/')? + 1;
    let dot = folded.get(segment..)?.find('.').filter(|dot| *dot > 0)?;
    folded.get(..segment + dot)
}

/// A path decoded to a fixed point, as text. `None` where decoding does not come to an end.
#[must_use]
pub fn unfolded(path: &str) -> Option<String> {
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..=ROUNDS {
        let text = without_wide_encodings(&String::from_utf8_lossy(&bytes)).map(String::into_bytes);
        let decoded: Cow<'_, [u8]> = percent_decode(text.as_deref().unwrap_or(&bytes));
        let decoded = match decoded {
            Cow::Owned(decoded) => decoded,
            Cow::Borrowed(_) if text.is_some() => text.unwrap_or_default(),
            Cow::Borrowed(_) => {
                let shortened = shortened(&bytes);
                return Some(String::from_utf8_lossy(&shortened).into_owned());
            }
        };
        bytes = decoded;
    }
    None
}

/// `bytes` with ASCII in place of its overlong forms in two bytes (`C0 AF` for `/`), which old servers
/// take.
fn shortened(bytes: &[u8]) -> Vec<u8> {
    let mut shortened = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        rest = match rest {
            [lead @ (0xc0 | 0xc1), next @ 0x80..=0xbf, after @ ..] => {
                shortened.push((lead & 1) << 6 | (next & 0x3f));
                after
            }
            [byte, after @ ..] => {
                shortened.push(*byte);
                after
            }
            [] => return shortened,
        };
    }
}

/// What makes a query or form look like an authorization request.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Traits {
    /// Every `client_id`.
    pub client_ids: Vec<String>,
    /// `response_type` stands there.
    pub response_type: bool,
    /// `request` stands there.
    pub request: bool,
    /// Every `request_uri`.
    pub request_uris: Vec<String>,
}

impl Traits {
    /// Reads a query or form: `&` and `;` separate, names are folded, broken encodings stay.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut traits = Self::default();
        for piece in text.split(['&', ';']) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            traits.note(&loose(name), value);
        }
        traits
    }

    /// Takes one pair into account; `value` is still encoded.
    pub fn note(&mut self, name: &str, value: &str) {
        if names::reads_as(name, "client_id") {
            self.client_ids.push(loose(value).into_owned());
        } else if names::reads_as(name, "response_type") {
            self.response_type = true;
        } else if names::reads_as(name, "request") {
            self.request = true;
        } else if names::reads_as(name, "request_uri") {
            self.request_uris.push(loose(value).into_owned());
        }
    }

    /// Whether this is an authorization request: `client_id` with `response_type`, `request`, or a
    /// `request_uri`.
    #[must_use]
    pub fn is_authorization_request(&self) -> bool {
        !self.client_ids.is_empty()
            && (self.response_type || self.request || !self.request_uris.is_empty())
    }
}

/// Whether any pair of a query or form could be read as a registered authorization parameter.
#[must_use]
pub fn names_a_registered_parameter(text: &[u8]) -> bool {
    text.split(|byte| b"&;".contains(byte)).any(|piece| {
        let name = piece.split(|&byte| byte == b'=').next().unwrap_or_default();
        let name = String::from_utf8_lossy(name);
        let name = loose(&name);
        names::is_authorization(&name) || names::imitates_registered(&name)
    })
}

/// Decodes what can be decoded and keeps the rest.
#[must_use]
pub fn loose(text: &str) -> Cow<'_, str> {
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { text.into() };
    if !spaced.contains('%') {
        return spaced;
    }
    let decoded = percent_encoding::percent_decode(spaced.as_bytes()).decode_utf8_lossy();
    Cow::Owned(without_wide_encodings(&decoded).unwrap_or_else(|| decoded.into_owned()))
}

/// `text` with `%u0063` as `c`, which is how classic ASP.NET reads it; `None` where there is none.
fn without_wide_encodings(text: &str) -> Option<String> {
    let mut pieces = text.split("%u");
    let mut decoded = pieces.next()?.to_owned();
    let mut any = false;
    for piece in pieces {
        let digits = piece.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        if let (Some(wide), Some(rest)) = (digits.and_then(char::from_u32), piece.get(4..)) {
            any = true;
            decoded.push(wide);
            decoded.push_str(rest);
        } else {
            decoded.push_str("%u");
            decoded.push_str(piece);
        }
    }
    any.then_some(decoded)
}

fn percent_decode(bytes: &[u8]) -> Cow<'_, [u8]> {
    percent_encoding::percent_decode(bytes).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn b143_b262_every_alias_folds_to_the_path() {
        for alias in [
            "/o/authorize/",
            "/o/authorize",
            "/O/AUTHORIZE",
            "//o//authorize",
            "/o/%61uthorize",
            "/o/%2561uthorize",
            "/o%2fauthorize",
            "/o%252fauthorize",
            "/o\\authorize",
            "/o/./authorize",
            "/x/../o/authorize",
            "/o/authorize;jsessionid=1",
            "/o;a=b/authorize/",
            "/%6f/%41uthorize%2f",
            "/o/authorize%3Fclient_id=a",
            "/o/authorize%253fclient_id=a",
            "/o/authorize%23x",
            "/o/authorize%00.html",
            "/o/authorize.",
            "/o/authorize%20",
            "/o%c0%afauthorize",
            "/o/%u0061uthorize",
            "/o/author\u{131}ze",
            "/o/\u{ff41}uthorize",
        ] {
            assert_eq!(fold_path(alias).as_deref(), Some("/o/authorize"), "{alias}");
        }
        assert_eq!(fold_path("/o/authorize/x").as_deref(), Some("/o/authorize/x"));
    }

    #[test]
    fn forms_in_other_character_sets_are_told_from_requests() {
        assert!(!names_a_registered_parameter(b"username=a&password=%E9"));
        for form in
            [&b"password=%E9&scope=x"[..], b"p=%E9;Client_Id=a", b"%73tate=%E9", b"client_id%00=B"]
        {
            assert!(names_a_registered_parameter(form));
        }
    }

    #[test]
    fn endless_encodings_are_given_up() {
        let mut path = "%61".to_owned();
        for _ in 0..12 {
            path = path.replace('%', "%25");
        }
        assert_eq!(fold_path(&format!("/{path}")), None);
    }

    #[test]
    fn disguised_requests_are_seen() {
        for text in [
            "client_id=a&response_type=code",
            "client_id=a;response_type=code",
            "x=1;Client_ID=a&RESPONSE.TYPE=code",
            "client%5Fid=a&response%5ftype=code",
            "client_id=a&request=eyJ",
            "client_id=a&request_uri=https://x",
            "client_id[]=a&response_type[0]=code",
            "client_id=%ff&response_type=code",
            "%u0063lient_id=a&respons%u0065_type=code",
            "client_id%00=a&response_type%00x=code",
            "%ux%uclient_id=b&client%u005Fid=a&request=%u00",
        ] {
            assert!(Traits::of(text).is_authorization_request(), "{text}");
        }
        for text in
            ["", "client_id=a", "response_type=code", "client_id=a&grant_type=code", "a=client_id"]
        {
            assert!(!Traits::of(text).is_authorization_request(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(text in "\\PC{0,80}") {
            let _ = fold_path(&text);
            let _ = Traits::of(&text);
        }

        #[test]
        fn folding_is_stable(text in "[/a-z.;%\\\\0-9A-F]{0,40}") {
            if let Some(folded) = fold_path(&text) {
                prop_assert_eq!(fold_path(&folded), Some(folded.clone()));
            }
        }
    }
}
