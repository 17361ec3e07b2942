//! FAPI 2.0 Security Profile Final: unsigned requests, `private_key_jwt`, `DPoP`, `OpenID` Connect.

use parapet::jose::Algorithm;
use serde_json::json;

use super::push::{ISSUER, PAR_ENDPOINT, Party, TOKEN_ENDPOINT, now, random, thumbprint};
use super::stimuli::{self, refused};
use super::suite::{discovered, has};
use super::{AUTHENTICATION_FAILED, Push, Success, Suite};
use crate::support::jose::Signer;

const SHORTEST: &str = "[par]\nprofile = \"fapi2\"\nrequired = true\nlifetime = \"5s\"";
const UNREGISTERED: &str = "https://suite.example/test/a/callback/unregistered";

fn default(party: &Party) -> Push<'_> {
    Push::plain(party, "code")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_discovery_end_point_verification() {
    let document = discovered(&Suite::fapi2().await).await;
    assert!(has(&document, "response_types_supported", &["code"]));
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_happy_flow() {
    let suite = Suite::fapi2().await;
    for party in [&suite.first, &suite.second] {
        let Success { asked, answered } = suite.succeeds(&default(party)).await;
        assert_eq!(asked["client_id"], party.id);
        assert!(answered["code"].len() > 20);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_user_rejects_authentication() {
    let suite = Suite::fapi2().await;
    let push = default(&suite.first);
    let request_uri = suite.pushed(&push).await;
    let login = suite.visit(&push, &request_uri).await;
    // State and iss are looked at there.
    let refused = suite.complete(&push, &login, "access_denied").await;
    assert_eq!(refused.answered["error"], "access_denied");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_attempt_reuse_request_uri() {
    stimuli::reuse(&Suite::fapi2().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_attempt_to_use_expired_request_uri() {
    stimuli::expired(&Suite::start(SHORTEST, "").await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_attempt_to_use_request_uri_for_different_client() {
    stimuli::different_client(&Suite::fapi2().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_ensure_reused_request_uri_prior_to_auth_completion_succeeds() {
    stimuli::reused_before_completion(&Suite::fapi2().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_attempt_invalid_http_method() {
    stimuli::wrong_method(&Suite::fapi2().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_authorization_request_containing_request_uri_form_param() {
    stimuli::request_uri_in_the_form(&Suite::fapi2().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_test_token_endpoint_url_as_audience_fails() {
    let suite = Suite::fapi2().await;
    let push = default(&suite.first).asserting(&json!({ "aud": TOKEN_ENDPOINT }));
    refused(&suite, &push, AUTHENTICATION_FAILED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_test_par_endpoint_url_as_audience_fails() {
    let suite = Suite::fapi2().await;
    let push = default(&suite.first).asserting(&json!({ "aud": PAR_ENDPOINT }));
    refused(&suite, &push, AUTHENTICATION_FAILED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_test_array_as_audience_fails() {
    let suite = Suite::fapi2().await;
    for audience in [json!([ISSUER]), json!([ISSUER, TOKEN_ENDPOINT, PAR_ENDPOINT])] {
        let push = default(&suite.first).asserting(&json!({ "aud": audience }));
        refused(&suite, &push, AUTHENTICATION_FAILED).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_ensure_jwt_client_assertions_nbf_8_seconds_in_the_future_is_accepted() {
    let suite = Suite::fapi2().await;
    suite.pushed(&default(&suite.first).asserting(&json!({ "nbf": now() + 8 }))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_ensure_jwt_client_assertions_nbf_over_60_seconds_in_the_future_fails() {
    let suite = Suite::fapi2().await;
    let changes = json!({ "nbf": now() + 62, "exp": now() + 122 });
    let push = default(&suite.first).asserting(&changes);
    refused(&suite, &push, AUTHENTICATION_FAILED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_ensure_pkce_required() {
    stimuli::no_pkce(&Suite::fapi2().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_plain_pkce_rejected() {
    stimuli::plain_pkce(&Suite::fapi2().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_par_without_duplicate_parameters() {
    stimuli::without_duplicates(&Suite::fapi2().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_registered_redirect_uri() {
    let suite = Suite::fapi2().await;
    let push = default(&suite.first).with(&json!({ "redirect_uri": UNREGISTERED }));
    let accepted = ["400 invalid_request", "400 invalid_request_object", "page"];
    suite.ends(&push, &accepted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_plain_fapi_tolerate_unregistered_redirect_uri() {
    let suite = Suite::fapi2().await;
    let push = default(&suite.first).with(&json!({ "redirect_uri": UNREGISTERED }));
    let accepted = ["400 invalid_request", "400 invalid_request_object", "page", "success"];
    suite.ends(&push, &accepted).await;
}

/// "Default URI used" is an outcome too, but only where a client has one, which none has here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_redirect_uri_in_authorization_request() {
    let suite = Suite::fapi2().await;
    let push = default(&suite.first).with(&json!({ "redirect_uri": null }));
    let accepted = ["400 invalid_request", "400 invalid_request_object", "page"];
    suite.ends(&push, &accepted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_response_type_code_idtoken_fails() {
    let suite = Suite::fapi2().await;
    let push = default(&suite.first).with(&json!({ "response_type": "code id_token" }));
    stimuli::response_type(&suite, &push).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_response_type_token_fails() {
    let suite = Suite::fapi2().await;
    let push = default(&suite.first).with(&json!({ "response_type": "token" }));
    stimuli::response_type(&suite, &push).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_unsigned_authorization_request_without_using_par_fails() {
    let suite = Suite::fapi2().await;
    let push = default(&suite.first);
    let pairs = push.pairs();
    let query: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = suite.visit_with(&query).await;
    suite.visit_ends(&push, &answer, &["page", "redirect invalid_request"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_authorization_request_with_64_char_nonce_success() {
    let suite = Suite::fapi2().await;
    suite.succeeds(&default(&suite.first).with(&json!({ "nonce": random(64) }))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_authorization_request_with_long_nonce() {
    let suite = Suite::fapi2().await;
    let push = default(&suite.first).with(&json!({ "nonce": random(384) }));
    suite.ends(&push, &["success", "400 invalid_request", "redirect invalid_request"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_authorization_request_with_long_state() {
    let suite = Suite::fapi2().await;
    suite.succeeds(&default(&suite.first).with(&json!({ "state": random(1000) }))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_authorization_request_without_state_success() {
    let suite = Suite::fapi2().await;
    let flow = suite.succeeds(&default(&suite.first).with(&json!({ "state": null }))).await;
    assert!(!flow.asked.contains_key("state") && !flow.answered.contains_key("state"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_authorization_request_without_nonce_success() {
    let suite = Suite::fapi2().await;
    let flow = suite.succeeds(&default(&suite.first).with(&json!({ "nonce": null }))).await;
    assert!(!flow.asked.contains_key("nonce") && !flow.answered.contains_key("nonce"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_other_scope_order_succeeds() {
    let suite = Suite::fapi2().await;
    suite.succeeds(&default(&suite.first).with(&json!({ "scope": "profile openid" }))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_test_claims_parameter_identity_claims() {
    let claims = json!({ "id_token": { "given_name": { "essential": true }, "email": null } });
    carried(&claims).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_test_essential_acr_sca_claim() {
    let values = ["urn:openbanking:psd2:sca", "urn:openbanking:psd2:ca"];
    carried(&json!({ "id_token": { "acr": { "essential": true, "values": values } } })).await;
}

/// The claims parameter reaches the upstream as it was pushed.
async fn carried(claims: &serde_json::Value) {
    let suite = Suite::fapi2().await;
    let flow = suite.succeeds(&default(&suite.first).with(&json!({ "claims": claims }))).await;
    assert_eq!(flow.asked["claims"], claims.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_mismatched_dpop_jkt_fails() {
    let suite = Suite::fapi2().await;
    let (one, other) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
    let push = default(&suite.first).with(&json!({ "dpop_jkt": thumbprint(&other) }));
    refused(&suite, &push.proving(&one, 0), &["400 invalid_request", "400 invalid_dpop_proof"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_dpop_auth_code_binding_success() {
    let suite = Suite::fapi2().await;
    let thumbprint = thumbprint(&Signer::new(Algorithm::Es256));
    let flow =
        suite.succeeds(&default(&suite.first).with(&json!({ "dpop_jkt": thumbprint }))).await;
    assert_eq!(flow.asked["dpop_jkt"], thumbprint);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_dpopproof_at_par_endpoint_binding_success() {
    proof_made(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_dpopproof_with_iat_10seconds_before_succeeds() {
    proof_made(-10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ensure_dpopproof_with_iat_10seconds_after_succeeds() {
    proof_made(10).await;
}

/// A proof at the push, made so many seconds from now, binds the code to its key.
async fn proof_made(seconds: i64) {
    let suite = Suite::fapi2().await;
    let signer = Signer::new(Algorithm::Es256);
    let flow = suite.succeeds(&default(&suite.first).proving(&signer, seconds)).await;
    assert_eq!(flow.asked["dpop_jkt"], thumbprint(&signer));
}
