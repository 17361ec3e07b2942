//! FAPI 2.0 Message Signing with signed requests: the modules of the Security Profile that need a
//! request object. The form holds the object and the client's credentials alone.

use parapet::jose::Algorithm;
use serde_json::{Value, json};

use super::push::{ISSUER, Party, now};
use super::suite::{discovered, has};
use super::{Push, Suite, stimuli};
use crate::support::jose::Signer;

const OBJECT_REFUSED: &[&str] = &["400 invalid_request_object"];
/// A fault of a claim may also be found late.
const CLAIM_REFUSED: &[&str] = &["400 invalid_request_object", "redirect invalid_request_uri"];
const MINUTE: u64 = 60;

fn default(party: &Party) -> Push<'_> {
    Push::signed(party, "code")
}

/// A request whose object has other claims ends so.
async fn claims_end(changes: &Value, accepted: &[&str]) {
    let suite = Suite::message_signing().await;
    suite.ends(&default(&suite.first).claiming(changes), accepted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_discovery_end_point_verification() {
    let document = discovered(&Suite::message_signing().await).await;
    assert!(has(&document, "response_types_supported", &["code"]));
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    let algorithms = document["request_object_signing_alg_values_supported"].as_array().unwrap();
    assert!(!algorithms.is_empty());
    for algorithm in algorithms {
        let name = algorithm.as_str().unwrap();
        assert!(["PS256", "ES256", "EdDSA", "Ed25519"].contains(&name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_happy_flow() {
    let suite = Suite::message_signing().await;
    for party in [&suite.first, &suite.second] {
        suite.succeeds(&default(party)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_par_authorization_request_containing_request_uri() {
    stimuli::request_uri_in_the_object(&Suite::message_signing().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_par_ensure_pkce_required() {
    stimuli::no_pkce(&Suite::message_signing().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_par_plain_pkce_rejected() {
    stimuli::plain_pkce(&Suite::message_signing().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_unsigned_request_at_par_endpoint_fails() {
    let suite = Suite::message_signing().await;
    let accepted = [
        "400 invalid_request",
        "redirect invalid_request",
        "redirect invalid_request_object",
        "redirect invalid_request_uri",
    ];
    suite.ends(&Push::plain(&suite.first, "code"), &accepted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_request_object_signature_algorithm_is_not_none() {
    let suite = Suite::message_signing().await;
    let push = default(&suite.first);
    let header = json!({ "alg": "none", "typ": "oauth-authz-req+jwt" });
    let token = suite.first.signer.token_with(&header, &push.claims());
    let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
    suite.ends(&push.sending(unsigned), OBJECT_REFUSED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_signed_request_object_with_rs256_fails() {
    let suite = Suite::message_signing().await;
    let push = default(&suite.second);
    // All RSA signers have one key, so this is the second client's own.
    let header = json!({ "alg": "RS256", "typ": "oauth-authz-req+jwt", "kid": "second" });
    let token = Signer::new(Algorithm::Rs256).token_with(&header, &push.claims());
    suite.ends(&push.sending(token), OBJECT_REFUSED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_request_object_with_invalid_signature_fails() {
    let suite = Suite::message_signing().await;
    let push = default(&suite.first);
    let (token, other) = (push.request_object(), push.request_object());
    let (message, _) = token.rsplit_once('.').unwrap();
    let stranger = Signer::new(Algorithm::Es256).token(&push.claims());
    let (_, signature) = stranger.rsplit_once('.').unwrap();
    assert_ne!(token, other, "every signature is another");
    suite.ends(&push.sending(format!("{message}.{signature}")), OBJECT_REFUSED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_request_object_with_bad_aud_fails() {
    claims_end(&json!({ "aud": "https://suite.example/aud" }), CLAIM_REFUSED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_expired_request_object_fails() {
    claims_end(&json!({ "exp": now() - 5 * MINUTE }), CLAIM_REFUSED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_request_object_with_exp_over_60_fails() {
    claims_end(&json!({ "exp": now() + 70 * MINUTE }), CLAIM_REFUSED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_request_object_with_nbf_over_60_fails() {
    claims_end(&json!({ "nbf": now() - 70 * MINUTE }), CLAIM_REFUSED).await;
}

/// The windows of one region, tighter than those of the profile.
async fn regional(changes: &Value) {
    let tables = "[request_object]\nrequired = true\nmax_lifetime = \"10m\"\nmax_age = \"15m\"\n\
                  [par]\nprofile = \"fapi2\"\nrequired = true";
    let suite = Suite::start(tables, "").await;
    suite.succeeds(&default(&suite.first)).await;
    suite.ends(&default(&suite.first).claiming(changes), CLAIM_REFUSED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_australia_connectid_ensure_request_object_with_exp_over_10_fails() {
    regional(&json!({ "exp": now() + 11 * MINUTE })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_australia_connectid_ensure_request_object_with_nbf_over_15_fails() {
    regional(&json!({ "nbf": now() - 16 * MINUTE, "exp": now() + MINUTE })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_request_object_without_exp_fails() {
    claims_end(&json!({ "exp": null }), CLAIM_REFUSED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_request_object_without_nbf_fails() {
    claims_end(&json!({ "nbf": null }), CLAIM_REFUSED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_matching_key_in_authorization_request() {
    let suite = Suite::message_signing().await;
    let accepted = ["400 invalid_request", "400 invalid_request_object", "page"];
    let push = default(&suite.first);
    for kid in ["first", "second"] {
        let header = json!({ "alg": "PS256", "typ": "oauth-authz-req+jwt", "kid": kid });
        let token = suite.second.signer.token_with(&header, &push.claims());
        suite.ends(&default(&suite.first).sending(token), &accepted).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_request_object_without_redirect_uri_fails() {
    let suite = Suite::message_signing().await;
    let push = default(&suite.first).with(&json!({ "redirect_uri": null }));
    suite.ends(&push, &["400 invalid_request", "400 invalid_request_object"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_request_object_with_nbf_8_seconds_in_the_future_is_accepted() {
    claims_end(&json!({ "nbf": now() + 8 }), &["success"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_request_object_with_multiple_aud_succeeds() {
    let audience = [ISSUER, "https://other1.example.com", "https://other2.example.com"];
    claims_end(&json!({ "aud": audience }), &["success"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_different_nonce_inside_and_outside_request_object() {
    different_outside("nonce").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_ensure_different_state_inside_and_outside_request_object() {
    different_outside("state").await;
}

/// Another value beside the object at the push, then beside the `request_uri` at the visit. A
/// success has carried the inner one.
async fn different_outside(name: &'static str) {
    let suite = Suite::message_signing().await;
    let accepted = ["400 invalid_request", "redirect invalid_request", "page", "success"];
    suite.ends(&default(&suite.first).beside(name, "outside"), &accepted).await;
    stimuli::visit_with(&suite, &default(&suite.first), (name, "outside"), &accepted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_state_only_outside_request_object_not_used() {
    stimuli::state_outside_alone(&Suite::message_signing().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_test_claims_parameter_identity_claims() {
    let claims = json!({ "id_token": { "given_name": { "essential": true }, "email": null } });
    carried(&claims).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_ms_test_essential_acr_sca_claim() {
    let values = ["urn:openbanking:psd2:sca", "urn:openbanking:psd2:ca"];
    carried(&json!({ "id_token": { "acr": { "essential": true, "values": values } } })).await;
}

/// The claims parameter, which is an object here, reaches the upstream as text.
async fn carried(claims: &Value) {
    let suite = Suite::message_signing().await;
    let flow = suite.succeeds(&default(&suite.first).with(&json!({ "claims": claims }))).await;
    assert_eq!(serde_json::from_str::<Value>(&flow.asked["claims"]).unwrap(), *claims);
}
