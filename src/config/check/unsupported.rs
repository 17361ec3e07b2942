//! Keys of later work: accepted at the value that changes nothing, refused otherwise. None is ever
//! ignored.

use super::Checker;
use crate::config::tree::Value;

/// Which values of a key are known but not built.
#[derive(Clone, Copy)]
enum Refused {
    All,
    Texts(&'static [&'static str]),
    Truth(bool),
}

/// Keys of the tables.
const KEYS: [(&str, Refused); 6] = [
    ("server.client_certificate_header", Refused::All),
    ("server.tls", Refused::All),
    ("server.mtls", Refused::All),
    ("par.dpop_nonce", Refused::Truth(true)),
    ("authorization_details", Refused::All),
    ("store.snapshot", Refused::All),
];

/// Keys of a client.
const CLIENT_KEYS: [(&str, Refused); 8] = [
    ("authentication", Refused::Texts(&["tls_client_auth", "self_signed_tls_client_auth"])),
    ("authorization_details_types", Refused::All),
    ("dpop_bound_access_tokens", Refused::Truth(true)),
    ("tls_client_auth_subject_dn", Refused::All),
    ("tls_client_auth_san_dns", Refused::All),
    ("tls_client_auth_san_uri", Refused::All),
    ("tls_client_auth_san_ip", Refused::All),
    ("tls_client_auth_san_email", Refused::All),
];

pub(super) fn check(checker: &mut Checker<'_>) {
    for (path, refused) in KEYS {
        key(checker, path, refused);
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
