//! Does the token endpoint tell a wrong client from a wrong grant (RFC 6749 §5.2)? Support needs to,
//! and so does whoever wants secrets checked there.

use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::Finding;
use super::documents::Documents;
use super::prober::{Answered, Prober};

pub(super) async fn look(prober: &Prober<'_>, documents: &Documents) -> Finding {
    const CHECK: &str = "token.errors";
    let Some(target) = documents.target("token_endpoint", prober) else {
        return Finding::skipped(CHECK, "the metadata name no token endpoint on its own host");
    };
    let unknown = format!("parapet-doctor-{}", prober.mark);
    let wrong_client = error_of(&prober.post_as_client(&target, &form(prober, &unknown)).await);
    if wrong_client.as_deref() != Some("invalid_client") {
        let said = wrong_client.as_deref().unwrap_or("no OAuth error");
        return Finding::warning(CHECK, format!("a client that does not exist gets {said}"))
            .advice("it cannot be told there whether a client's credentials are wrong");
    }
    if !prober.has_client() {
        return Finding::good(CHECK, "a client that does not exist gets invalid_client");
    }
    let wrong_grant =
        error_of(&prober.post_as_client(&target, &form(prober, &prober.client_id())).await);
    match wrong_grant.as_deref() {
        Some("invalid_client") => Finding::good(
            CHECK,
            "unknown clients get invalid_client, and so does the named one without credentials",
        ),
        Some(said) => {
            let says = format!("an unknown client gets invalid_client, a wrong code {said}");
            Finding::good(CHECK, says)
        }
        None => Finding::warning(CHECK, "a wrong code gets no OAuth error"),
    }
}

/// A code that was never given.
fn form(prober: &Prober<'_>, client_id: &str) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", &prober.mark)
        .append_pair("redirect_uri", &prober.redirect_uri())
        .append_pair("client_id", client_id)
        .append_pair("code_verifier", "parapet-doctor-parapet-doctor-parapet-doctor");
    if !prober.has_client() || client_id != prober.client_id() {
        form.append_pair("client_secret", &prober.mark);
    }
    form.finish()
}

fn error_of(answer: &Answered) -> Option<String> {
    let body: Value = serde_json::from_slice(answer.as_ref().ok()?.body()).ok()?;
    body.get("error")?.as_str().map(str::to_owned)
}
