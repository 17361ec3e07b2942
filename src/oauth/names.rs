//! Parameter names: the one reader that says of a name whether it is registered, foreign, or one that
//! some server takes for a registered one.

use std::borrow::Cow;

use super::folding::{has_skeleton, leading_piece, skeleton};
use super::target::loose;

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

/// Reading of one parameter name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// The exact bytes of a name in the vocabulary.
    Registered,
    /// A name that no known server takes for one in the vocabulary.
    Foreign,
    /// Another spelling that some server takes for this name of the vocabulary.
    Imitation(&'a str),
}

/// The authorization request parameters of one server: the registered ones, and those that
/// `[upstream] parameters` adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vocabulary {
    further: Vec<String>,
}

impl Vocabulary {
    /// The registered parameters and `further` ones.
    #[must_use]
    pub fn with(further: &[String]) -> Self {
        Self { further: further.to_vec() }
    }

    /// Reads one name, decoded as its form or query has it.
    #[must_use]
    pub fn read(&self, name: &str) -> Name<'_> {
        if self.contains(name) {
            return Name::Registered;
        }
        imitated(name, || AUTHORIZATION.iter().copied().chain(self.further()))
            .map_or(Name::Foreign, Name::Imitation)
    }

    /// Whether `name` is exactly one of these parameters.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        is_authorization(name) || self.further().any(|known| known == name)
    }

    /// Whether any of `names` is an imitation.
    pub fn is_imitated_in<'n>(&self, mut names: impl Iterator<Item = &'n str>) -> bool {
        names.any(|name| matches!(self.read(name), Name::Imitation(_)))
    }

    fn further(&self) -> impl Iterator<Item = &str> + Clone {
        self.further.iter().map(String::as_str)
    }
}

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

/// Whether `name` is not registered but some server takes it for a name that is: an authorization
/// parameter, a credential, or a parameter of the token endpoint.
#[must_use]
pub fn imitates_registered(name: &str) -> bool {
    let known = || AUTHORIZATION.iter().chain(CREDENTIALS).chain(TOKEN).copied();
    !known().any(|registered| registered == name) && imitated(name, known).is_some()
}

/// Whether some server reads `name` as `registered`.
#[must_use]
pub fn reads_as(name: &str, registered: &str) -> bool {
    name == registered
        || !is_authorization(name) && imitated(name, || std::iter::once(registered)).is_some()
}

/// The list that an element of a consent page's list belongs to: `scope` for `scope[]`, `scope[2]`,
/// `scopes[]` and `scopes`.
#[must_use]
pub fn list_of(name: &str) -> Option<&'static str> {
    let (stem, index) = name.split_once('[').unwrap_or((name, "]"));
    let index = index.strip_suffix(']')?;
    let is_index = index.bytes().all(|byte| byte.is_ascii_digit());
    let is_list = stem == "scopes" || (stem == "scope" && name != "scope");
    (is_index && is_list).then_some("scope")
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

/// Whether `name` is one a parameter may have: visible ASCII, so that no server folds it further.
#[must_use]
pub fn is_legal(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// The first of `known` that some server reads in `name`, also one that decodes it again.
fn imitated<'k, K>(name: &str, known: impl Fn() -> K) -> Option<&'k str>
where
    K: Iterator<Item = &'k str>,
{
    let mut name = Cow::Borrowed(name);
    loop {
        let whole = skeleton(&name);
        let piece = leading_piece(&name).map(skeleton).filter(|piece| *piece != whole);
        let found = known().find(|known| {
            has_skeleton(known, &whole)
                || piece.as_deref().is_some_and(|piece| has_skeleton(known, piece))
        });
        let decoded = loose(&name);
        if found.is_some() || decoded.len() >= name.len() {
            return found;
        }
        name = Cow::Owned(decoded.into_owned());
    }
}

fn folded_eq(a: &str, b: &str) -> bool {
    let a = trimmed(a);
    let b = trimmed(b);
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(x, y)| folded(x) == folded(y))
}

/// `v[x]` is an element of `v` to PHP and others, and so is `[v]` to Node's `qs`.
fn element_of(element: &str, array: &str) -> bool {
    match element.trim_start_matches(' ').split_once('[') {
        Some(("", inner)) => folded_eq(inner.split(']').next().unwrap_or_default(), array),
        Some((stem, _)) => folded_eq(stem, array),
        None => false,
    }
}

fn trimmed(name: &str) -> &str {
    let stem = name.trim_start_matches(' ');
    stem.strip_suffix("[]").unwrap_or(stem)
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
    fn collisions_are_seen_through_every_spelling() {
        assert!(collide("vendor", "VENDOR"));
        assert!(collide("vendor.x", "vendor_x"));
        assert!(collide("vendor[x]", "vendor"));
        assert!(collide("resource[]", "resource"));
        assert!(collide("[vendor]", "vendor"));
        assert!(!collide("vendors", "vendor"));
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

    /// Spellings of `scope` and `client_id` that some server takes for them.
    const IMITATIONS: [&str; 47] = [
        "Client_Id",
        "client.id",
        "clientid",
        "client-id",
        "client id",
        "client__id",
        "_client_id",
        "client_id_",
        " client_id",
        "client_id ",
        "\tclient_id",
        "client_id\r\n",
        "client_id\0",
        "\0client_id",
        "client_id\0x",
        "client_id[]",
        "client_id[0]",
        "client_id[x]",
        "[client_id]",
        "[client_id][0]",
        "]client_id",
        "client_id]",
        "[[client_id]]",
        "client_id]x",
        "client[id",
        "client_id\"",
        "\"client_id",
        "client_id\"; x",
        "client_id;x",
        "client_id&x",
        "client_id=x",
        "client%5Fid",
        "client%255Fid",
        "client%u005Fid",
        "%63lient_id",
        "client_id%00x",
        "CLIENT_ID",
        "clıent_id",
        "clİent_id",
        "ｃｌｉｅｎｔ＿ｉｄ",
        "client\u{ad}_id",
        "\u{feff}client_id",
        "client_id\u{200b}",
        "client_i\u{301}d",
        "\u{a0}client_id",
        "\\client_id",
        "client_id\nx",
    ];

    #[test]
    fn b256_imitations_are_told_from_foreign_names() {
        let vocabulary = Vocabulary::default();
        for name in IMITATIONS {
            assert_eq!(vocabulary.read(name), Name::Imitation("client_id"), "{name:?}");
            assert!(imitates_registered(name) && reads_as(name, "client_id"), "{name:?}");
        }
        for name in ["ſcope", "ſCOPE", "s\u{200d}cope", "scope]", "[scope\0]"] {
            assert_eq!(vocabulary.read(name), Name::Imitation("scope"), "{name:?}");
        }
        assert_eq!(vocabulary.read("id_to\u{212a}en_hint"), Name::Imitation("id_token_hint"));
        for name in [
            "kc_idp_hint",
            "x_scope",
            "states",
            "audience",
            "x[scope]",
            "",
            "_",
            "[]",
            "é",
            "scopes[]",
        ] {
            assert_eq!(vocabulary.read(name), Name::Foreign, "{name:?}");
            assert!(!imitates_registered(name), "{name:?}");
        }
        for name in AUTHORIZATION {
            assert_eq!(vocabulary.read(name), Name::Registered, "{name}");
            assert!(!imitates_registered(name), "{name}");
        }
    }

    #[test]
    fn b256_credentials_and_token_parameters_are_imitated_at_the_push_alone() {
        for name in ["GRANT_TYPE", "client_secret[]", "Client-Secret", "code verifier", "Code"] {
            assert!(imitates_registered(name), "{name}");
            assert_eq!(Vocabulary::default().read(name), Name::Foreign, "{name}");
        }
        for name in ["code", "client_secret", "grant_type"] {
            assert!(!imitates_registered(name), "{name}");
        }
    }

    #[test]
    fn b297_further_parameters_of_a_server_are_read_like_registered_ones() {
        let vocabulary = Vocabulary::with(&["audience".to_owned(), "connectorId".to_owned()]);
        assert!(vocabulary.contains("audience") && vocabulary.contains("scope"));
        assert_eq!(vocabulary.read("connectorId"), Name::Registered);
        assert_eq!(vocabulary.read("connector_id"), Name::Imitation("connectorId"));
        assert_eq!(vocabulary.read("Audience[]"), Name::Imitation("audience"));
        assert_eq!(vocabulary.read("audiences"), Name::Foreign);
    }

    #[test]
    fn b256_lists_of_a_consent_page_are_lists() {
        for name in ["scope[]", "scope[0]", "scope[12]", "scopes[]", "scopes[1]", "scopes"] {
            assert_eq!(list_of(name), Some("scope"), "{name}");
        }
        for name in
            ["scope", "scope[x]", "scope[", "scope]", "[scope]", "scope[][]", "state[]", "Scope[]"]
        {
            assert_eq!(list_of(name), None, "{name}");
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
