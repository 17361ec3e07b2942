//! Servers that nobody has listed, under the generic preset.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{
    begin, begin_with, body_of, escaped, last, location, nested, query_of, request_with,
    says_what_was_pushed, settings, shows_nothing, submit, submit_form,
};
use crate::authorize::{FORM, Front, cookies, ok, redirect, refused};
use crate::support::upstream::Seen;

async fn front(script: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Front {
    Front::answering(&settings("generic"), script).await
}

/// Sends from the authorize path to a login page that gets the whole URL.
fn to_login(seen: &Seen) -> Vec<u8> {
    if seen.target.starts_with("/authorize") {
        redirect("302 Found", &format!("/login?next={}", escaped(&seen.target)))
    } else {
        ok("page")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b151_a_consent_form_that_posts_to_the_bare_path_is_found_and_pinned() {
    let front = front(|_| ok("page")).await;
    let flow = begin(&front).await;
    for change in [("scope", Some("admin")), ("nonce", None), ("request", Some("eyJ"))] {
        let body = request_with(&[change]);
        assert_eq!(submit_form(&front, &flow.cookie, "/authorize", &body).await.status, 200);
        assert_eq!(last(&front).target, "/authorize");
        says_what_was_pushed(&body_of(&last(&front)));
    }
    let before = front.calls().len();
    for change in [("state", Some("evil")), ("state", None), ("client_id", Some("shop"))] {
        let body = request_with(&[change]);
        let answer = submit_form(&front, &flow.cookie, "/authorize", &body).await;
        refused(&answer, 400, "invalid_request");
    }
    let answer = submit_form(&front, "", "/authorize", &request_with(&[])).await;
    refused(&answer, 400, "invalid_request");
    assert_eq!(front.calls().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b151_a_form_with_the_whole_query_in_its_action_is_pinned_in_both() {
    let front = front(|_| ok("page")).await;
    let flow = begin(&front).await;
    let media_type = "multipart/form-data; boundary=b";
    let body = "--b\r\nContent-Disposition: form-data; name=\"allow\"\r\n\r\nyes\r\n\
         --b\r\nContent-Disposition: form-data; name=\"scope\"\r\n\r\nadmin\r\n--b--\r\n";
    for change in [("scope", Some("admin")), ("code_challenge", None), ("claims", Some("{}"))] {
        let target = format!("/authorize?{}", request_with(&[change]));
        let answer = submit(&front, &flow.cookie, &target, (media_type, body)).await;
        assert_eq!(answer.status, 200);
        says_what_was_pushed(query_of(&last(&front).target));
        let sent = last(&front);
        let media_type = sent.field("content-type").unwrap();
        let (_, ours) = media_type.split_once("boundary=").unwrap();
        let expected = body.replace("admin", "openid profile").replace("--b", &format!("--{ours}"));
        assert_eq!(body_of(&sent), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_separators_and_duplicates_say_nothing_new() {
    let front = front(|_| ok("page")).await;
    let flow = begin(&front).await;
    let honest = request_with(&[]);
    for extra in ["&scope=admin", ";scope=admin", "&x=1;scope=admin", "&nonce=evil&nonce=evil"] {
        for target in [format!("/authorize?{honest}{extra}"), format!("/authorize?{honest}")] {
            let body = format!("{honest}{extra}");
            submit_form(&front, &flow.cookie, &target, &body).await;
            let call = last(&front);
            assert!(!call.target.contains(';'), "{}", call.target);
            assert!(!body_of(&call).contains(';'), "{}", body_of(&call));
            for (text, name) in [(query_of(&call.target), "scope"), (&body_of(&call), "nonce")] {
                assert_eq!(super::values(text, name).len(), 1, "{text}");
            }
        }
    }
    let before = front.calls().len();
    let query = &flow.query;
    for extra in [";scope=admin", "&client_id=shop", &format!("&{query}"), ";request_uri=x"] {
        let target = format!("/authorize?{query}{extra}");
        assert_eq!(front.visit_with(&target, &flow.cookie).await.status, 400, "{extra}");
    }
    assert_eq!(front.calls().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b150_a_308_from_an_alias_path_goes_on_with_a_handle() {
    let front = front(|seen| match seen.target.strip_prefix("/authorize?") {
        Some(query) => redirect("308 Permanent Redirect", &format!("/authorize/?{query}")),
        None => ok("page"),
    })
    .await;
    let flow = begin(&front).await;
    let sent = query_of(&last(&front).target).to_owned();
    let alias = location(&flow.first);
    shows_nothing(&alias);
    assert!(alias.starts_with("/authorize/?client_id=web&request_uri="), "{alias}");
    assert_eq!(front.visit_with(&alias, &flow.cookie).await.text(), "page");
    assert_eq!(last(&front).target, format!("/authorize/?{sent}"));
    assert_eq!(front.visit(&alias).await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b150_a_respelled_query_comes_back_in_its_own_spelling() {
    const RESPELLED: &str = "/authorize?state=pushed-state&redirect_uri=https://client.example/cb\
         &scope=openid+profile&client_id=web&nonce=pushed%2dnonce&response_type=code\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256\
         &login_hint=alice&seen=1";
    let front = front(|seen| {
        if seen.target.contains("seen=1") {
            ok("page")
        } else {
            redirect("303 See Other", RESPELLED)
        }
    })
    .await;
    let flow = begin(&front).await;
    let handle = location(&flow.first);
    shows_nothing(&handle);
    for tampered in ["", "&scope=admin", "&seen=2&acr_values=low"] {
        front.visit_with(&format!("{handle}{tampered}"), &flow.cookie).await;
        assert_eq!(last(&front).target, RESPELLED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b150_three_encodings_deep_and_in_refresh() {
    let front = front(|seen| {
        let two = format!("/login?next={}", escaped(&seen.target));
        let three = format!("/broker?to={}", escaped(&format!("/b?x=1&to={}", escaped(&two))));
        if seen.target.contains("nonce=refresh") {
            let page = "Refresh: 0; URL=";
            return format!("HTTP/1.1 200 OK\r\n{page}{three}\r\nContent-Length: 4\r\n\r\npage")
                .into();
        }
        redirect("302 Found", &three)
    })
    .await;
    let mut refreshing = super::PUSHED.to_vec();
    refreshing.retain(|(name, _)| *name != "nonce");
    refreshing.push(("nonce", "refresh"));
    for (form, field) in [(super::PUSHED, "location"), (&refreshing, "refresh")] {
        let flow = begin_with(&front, form).await;
        let emitted = last(&front).target;
        let address = flow.first.field(field).expect(field);
        shows_nothing(address);
        let two = nested(address, "to");
        let handle = nested(&nested(&two, "to"), "next");
        front.visit_with(&handle, &flow.cookie).await;
        assert_eq!(last(&front).target, emitted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b150_the_body_of_a_redirect_repeats_nothing_and_the_connection_goes_on() {
    let front = front(|seen| {
        let to = format!("/login?next={}", escaped(&seen.target));
        let page = format!("<a href=\"{to}\">{}</a>", seen.target);
        let length = page.len();
        format!(
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Type: text/html\r\nETag: \"x\"\r\n\
             Content-Length: {length}\r\n\r\n{page}"
        )
        .into()
    })
    .await;
    let mut client = front.connect().await;
    for _ in 0..3 {
        let query = front.pushed().await;
        let host = "HTTP/1.1\r\nHost: login.example\r\n\r\n";
        client.send(format!("GET /authorize?{query} {host}")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.len()), (302, 0));
        assert_eq!(answer.all("content-length"), ["0"]);
        assert_eq!(answer.field("etag"), None);
        assert_ne!(answer.field("connection"), Some("close"));
        shows_nothing(&location(&answer));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b150_b301_the_oldest_of_many_continuations_gives_way() {
    let count = AtomicUsize::new(0);
    let front = front(move |seen| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        redirect("302 Found", &format!("{}&n={number}", seen.target))
    })
    .await;
    let flow = begin(&front).await;
    let page = format!("/authorize?{}", flow.query);
    let mut handles = vec![location(&flow.first)];
    for _ in 0..40 {
        let answer = front.visit_with(&page, &flow.cookie).await;
        assert_eq!(answer.status, 302, "the login goes on");
        handles.push(location(&answer));
        shows_nothing(handles.last().unwrap());
    }
    for newest in handles.iter().rev().take(8) {
        let count = front.calls().len();
        front.visit_with(newest, &flow.cookie).await;
        assert_eq!(front.calls().len(), count + 1);
    }
    refused(&front.visit_with(&handles[0], &flow.cookie).await, 400, "invalid_request_uri");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b151_a_continuation_is_its_own_browsers() {
    let front = front(to_login).await;
    let (alice, mallory) = (begin(&front).await, begin(&front).await);
    let handle = nested(&location(&alice.first), "next");
    let before = front.calls().len();
    for cookie in ["", &mallory.cookie] {
        refused(&front.visit_with(&handle, cookie).await, 400, "invalid_request_uri");
        let body = request_with(&[]);
        refused(&submit_form(&front, cookie, &handle, &body).await, 400, "invalid_request_uri");
    }
    let shop = handle.replace("client_id=web", "client_id=shop");
    assert_eq!(front.visit_with(&shop, &alice.cookie).await.status, 400);
    assert_eq!(front.calls().len(), before);
    for _ in 0..3 {
        assert_eq!(front.visit_with(&handle, &alice.cookie).await.status, 302);
        says_what_was_pushed(query_of(&last(&front).target));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b151_a_spent_flow_goes_on_nowhere() {
    let front = front(|seen| {
        if seen.target == "/done" {
            redirect("302 Found", "https://client.example/cb?code=c&state=pushed-state")
        } else {
            to_login(seen)
        }
    })
    .await;
    let flow = begin(&front).await;
    let handle = nested(&location(&flow.first), "next");
    assert_eq!(front.visit_with("/done", &flow.cookie).await.status, 302);
    let before = front.calls().len();
    refused(&front.visit_with(&handle, &flow.cookie).await, 400, "invalid_request_uri");
    assert_eq!(front.calls().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b151_an_address_out_of_a_posted_body_is_the_browsers_word() {
    let front = front(|seen| match super::values(&body_of(seen), "next").pop() {
        Some(next) => redirect("303 See Other", &next),
        None => ok("page"),
    })
    .await;
    let flow = begin(&front).await;
    for change in [("nonce", None), ("acr_values", Some("low")), ("code_challenge", Some("evil"))] {
        let next = format!("/authorize?{}", request_with(&[change]));
        let body = format!("user=alice&next={}", escaped(&next));
        for target in [format!("/authorize?{}", flow.query), "/authorize".into()] {
            let answer = submit_form(&front, &flow.cookie, &target, &body).await;
            let handle = location(&answer);
            shows_nothing(&handle);
            front.visit_with(&handle, &flow.cookie).await;
            says_what_was_pushed(query_of(&last(&front).target));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_no_flow_of_several_agrees_with_is_refused() {
    let front = front(|_| ok("page")).await;
    let (one, other) = (begin(&front).await, front.push("web", FORM).await);
    let other = front.visit(&format!("/authorize?{other}")).await;
    let both = cookies(&[&one.first, &other]);
    let step = submit_form(&front, &both, "/authorize", "user=alice&password=x").await;
    assert_eq!(step.status, 200);
    let step = submit_form(&front, &both, "/authorize", "confirm=x&nonce=pushed-nonce").await;
    assert_eq!(step.status, 200);
    let step = submit_form(&front, &both, "/authorize", "confirm=x&scope=admin").await;
    refused(&step, 400, "invalid_request");
}

/// A server that knows one name alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_sends_other_hosts_away_gets_the_public_one() {
    let front = front(|seen| match seen.field("host") {
        Some("login.example") => ok("page"),
        other => {
            let host = other.unwrap_or_default().to_owned();
            redirect("301 Moved Permanently", &format!("https://{host}{}", seen.target))
        }
    })
    .await;
    let flow = begin(&front).await;
    assert_eq!(flow.first.text(), "page");
}

/// A login page at the authorize URL posts to its own address, which the browser completes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b151_a_server_that_fails_on_foreign_request_uris_never_sees_one() {
    let front = front(|seen| {
        let sees = seen.target.contains("request_uri") || body_of(seen).contains("request_uri");
        if sees { redirect("302 Found", "/failed") } else { ok("page") }
    })
    .await;
    let flow = begin(&front).await;
    let page = format!("/authorize?{}", flow.query);
    for body in ["user=alice", "confirm=1&request_uri=urn:x", &request_with(&[])] {
        let answer = submit_form(&front, &flow.cookie, &page, body).await;
        assert_eq!(answer.text(), "page", "{body}");
        says_what_was_pushed(query_of(&last(&front).target));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b132_a_first_post_skips_no_consent_page() {
    let settings = settings("generic").replacen("[par]", "authorize_method = \"post\"\n[par]", 1);
    let front = Front::start(&settings).await;
    let form = [super::PUSHED, &[("answer", "accept"), ("allow", "Authorize")]].concat();
    begin_with(&front, &form).await;
    let call = last(&front);
    assert_eq!((call.method.as_str(), body_of(&call).contains("accept")), ("POST", false));
    assert!(!body_of(&call).contains("Authorize"), "{}", body_of(&call));
    says_what_was_pushed(&body_of(&call));
    assert_eq!(call.target, "/authorize?answer=accept&allow=Authorize");
}

/// Other spellings of the path, some of which reach the same code behind us.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_alias_paths_take_neither_requests_nor_references() {
    let front = front(|_| ok("page")).await;
    let flow = begin(&front).await;
    let before = front.calls().len();
    let aliases = [
        "//authorize",
        "/AUTHORIZE",
        "/authorize/",
        "/%61uthorize",
        "/x/..%2fauthorize",
        "/authorize/x",
        "/x.psgi/authorize",
        "/index.psgi//authorize",
    ];
    for path in aliases {
        let whole = format!("{path}?{}", request_with(&[("scope", Some("admin"))]));
        for cookie in ["", &flow.cookie] {
            assert_eq!(front.visit_with(&whole, cookie).await.status, 400, "{whole}");
        }
    }
    assert_eq!(front.calls().len(), before);
    // A body is cut while it streams: the upstream may see a beginning, and never answers.
    for path in aliases {
        let body = request_with(&[("nonce", Some("evil"))]);
        for cookie in ["", &flow.cookie] {
            assert_eq!(submit_form(&front, cookie, path, &body).await.status, 400, "{path}");
        }
    }
}
