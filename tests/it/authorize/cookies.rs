//! The gateway's own cookies: how they look, how many there are, and who never sees them.

use super::{Front, cookies};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_are_dressed_and_kept_from_the_upstream() {
    let front = Front::start("[authorize]\nlogin_lifetime = \"20m\"").await;
    let query = front.pushed().await;
    let target = format!("/authorize?{query}");
    let answer = front.visit_with(&target, "Cookie: session=1\r\n").await;
    let set = answer.all("set-cookie");
    assert_eq!(set.len(), 1, "{set:?}");
    assert!(set[0].starts_with("__Host-parapet-"), "{set:?}");
    assert!(set[0].ends_with("; Path=/; Max-Age=1200; HttpOnly; SameSite=Lax; Secure"), "{set:?}");
    let own = cookies(&[&answer]);
    let own = own.trim_end().trim_start_matches("Cookie: ").to_owned();
    for target in [target.as_str(), "/login", "/token"] {
        front.visit_with(target, &format!("Cookie: a=b; {own}; session=1\r\n")).await;
        front.visit_with(target, &format!("Cookie: {own}\r\nCookie: c=d\r\n")).await;
    }
    let calls = front.calls();
    assert_eq!(calls.len(), 7);
    for call in &calls {
        assert!(!String::from_utf8_lossy(&call.raw).contains("parapet-"), "{call:?}");
    }
    assert_eq!(calls[1].field("cookie"), Some("a=b; session=1"));
    assert_eq!(calls[2].field("cookie"), Some("c=d"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_most_eight_flows_and_the_oldest_goes() {
    let front = Front::start("").await;
    let mut jar: Vec<(String, String)> = Vec::new();
    let mut first = None;
    for round in 1..=11 {
        let query = front.pushed().await;
        let line = jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        let header = match line.as_slice() {
            [] => String::new(),
            line => format!("Cookie: {}\r\n", line.join("; ")),
        };
        assert!(header.len() < 1024, "{} bytes in round {round}", header.len());
        let answer = front.visit_with(&format!("/authorize?{query}"), &header).await;
        for set in answer.all("set-cookie") {
            let (pair, attributes) = set.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0;") {
                assert_eq!(jar.first().map(|(name, _)| name.as_str()), Some(name), "the oldest");
                jar.remove(0);
            } else {
                jar.push((name.to_owned(), value.to_owned()));
            }
        }
        first.get_or_insert(jar[0].clone());
        assert_eq!(jar.len(), round.min(8));
    }
    assert!(!jar.contains(&first.unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_and_mutilated_cookies_are_ignored() {
    let front = Front::start("[authorize]\nsingle_use = \"browser\"").await;
    let query = front.pushed().await;
    let target = format!("/authorize?{query}");
    let genuine = front.visit(&target).await;
    let pair = genuine.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let (name, value) = pair.split_once('=').unwrap();
    let mut changed = value.to_owned();
    let last = if changed.ends_with('A') { "Q" } else { "A" };
    changed.replace_range(70..71, if &changed[70..71] == "A" { "B" } else { "A" });
    let mut flipped = value.to_owned();
    flipped.replace_range(value.len() - 1.., last);
    for forged in [
        format!("{name}={changed}"),
        format!("{name}={flipped}"),
        format!("{name}={}", &value[..40]),
        format!("{name}="),
        format!("parapet-x={value}"),
        format!("__Host-parapet-other={value}"),
        format!("{name}={value}A"),
        "__Host-parapet-=%00".to_owned(),
    ] {
        let answer = front.visit_with(&target, &format!("Cookie: {forged}\r\n")).await;
        super::refused(&answer, 400, "invalid_request_uri");
    }
    assert_eq!(front.visit_with(&target, &format!("Cookie: {pair}\r\n")).await.status, 200);
    assert_eq!(front.calls().len(), 2);
}
