//! Keycloak: the login keeps to itself, but for `client_data`, which it puts there in base64url.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{begin, location, settings};
use crate::authorize::{Front, redirect};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_data_is_the_servers_and_passes_untouched() {
    let data = URL_SAFE_NO_PAD
        .encode(r#"{"ru":"https://client.example/cb","rt":"code","st":"pushed-state"}"#);
    let page =
        format!("/realms/r/login-actions/authenticate?client_id=web&tab_id=t&client_data={data}");
    let to = page.clone();
    let front = Front::answering(&settings("keycloak"), move |_| redirect("302 Found", &to)).await;
    let flow = begin(&front).await;
    assert_eq!(location(&flow.first), page);
    let again = front.visit_with(&page, &flow.cookie).await;
    assert_eq!(location(&again), page);
}
