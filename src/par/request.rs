//! From the pushed form to the request that is kept: every rule of RFC 9126 §2.1 that can be judged
//! here, in the order in which a client would want to hear of it.

use std::borrow::Cow;

use super::authorization_details::{self, DetailsError};
use super::key_binding::{self, KeyBindingError};
use super::terms::{Room, Terms};
use crate::client::Client;
use crate::config::profile::{Needed, ResponseFault};
use crate::oauth::error::ErrorCode;
use crate::oauth::names;
use crate::oauth::parameters::{Encoder, MOST, Parameters, count_in};
use crate::oauth::pkce::{self, CodeChallengeMethod};
use crate::oauth::{redirect_uri, scope};
use crate::upstream::Capabilities;

/// Why a pushed request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A parameter, or a name a server could take for it, stands twice (RFC 6749 §3.1).
    #[error("a parameter is repeated")]
    Repeated,
    /// A name in another spelling than the registered one.
    #[error("a parameter name is a respelling of a registered one")]
    Respelled,
    /// `request_uri` in the form (RFC 9126 §2.1).
    #[error("request_uri is not allowed in a pushed request")]
    RequestUri,
    /// `request`, while request objects are switched off.
    #[error("request objects are not supported")]
    RequestObject,
    /// The client's requests must be signed (RFC 9101 §10.5).
    #[error("a signed request object is required")]
    NoRequestObject,
    /// `response_type` is missing.
    #[error("response_type is missing")]
    NoResponseType,
    /// Nobody supports this `response_type`.
    #[error("response_type is not supported")]
    ResponseType,
    /// The client's profile does not allow this `response_type`, or not without JARM.
    #[error("response_type is not allowed by the profile of this client")]
    ForbiddenResponseType,
    /// The upstream does not offer this `response_mode`.
    #[error("response_mode is not supported")]
    ResponseMode,
    /// The client's profile does not allow this `response_mode` with this `response_type`.
    #[error("response_mode is not allowed by the profile of this client")]
    ForbiddenResponseMode,
    /// The client's profile needs `scope`.
    #[error("scope is missing")]
    NoScope,
    /// The client's profile needs `nonce`.
    #[error("nonce is missing")]
    NoNonce,
    /// `redirect_uri` is missing where it is needed.
    #[error("redirect_uri is missing")]
    NoRedirectUri,
    /// `redirect_uri` is relative, has a fragment, or would run as code.
    #[error("redirect_uri is not an absolute URI without fragment")]
    IllegalRedirectUri,
    /// `redirect_uri` has a scheme that the client's profile does not allow.
    #[error("redirect_uri has a scheme that the profile of this client does not allow")]
    ForbiddenRedirectUri,
    /// `redirect_uri` is not registered (RFC 9126 §2.3: no code of its own).
    #[error("redirect_uri is not registered for this client")]
    UnregisteredRedirectUri,
    /// `scope` breaks the grammar.
    #[error("scope holds characters that are not allowed")]
    IllegalScope,
    /// `scope` holds a value that the client may not use.
    #[error("scope holds a value that this client may not use")]
    Scope,
    /// PKCE is required.
    #[error("code_challenge is missing")]
    NoCodeChallenge,
    /// PKCE is required, and S256 alone will do.
    #[error("code_challenge_method must be S256")]
    PlainCodeChallenge,
    /// Challenge or method break RFC 7636.
    #[error("code_challenge or code_challenge_method is not valid")]
    CodeChallenge,
    /// `prompt=none` beside another value.
    #[error("prompt=none cannot be combined with other values")]
    Prompt,
    /// `max_age` is not a number of seconds.
    #[error("max_age is not a number of seconds")]
    MaxAge,
    /// `claims` is not a JSON object.
    #[error("claims is not a JSON object")]
    Claims,
    /// `resource` is relative or has a fragment (RFC 8707 §2).
    #[error("resource is not an absolute URI without fragment")]
    Resource,
    /// With what the endpoint's own address says it would be more than can be read again.
    #[error("the request has more parameters than can be kept")]
    TooMany,
    /// `dpop_jkt`, or that there is none.
    #[error(transparent)]
    Key(#[from] KeyBindingError),
    /// `authorization_details`
    #[error(transparent)]
    Details(#[from] DetailsError),
    /// The request would not fit the upstream's longest request target.
    #[error("the request target for the authorization server would have more than {0} bytes")]
    TooLong(usize),
}

impl RequestError {
    /// The wire code.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::RequestObject => ErrorCode::RequestNotSupported,
            Self::ResponseType | Self::ForbiddenResponseType => ErrorCode::UnsupportedResponseType,
            Self::IllegalScope | Self::Scope => ErrorCode::InvalidScope,
            Self::Resource => ErrorCode::InvalidTarget,
            Self::Key(error) => error.code(),
            Self::Details(error) => error.code(),
            Self::Repeated
            | Self::Respelled
            | Self::RequestUri
            | Self::NoRequestObject
            | Self::NoResponseType
            | Self::ResponseMode
            | Self::ForbiddenResponseMode
            | Self::NoScope
            | Self::NoNonce
            | Self::ForbiddenRedirectUri
            | Self::NoRedirectUri
            | Self::IllegalRedirectUri
            | Self::UnregisteredRedirectUri
            | Self::NoCodeChallenge
            | Self::PlainCodeChallenge
            | Self::CodeChallenge
            | Self::Prompt
            | Self::MaxAge
            | Self::Claims
            | Self::TooMany
            | Self::TooLong(_) => ErrorCode::InvalidRequest,
        }
    }

    /// What the client is told: which check failed, nothing of what was sent.
    #[must_use]
    pub fn description(self) -> Cow<'static, str> {
        Cow::Owned(self.to_string())
    }
}

/// Judges a plain `form` and writes what travels, in order, encoded anew. `client_id` is the authenticated
/// one, also where the form leaves it out (a form with another one never gets here).
///
/// # Errors
/// [`RequestError`], the first in the order of the checks.
pub fn validate(
    form: &Parameters<'_>,
    client: &Client,
    terms: &Terms<'_>,
) -> Result<String, RequestError> {
    if client.request_object.required {
        return Err(RequestError::NoRequestObject);
    }
    judge(form, client, terms)
}

/// The request object that `form` brings, if it does. An empty one is none (RFC 6749 §3.1).
///
/// # Errors
/// [`RequestError`] where the form is not clear about its names.
pub fn request_object<'a>(form: &'a Parameters<'_>) -> Result<Option<&'a str>, RequestError> {
    names_are_clear(form)?;
    Ok(form.value("request"))
}

/// Judges the parameters in a request object whose signature and claims hold, as those of a form.
///
/// # Errors
/// [`RequestError`], the first in the order of the checks.
pub fn validate_signed(
    parameters: &Parameters<'_>,
    client: &Client,
    terms: &Terms<'_>,
) -> Result<String, RequestError> {
    names_are_clear(parameters)?;
    judge(parameters, client, terms)
}

/// Judges the parameters themselves, wherever they were read from.
fn judge(
    form: &Parameters<'_>,
    client: &Client,
    terms: &Terms<'_>,
) -> Result<String, RequestError> {
    if terms.vocabulary.is_imitated_in(form.iter().map(|(name, _)| name)) {
        return Err(RequestError::Respelled);
    }
    response_is_possible(form, terms.capabilities)?;
    response_is_allowed(form, client)?;
    nothing_needed_is_missing(form, client)?;
    redirect_uri_is_the_clients(form, client)?;
    scope_is_allowed(form, client)?;
    pkce_is_sound(form, client)?;
    values_make_sense(form)?;
    key_binding::judge(form.value("dpop_jkt"), client, terms)?;
    if let Some(details) = form.value("authorization_details") {
        authorization_details::judge(details, client, terms)?;
    }
    let query = encode(form, client, terms.proven_key);
    fits(form, &query, terms.room)?;
    Ok(query)
}

fn names_are_clear(form: &Parameters<'_>) -> Result<(), RequestError> {
    if form.count("request_uri") > 0 {
        return Err(RequestError::RequestUri);
    }
    if form.repeated().is_some() {
        return Err(RequestError::Repeated);
    }
    if form.imitate_registered() {
        return Err(RequestError::Respelled);
    }
    Ok(())
}

fn response_is_possible(
    form: &Parameters<'_>,
    capabilities: Option<&Capabilities>,
) -> Result<(), RequestError> {
    let pushed = form.value("response_type").ok_or(RequestError::NoResponseType)?;
    let known = ["code", "id_token", "none", "token"];
    if !pushed.split(' ').all(|part| known.contains(&part)) {
        return Err(RequestError::ResponseType);
    }
    if capabilities.is_some_and(|upstream| !upstream.may_take_response_type(pushed)) {
        return Err(RequestError::ResponseType);
    }
    let Some(response_mode) = form.value("response_mode") else {
        return Ok(());
    };
    let known =
        ["query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"];
    let possible = match capabilities.filter(|upstream| !upstream.response_modes.is_empty()) {
        None => known.contains(&response_mode),
        Some(upstream) => upstream.may_take_response_mode(response_mode),
    };
    if possible { Ok(()) } else { Err(RequestError::ResponseMode) }
}

fn response_is_allowed(form: &Parameters<'_>, client: &Client) -> Result<(), RequestError> {
    let response_type = form.value("response_type").unwrap_or_default();
    client.rules.response(response_type, form.value("response_mode")).map_err(|fault| match fault {
        ResponseFault::Type => RequestError::ForbiddenResponseType,
        ResponseFault::Mode => RequestError::ForbiddenResponseMode,
    })
}

fn nothing_needed_is_missing(form: &Parameters<'_>, client: &Client) -> Result<(), RequestError> {
    let missing = |needed: Needed| form.value(needed.name()).is_none();
    match client.rules.needed_parameters.iter().find(|needed| missing(**needed)) {
        None => Ok(()),
        Some(Needed::RedirectUri) => Err(RequestError::NoRedirectUri),
        Some(Needed::Scope) => Err(RequestError::NoScope),
        Some(Needed::Nonce) => Err(RequestError::NoNonce),
    }
}

fn redirect_uri_is_the_clients(form: &Parameters<'_>, client: &Client) -> Result<(), RequestError> {
    let Some(pushed) = form.value("redirect_uri") else {
        let mut scopes = form.value("scope").unwrap_or_default().split(' ');
        let openid = scopes.any(|value| value == "openid");
        let only_one = client.redirect_uris.len() == 1;
        return if openid || !only_one { Err(RequestError::NoRedirectUri) } else { Ok(()) };
    };
    if !redirect_uri::is_acceptable(pushed) {
        return Err(RequestError::IllegalRedirectUri);
    }
    if !client.rules.redirect_uris.allow(pushed) {
        return Err(RequestError::ForbiddenRedirectUri);
    }
    if !client.may_redirect_to(pushed) {
        return Err(RequestError::UnregisteredRedirectUri);
    }
    Ok(())
}

fn scope_is_allowed(form: &Parameters<'_>, client: &Client) -> Result<(), RequestError> {
    let Some(scope) = form.value("scope") else {
        return Ok(());
    };
    let mut values = scope::values(scope).ok_or(RequestError::IllegalScope)?;
    if values.all(|value| client.may_ask_for(value)) { Ok(()) } else { Err(RequestError::Scope) }
}

fn pkce_is_sound(form: &Parameters<'_>, client: &Client) -> Result<(), RequestError> {
    let method = form.value("code_challenge_method");
    let Some(challenge) = form.value("code_challenge") else {
        if client.require_pkce {
            return Err(RequestError::NoCodeChallenge);
        }
        return if method.is_some() { Err(RequestError::CodeChallenge) } else { Ok(()) };
    };
    let method = CodeChallengeMethod::parse(method).ok_or(RequestError::CodeChallenge)?;
    if client.require_pkce && method != CodeChallengeMethod::S256 {
        return Err(RequestError::PlainCodeChallenge);
    }
    if pkce::is_code_challenge(challenge) { Ok(()) } else { Err(RequestError::CodeChallenge) }
}

fn values_make_sense(form: &Parameters<'_>) -> Result<(), RequestError> {
    if let Some(prompt) = form.value("prompt") {
        let mut values = prompt.split(' ');
        if values.clone().count() > 1 && values.any(|value| value == "none") {
            return Err(RequestError::Prompt);
        }
    }
    if let Some(max_age) = form.value("max_age")
        && (!max_age.bytes().all(|byte| byte.is_ascii_digit()) || max_age.parse::<u32>().is_err())
    {
        return Err(RequestError::MaxAge);
    }
    if let Some(claims) = form.value("claims")
        && serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(claims).is_err()
    {
        return Err(RequestError::Claims);
    }
    let mut resources =
        form.iter().filter(|(name, value)| *name == "resource" && !value.is_empty());
    if resources.any(|(_, value)| !is_absolute_uri(value)) {
        return Err(RequestError::Resource);
    }
    Ok(())
}

fn is_absolute_uri(text: &str) -> bool {
    // The parser would take blanks and controls off without a word.
    text.bytes().all(|byte| byte.is_ascii_graphic())
        && url::Url::parse(text).is_ok_and(|url| url.fragment().is_none())
}

fn encode(form: &Parameters<'_>, client: &Client, proven_key: Option<&str>) -> String {
    let left_out = |name: &str| form.value(name).is_none();
    let bytes: usize = form.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let mut encoder = Encoder::with_capacity(bytes + bytes / 4);
    if left_out("client_id") {
        encoder.push("client_id", &client.client_id);
    }
    for (name, value) in form.iter().filter(|(name, value)| travels(name, value)) {
        encoder.push(name, value);
    }
    if let Some(key) = proven_key.filter(|_| left_out("dpop_jkt")) {
        encoder.push("dpop_jkt", key);
    }
    encoder.finish()
}

fn travels(name: &str, value: &str) -> bool {
    !value.is_empty() && names::travels(name)
}

fn fits(form: &Parameters<'_>, query: &str, room: Room<'_>) -> Result<(), RequestError> {
    let in_query = match room.body_names {
        None => query.len(),
        Some(body_names) => {
            let mut rest = Encoder::default();
            for (name, value) in form.iter().filter(|(name, value)| travels(name, value)) {
                if !body_names.contains(name) {
                    rest.push(name, value);
                }
            }
            rest.finish().len()
        }
    };
    if room.endpoint_pairs + count_in(query) > MOST {
        return Err(RequestError::TooMany);
    }
    if room.endpoint_bytes + 1 + in_query > room.max_target_bytes {
        return Err(RequestError::TooLong(room.max_target_bytes));
    }
    Ok(())
}
