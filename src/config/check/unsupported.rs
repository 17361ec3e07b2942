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
const KEYS: [(&str, Refused); 11] = [
    ("server.client_certificate_header", Refused::All),
    ("server.tls", Refused::All),
    ("server.mtls", Refused::All),
    ("par.dpop_nonce", Refused::Truth(true)),
    ("request_object.enabled", Refused::Truth(false)),
    ("request_object.required", Refused::Truth(true)),
    ("request_object.signing_algs", Refused::Items),
    ("request_object.decryption_keys", Refused::All),
    ("client_keys.allow_private_addresses", Refused::Items),
    ("authorization_details", Refused::All),
    ("store.snapshot", Refused::All),
];

/// Keys of a client.
const CLIENT_KEYS: [(&str, Refused); 16] = [
    (
        "authentication",
        Refused::Texts(&[
            "client_secret_jwt",
            "private_key_jwt",
            "tls_client_auth",
            "self_signed_tls_client_auth",
        ]),
    ),
    ("authorization_details_types", Refused::All),
    ("dpop_bound_access_tokens", Refused::Truth(true)),
    ("require_signed_request_object", Refused::Truth(true)),
    ("jwks", Refused::All),
    ("jwks_uri", Refused::All),
    ("jwks_file", Refused::All),
    ("token_endpoint_auth_signing_alg", Refused::All),
    ("request_object_signing_alg", Refused::All),
    ("request_object_encryption_alg", Refused::All),
    ("request_object_encryption_enc", Refused::All),
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
