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

/// Further ones where certificates reach the gateway.
const BY_CERTIFICATE: &[By] = &[By::TlsClientAuth, By::SelfSignedTlsClientAuth];

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
    dpop_algorithms: Vec<&'static str>,
    /// Configured ones; empty leaves them to the upstream.
    details_types: Vec<String>,
    request_objects: Option<RequestObjects>,
    /// Whether clients can prove themselves by certificate.
    certificates: bool,
    /// The endpoint on the listener for certificates.
    alias: Option<String>,
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
            dpop_algorithms: proof_algorithms(config.par.profile),
            details_types: config.authorization_details.iter().map(|t| t.name.clone()).collect(),
            request_objects: advertised.then(|| RequestObjects::new(config)),
            certificates: config.server.sees_certificates(),
            alias: config
                .server
                .mtls
                .as_ref()
                .filter(|_| advertised)
                .map(|mtls| mtls.url_of(&config.par.path)),
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
            self.restrict_dpop(&mut document);
            self.restrict_details(&mut document);
        }
        if let Some(request_objects) = &self.request_objects {
            request_objects.describe(&mut document);
        }
        self.mtls_aliases(&mut document);
        self.response_iss(&mut document);
        if self.pkce {
            list(&mut document, "code_challenge_methods_supported", "S256");
        }
        document
    }

    /// RFC 8705 §5: our endpoint where certificates are asked for. Other endpoints stay as the
    /// upstream has them: a certificate that is shown to us does not reach it.
    fn mtls_aliases(&self, document: &mut Document) {
        let mut aliases = match document.remove("mtls_endpoint_aliases") {
            Some(Value::Object(aliases)) => aliases,
            _ => Document::new(),
        };
        aliases.retain(|name, _| {
            name.ends_with("_endpoint")
                && name != "authorization_endpoint"
                && name != "pushed_authorization_request_endpoint"
                && document.contains_key(name)
        });
        if let Some(alias) = &self.alias {
            aliases.insert("pushed_authorization_request_endpoint".into(), json!(alias));
        }
        if !aliases.is_empty() {
            document.insert("mtls_endpoint_aliases".into(), Value::Object(aliases));
        }
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
        let further = if self.certificates { BY_CERTIFICATE } else { &[] };
        let methods = AUTHENTICATION_METHODS.iter().chain(further);
        let methods = methods.filter(|method| allowed(method));
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

    /// RFC 9449 §5.1: what both sides verify. The upstream keeps the binding, so nothing is added.
    fn restrict_dpop(&self, document: &mut Document) {
        let is_ours =
            |value: &Value| value.as_str().is_some_and(|name| self.dpop_algorithms.contains(&name));
        restrict(document, "dpop_signing_alg_values_supported", is_ours);
    }

    /// RFC 9396 §10: what both sides take; where the upstream is silent, what the configuration says
    /// that it takes.
    fn restrict_details(&self, document: &mut Document) {
        let name = "authorization_details_types_supported";
        if self.details_types.is_empty() {
            return;
        }
        let is_listed = document.get(name).and_then(Value::as_array).is_some_and(|l| !l.is_empty());
        if is_listed {
            let is_ours = |value: &Value| self.details_types.iter().any(|known| value == known);
            restrict(document, name, is_ours);
        } else {
            document.insert(name.into(), json!(self.details_types));
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

/// How proofs at the push may be signed under the profile that `[par]` names.
fn proof_algorithms(profile: Profile) -> Vec<&'static str> {
    let algorithms = profile.rules().signing_algorithms.iter();
    algorithms.filter(|known| !known.is_symmetric()).map(|known| known.name()).collect()
}

/// Leaves of a list what is `ours`; a list of which nothing is left goes.
fn restrict(document: &mut Document, name: &str, ours: impl Fn(&Value) -> bool) {
    if let Some(Value::Array(values)) = document.get_mut(name) {
        values.retain(ours);
        if values.is_empty() {
            document.remove(name);
        }
    }
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
mod tests;
