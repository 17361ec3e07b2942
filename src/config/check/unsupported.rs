//! Keys of later work: accepted at the value that changes nothing, refused otherwise. None is ever
//! ignored.

use super::Checker;
use crate::config::tree::Value;

/// Which values of a key are known but not built.
#[derive(Clone, Copy)]
enum Refused {
    All,
    Texts(&'static [&'static str]),
}

/// Keys of the tables.
const KEYS: [(&str, Refused); 3] = [
    ("store.backend", Refused::Texts(&["redis"])),
    ("store.snapshot", Refused::All),
    ("store.redis", Refused::All),
];

pub(super) fn check(checker: &mut Checker<'_>) {
    for (path, refused) in KEYS {
        key(checker, path, refused);
    }
    if let Some(Value::Integer(2..)) = checker.root.find("store.replicas").map(|node| &node.value) {
        checker.refuse(
            "store.replicas",
            "several replicas cannot share a memory store, and other stores are not yet supported",
        );
    }
}

fn key(checker: &mut Checker<'_>, path: &str, refused: Refused) {
    let Some(node) = checker.root.find(path) else {
        return;
    };
    match (refused, &node.value) {
        (Refused::All, _) => checker.refuse(path, "not yet supported"),
        (Refused::Texts(texts), Value::String(text)) if texts.contains(&text.as_str()) => {
            checker.refuse(path, &format!("{text:?} is not yet supported"));
        }
        // A supported value, or one of the wrong kind, which has been refused already.
        _ => {}
    }
}
