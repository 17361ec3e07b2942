//! Which redirect URIs may be pushed (B-021…B-028, B-222).

use super::*;

#[tokio::test]
async fn b021_redirect_uri_is_needed_for_openid() {
    let desk = Desk::open();
    for redirect_uri in [None, Some("")] {
        let answer = desk.push(&altered(&[("redirect_uri", redirect_uri)])).await;
        assert_refused(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn b022_redirect_uri_may_be_missing_where_one_is_registered() {
    let desk = Desk::open();
    let form = altered(&[("redirect_uri", None), ("scope", Some("profile"))]);
    let answer = desk.push(&form).await;
    assert_created(&answer);
    assert_eq!(desk.redeemed("web", &answer).await, owned(&form), "nothing is invented");
    for client_id in ["two", "free"] {
        let form = altered(&[
            ("redirect_uri", None),
            ("scope", Some("profile")),
            ("client_id", Some(client_id)),
        ]);
        assert_refused(&desk.plain(encode(&form)).await, 400, "invalid_request");
    }
}

#[tokio::test]
async fn b023_b222_only_the_registered_text_counts() {
    let desk = Desk::open();
    for redirect_uri in [
        "https://evil.example/cb",
        "https://c.example/CB",
        "https://C.example/cb",
        "HTTPS://c.example/cb",
        "https://c.example/cb/",
        "https://c.example/cb?x=1",
        "https://c.example/cb?",
        "https://c.example/c%62",
        "https://c.example/%2Fcb",
        "https://c.example/x/../cb",
        "https://c.example/./cb",
        "https://c.example//cb",
        "https://user@c.example/cb",
        "https://c.example:443/cb",
        "https://c.example@evil.example/cb",
        "https://c.example\\@evil.example/cb",
        "https://c.example/cb\\",
        "https://c.example/cb ",
        " https://c.example/cb",
        "https://c.example/cb\u{0}",
        "https://c.example/cb\n",
        "http://c.example/cb",
        "https://c.example.evil.example/cb",
        "https://c.example/cbx",
        "https://c.example",
    ] {
        let answer = desk.push(&altered(&[("redirect_uri", Some(redirect_uri))])).await;
        assert_refused(&answer, 400, "invalid_request");
        assert!(!answer.body().windows(20).any(|part| part == b"invalid_redirect_uri"));
    }
}

#[tokio::test]
async fn b026_even_unchecked_redirect_uris_are_uris() {
    let desk = Desk::open();
    for redirect_uri in [
        "/cb",
        "cb",
        "//c.example/cb",
        "https://c.example/cb#",
        "https://c.example/cb#x",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "blob:https://c.example/x",
        "file:///etc/passwd",
        "https://c.example/a b",
        "https://c.example/é",
        "https://c.example\\cb",
        "1https://c.example/cb",
    ] {
        let form = altered(&[("client_id", Some("free")), ("redirect_uri", Some(redirect_uri))]);
        assert_refused(&desk.plain(encode(&form)).await, 400, "invalid_request");
    }
    for redirect_uri in ["https://any.example/cb?x=1", "com.example.app:/cb"] {
        let form = altered(&[("client_id", Some("free")), ("redirect_uri", Some(redirect_uri))]);
        assert_created(&desk.plain(encode(&form)).await);
    }
}

#[tokio::test]
async fn b028_loopback_addresses_may_come_with_any_port() {
    let desk = Desk::open();
    for (redirect_uri, is_fine) in [
        ("http://127.0.0.1/cb", true),
        ("http://127.0.0.1:49152/cb", true),
        ("http://[::1]:61023/cb", true),
        ("http://localhost/cb", true),
        ("http://localhost:49152/cb", false),
        ("http://127.0.0.1:49152/other", false),
        ("http://127.0.0.1:49152/cb?x=1", false),
        ("http://127.0.0.2:49152/cb", false),
        ("http://127.1:49152/cb", false),
        ("http://[::ffff:127.0.0.1]:49152/cb", false),
        ("http://127.0.0.1:99999/cb", false),
        ("http://127.0.0.1:+80/cb", false),
        ("http://127.0.0.1:/cb", false),
        ("http://127.0.0.1:1@evil.example/cb", false),
        ("http://evil@127.0.0.1:1/cb", false),
        ("https://127.0.0.1:49152/cb", false),
        ("http://10.0.0.1:49152/cb", false),
    ] {
        let form = altered(&[("client_id", Some("app")), ("redirect_uri", Some(redirect_uri))]);
        let answer = desk.plain(encode(&form)).await;
        if is_fine {
            assert_created(&answer);
            let redeemed = desk.redeemed("app", &answer).await;
            assert!(redeemed.contains(&("redirect_uri".into(), redirect_uri.into())));
        } else {
            assert_refused(&answer, 400, "invalid_request");
        }
    }
}
