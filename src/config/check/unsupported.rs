//! Keys of later work: accepted at the value that changes nothing, refused otherwise. None is ever
//! ignored.

use super::Checker;
use crate::config::tree::Value;

/// Which values of a key are known but not built.
#[derive(Clone, Copy)]
enum Refused {
    All,
    Items,
    Texts(&'static [&'static str]),
    Truth(bool),
}

/// Keys of the tables.
const KEYS: [(&str, Refused); 9] = [
    ("par.dpop_nonce", Refused::Truth(true)),
    ("request_object.enabled", Refused::Truth(false)),
    ("request_object.required", Refused::Truth(true)),
    ("request_object.signing_algs", Refused::Items),
    ("request_object.decryption_keys", Refused::All),
    ("authorization_details", Refused::All),
    ("store.backend", Refused::Texts(&["redis"])),
    ("store.snapshot", Refused::All),
    ("store.redis", Refused::All),
];

/// Keys of a client.
const CLIENT_KEYS: [(&str, Refused); 6] = [
    ("authorization_details_types", Refused::All),
    ("dpop_bound_access_tokens", Refused::Truth(true)),
    ("require_signed_request_object", Refused::Truth(true)),
    ("request_object_signing_alg", Refused::All),
    ("request_object_encryption_alg", Refused::All),
    ("request_object_encryption_enc", Refused::All),
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
    let clients = match checker.root.find("clients").map(|node| &node.value) {
        Some(Value::Array(clients)) => clients.len(),
        _ => 0,
    };
    for index in 0..clients {
        for (name, refused) in CLIENT_KEYS {
            key(checker, &format!("clients.{index}.{name}"), refused);
        }
    }
}

fn key(checker: &mut Checker<'_>, path: &str, refused: Refused) {
    let Some(node) = checker.root.find(path) else {
        return;
    };
    match (refused, &node.value) {
        (Refused::All, _) => checker.refuse(path, "not yet supported"),
        (Refused::Items, Value::Array(items)) if !items.is_empty() => {
            checker.refuse(path, "not yet supported");
        }
        (Refused::Texts(texts), Value::String(text)) if texts.contains(&text.as_str()) => {
            checker.refuse(path, &format!("{text:?} is not yet supported"));
        }
        (Refused::Truth(refused), Value::Boolean(truth)) if *truth == refused => {
            checker.refuse(path, &format!("`{truth}` is not yet supported"));
        }
        // A supported value, or one of the wrong kind, which has been refused already.
        _ => {}
    }
}
