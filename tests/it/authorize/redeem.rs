//! A visit with a live `request_uri`: what the upstream gets, and which visits burn nothing.

use super::{FORM, Front, post, refused};
use crate::support::upstream::Seen;

const FULL: &str = "/authorize?client_id=web&response_type=code\
                    &redirect_uri=https%3A%2F%2Fclient.example%2Fcb&state=pushed-state\
                    &scope=openid%20profile";

fn pairs(seen: &Seen) -> Vec<(String, String)> {
    let (_, query) = seen.target.split_once('?').unwrap();
    let mut pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    pairs.sort();
    pairs
}

fn sorted(target: &str) -> Vec<(String, String)> {
    pairs(&Seen { target: target.to_owned(), ..Seen::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b132_b133_b134_b150_b218_only_what_was_pushed_travels() {
    let front = Front::start("").await;
    for extra in [
        "",
        "&response_type=code&scope=openid%20profile&redirect_uri=https%3A%2F%2Fclient.example%2Fcb",
        "&state=evil&nonce=evil&prompt=none&acr_values=evil&redirect_uri=https://evil.example",
        "&code_challenge=evil&code_challenge_method=plain&state=a&state=b&resource=evil",
        ";state=evil;nonce=evil",
        "&State=evil&redirect.uri=evil&scope[]=evil&kc_idp_hint=evil",
        "&%73tate=evil&state%00=evil",
        "#&state=evil",
        "&answer=accept&username=evil",
    ] {
        let query = front.pushed().await;
        for query in
            [format!("{query}{extra}"), format!("{}&{query}", extra.trim_start_matches(['&', '#']))]
        {
            let before = front.calls().len();
            let answer = front.visit(&format!("/authorize?{query}")).await;
            let calls = front.calls();
            if answer.status == 400 {
                // Where a separator glues something to a value, the request is not understood.
                assert_eq!(calls.len(), before, "{query}");
                assert!(
                    query.contains(';') || query.contains('#') || query.contains("%00"),
                    "{query}"
                );
                continue;
            }
            assert_eq!((answer.status, answer.text().as_str()), (200, "upstream"), "{query}");
            assert_eq!(calls.len(), before + 1);
            assert_eq!(pairs(&calls[before]), sorted(FULL), "{query}");
            assert_eq!((calls[before].method.as_str(), calls[before].body.len()), ("GET", 0));
            assert_eq!(answer.field("location"), None, "B-150");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b135_the_two_parameters_may_come_in_a_form() {
    let front = Front::start("").await;
    let query = front.pushed().await;
    let answer = front.post("/authorize", &query).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let query = front.pushed().await;
    let answer = front.post("/authorize?state=evil", &format!("{query}&nonce=evil")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for call in front.calls() {
        assert_eq!((call.method.as_str(), pairs(&call)), ("GET", sorted(FULL)));
        assert!(call.body.is_empty() && call.field("content-type").is_none(), "{call:?}");
    }
    assert_eq!(front.calls().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b136_b137_b141_b167_wrong_visits_burn_nothing() {
    let front = Front::start("[authorize]\nsingle_use = \"first-load\"").await;
    let query = front.pushed().await;
    let request_uri = query.strip_prefix("client_id=web&").unwrap();
    for (wrong, code) in [
        (request_uri.to_owned(), "invalid_request"),
        (format!("client_id=&{request_uri}"), "invalid_request"),
        (format!("client_id=shop&{request_uri}"), "invalid_request"),
        (format!("client_id=nobody&{request_uri}"), "invalid_request"),
        (format!("client_id=closed&{request_uri}"), "invalid_request"),
        (format!("client_id=WEB&{request_uri}"), "invalid_request"),
        (format!("{query}&client_id=web"), "invalid_request"),
        (format!("client_id=shop&{query}"), "invalid_request"),
        (format!("{query}&Client.Id=shop"), "invalid_request"),
        (format!("{query}&{request_uri}"), "invalid_request"),
        (format!("{query}&request%5furi=urn:x"), "invalid_request"),
        (format!("{query}&request_uri[]=x"), "invalid_request"),
        (format!("{query}&request=eyJ"), "invalid_request"),
        (format!("{query}&x=%zz"), "invalid_request"),
        (format!("{query}A"), "invalid_request_uri"),
        (query[..query.len() - 1].to_owned(), "invalid_request_uri"),
    ] {
        let answer = front.visit(&format!("/authorize?{wrong}")).await;
        refused(&answer, 400, code);
        let answer = front.send(&post("/authorize", &wrong)).await;
        refused(&answer, 400, code);
    }
    let put = format!(
        "PUT /authorize?{query} HTTP/1.1\r\nHost: login.example\r\nContent-Length: 0\r\n\r\n"
    );
    let answer = front.send(&put).await;
    assert_eq!((answer.status, answer.field("allow")), (405, Some("GET, HEAD, POST")));
    assert!(front.calls().is_empty(), "{:?}", front.calls());
    assert_eq!(front.visit(&format!("/authorize?{query}")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b138_b216_b219_what_was_not_issued_here_is_unknown_alike() {
    let (front, other) = (Front::start("").await, Front::start("").await);
    let foreign = other.pushed().await;
    let prefix = "client_id=web&request_uri=urn:ietf:params:oauth:request_uri:";
    let guess = |letter: &str| format!("{prefix}{}", letter.repeat(43));
    let live = front.pushed().await;
    let mut texts = Vec::new();
    for query in [
        foreign,
        guess("A"),
        guess("E"),
        prefix.to_owned(),
        format!("{prefix}{}", "A".repeat(10 * 1024)),
        format!("{prefix}{}", "A".repeat(42)),
        live.replace("urn:ietf", "URN:IETF"),
        live.replace("urn:ietf", "urn:Ietf"),
        format!("{live}%20"),
        format!("{prefix}../../x"),
    ] {
        let answer = front.visit(&format!("/authorize?{query}")).await;
        refused(&answer, 400, "invalid_request_uri");
        let id = answer.field("x-request-id").unwrap().to_owned();
        texts.push(answer.text().replace(&id, "ID"));
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    let empty = front.visit("/authorize?client_id=web&request_uri=").await;
    refused(&empty, 400, "invalid_request_uri");
    assert!(front.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b166_looking_ahead_asks_nobody_and_burns_nothing() {
    let front = Front::start("[authorize]\nsingle_use = \"first-load\"").await;
    let query = front.pushed().await;
    let head = format!("HEAD /authorize?{query} HTTP/1.1\r\nHost: login.example\r\n\r\n");
    let answer = front.send(&head).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.all("set-cookie"), Vec::<&str>::new());
    for ahead in [
        "Sec-Purpose: prefetch",
        "Sec-Purpose: prefetch;prerender",
        "Purpose: prefetch",
        "Purpose: Prefetch",
        "X-Moz: prefetch",
        "X-Purpose: preview",
    ] {
        let answer =
            front.visit_with(&format!("/authorize?{query}"), &format!("{ahead}\r\n")).await;
        assert_eq!(answer.status, 503, "{ahead}");
        assert_eq!(answer.all("set-cookie"), Vec::<&str>::new());
    }
    assert!(front.calls().is_empty());
    assert_eq!(front.visit(&format!("/authorize?{query}")).await.status, 200);
    assert_eq!(front.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b148_b240_odd_values_travel_as_values() {
    let front = Front::start("").await;
    let odd = "a||b&c=d#e\"'<>\\ ä€😀%0d%0a\r\nX-Injected: 1\t;x=y+z\u{7f}";
    let mut form = FORM.to_vec();
    form[2] = ("state", odd);
    form.push(("x-vendor;&=#", "1;state=evil"));
    let query = front.push("web", &form).await;
    let answer = front.visit(&format!("/authorize?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let call = front.calls().pop().unwrap();
    let got = pairs(&call);
    assert!(got.contains(&("state".into(), odd.into())), "{got:?}");
    assert!(got.contains(&("x-vendor;&=#".into(), "1;state=evil".into())), "{got:?}");
    assert!(!call.target.contains(';'), "{}", call.target);
    assert_eq!(call.field("x-injected"), None);
    assert_eq!(front.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b149_a_request_too_long_for_the_upstream_is_refused_at_the_push() {
    let front = Front::start("").await;
    let padding = "x".repeat(9_000);
    let mut form = FORM.to_vec();
    form.push(("login_hint", &padding));
    refused_push(&front, &form).await;
    let front = Front::start("[upstream]\nauthorize_method = \"post\"").await;
    let query = front.push("web", &form).await;
    assert_eq!(front.visit(&format!("/authorize?{query}")).await.status, 200);
    assert!(front.calls()[0].body.len() > 9_000);
    form.last_mut().unwrap().0 = "vendor";
    refused_push(&front, &form).await;
}

async fn refused_push(front: &Front, form: &[(&str, &str)]) {
    let answer = front.try_push("web", form).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("8000"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b161_b162_reloads_and_a_second_browser_both_see_the_login() {
    let front = Front::start("").await;
    let query = front.pushed().await;
    let target = format!("/authorize?{query}");
    let first = front.visit(&target).await;
    let cookie = super::cookies(&[&first]);
    let again = front.visit_with(&target, &cookie).await;
    let second = front.visit(&target).await;
    assert_eq!([first.status, again.status, second.status], [200; 3]);
    assert_eq!(again.all("set-cookie"), Vec::<&str>::new());
    assert_ne!(second.all("set-cookie"), first.all("set-cookie"));
    let targets: Vec<_> = front.calls().into_iter().map(|call| call.target).collect();
    assert!(targets.windows(2).all(|two| two[0] == two[1]), "{targets:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b217_forged_forwarding_fields_change_nothing() {
    let front = Front::start("").await;
    let query = front.pushed().await;
    let forged = "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\n\
                  Forwarded: host=evil.example;proto=http\r\nX-Forwarded-For: 1.2.3.4\r\n";
    let answer = front.visit_with(&format!("/authorize?{query}"), forged).await;
    assert_eq!(answer.status, 200);
    assert!(answer.field("set-cookie").unwrap().starts_with("__Host-parapet-"));
    let call = front.calls().pop().unwrap();
    assert!(!String::from_utf8_lossy(&call.raw).contains("evil.example"), "{call:?}");
    assert_eq!(call.field("x-forwarded-proto"), Some("https"));
    let metadata = front
        .send(&format!(
            "GET /.well-known/openid-configuration HTTP/1.1\r\nHost: evil.example\r\n{forged}\r\n"
        ))
        .await;
    assert!(
        !metadata.text().contains("evil") && metadata.text().contains("https://login.example/par")
    );
}
