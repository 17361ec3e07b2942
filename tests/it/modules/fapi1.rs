//! FAPI 1.0 Advanced Final with pushed requests, where it differs from FAPI 2.0 and where it asks
//! the same: request objects, `private_key_jwt`, `code id_token`.

use serde_json::{Value, json};

use super::push::{ISSUER, PAR_ENDPOINT, Party, TOKEN_ENDPOINT};
use super::suite::{discovered, has};
use super::{Push, Suite, stimuli};
use crate::support::jwe::encrypted;

const SHORTEST: &str = "[par]\nprofile = \"fapi1\"\nlifetime = \"5s\"";
const REQUEST_REFUSED: &[&str] = &["400 invalid_request", "400 invalid_request_object"];
const ASSERTION_REFUSED: &[&str] =
    &["400 invalid_client", "400 invalid_request", "401 invalid_client"];

fn default(party: &Party) -> Push<'_> {
    Push::signed(party, "code id_token")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_discovery_end_point_verification() {
    let document = discovered(&Suite::fapi1().await).await;
    assert!(has(&document, "response_types_supported", &["code id_token"]));
    assert!(document["require_pushed_authorization_requests"].is_boolean());
    assert!(has(&document, "request_object_signing_alg_values_supported", &["PS256", "ES256"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_happy_flow() {
    let suite = Suite::fapi1().await;
    for party in [&suite.first, &suite.second] {
        suite.succeeds(&default(party)).await;
    }
}

/// The client authenticates with this audience, and the flow ends well.
async fn audience_is_taken(audience: &Value) {
    let suite = Suite::fapi1().await;
    for party in [&suite.first, &suite.second] {
        suite.succeeds(&default(party).asserting(&json!({ "aud": audience }))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_test_pushed_authorization_url_as_audience_for_client_jwt_assertion() {
    audience_is_taken(&json!(PAR_ENDPOINT)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_token_endpoint_url_as_audience_for_client_jwt_assertion() {
    audience_is_taken(&json!(TOKEN_ENDPOINT)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_test_array_as_audience_for_client_jwt_assertion() {
    audience_is_taken(&json!([PAR_ENDPOINT, ISSUER, TOKEN_ENDPOINT])).await;
    audience_is_taken(&json!([PAR_ENDPOINT])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_ensure_client_assertion_with_iss_aud_succeeds() {
    audience_is_taken(&json!(ISSUER)).await;
}

/// The client does not authenticate with this assertion.
async fn assertion_is_refused(changes: &Value) {
    let suite = Suite::fapi1().await;
    let push = default(&suite.first).asserting(changes);
    stimuli::refused(&suite, &push, ASSERTION_REFUSED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_ensure_client_assertion_with_wrong_aud_fails() {
    assertion_is_refused(&json!({ "aud": "https://suite.example/aud" })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_ensure_client_assertion_with_wrong_iss_fails() {
    assertion_is_refused(&json!({ "iss": "first-but-wrong" })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_ensure_client_assertion_with_wrong_sub_fails() {
    assertion_is_refused(&json!({ "sub": "first-but-wrong" })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_pushed_authorization_url_as_audience_in_request_object() {
    let suite = Suite::fapi1().await;
    let push = default(&suite.first).claiming(&json!({ "aud": PAR_ENDPOINT }));
    suite.ends(&push, &["400 invalid_request_object", "redirect invalid_request_uri"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_attempt_invalid_redirect_uri() {
    let suite = Suite::fapi1().await;
    let unregistered = "https://suite.example/test/a/callback/unregistered";
    let push = default(&suite.first).with(&json!({ "redirect_uri": unregistered }));
    stimuli::refused(&suite, &push, REQUEST_REFUSED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_ensure_request_object_without_scope_fails() {
    let suite = Suite::fapi1().await;
    let push = default(&suite.first).with(&json!({ "scope": null }));
    stimuli::refused(&suite, &push, REQUEST_REFUSED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_ensure_request_object_without_nonce_fails() {
    let suite = Suite::fapi1().await;
    let push = default(&suite.first).with(&json!({ "nonce": null }));
    stimuli::refused(&suite, &push, REQUEST_REFUSED).await;
}

/// The request is plain at the authorization endpoint, never pushed. Without `required` the gateway
/// leaves it to the upstream; a plain push is refused in any case.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_ensure_authorization_request_without_request_object_fails() {
    let suite = Suite::start("[par]\nprofile = \"fapi1\"\nrequired = true", "").await;
    let push = Push::plain(&suite.first, "code id_token");
    let pairs = push.pairs();
    let query: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = suite.visit_with(&query).await;
    suite.visit_ends(&push, &answer, &["page", "redirect invalid_request"]).await;
    let suite = Suite::fapi1().await;
    let push = Push::plain(&suite.first, "code id_token");
    stimuli::refused(&suite, &push, &["400 invalid_request"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_ensure_response_type_code_fails() {
    let suite = Suite::fapi1().await;
    stimuli::response_type(&suite, &Push::signed(&suite.first, "code")).await;
}

/// A success must not answer in the query; the upstream here would answer in the fragment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_ensure_response_mode_query() {
    let suite = Suite::fapi1().await;
    let push = default(&suite.first).with(&json!({ "response_mode": "query" }));
    let accepted = [
        "400 invalid_request",
        "400 invalid_request_object",
        "redirect invalid_request",
        "page",
        "success",
    ];
    suite.ends(&push, &accepted).await;
}

/// The clients have registered that they encrypt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_brazil_ensure_encryption_required() {
    let text = std::fs::read_to_string("tests/fixtures/jwe/keys.json").unwrap();
    let keys: Vec<Value> = serde_json::from_str(&text).unwrap();
    let key = keys.into_iter().find(|key| key["jwk"]["kid"] == "rsa").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rsa.jwk");
    std::fs::write(&file, key["jwk"].to_string()).unwrap();
    let tables = format!(
        "[[request_object.decryption_keys]]\nkid = \"rsa\"\nkey_file = \"{}\"\n\
         [par]\nprofile = \"fapi1\"",
        file.display()
    );
    let registered = "request_object_encryption_alg = \"RSA-OAEP-256\"\n\
                      request_object_encryption_enc = \"A256GCM\"";
    let suite = Suite::start(&tables, registered).await;
    stimuli::refused(&suite, &default(&suite.first), REQUEST_REFUSED).await;
    let push = default(&suite.first);
    let token = encrypted(&key["public_jwk"], &push.request_object());
    suite.succeeds(&push.sending(token)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_attempt_reuse_request_uri() {
    stimuli::reuse(&Suite::fapi1().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_attempt_to_use_expired_request_uri() {
    stimuli::expired(&Suite::start(SHORTEST, "").await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_attempt_to_use_request_uri_for_different_client() {
    stimuli::different_client(&Suite::fapi1().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_ensure_reused_request_uri_prior_to_auth_completion_succeeds() {
    stimuli::reused_before_completion(&Suite::fapi1().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_attempt_invalid_http_method() {
    stimuli::wrong_method(&Suite::fapi1().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_authorization_request_containing_request_uri_form_param() {
    stimuli::request_uri_in_the_form(&Suite::fapi1().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_authorization_request_containing_request_uri() {
    stimuli::request_uri_in_the_object(&Suite::fapi1().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_ensure_pkce_required() {
    stimuli::no_pkce(&Suite::fapi1().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_plain_pkce_rejected() {
    stimuli::plain_pkce(&Suite::fapi1().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_par_without_duplicate_parameters() {
    stimuli::without_duplicates(&Suite::fapi1().await, default).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi1_state_only_outside_request_object_not_used() {
    stimuli::state_outside_alone(&Suite::fapi1().await, default).await;
}
