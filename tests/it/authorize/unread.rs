//! Bodies that the gateway does not read could name any client: at the authorization endpoint, in every
//! spelling of its path, they are refused as soon as any client must push.

use super::{Front, refused};

const PATHS: &[&str] =
    &["/authorize", "/authorize/", "/AUTHORIZE", "/authorize.json", "/authorize%20"];

/// Media type, further header lines and body.
fn bodies() -> Vec<(&'static str, &'static str, String)> {
    let part = |name: &str, dress: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n{dress}\r\n{value}\r\n")
    };
    let encoded = |coding: &str| {
        let dress = format!("Content-Transfer-Encoding: {coding}\r\n");
        part("client_id", &dress, "d2Vi") + &part("response_type", &dress, "Y29kZQ==") + "--b--\r\n"
    };
    let large = format!("x={}&client_id=web&response_type=code", "x".repeat(70_000));
    vec![
        ("application/json", "", r#"{"client_id":"web","response_type":"code"}"#.to_owned()),
        ("text/plain", "", "client_id=web&response_type=code".to_owned()),
        ("application/xml", "", "<client_id>web</client_id>".to_owned()),
        ("application/octet-stream", "", "client_id=web".to_owned()),
        ("application/x-www-form-urlencoded", "Content-Encoding: gzip\r\n", "\u{1f}x".to_owned()),
        ("application/x-www-form-urlencoded; charset=utf-16", "", "x=y".to_owned()),
        ("application/x-www-form-urlencoded", "", large),
        ("multipart/form-data; boundary=b", "", encoded("base64")),
        ("multipart/form-data; boundary=b", "", encoded("quoted-printable")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b262_b299_what_is_not_read_at_the_endpoint_names_every_client() {
    for settings in
        ["[clients.web]\nrequire_pushed_authorization_requests = true", "[par]\nrequired = true"]
    {
        let front = Front::start(settings).await;
        for path in PATHS {
            for method in ["POST", "PUT", "GET"] {
                for (media_type, lines, body) in bodies() {
                    let request = format!(
                        "{method} {path} HTTP/1.1\r\nHost: login.example\r\nContent-Type: {media_type}\r\n\
                         {lines}Content-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    let answer = front.send(&request).await;
                    assert!(
                        matches!(answer.status, 400 | 405 | 413),
                        "{settings} {method} {path} {media_type}: {}",
                        answer.status
                    );
                }
            }
        }
        let whole = |seen: &crate::support::upstream::Seen| !seen.body.is_empty();
        assert!(!front.calls().iter().any(whole), "{:?}", front.calls());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b263_client_ids_that_a_database_folds_must_push_as_well() {
    let front = Front::start("[clients.web]\nrequire_pushed_authorization_requests = true").await;
    for client_id in ["WEB", "web%20", "%20web", "w%C3%A9b", "web%00", "%EF%BD%97eb", "we%CC%81b"] {
        for path in ["/authorize", "/authorize.html", "/login"] {
            let answer =
                front.visit(&format!("{path}?client_id={client_id}&response_type=code")).await;
            refused(&answer, 400, "invalid_request");
        }
        let answer =
            front.post("/authorize", &format!("client_id={client_id}&response_type=code")).await;
        refused(&answer, 400, "invalid_request");
    }
    assert!(front.calls().is_empty());
    assert_eq!(front.visit("/authorize?client_id=webb&response_type=code").await.status, 200);
}
