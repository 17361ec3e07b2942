//! Duende `IdentityServer`: the login page goes back to a second path that takes a full request.

use super::{
    begin, escaped, last, location, nested, query_of, request_with, says_what_was_pushed, settings,
    shows_nothing, submit_form,
};
use crate::authorize::{Front, cookies, ok, redirect, refused};

const CALLBACK: &str = "/connect/authorize/callback";

async fn front() -> Front {
    Front::answering(&settings("duende"), |seen| {
        if seen.target.starts_with(CALLBACK) {
            return ok("consent");
        }
        let url = escaped(&format!("{CALLBACK}?{}", query_of(&seen.target)));
        redirect("302 Found", &format!("/Account/Login?ReturnUrl={url}"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_the_callback_path_takes_a_handle_and_no_request() {
    let front = front().await;
    let flow = begin(&front).await;
    let login = location(&flow.first);
    shows_nothing(&login);
    let callback = nested(&login, "ReturnUrl");
    assert!(callback.starts_with(&format!("{CALLBACK}?client_id=web&request_uri=")), "{callback}");
    let page = front.visit_with(&callback, &flow.cookie).await;
    let shown = cookies(&[&page]);
    for tampered in ["", "&scope=admin", "&nonce=evil&acr_values=low"] {
        let answer = front.visit_with(&format!("{callback}{tampered}"), &flow.cookie).await;
        assert_eq!(answer.text(), "consent");
        let target = last(&front).target;
        assert_eq!(target.split('?').next(), Some(CALLBACK));
        says_what_was_pushed(query_of(&target));
    }
    let body = request_with(&[("scope", Some("admin"))]);
    assert_eq!(submit_form(&front, &shown, &callback, &body).await.status, 200);
    says_what_was_pushed(&super::body_of(&last(&front)));
    let before = front.calls().len();
    for cookie in ["", &flow.cookie] {
        let whole = format!("{CALLBACK}?{}", request_with(&[("scope", Some("admin"))]));
        refused(&front.visit_with(&whole, cookie).await, 400, "invalid_request");
        let stolen = callback.replace(CALLBACK, "/connect/authorize/callback/");
        assert_eq!(front.visit_with(&stolen, cookie).await.status, 400);
    }
    assert_eq!(front.visit(&callback).await.status, 400);
    assert_eq!(submit_form(&front, "", &callback, "a=b").await.status, 400);
    assert_eq!(front.calls().len(), before);
}
