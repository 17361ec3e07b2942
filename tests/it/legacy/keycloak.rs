//! Keycloak: the login keeps to itself, but for `client_data`, which it puts there in base64url.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{begin, location, settings};
use crate::authorize::{Front, redirect};
use crate::support::http::get;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_data_is_the_servers_and_passes_untouched_but_counted() {
    let data = URL_SAFE_NO_PAD
        .encode(r#"{"ru":"https://client.example/cb","rt":"code","st":"pushed-state"}"#);
    let page =
        format!("/realms/r/login-actions/authenticate?client_id=web&tab_id=t&client_data={data}");
    let to = page.clone();
    let settings = format!("{}\n[admin]\nlisten = \"127.0.0.1:0\"", settings("keycloak"));
    let front = Front::answering(&settings, move |_| redirect("302 Found", &to)).await;
    let flow = begin(&front).await;
    assert_eq!(location(&flow.first), page);
    let again = front.visit_with(&page, &flow.cookie).await;
    assert_eq!(location(&again), page);
    // The answer to the request itself is known to be its flow's.
    let admin = front.gateway.admin_url.as_deref().unwrap();
    let metrics = get(&format!("{admin}/metrics")).await.text();
    assert!(metrics.contains("\nparapet_disclosures_total 1\n"), "{metrics}");
}
