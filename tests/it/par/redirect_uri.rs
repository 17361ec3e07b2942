//! Which redirect URIs may be pushed (B-021…B-028, B-222).

use super::*;

/// A client that may push addresses that nobody registered, and its public neighbour.
const ROAMING: &str = r#"accepts_unregistered_redirect_uris = true
[par]
required = true
[[clients]]
client_id = "roaming"
secret = "roaming-secret"
redirect_uris = ["https://c.example/cb"]
allow_unregistered_redirect_uris = true
require_pushed_authorization_requests = true
"#;

/// The configuration, without the client of no addresses at all, which has no place in it.
fn where_all_is_taken() -> Config {
    let text = toml("http://127.0.0.1:9", ROAMING);
    let tables: Vec<_> = text.split("[[clients]]").collect();
    let others = tables.iter().enumerate().filter(|(number, table)| {
        *number == 0 || table.contains("redirect_uris = ") || table.contains("enabled = false")
    });
    read(&others.map(|(_, table)| *table).collect::<Vec<_>>().join("[[clients]]"))
}

async fn roaming(desk: &Desk, redirect_uri: Option<&str>) -> Response<Bytes> {
    let form = altered(&[("client_id", None), ("redirect_uri", redirect_uri)]);
    let mut request = post(encode(&form).into());
    let credentials = basic("roaming", "roaming-secret").parse().unwrap();
    request.headers_mut().insert(AUTHORIZATION, credentials);
    desk.send(request).await
}

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
async fn b024_a_confidential_client_may_push_an_address_that_nobody_registered() {
    let desk = Desk::of(where_all_is_taken(), None);
    for redirect_uri in [
        CALLBACK,
        "https://c.example/another",
        "https://new.example/cb?tenant=7",
        "http://new.example/cb",
        "com.example.app:/cb",
    ] {
        let pushed = roaming(&desk, Some(redirect_uri)).await;
        assert_created(&pushed);
        let redeemed = desk.redeemed("roaming", &pushed).await;
        assert!(redeemed.contains(&("redirect_uri".into(), redirect_uri.into())), "{redeemed:?}");
    }
    assert_refused(&roaming(&desk, None).await, 400, "invalid_request");
    // What could come back in another spelling, or looks like somebody else's, is not taken.
    for redirect_uri in [
        "https://new.example",
        "https://New.example/cb",
        "https://new.example:443/cb",
        "https://c.example@new.example/cb",
        "https://new.example/cb?state=x",
        "https://new.example/cb?",
    ] {
        assert_refused(&roaming(&desk, Some(redirect_uri)).await, 400, "invalid_request");
    }
    // Who is not allowed to is held to its list as ever.
    let answer = desk.push(&altered(&[("redirect_uri", Some("https://new.example/cb"))])).await;
    assert_refused(&answer, 400, "invalid_request");
    let mut request = post(encode(&altered(&[("client_id", Some("roaming"))])).into());
    request.headers_mut().insert(AUTHORIZATION, basic("roaming", "wrong").parse().unwrap());
    assert_refused(&desk.send(request).await, 401, "invalid_client");
}

#[tokio::test]
async fn b025_public_clients_are_held_to_their_list() {
    let desk = Desk::of(where_all_is_taken(), None);
    for client_id in ["two", "app", "strict"] {
        let form =
            [("client_id", Some(client_id)), ("redirect_uri", Some("https://new.example/cb"))];
        let answer = desk.plain(encode(&altered(&form))).await;
        assert_refused(&answer, 400, "invalid_request");
        let description = json(&answer)["error_description"].as_str().unwrap().to_owned();
        assert_eq!(description, "redirect_uri is not registered for this client");
    }
}

#[tokio::test]
async fn b026_b027_what_may_be_pushed_unregistered_is_judged_all_the_same() {
    let desk = Desk::of(where_all_is_taken(), None);
    for redirect_uri in [
        "/cb",
        "//new.example/cb",
        "https://new.example/cb#",
        "https://new.example/cb#x",
        "javascript:alert(1)",
        "DATA:text/html,x",
        "https://new.example\\@c.example/cb",
        "https://new.example/a b",
    ] {
        let answer = roaming(&desk, Some(redirect_uri)).await;
        assert_refused(&answer, 400, "invalid_request");
        let description = json(&answer)["error_description"].as_str().unwrap().to_owned();
        assert_eq!(description, "redirect_uri is not an absolute URI without fragment");
    }
    let mut config = where_all_is_taken();
    for client in config.clients.iter_mut().filter(|client| client.client_id == "roaming") {
        client.profile = config::Profile::Fapi2;
    }
    let desk = Desk::of(config, None);
    for (redirect_uri, is_fine) in [
        ("https://new.example/cb", true),
        ("http://127.0.0.1:4711/cb", true),
        ("http://new.example/cb", false),
        ("com.example.app:/cb", false),
    ] {
        let answer = roaming(&desk, Some(redirect_uri)).await;
        if is_fine {
            assert_created(&answer);
        } else {
            assert_refused(&answer, 400, "invalid_request");
        }
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
