//! What the documents say of request objects (RFC 9101 §10.5, `OpenID` Connect Discovery §3): exactly
//! what is taken at the push.
//!
//! A request object that comes straight to the authorization endpoint, where that is allowed, is the
//! upstream's business. So `request_parameter_supported` is the upstream's word unless every request
//! must be pushed, and so is `require_signed_request_object`.

use serde_json::{Value, json};

use super::keys;
use crate::config::Config;
use crate::jose::jwe::{ContentEncryption, KeyManagement};
use crate::upstream::Document;

const SIGNING: &str = "request_object_signing_alg_values_supported";
const ENCRYPTION: [&str; 2] = [
    "request_object_encryption_alg_values_supported",
    "request_object_encryption_enc_values_supported",
];
const REQUIRED: &str = "require_signed_request_object";
const PARAMETER: &str = "request_parameter_supported";

/// What the gateway says of request objects.
#[derive(Debug, Clone)]
pub(super) struct RequestObjects {
    enabled: bool,
    /// Every request must be pushed.
    all_pushed: bool,
    /// Every push must be signed.
    all_signed: bool,
    signing: Vec<&'static str>,
    /// For the keys that are published; empty without any.
    encryption: Vec<&'static str>,
    public_origin: String,
    own_keys: String,
}

impl RequestObjects {
    /// As configured.
    pub(super) fn new(config: &Config) -> Self {
        let mut signing = Vec::new();
        let profiles = config.clients.iter().map(|client| client.profile);
        for profile in profiles.chain([config.par.profile]) {
            for algorithm in config.request_object.signing_algorithms(profile) {
                if !signing.contains(&algorithm.name()) {
                    signing.push(algorithm.name());
                }
            }
        }
        let origin = config.server.issuer.origin();
        Self {
            enabled: config.request_object.enabled,
            all_pushed: config.par.required,
            all_signed: config.request_object.required
                || config.par.profile.rules().needs_signed_request,
            signing,
            encryption: encryption(config),
            public_origin: origin.to_owned(),
            own_keys: format!("{origin}{}", keys::own_path(config)),
        }
    }

    /// Sets the members. Addresses in `document` are public ones already.
    pub(super) fn describe(&self, document: &mut Document) {
        if !self.enabled {
            if self.all_pushed {
                document.insert(PARAMETER.into(), json!(false));
                for name in [SIGNING, REQUIRED].iter().chain(&ENCRYPTION) {
                    document.remove(*name);
                }
            }
            return;
        }
        document.insert(SIGNING.into(), json!(self.signing));
        for name in ENCRYPTION {
            document.remove(name);
        }
        if !self.encryption.is_empty() && self.publish(document) {
            let [alg, enc] = ENCRYPTION;
            document.insert(alg.into(), json!(self.encryption));
            document.insert(enc.into(), json!(ContentEncryption::ALL.map(ContentEncryption::name)));
        }
        if self.all_pushed {
            document.insert(PARAMETER.into(), json!(true));
            document.insert(REQUIRED.into(), json!(self.all_signed));
        }
    }

    /// Whether our keys can be found where `jwks_uri` leads, which is set where there was none.
    fn publish(&self, document: &mut Document) -> bool {
        let place = document.entry("jwks_uri").or_insert_with(|| json!(self.own_keys));
        let rest = place.as_str().and_then(|uri| uri.strip_prefix(&self.public_origin));
        rest.is_some_and(|rest| rest.starts_with('/'))
    }
}

/// What can be encrypted to the published keys.
fn encryption(config: &Config) -> Vec<&'static str> {
    let takes = |alg: KeyManagement| {
        config.published_keys().iter().any(|key| match key.get("alg").and_then(Value::as_str) {
            Some(own) => own == alg.name(),
            None => {
                (key.get("kty").is_some_and(|kind| kind == "RSA")) == alg.name().starts_with("RSA")
            }
        })
    };
    KeyManagement::ALL.into_iter().filter(|alg| takes(*alg)).map(KeyManagement::name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(objects: &RequestObjects, document: Value) -> Value {
        let Value::Object(mut document) = document else { panic!("not an object") };
        objects.describe(&mut document);
        Value::Object(document)
    }

    fn objects() -> RequestObjects {
        RequestObjects {
            enabled: true,
            all_pushed: false,
            all_signed: false,
            signing: vec!["PS256"],
            encryption: vec!["RSA-OAEP-256"],
            public_origin: "https://login.example".into(),
            own_keys: "https://login.example/par/jwks".into(),
        }
    }

    #[test]
    fn b179_the_lists_are_what_is_taken_at_the_push() {
        let upstream = json!({
            SIGNING: ["none", "RS256"],
            ENCRYPTION[0]: ["RSA1_5"],
            ENCRYPTION[1]: ["A192GCM"],
            PARAMETER: false,
            "jwks_uri": "https://login.example/certs",
        });
        let found = described(&objects(), upstream.clone());
        assert_eq!(found[SIGNING], json!(["PS256"]));
        assert_eq!(found[ENCRYPTION[0]], json!(["RSA-OAEP-256"]));
        assert_eq!(
            found[ENCRYPTION[1]],
            json!(["A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512"])
        );
        assert_eq!((&found[PARAMETER], found.get(REQUIRED)), (&json!(false), None));
        let all = RequestObjects { all_pushed: true, all_signed: true, ..objects() };
        let found = described(&all, upstream.clone());
        assert_eq!((&found[PARAMETER], &found[REQUIRED]), (&json!(true), &json!(true)));
        let off = RequestObjects { enabled: false, ..objects() };
        assert_eq!(described(&off, upstream.clone()), upstream);
        let off = RequestObjects { all_pushed: true, ..off };
        let expected = json!({PARAMETER: false, "jwks_uri": "https://login.example/certs"});
        assert_eq!(described(&off, upstream), expected);
    }

    #[test]
    fn b179_encryption_is_offered_where_its_keys_can_be_found() {
        let elsewhere = json!({"jwks_uri": "https://keys.example/jwks", ENCRYPTION[0]: ["RSA1_5"]});
        let found = described(&objects(), elsewhere);
        assert_eq!(found["jwks_uri"], "https://keys.example/jwks");
        assert!(ENCRYPTION.iter().all(|name| found.get(name).is_none()));
        let found = described(&objects(), json!({}));
        assert_eq!(found["jwks_uri"], "https://login.example/par/jwks");
        assert_eq!(found[ENCRYPTION[0]], json!(["RSA-OAEP-256"]));
        let none = RequestObjects { encryption: vec![], ..objects() };
        assert_eq!(described(&none, json!({})), json!({SIGNING: ["PS256"]}));
    }
}
