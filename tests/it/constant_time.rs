//! How secrets are compared (B-241), read from the source: no clock is exact enough to tell one wrong
//! byte from two in a test that has to be right every time. What can be measured from outside, that
//! unknown clients and wrong secrets take the same time, is measured beside the push (B-050).

use std::path::Path;

use super::support::rust::without_comments_and_strings;
use super::support::sources::files_under;

/// Where something that a stranger sends is compared with a secret or with a code made by one: the
/// file, the block, what compares in a time that tells nothing, and how many comparisons of other
/// things stand there.
const COMPARISONS: [(&str, &str, &str, usize); 6] = [
    ("src/config/secret.rs", "fn matches(&self, presented: &str)", ".ct_eq(", 0),
    ("src/config/secret.rs", "impl RollOver<SecretDigest>", ".ct_eq(", 0),
    ("src/authorize/flow.rs", "fn is_genuine(", ".ct_eq(", 0),
    ("src/client/dpop/nonce.rs", "fn age_of(", "hmac::verify(", 0),
    // The algorithm.
    ("src/jose/keys/secret.rs", "fn verifies(", "hmac::verify(", 1),
    ("src/jose/jwe/content.rs", "fn cbc(", ".ct_eq(", 0),
];

/// Types whose values are secret or made of secrets. Without `==` and hashes nobody compares them, nor
/// looks them up, byte by byte.
const SECRETS: [(&str, &str); 6] = [
    ("src/config/secret.rs", "Secret"),
    ("src/config/secret.rs", "SecretDigest"),
    ("src/config/secret.rs", "RollOver"),
    ("src/config/snapshot.rs", "SnapshotKey"),
    ("src/jose/keys/secret.rs", "SharedSecret"),
    ("src/authorize/flow.rs", "Ticket"),
];

/// What tells two byte strings apart as soon as they differ.
const EARLY: [&str; 7] =
    ["==", "!=", ".eq(", ".cmp(", ".starts_with(", ".ends_with(", ".contains("];

fn code(path: impl AsRef<Path>) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
    without_comments_and_strings(&text)
}

/// From where `opening` stands to the end of the block behind it.
fn block<'a>(code: &'a str, opening: &str) -> &'a str {
    let start = code.find(opening).unwrap_or_else(|| panic!("no {opening}"));
    let mut depth = 0;
    for (place, letter) in code[start..].char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => return &code[start..=start + place],
            '}' => depth -= 1,
            _ => {}
        }
    }
    panic!("{opening} has no end");
}

/// Names that make a type comparable, among the derives before its definition and in `impl`s.
fn comparable(code: &str, name: &str) -> Vec<&'static str> {
    let definition =
        [format!("struct {name}("), format!("struct {name} {{"), format!("struct {name}<")];
    let place = definition.iter().find_map(|text| code.find(text.as_str()));
    let before = &code[..place.unwrap_or_else(|| panic!("no struct {name}"))];
    let attributes = before.rsplit([';', '}']).next().unwrap();
    let traits = ["PartialEq", "Eq", "PartialOrd", "Ord", "Hash"];
    let derived =
        |which: &&str| attributes.split(|c: char| !c.is_alphanumeric()).any(|word| word == *which);
    let is_for = format!(" for {name}");
    let written = |which: &&str| {
        let heads = code.split("impl").skip(1).filter_map(|rest| rest.split('{').next());
        let mut heads = heads.filter(|head| {
            head.split_once(is_for.as_str())
                .is_some_and(|(_, rest)| !rest.starts_with(|c: char| c.is_alphanumeric()))
        });
        heads.any(|head| head.split(|c: char| !c.is_alphanumeric()).any(|word| word == *which))
    };
    traits.into_iter().filter(|which| derived(which) || written(which)).collect()
}

#[test]
fn b241_what_strangers_send_is_compared_with_secrets_in_constant_time() {
    for (file, place, by, others) in COMPARISONS {
        let code = code(file);
        let found = block(&code, place);
        assert!(found.contains(by), "{file}: {place} compares without {by}: {found}");
        let early: usize = EARLY.iter().map(|early| found.matches(early).count()).sum();
        assert_eq!(early, others, "{file}: {place} compares in another way: {found}");
    }
}

#[test]
fn b241_secrets_have_no_comparison_of_their_own() {
    for (file, name) in SECRETS {
        assert_eq!(comparable(&code(file), name), [""; 0], "{name} in {file}");
    }
}

/// The bytes of a secret are handed out by two functions; what they give is compared with nothing.
#[test]
fn b241_bytes_of_secrets_are_compared_nowhere() {
    let mut uses = 0;
    for file in files_under("src", "rs") {
        let code = code(&file);
        for statement in code.split([';', '{', '}', '\n']).filter(|text| text.contains(".expose()"))
        {
            uses += 1;
            let early: Vec<_> =
                EARLY.into_iter().filter(|early| statement.contains(early)).collect();
            assert!(early.is_empty(), "{}: {early:?} in {statement}", file.display());
        }
    }
    assert!(uses > 8, "{uses}");
}

/// A reference is looked up by a digest of it: how far a guess goes along tells nothing of what is kept.
#[test]
fn b241_references_are_looked_up_by_digest() {
    let memory = code("src/store/memory/mod.rs");
    assert!(memory.contains("requests: Cache<Address,"), "the key is no reference");
    assert!(block(&memory, "fn address(").contains("half_digest("));
    assert!(block(&memory, "fn half_digest(").contains("digest(&SHA256,"));
    for file in files_under("src/store", "rs") {
        let code = code(&file);
        for map in ["HashMap<", "BTreeMap<", "Cache<", "HashSet<"] {
            for key in code.split(map).skip(1).filter_map(|rest| rest.split([',', '>']).next()) {
                let is_bare = key.contains("Reference") || key.contains("IndexKey");
                assert!(!is_bare, "{}: {map}{key}", file.display());
            }
        }
    }
}

#[test]
fn comparisons_are_found_where_they_are() {
    let code = "#[derive(Clone, PartialEq)]\npub struct A(u8);\nstruct B { a: u8 }\n\
                impl PartialEq<u8> for B { }\n#[derive(Debug)] struct Bc<T>(T); impl Hash for Bc<u8> {}";
    assert_eq!(comparable(code, "A"), ["PartialEq"]);
    assert_eq!(comparable(code, "B"), ["PartialEq"]);
    assert_eq!(comparable(code, "Bc"), ["Hash"]);
    assert_eq!(block("fn a() { if b { c } } fn d() {}", "fn a("), "fn a() { if b { c } }");
}
