//! An upstream whose authorization endpoint has a query of its own (RFC 6749 §3.1).

use toml::Table;

use super::{Front, METADATA, configuration, cookies, ok, redirect};
use crate::support::gateway::Gateway;
use crate::support::ports::free_port;
use crate::support::upstream::{Step, Upstream};

/// The upstream sends the first call on with one more parameter, and from `/done` to where its
/// query says.
async fn front() -> Front {
    let address = ([127, 0, 0, 1], free_port()).into();
    let upstream = Upstream::on(address, |seen| {
        let target = seen.target.as_str();
        let answer = if target.contains("/.well-known/") {
            ok(&METADATA.replace("/authorize\"", "/authorize?p=policy\""))
        } else if let Some(to) = target.strip_prefix("/done?to=") {
            redirect("302 Found", &to.replace("~~", "&"))
        } else if target.contains("step=2") {
            ok("login")
        } else {
            redirect("302 Found", &format!("{target}&step=2"))
        };
        vec![Step::Bytes(answer)]
    })
    .await;
    let mut table: Table = configuration("").parse().unwrap();
    let url = format!("http://{}", upstream.address);
    table["upstream"].as_table_mut().unwrap().insert("url".into(), url.into());
    let front = Front { upstream, gateway: Gateway::start(&table.to_string()).await };
    assert_eq!(front.visit("/.well-known/openid-configuration").await.status, 200);
    front
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b132_the_endpoints_own_query_reaches_the_upstream() {
    let front = front().await;
    let query = front.pushed().await;
    let first = front.visit(&format!("/authorize?p=policy&{query}")).await;
    let cookie = cookies(&[&first]);
    let target = front.calls().pop().unwrap().target;
    assert!(target.starts_with("/authorize?p=policy&client_id=web&"), "{target}");
    assert!(target.ends_with("&state=pushed-state&scope=openid%20profile"), "{target}");

    let handle = first.field("location").unwrap().to_owned();
    assert!(handle.starts_with("/authorize?client_id=web&request_uri="), "{handle}");
    assert_eq!(front.visit_with(&handle, &cookie).await.status, 200);
    assert_eq!(front.calls().pop().unwrap().target, format!("{target}&step=2"));

    // From another path the browser may have had a hand in it.
    for given in ["p=policy&", "p=other&", ""] {
        let to = target.replace("p=policy&", given).replace('&', "~~");
        let sent = front.visit_with(&format!("/done?to={to}"), &cookie).await;
        let handle = sent.field("location").unwrap().to_owned();
        assert!(handle.starts_with("/authorize?client_id=web&request_uri="), "{handle}");
        front.visit_with(&handle, &cookie).await;
        let seen = front.calls().pop().unwrap().target;
        assert_eq!(seen.matches("p=policy").count(), 1, "{seen}");
        assert!(!seen.contains("p=other"), "{seen}");
    }
}
