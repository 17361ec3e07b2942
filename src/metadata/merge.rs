//! One document in, one document out: what the gateway knows better is set, what would lead past
//! it is turned, what it cannot vouch for is dropped, all else stays.

use serde_json::{Value, json};

use super::request_object::RequestObjects;
use crate::config::{self, AuthenticationMethod as By, Profile};
use crate::jose::Algorithm;
use crate::upstream::Document;

/// Client authentication methods that work at the pushed authorization request endpoint, as far as
/// a profile allows them.
const AUTHENTICATION_METHODS: &[By] = &[
    By::ClientSecretBasic,
    By::ClientSecretPost,
    By::ClientSecretJwt,
    By::PrivateKeyJwt,
    By::None,
];

/// What the gateway adds.
#[derive(Debug, Clone)]
pub struct Additions {
    issuer: String,
    public_origin: String,
    internal_origin: String,
    /// `None` where the endpoint is off or not advertised.
    endpoint: Option<String>,
    required: bool,
    pkce: bool,
    iss: bool,
    request_objects: Option<RequestObjects>,
    /// Those of the gateway and of its clients.
    profiles: Vec<Profile>,
}

/// What the documents say of PKCE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pkce {
    /// What the upstream says.
    AsUpstream,
    /// S256 is required of some client, so it must be listed.
    Enforced,
}

impl Additions {
    /// As configured.
    #[must_use]
    pub fn new(config: &config::Config, pkce: Pkce) -> Self {
        let origin = config.server.issuer.origin();
        let advertised = config.par.enabled && config.par.advertise;
        Self {
            issuer: config.server.issuer.as_str().to_owned(),
            public_origin: origin.to_owned(),
            internal_origin: config.upstream.url.origin(),
            endpoint: advertised.then(|| format!("{origin}{}", config.par.path)),
            required: config.par.enabled && config.par.required,
            pkce: pkce == Pkce::Enforced,
            iss: config.authorize.add_iss,
            request_objects: advertised.then(|| RequestObjects::new(config)),
            profiles: profiles(config),
        }
    }

    /// The merged document.
    #[must_use]
    pub fn merge(&self, mut document: Document) -> Document {
        for (_, value) in &mut document {
            self.turn(value);
        }
        // Signed by the upstream over what is no longer so (RFC 8414 §2.1).
        document.remove("signed_metadata");
        document.remove("pushed_authorization_request_endpoint");
        document.remove("require_pushed_authorization_requests");
        document.insert("issuer".into(), json!(self.issuer));
        if let Some(endpoint) = &self.endpoint {
            document.insert("pushed_authorization_request_endpoint".into(), json!(endpoint));
            document.insert("require_pushed_authorization_requests".into(), json!(self.required));
            self.restrict_authentication(&mut document);
        }
        if let Some(request_objects) = &self.request_objects {
            request_objects.describe(&mut document);
        }
        self.response_iss(&mut document);
        if self.pkce {
            list(&mut document, "code_challenge_methods_supported", "S256");
        }
        document
    }

    /// Addresses on the upstream's own origin become public ones, however deep they stand.
    fn turn(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                let internal = text.strip_prefix(&self.internal_origin);
                let rest = internal.filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
                if let Some(rest) = rest {
                    *text = format!("{}{rest}", self.public_origin);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.turn(value)),
            Value::Object(members) => members.values_mut().for_each(|value| self.turn(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Every listed method and algorithm works at the endpoint too (RFC 9126 §2: there is no list of
    /// its own). An absent list of methods means `client_secret_basic` (RFC 8414 §2).
    fn restrict_authentication(&self, document: &mut Document) {
        let allowed =
            |method: &By| self.profiles.iter().any(|p| p.rules().methods.contains(method));
        let methods = AUTHENTICATION_METHODS.iter().filter(|method| allowed(method));
        let methods: Vec<&str> = methods.map(|method| method.as_str()).collect();
        let name = "token_endpoint_auth_methods_supported";
        let basic = By::ClientSecretBasic.as_str();
        if !document.contains_key(name) && !methods.contains(&basic) {
            document.insert(name.into(), json!([]));
        }
        if let Some(Value::Array(listed)) = document.get_mut(name) {
            keep(listed, &methods);
            if listed.is_empty() {
                listed.extend(methods.iter().map(|method| json!(method)));
            }
        }
        let signs = |alg: &Algorithm| {
            self.profiles.iter().any(|p| p.rules().signing_algorithms.contains(alg))
        };
        let algorithms = Algorithm::ALL.iter().filter(|alg| signs(alg));
        let algorithms: Vec<&str> = algorithms.map(|alg| alg.name()).collect();
        let name = "token_endpoint_auth_signing_alg_values_supported";
        if let Some(Value::Array(listed)) = document.get_mut(name) {
            keep(listed, &algorithms);
            if listed.is_empty() {
                document.remove(name);
            }
        }
    }

    /// RFC 9207 §3: true exactly where every response carries `iss`. The gateway adds it to pushed
    /// requests alone, so where others are taken only the upstream can promise it.
    fn response_iss(&self, document: &mut Document) {
        let name = "authorization_response_iss_parameter_supported";
        let by_upstream = document.get(name) == Some(&Value::Bool(true));
        if by_upstream || (self.iss && self.required) {
            document.insert(name.into(), Value::Bool(true));
        } else if document.contains_key(name) {
            document.insert(name.into(), Value::Bool(false));
        }
    }
}

/// The profiles that hold for somebody.
fn profiles(config: &config::Config) -> Vec<Profile> {
    let holds = |profile: &Profile| {
        config.par.profile == *profile
            || config.clients.iter().any(|client| client.profile == *profile)
    };
    Profile::ALL.into_iter().filter(holds).collect()
}

/// Keeps of a list what works.
fn keep(list: &mut Vec<Value>, works: &[&str]) {
    list.retain(|value| value.as_str().is_some_and(|value| works.contains(&value)));
}

/// Adds `value` to a list, which is made where there is none.
fn list(document: &mut Document, name: &str, value: &str) {
    let values = document.entry(name).or_insert_with(|| json!([]));
    if let Value::Array(values) = values
        && !values.iter().any(|known| known == value)
    {
        values.push(json!(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn additions() -> Additions {
        Additions {
            issuer: "https://login.example/t".into(),
            public_origin: "https://login.example".into(),
            internal_origin: "http://idp:9000".into(),
            endpoint: Some("https://login.example/par".into()),
            required: false,
            pkce: false,
            iss: true,
            request_objects: None,
            profiles: vec![Profile::Oauth],
        }
    }

    fn merged(additions: &Additions, document: Value) -> Value {
        let Value::Object(document) = document else { panic!("not an object") };
        Value::Object(additions.merge(document))
    }

    #[test]
    fn b172_b173_b176_the_endpoint_is_named() {
        let document = merged(&additions(), json!({"issuer": "http://idp:9000/t"}));
        assert_eq!(
            document,
            json!({
                "issuer": "https://login.example/t",
                "pushed_authorization_request_endpoint": "https://login.example/par",
                "require_pushed_authorization_requests": false,
            })
        );
        let required = Additions { required: true, ..additions() };
        let document = merged(&required, json!({"issuer": "x"}));
        assert_eq!(document["require_pushed_authorization_requests"], json!(true));
    }

    #[test]
    fn b174_b175_nothing_is_said_where_it_is_off_or_unlisted() {
        let silent = Additions { endpoint: None, ..additions() };
        let upstream = json!({
            "issuer": "x",
            "pushed_authorization_request_endpoint": "http://idp:9000/par",
            "require_pushed_authorization_requests": true,
        });
        assert_eq!(merged(&silent, upstream), json!({"issuer": "https://login.example/t"}));
    }

    #[test]
    fn b177_iss_is_promised_only_where_it_is_always_there() {
        let name = "authorization_response_iss_parameter_supported";
        let flag = |additions: &Additions, document| merged(additions, document).get(name).cloned();
        let required = Additions { required: true, ..additions() };
        assert_eq!(flag(&additions(), json!({})), None);
        assert_eq!(flag(&additions(), json!({name: false})), Some(json!(false)));
        assert_eq!(flag(&additions(), json!({name: true})), Some(json!(true)));
        assert_eq!(flag(&required, json!({})), Some(json!(true)));
        assert_eq!(flag(&Additions { iss: false, ..required }, json!({})), None);
    }

    #[test]
    fn b178_b184_b235_what_is_not_ours_stays_and_signatures_go() {
        let upstream = json!({
            "issuer": "x",
            "request_uri_parameter_supported": false,
            "require_request_uri_registration": true,
            "x_vendor": {"a": [1, null, {"b": "c"}]},
            "signed_metadata": "eyJ",
        });
        let document = merged(&additions(), upstream.clone());
        for name in
            ["request_uri_parameter_supported", "require_request_uri_registration", "x_vendor"]
        {
            assert_eq!(document[name], upstream[name], "{name}");
        }
        assert!(document.get("signed_metadata").is_none());
    }

    #[test]
    fn b180_b181_lists_tell_what_works() {
        let pkce = Additions { pkce: true, ..additions() };
        let upstream = json!({
            "token_endpoint_auth_methods_supported":
                ["client_secret_basic", "private_key_jwt", "tls_client_auth", "x_vendor"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256K"],
            "code_challenge_methods_supported": ["plain"],
        });
        let (methods, algorithms) = (
            "token_endpoint_auth_methods_supported",
            "token_endpoint_auth_signing_alg_values_supported",
        );
        let document = merged(&pkce, upstream.clone());
        assert_eq!(document[methods], json!(["client_secret_basic", "private_key_jwt"]));
        assert_eq!(document[algorithms], json!(["RS256", "PS256"]));
        let strict = Additions { profiles: vec![Profile::Fapi2], ..additions() };
        let by_strict = merged(&strict, upstream);
        assert_eq!(by_strict[methods], json!(["private_key_jwt"]));
        assert_eq!(by_strict[algorithms], json!(["PS256"]));
        assert_eq!(merged(&strict, json!({}))[methods], json!(["private_key_jwt"]));
        let nothing = merged(&strict, json!({ algorithms: ["RS256"] }));
        assert!(nothing.get(algorithms).is_none());
        assert_eq!(document["code_challenge_methods_supported"], json!(["plain", "S256"]));
    }

    #[test]
    fn b231_internal_addresses_become_public_ones() {
        let upstream = json!({
            "token_endpoint": "http://idp:9000/token",
            "mtls_endpoint_aliases": {"token_endpoint": "http://idp:9000/mtls"},
            "op_policy_uri": "http://idp:90001/x",
        });
        let document = merged(&additions(), upstream);
        assert_eq!(document["token_endpoint"], "https://login.example/token");
        assert_eq!(
            document["mtls_endpoint_aliases"]["token_endpoint"],
            "https://login.example/mtls"
        );
        assert_eq!(document["op_policy_uri"], "http://idp:90001/x");
    }
}
