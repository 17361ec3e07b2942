//! glewlwyd: the login page gets an absolute `callback_url`, and its script goes there with
//! `&g_continue` appended.

use super::{
    begin, escaped, last, location, nested, query_of, says_what_was_pushed, settings, values,
};
use crate::authorize::{Front, redirect};

async fn front(preset: &str) -> Front {
    Front::answering(&settings(preset), |seen| {
        let url = escaped(&format!("https://login.example{}", seen.target));
        redirect(
            "302 Found",
            &format!(
                "https://login.example/login.html?client_id=web&scope=openid+profile\
                 &callback_url={url}&login_hint=alice"
            ),
        )
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_callback_url_is_a_handle_and_takes_g_continue() {
    for (preset, arrives) in [("glewlwyd", 1), ("generic", 0)] {
        let front = front(preset).await;
        let flow = begin(&front).await;
        let emitted = query_of(&last(&front).target).to_owned();
        let login = location(&flow.first);
        let callback = nested(&login, "callback_url");
        assert_eq!(values(query_of(&callback), "client_id"), ["web"]);
        for secret in ["client.example", "pushed-state", "pushed-nonce", "E9Melhoa2"] {
            assert!(!login.contains(secret), "{secret} in {login}");
        }
        // What glewlwyd itself repeats beside it is glewlwyd's.
        assert_eq!(values(query_of(&login), "scope"), ["openid profile"]);
        assert_eq!(values(query_of(&login), "login_hint"), ["alice"]);
        let extra = "&g_continue&scope=admin&x=1";
        front.visit_with(&format!("{callback}{extra}"), &flow.cookie).await;
        let target = last(&front).target;
        assert_eq!(query_of(&target).matches("g_continue").count(), arrives, "{target}");
        says_what_was_pushed(query_of(&target));
        assert!(query_of(&target).starts_with(&emitted), "{target}");
        assert_eq!(values(query_of(&target), "x"), [""; 0]);
    }
}
