//! `authorize_method = "post"`: registered names in the body, all else in the query.

use super::{FORM, Front};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b132_b149_only_the_closed_list_travels_in_a_body() {
    let settings = "[upstream]\nauthorize_method = \"post\"\npost_parameters = [\"kc_idp_hint\"]\n";
    let front = Front::start(settings).await;
    let mut form = FORM.to_vec();
    form.extend([
        ("answer", "accept"),
        ("kc_idp_hint", "google"),
        ("username", "eve"),
        ("resource", "https://a.example"),
        ("resource", "https://b.example"),
    ]);
    let query = front.push("web", &form).await;
    let target = format!("/authorize?{query}&allow=yes&state=evil");
    let answer = front.visit(&target).await;
    assert_eq!(answer.status, 200);
    assert!(answer.field("set-cookie").is_some());
    let again = front.post("/authorize", &query).await;
    assert_eq!(again.status, 200);
    for call in front.calls() {
        assert_eq!(call.method, "POST");
        assert_eq!(call.target, "/authorize?answer=accept&username=eve");
        assert_eq!(call.field("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(call.count("content-length"), 1);
        assert_eq!(call.field("transfer-encoding"), None);
        assert_eq!(
            String::from_utf8(call.body).unwrap(),
            "client_id=web&response_type=code&redirect_uri=https%3A%2F%2Fclient.example%2Fcb\
             &state=pushed-state&scope=openid%20profile&kc_idp_hint=google\
             &resource=https%3A%2F%2Fa.example&resource=https%3A%2F%2Fb.example"
        );
    }
    let plain = front.visit("/authorize?client_id=web&response_type=code").await;
    assert_eq!(plain.status, 200);
    assert_eq!(front.calls()[2].method, "GET", "what was not pushed passes as it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_other_names_there_is_no_query() {
    let front = Front::start("[upstream]\nauthorize_method = \"post\"").await;
    let query = front.pushed().await;
    front.visit(&format!("/authorize?{query}")).await;
    assert_eq!(front.calls()[0].target, "/authorize");
    let text = front.gateway.output();
    assert!(!text.contains("pushed-state"), "{text}");
}
