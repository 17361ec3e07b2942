//! Real servers: what is found at them, and a second look when the suggestions are taken.

use super::Ward;
use crate::support::idp::{Django, OidcProvider};
use crate::support::relying_party::REDIRECT_URI;
use crate::support::stage::clients;

fn ward(issuer: &str, url: &str) -> Ward {
    let clients = clients();
    Ward::new(&format!(
        "[server]\nissuer = \"{issuer}\"\n[upstream]\nurl = \"{url}\"\n[par]\n{clients}"
    ))
}

#[tokio::test]
async fn oidc_provider_is_known_by_its_ways() {
    let server = OidcProvider::start_alone(REDIRECT_URI).await;
    let mut ward = ward(&server.issuer, &server.url);
    let examined = ward.examine(&[]).await;
    examined.assert("upstream.clock", "good", "");
    examined.assert("metadata.issuer", "good", &server.issuer);
    examined.assert("authorize.get", "good", "/auth answers 400");
    examined.assert("authorize.post", "good", "it is not used");
    examined.assert("authorize.target", "good", "max_target_bytes is 8000");
    examined.assert("token.errors", "good", "invalid_client");
    examined.assert("upstream.preset", "warning", "oidc-provider fits best");
    examined.assert_code();
    ward.mend(&examined).await;
    assert_eq!(ward.table["upstream"]["preset"].as_str(), Some("oidc-provider"));
    let again = ward.examine(&["--client", "public-spa"]).await;
    again.assert("upstream.preset", "good", "oidc-provider");
    again.assert("authorize.redirect", "good", "without the request");
    again.assert("token.errors", "good", "a wrong code invalid_grant");
    again.assert("authorize.target", "good", "max_target_bytes is 16000");
    again.assert_code();
}

#[tokio::test]
async fn django_is_known_by_its_ways() {
    let server = Django::start_alone(REDIRECT_URI).await;
    let mut ward = ward(&server.issuer, &server.url);
    let examined = ward.examine(&[]).await;
    examined.assert("metadata.place", "good", "/o/.well-known/openid-configuration");
    examined.assert("authorize.redirect", "good", "into `next` of");
    examined.assert("authorize.target", "good", "max_target_bytes is 8000");
    examined.assert("token.errors", "good", "");
    examined.assert("upstream.preset", "warning", "django-oauth-toolkit fits best");
    examined.assert_code();
    ward.mend(&examined).await;
    let again = ward.examine(&[]).await;
    again.assert("upstream.preset", "good", "django-oauth-toolkit");
    assert_eq!(again.report["verdict"], "warning", "{:#}", again.report);
    again.assert_code();
}
