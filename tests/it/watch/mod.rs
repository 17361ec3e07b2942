//! What an operator watches: metrics, the dashboard and the alerts made from them, and the status page.

mod drift;
mod picture;
mod status;

use crate::authorize::{Front, cookies, redirect};

/// What the tests push; none of it may show where an operator looks.
pub(crate) const PLANTED: &[(&str, &str)] = &[
    ("response_type", "code"),
    ("redirect_uri", "https://client.example/cb"),
    ("state", "planted-state-51c2"),
    ("nonce", "planted-nonce-93bd"),
    ("scope", "openid planted-scope"),
    ("login_hint", "planted-hint@example.com"),
    ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
];

/// A gateway, and an upstream that sends everybody straight back with a code.
pub(crate) async fn front(settings: &str) -> Front {
    let base = "[admin]\nlisten = \"127.0.0.1:0\"\n";
    Front::answering(&format!("{base}{settings}"), |seen| {
        let back = "https://client.example/cb?code=planted-code-1&state=planted-state-51c2";
        if seen.target.starts_with("/authorize?") {
            redirect("302 Found", back)
        } else if seen.target == "/slow" {
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec()
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()
        }
    })
    .await
}

/// Something of everything: accepted, refused, redeemed, completed, passed through.
pub(crate) async fn traffic(front: &Front) {
    for _ in 0..2 {
        let visit = front.push("web", PLANTED).await;
        let there = front.visit(&format!("/authorize?{visit}&extra=planted-extra")).await;
        assert_eq!(there.status, 302, "{}", there.text());
        let again = front.visit_with(&format!("/authorize?{visit}"), &cookies(&[&there])).await;
        assert_eq!(again.status, 400, "{}", again.text());
    }
    let refused = front.try_push("web", &PLANTED[1..]).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let wrong = "client_id=web&request_uri=urn:ietf:params:oauth:request_uri:planted-unknown";
    assert_eq!(front.visit(&format!("/authorize?{wrong}")).await.status, 400);
    let other = front.try_push("planted-client", PLANTED).await;
    assert_eq!(other.status, 401, "{}", other.text());
    assert_eq!(front.visit("/style.css?planted=1").await.status, 200);
    assert_eq!(front.visit("/slow").await.status, 503);
}
