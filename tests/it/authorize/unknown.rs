//! While the upstream's documents cannot be had, any path could be the authorization endpoint's:
//! only what looks like a call waits for them.

use toml::Table;

use super::{Front, configuration, ok};
use crate::support::gateway::Gateway;
use crate::support::upstream::{Step, Upstream};

async fn front(settings: &str) -> Front {
    let upstream = Upstream::scripted(|seen| {
        let failed = b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n".to_vec();
        let is_metadata = seen.target.contains("/.well-known/");
        vec![Step::Bytes(if is_metadata { failed } else { ok("upstream") })]
    })
    .await;
    let mut table: Table = configuration(settings).parse().unwrap();
    let url = format!("http://{}", upstream.address);
    table["upstream"].as_table_mut().unwrap().insert("url".into(), url.into());
    Front { upstream, gateway: Gateway::start(&table.to_string()).await }
}

fn chunked(target: &str, start: &str) -> String {
    let body = format!("{start}{}", "x".repeat(80_000));
    format!(
        "POST {target} HTTP/1.1\r\nHost: login.example\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    )
}

const GET: &str = "HTTP/1.1\r\nHost: login.example\r\nContent-Length: 3\r\n\r\na=b";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_no_calls_pass_while_the_endpoint_is_unknown() {
    for settings in ["", "[par]\nrequired = true"] {
        let front = front(settings).await;
        assert_eq!(front.send(&chunked("/upload", "note=")).await.status, 200, "{settings}");
        assert_eq!(front.send(&format!("GET /search {GET}")).await.status, 200, "{settings}");
        let call = "/x?client_id=web&response_type=code";
        assert_eq!(front.visit(call).await.status, 502, "{settings}");
        assert_eq!(front.send(&format!("GET {call} {GET}")).await.status, 400, "{settings}");
        let form = "client_id=web&response_type=code";
        assert_eq!(front.post("/x", form).await.status, 502, "{settings}");
    }
    let front = front("[par]\nrequired = true").await;
    let disguised = chunked("/x", "client_id=web&response_type=code&note=");
    assert_eq!(front.send(&disguised).await.status, 400);
}
