//! What makes an authorization request acceptable (RFC 6749 §4.1.1, RFC 7636 §4.3).

use crate::web::Parameters;

/// The one client that this server knows.
#[derive(Debug, Clone)]
pub(crate) struct RegisteredClient {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) redirect_uri: String,
}

/// Why a request is refused, and to whom it is told (RFC 6749 §4.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// To the user: the client's address is not to be trusted.
    Page(&'static str),
    /// To the client: error code and description.
    Redirect(&'static str, &'static str),
}

impl Refusal {
    /// The user said no.
    pub(crate) const fn denied() -> Self {
        Self::Redirect("access_denied", "The user said no.")
    }
}

/// Checks a request, the address of the client first.
pub(crate) fn check(request: &Parameters, client: &RegisteredClient) -> Result<(), Refusal> {
    if request.repeated().is_some() {
        return Err(Refusal::Page("A parameter stands in the request twice."));
    }
    if request.value("client_id") != client.client_id {
        return Err(Refusal::Page("No such client is registered here."));
    }
    if request.value("redirect_uri") != client.redirect_uri {
        return Err(Refusal::Page(
            "The redirect_uri is not the one that this client has registered.",
        ));
    }
    if request.value("response_type") != "code" {
        return Err(Refusal::Redirect(
            "unsupported_response_type",
            "Only response_type=code is known here.",
        ));
    }
    if !request.value("scope").split(' ').any(|scope| scope == "openid") {
        return Err(Refusal::Redirect("invalid_scope", "The scope lacks openid."));
    }
    let challenge = request.value("code_challenge");
    if challenge.len() != 43 || request.value("code_challenge_method") != "S256" {
        return Err(Refusal::Redirect(
            "invalid_request",
            "PKCE with code_challenge_method=S256 is required.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> RegisteredClient {
        RegisteredClient {
            client_id: "demo-web".into(),
            client_secret: "demo-secret".into(),
            redirect_uri: "http://127.0.0.1:8081/callback".into(),
        }
    }

    const REQUEST: &str = "response_type=code&client_id=demo-web&scope=openid\
        &redirect_uri=http%3A%2F%2F127.0.0.1%3A8081%2Fcallback\
        &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    fn outcome(request: &str) -> Result<(), Refusal> {
        check(&Parameters::parse(request.as_bytes()), &client())
    }

    #[test]
    fn a_whole_request_passes() {
        assert_eq!(outcome(REQUEST), Ok(()));
    }

    #[test]
    fn an_unknown_address_is_never_redirected_to() {
        for (known, unknown) in [
            ("8081%2Fcallback", "8081%2Fcallback%2F"),
            ("8081%2Fcallback", "8082%2Fcallback"),
            ("client_id=demo-web", "client_id=other"),
            ("scope=openid", "client_id=demo-web"),
        ] {
            let refused = outcome(&REQUEST.replace(known, unknown));
            assert!(matches!(refused, Err(Refusal::Page(_))), "{unknown}");
        }
    }

    #[test]
    fn other_faults_are_told_to_the_client() {
        for (right, wrong, error) in [
            ("type=code", "type=token", "unsupported_response_type"),
            ("scope=openid", "scope=profile", "invalid_scope"),
            ("method=S256", "method=plain", "invalid_request"),
            ("E9Mel", "E9Me", "invalid_request"),
        ] {
            let refused = outcome(&REQUEST.replace(right, wrong));
            assert!(
                matches!(refused, Err(Refusal::Redirect(code, _)) if code == error),
                "{wrong}: {refused:?}"
            );
        }
    }
}
