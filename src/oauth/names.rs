//! Parameter names: which are registered, which never travel, and when two names are one to a
//! server behind us.

use std::borrow::Cow;

/// Authorization request parameters that are registered (RFC 6749, `OpenID` Connect Core, RFC 7636,
/// 8707, 9101, 9396, 9449 and the session and form-post papers), in the spelling that counts.
pub const AUTHORIZATION: &[&str] = &[
    "acr_values",
    "authorization_details",
    "claims",
    "claims_locales",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "display",
    "dpop_jkt",
    "id_token_hint",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "registration",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "ui_locales",
];

/// Credentials of the client: judged at the push, never stored (RFC 6749 §2.3.1, RFC 7521 §4.2).
pub const CREDENTIALS: &[&str] = &["client_assertion", "client_assertion_type", "client_secret"];

/// Parameters of the token endpoint, without effect in an authorization request (RFC 9126 §2.1).
const TOKEN: &[&str] = &[
    "access_token",
    "actor_token",
    "actor_token_type",
    "assertion",
    "code",
    "code_verifier",
    "device_code",
    "grant_type",
    "password",
    "refresh_token",
    "subject_token",
    "subject_token_type",
];

/// The one parameter that may be repeated (RFC 8707 §2).
pub const REPEATABLE: &str = "resource";

/// Whether `name` is a registered authorization request parameter.
#[must_use]
pub fn is_authorization(name: &str) -> bool {
    AUTHORIZATION.binary_search(&name).is_ok()
}

/// Whether `name` is a client credential.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    CREDENTIALS.contains(&name)
}

/// Whether a pushed `name` reaches the upstream: credentials, token-endpoint parameters, `request`
/// and `request_uri` do not.
#[must_use]
pub fn travels(name: &str) -> bool {
    !is_credential(name) && !TOKEN.contains(&name) && name != "request" && name != "request_uri"
}

/// A name as the loosest server would read it: what follows a NUL off, blanks in front off, letter
/// case off, `.`, blank and `[` to `_`, a trailing `[]` off (PHP, ASP.NET).
#[must_use]
pub fn fold(name: &str) -> Cow<'_, str> {
    let stem = trimmed(name);
    if stem.bytes().all(|byte| folded(byte) == byte) {
        return Cow::Borrowed(stem);
    }
    Cow::Owned(stem.bytes().map(|byte| char::from(folded(byte))).collect())
}

/// Whether a server could take `a` for `b`: they fold to one name, or one is an array element
/// (`scope[x]`) of the other.
#[must_use]
pub fn collide(a: &str, b: &str) -> bool {
    if is_plain(a) && is_plain(b) {
        return a == b;
    }
    a == b || folded_eq(a, b) || element_of(a, b) || element_of(b, a)
}

/// Whether `name` has nothing that a server reads in another way: no other plain name is taken for it.
/// Nearly all names are plain, and the registered ones all are.
#[must_use]
pub fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte != 0 && byte != b']' && folded(byte) == byte)
}

/// Whether `name` is not registered but could be taken for a name that is.
#[must_use]
pub fn imitates_registered(name: &str) -> bool {
    if is_plain(name) {
        return false;
    }
    let mut known = AUTHORIZATION.iter().chain(CREDENTIALS).chain(TOKEN);
    known.any(|registered| folded_eq(name, registered) || element_of(name, registered))
}

/// Whether `name` is one a parameter may have: visible ASCII, so that no server folds it further.
#[must_use]
pub fn is_legal(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// Whether a server could read `name` as `registered`.
#[must_use]
pub fn reads_as(name: &str, registered: &str) -> bool {
    name == registered
        || !is_plain(name) && (folded_eq(name, registered) || element_of(name, registered))
}

fn folded_eq(a: &str, b: &str) -> bool {
    let a = trimmed(a);
    let b = trimmed(b);
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(x, y)| folded(x) == folded(y))
}

/// `scope[x]` is an element of `scope` to PHP and others, and so is `[scope]` to Node's `qs`.
fn element_of(element: &str, array: &str) -> bool {
    match until_nul(element).trim_start_matches(' ').split_once('[') {
        Some(("", inner)) => folded_eq(inner.split(']').next().unwrap_or_default(), array),
        Some((stem, _)) => folded_eq(stem, array),
        None => false,
    }
}

fn trimmed(name: &str) -> &str {
    let stem = until_nul(name).trim_start_matches(' ');
    stem.strip_suffix("[]").unwrap_or(stem)
}

/// PHP registers a name up to its first NUL.
fn until_nul(name: &str) -> &str {
    name.split('\0').next().unwrap_or_default()
}

const fn folded(byte: u8) -> u8 {
    match byte {
        b'.' | b' ' | b'[' => b'_',
        other => other.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_for_the_search() {
        for list in [AUTHORIZATION, CREDENTIALS, TOKEN] {
            assert!(list.is_sorted(), "{list:?}");
        }
    }

    #[test]
    fn names_fold_as_the_loosest_server_reads_them() {
        for (name, folded) in [
            ("scope", "scope"),
            ("Scope", "scope"),
            ("scope[]", "scope"),
            ("redirect.uri", "redirect_uri"),
            ("redirect uri", "redirect_uri"),
            (" scope", "scope"),
            ("a[b", "a_b"),
        ] {
            assert_eq!(fold(name), folded, "{name}");
        }
    }

    #[test]
    fn collisions_are_seen_through_every_spelling() {
        assert!(collide("scope", "SCOPE"));
        assert!(collide("redirect.uri", "redirect_uri"));
        assert!(collide("scope[x]", "scope"));
        assert!(collide("resource[]", "resource"));
        assert!(collide("[scope]", "scope"));
        assert!(collide("scope\0x", "scope"));
        assert!(!collide("scopes", "scope"));
        assert!(!collide("v[a]", "v[b]"));
    }

    #[test]
    fn plain_names_are_taken_for_themselves_alone() {
        for list in [AUTHORIZATION, CREDENTIALS, TOKEN] {
            assert!(list.iter().all(|name| is_plain(name)), "{list:?}");
        }
        for name in ["State", "a.b", "a b", "a[", "a]", "a\0", " a", "a[]"] {
            assert!(!is_plain(name), "{name:?}");
        }
        let loosely =
            |a: &str, b: &str| folded_eq(a, b) || element_of(a, b) || element_of(b, a) || a == b;
        let letters = ["a", "b", "_", "-", "0", "[", "]", " ", ".", "\0", "A"];
        let names: Vec<String> = letters
            .iter()
            .flat_map(|x| letters.iter().flat_map(move |y| ["", "a"].map(|z| format!("{x}{y}{z}"))))
            .collect();
        for a in &names {
            for b in &names {
                assert_eq!(collide(a, b), loosely(a, b), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn imitations_are_told_from_vendor_names() {
        for name in [
            "Client_Id",
            "client.id",
            "scope[]",
            "scope[0]",
            "GRANT_TYPE",
            " state",
            "[state]",
            "[scope][0]",
            "client_id\0",
            " scope\0x",
            "scope[0]\0",
            "scope\0[0]",
            "[scope\0]",
        ] {
            assert!(imitates_registered(name), "{name}");
        }
        for name in ["kc_idp_hint", "client_id", "x_scope", "states", "code", "audience"] {
            assert!(!imitates_registered(name), "{name}");
        }
    }

    #[test]
    fn credentials_and_token_parameters_do_not_travel() {
        for name in ["client_secret", "client_assertion", "grant_type", "code_verifier", "request"]
        {
            assert!(!travels(name), "{name}");
        }
        for name in ["client_id", "scope", "kc_idp_hint", "code_challenge"] {
            assert!(travels(name), "{name}");
        }
    }
}
