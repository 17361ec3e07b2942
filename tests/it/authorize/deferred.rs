//! What could not be judged at the push (B-147): what the upstream's documents decide is judged before
//! anything is forwarded, once they are there; the rest travels, and the upstream's own word on it
//! reaches the client.

use std::sync::Arc;

use parking_lot::Mutex;
use toml::Table;

use super::{FORM, Front, METADATA, configuration, cookies, ok, redirect, refused};
use crate::support::gateway::Gateway;
use crate::support::upstream::{Step, Upstream};

const ISS: &str = "iss=https%3A%2F%2Flogin.example";

/// A gateway whose upstream has no documents until [`Late::arrive`].
struct Late {
    front: Front,
    document: Arc<Mutex<Option<String>>>,
}

impl Late {
    async fn start(settings: &str) -> Self {
        let document = Arc::new(Mutex::new(None::<String>));
        let known = Arc::clone(&document);
        let upstream = Upstream::scripted(move |seen| {
            let failed = b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n".to_vec();
            let is_metadata = seen.target.contains("/.well-known/openid-configuration");
            let answer = match known.lock().as_deref() {
                Some(document) if is_metadata => ok(document),
                _ if seen.target.contains("/.well-known/") => failed,
                _ => ok("login"),
            };
            vec![Step::Bytes(answer)]
        })
        .await;
        let mut table: Table = configuration(settings).parse().unwrap();
        let url = format!("http://{}", upstream.address);
        table["upstream"].as_table_mut().unwrap().insert("url".into(), url.into());
        let gateway = Gateway::start(&table.to_string()).await;
        Self { front: Front { upstream, gateway }, document }
    }

    /// From here on the gateway knows these documents.
    async fn arrive(&self, document: &str) {
        *self.document.lock() = Some(document.to_owned());
        let known = self.front.visit("/.well-known/openid-configuration").await;
        assert_eq!(known.status, 200, "{}", known.text());
    }
}

/// [`FORM`] with other values.
fn form<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut form = FORM.to_vec();
    form.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    form.extend(changes);
    form
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b147_what_the_documents_decide_is_judged_before_it_is_forwarded() {
    for settings in ["", "[upstream]\nauthorization_path = \"/authorize\""] {
        let late = Late::start(settings).await;
        let front = &late.front;
        let (hybrid, mode) =
            ([("response_type", "code id_token")], [("response_mode", "form_post")]);
        let fine = front.push("web", &form(&[("response_mode", "query")])).await;
        let odd_type = front.push("web", &form(&hybrid)).await;
        let odd_mode = front.push("web", &form(&mode)).await;
        let modes = r#""response_modes_supported": ["query"], "response_types_supported""#;
        late.arrive(&METADATA.replace("\"response_types_supported\"", modes)).await;
        for _ in 0..2 {
            let answer = front.visit(&format!("/authorize?{odd_type}")).await;
            assert!(answer.all("set-cookie").is_empty());
            refused(&answer, 400, "unsupported_response_type");
            refused(&front.visit(&format!("/authorize?{odd_mode}")).await, 400, "invalid_request");
        }
        assert!(front.calls().is_empty(), "{:?}", front.calls());
        // At the push it is refused from here on.
        for odd in [&hybrid, &mode] {
            assert_eq!(front.try_push("web", &form(odd)).await.status, 400);
        }
        assert_eq!(front.visit(&format!("/authorize?{fine}")).await.status, 200);
        assert_eq!(front.calls().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b147_a_reload_is_judged_like_the_first_load() {
    let late = Late::start("[upstream]\nauthorization_path = \"/authorize\"").await;
    let query = late.front.push("web", &form(&[("response_type", "code id_token")])).await;
    let first = late.front.visit(&format!("/authorize?{query}")).await;
    assert_eq!(first.status, 200, "nobody can tell yet");
    let cookie = cookies(&[&first]);
    late.arrive(METADATA).await;
    let again = late.front.visit_with(&format!("/authorize?{query}"), &cookie).await;
    refused(&again, 400, "unsupported_response_type");
    assert_eq!(late.front.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b147_an_endpoint_that_leaves_no_room_is_no_reason_to_send_too_much() {
    let late = Late::start("[upstream]\nmax_target_bytes = 1000").await;
    let state = "s".repeat(500);
    let long = late.front.push("web", &form(&[("state", &state)])).await;
    let short = late.front.pushed().await;
    let own = format!("/authorize?own={}", "o".repeat(600));
    late.arrive(&METADATA.replace("/authorize", &own)).await;
    refused(&late.front.visit(&format!("/authorize?{long}")).await, 400, "invalid_request");
    assert!(late.front.calls().is_empty());
    assert_eq!(late.front.visit(&format!("/authorize?{short}")).await.status, 200);
    assert!(late.front.calls()[0].target.len() <= 1000);
}

/// The upstream knows neither this scope nor this address.
async fn choosy() -> Front {
    Front::answering("[clients.bank]\nredirect_uris = []", |seen| {
        if seen.target.contains("unheard-of") {
            let to = "https://client.example/cb?error=invalid_scope&state=pushed-state";
            redirect("303 See Other", to)
        } else if seen.target.contains("unknown.example") {
            let page = "who is unknown.example?";
            let length = page.len();
            format!("HTTP/1.1 422 No\r\nX-Own: 1\r\nContent-Length: {length}\r\n\r\n{page}")
                .into_bytes()
        } else {
            ok("login")
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b147_what_only_the_upstream_can_judge_travels_and_its_refusal_reaches_the_client() {
    let front = choosy().await;
    let query = front.push("web", &form(&[("scope", "openid unheard-of")])).await;
    let answer = front.visit(&format!("/authorize?{query}")).await;
    assert_eq!(answer.status, 303);
    let to = "https://client.example/cb?error=invalid_scope&state=pushed-state";
    assert_eq!(answer.field("location"), Some(format!("{to}&{ISS}").as_str()));
    assert!(front.calls()[0].target.contains("scope=openid%20unheard-of"));
    let used = front.visit(&format!("/authorize?{query}")).await;
    refused(&used, 400, "invalid_request_uri");

    // `bank` has no list of its own here, so the address is for the upstream to judge.
    let unknown = "https://unknown.example/cb";
    let query = front.push("bank", &form(&[("redirect_uri", unknown)])).await;
    let answer = front.visit(&format!("/authorize?{query}")).await;
    assert_eq!((answer.status, answer.field("x-own")), (422, Some("1")));
    assert_eq!(answer.text(), "who is unknown.example?", "as the upstream says it");
    assert!(front.calls()[1].target.contains("unknown.example"));
    let again = front.visit(&format!("/authorize?{query}")).await;
    assert_eq!(again.status, 422, "a page of the upstream ends nothing");
}
