//! The upstream reached around the gateway (B-239): with a header that only the gateway knows, it can
//! refuse whoever comes, and "required" holds.

use super::{FORM, Front, ok, refused};
use crate::support::http::encode;
use crate::support::raw::Raw;

const SECRET: &str = "s3cr3t-of-the-gateway";

/// The upstream takes what has the header, just once and right.
async fn front() -> Front {
    let settings = format!(
        "[upstream]\nsecret_header = \"X-Parapet\"\nsecret_header_value = \"{SECRET}\"\n\
         [par]\nrequired = true"
    );
    Front::answering(&settings, |seen| {
        if seen.count("x-parapet") == 1 && seen.field("x-parapet") == Some(SECRET) {
            return ok("login");
        }
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_vec()
    })
    .await
}

fn whole() -> String {
    encode(&[&[("client_id", "web")], FORM].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b239_who_comes_around_the_gateway_lacks_the_header() {
    let front = front().await;
    for line in ["", "X-Parapet: guess\r\n", "X-Parapet: \r\n"] {
        let mut around = Raw::connect(front.upstream.address).await;
        let target = format!("/authorize?{}", whole());
        around.send(&format!("GET {target} HTTP/1.1\r\nHost: login.example\r\n{line}\r\n")).await;
        assert_eq!(around.answer_to("GET").await.status, 403, "{line}");
    }
    // Through the gateway it is there, whatever the browser sends under that name.
    for line in ["", "X-Parapet: guess\r\n", "X-Parapet: a\r\nX-Parapet: b\r\n"] {
        let query = front.pushed().await;
        let answer = front.visit_with(&format!("/authorize?{query}"), line).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "login"), "{line}");
        assert_eq!(answer.field("x-parapet"), None);
        let calls = front.calls().len();
        let unpushed = front.visit_with(&format!("/authorize?{}", whole()), line).await;
        refused(&unpushed, 400, "invalid_request");
        assert_eq!(front.calls().len(), calls, "nothing reached the upstream");
    }
}
