//! The way back to the client: spent once, `iss` added once, nothing else touched.

use super::{FORM, Front, cookies, error, redirect};
use crate::support::raw::Answer;

const ISS: &str = "iss=https%3A%2F%2Flogin.example";

/// The upstream shows a login, and redirects from `/done` with the status in its path to what its
/// query says, `~~` for `#`.
async fn front(settings: &str) -> Front {
    Front::answering(settings, |seen| match seen.target.split_once("?to=") {
        Some((path, to)) => {
            let status = format!("{} Word", path.trim_start_matches("/done"));
            redirect(&status, &to.replace("~~", "#"))
        }
        None => super::ok("login"),
    })
    .await
}

/// A login of one browser: gives the line with its cookie.
async fn login(front: &Front, query: &str) -> String {
    let answer = front.visit(&format!("/authorize?{query}")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "login"));
    cookies(&[&answer])
}

async fn done(front: &Front, cookie: &str, to: &str) -> Answer {
    front.visit_with(&format!("/done302?to={to}"), cookie).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b154_b155_b156_iss_is_added_once_where_the_answer_is() {
    let front = front("").await;
    let back = "https://client.example/cb";
    for (to, expected) in [
        ("?code=c&state=pushed-state", format!("?code=c&state=pushed-state&{ISS}")),
        (
            "?error=access_denied&state=pushed-state",
            format!("?error=access_denied&state=pushed-state&{ISS}"),
        ),
        ("#code=c&state=pushed-state", format!("#code=c&state=pushed-state&{ISS}")),
        ("?code=c&state=pushed-state#_=_", format!("?code=c&state=pushed-state&{ISS}#_=_")),
        (
            "?code=c&iss=https%3A%2F%2Fother&state=pushed-state",
            "?code=c&iss=https%3A%2F%2Fother&state=pushed-state".into(),
        ),
        ("?response=eyJ.x.y", "?response=eyJ.x.y".into()),
        ("#id_token=x&state=pushed-state", format!("#id_token=x&state=pushed-state&{ISS}")),
    ] {
        let query = front.pushed().await;
        let cookie = login(&front, &query).await;
        let answer = done(&front, &cookie, &format!("{back}{to}").replace('#', "~~")).await;
        assert_eq!(answer.status, 302);
        assert_eq!(answer.field("location"), Some(format!("{back}{expected}").as_str()));
        let used = front.visit_with(&format!("/authorize?{query}"), &cookie).await;
        super::refused(&used, 400, "invalid_request_uri");
        let used = front.visit(&format!("/authorize?{query}")).await;
        super::refused(&used, 400, "invalid_request_uri");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b156_iss_stays_away_where_it_is_not_wanted() {
    let front = front("[authorize]\nadd_iss = false").await;
    let cookie = login(&front, &front.pushed().await).await;
    let to = "https://client.example/cb?code=c&state=pushed-state";
    assert_eq!(done(&front, &cookie, to).await.field("location"), Some(to));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b157_the_status_of_a_redirect_is_the_upstreams() {
    let front = front("").await;
    for status in [301, 302, 303] {
        let cookie = login(&front, &front.pushed().await).await;
        let to = "https://client.example/cb?code=c&state=pushed-state";
        let answer = front.visit_with(&format!("/done{status}?to={to}"), &cookie).await;
        assert_eq!(answer.status, status);
        assert!(answer.field("location").unwrap().ends_with(ISS));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b153_b165_an_error_ends_a_flow_and_other_redirects_do_not() {
    let front = front("").await;
    let query = front.pushed().await;
    let cookie = login(&front, &query).await;
    for to in [
        "/login?next=%2Fauthorize%3Fcode%3D1",
        "https://client.example/cb",
        "https://client.example/cb?state=pushed-state",
        "https://client.example/cb2?code=c&state=pushed-state",
        "https://client.example.evil/cb?code=c&state=pushed-state",
        "https://client.example/second?code=c&state=pushed-state",
        "https://client.example/cb?code=c&state=another",
        "https://client.example/cb?code=c",
    ] {
        let answer = done(&front, &cookie, to).await;
        assert_eq!(answer.field("location"), Some(to));
        let target = format!("/authorize?{query}");
        assert_eq!(front.visit_with(&target, &cookie).await.status, 200, "{to}");
    }
    let denied =
        "https://client.example/cb?error=access_denied&error_description=no&state=pushed-state";
    let answer = done(&front, &cookie, denied).await;
    assert_eq!(answer.field("location"), Some(format!("{denied}&{ISS}").as_str()));
    let used = front.visit_with(&format!("/authorize?{query}"), &cookie).await;
    super::refused(&used, 400, "invalid_request_uri");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b164_b168_of_two_browsers_one_gets_its_code() {
    let front = front("").await;
    for _ in 0..4 {
        let query = front.pushed().await;
        let browsers = [login(&front, &query).await, login(&front, &query).await];
        let to = "https://client.example/cb?code=SECRETCODE&state=pushed-state";
        let (a, b) = tokio::join!(done(&front, &browsers[0], to), done(&front, &browsers[1], to));
        let (winner, loser, wins) = if a.status == 302 { (a, b, 0) } else { (b, a, 1) };
        assert_eq!(winner.field("location"), Some(format!("{to}&{ISS}").as_str()));
        assert_eq!((loser.status, error(&loser).as_str()), (400, "invalid_request_uri"));
        let whole = format!("{:?}{}", loser.fields, loser.text());
        assert!(!whole.contains("SECRETCODE") && !whole.contains("pushed-state"), "{whole}");
        assert_eq!(loser.field("location"), None);
        let again = done(&front, &browsers[wins], to).await;
        assert_eq!(again.status, 302, "a double click passes");
        let again = done(&front, &browsers[1 - wins], to).await;
        assert_eq!(again.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b148_b154_state_comes_back_as_it_was_even_where_it_is_odd() {
    let front = front("").await;
    for (state, sent) in [
        ("a||b&c=d#e\"'%0d%0a", "a%7C%7Cb%26c%3Dd%23e%22%27%250d%250a"),
        ("ä€", "%C3%A4%E2%82%AC"),
        ("ä€", "%c3%a4%e2%82%ac"),
        ("a b", "a+b"),
        ("a b", "a%20b"),
    ] {
        let mut form = FORM.to_vec();
        form[2] = ("state", state);
        let query = front.push("web", &form).await;
        let cookie = login(&front, &query).await;
        let to = format!("https://client.example/cb?state={sent}&code=c");
        let answer = done(&front, &cookie, &to).await;
        assert_eq!(answer.field("location"), Some(format!("{to}&{ISS}").as_str()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b164_a_location_with_raw_utf8_ends_the_flow_too() {
    let front = Front::answering("", |seen| match seen.target.as_str() {
        "/done" => redirect("302 Found", "https://client.example/cb?code=c&state=ä€"),
        _ => super::ok("login"),
    })
    .await;
    let mut form = FORM.to_vec();
    form[2] = ("state", "ä€");
    let query = front.push("web", &form).await;
    let cookie = login(&front, &query).await;
    let answer = front.visit_with("/done", &cookie).await;
    let expected = format!("https://client.example/cb?code=c&state=%C3%A4%E2%82%AC&{ISS}");
    assert_eq!(answer.field("location"), Some(expected.as_str()));
    let used = front.visit_with(&format!("/authorize?{query}"), &cookie).await;
    super::refused(&used, 400, "invalid_request_uri");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b154_an_answer_at_once_completes_without_a_cookie() {
    let front = Front::answering("", |seen| {
        let back = "https://client.example/cb?error=login_required&state=pushed-state";
        if seen.target.contains("prompt=none") {
            redirect("303 See Other", back)
        } else {
            super::ok("login")
        }
    })
    .await;
    let mut form = FORM.to_vec();
    form.push(("prompt", "none"));
    let query = front.push("web", &form).await;
    let target = format!("/authorize?{query}");
    let answer = front.visit(&target).await;
    assert_eq!(answer.status, 303);
    assert!(answer.field("location").unwrap().ends_with(&format!("pushed-state&{ISS}")));
    super::refused(&front.visit(&target).await, 400, "invalid_request_uri");
    let plain = "/authorize?client_id=web&response_type=code&prompt=none";
    let answer = front.visit(plain).await;
    assert!(
        !answer.field("location").unwrap().contains("iss="),
        "what was not pushed is the upstream's"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b231_redirects_to_the_upstreams_own_origin_become_public() {
    let front = Front::answering("", |seen| {
        let host = "127.0.0.1";
        let port = seen.field("x-port").unwrap_or("1");
        redirect("302 Found", &format!("http://{host}:{port}/login?a=b"))
    })
    .await;
    let port = front.upstream.address.port();
    let query = front.pushed().await;
    let target = format!("/authorize?{query}");
    let answer = front.visit_with(&target, &format!("X-Port: {port}\r\n")).await;
    assert_eq!(answer.field("location"), Some("https://login.example/login?a=b"));
    assert!(answer.field("set-cookie").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b154_an_answer_without_state_ends_only_what_it_answers() {
    let to = "https://client.example/cb?code=c";
    let at_once = Front::answering("", move |_| redirect("302 Found", to)).await;
    let answer = at_once.visit(&format!("/authorize?{}", at_once.pushed().await)).await;
    assert_eq!(answer.field("location"), Some(format!("{to}&{ISS}").as_str()));

    let front = front("").await;
    let mut form = FORM.to_vec();
    form.retain(|(name, _)| *name != "state");
    let cookie = login(&front, &front.push("web", &form).await).await;
    let stray = format!("{to}&state=another");
    assert_eq!(done(&front, &cookie, &stray).await.field("location"), Some(stray.as_str()));
    let answer = done(&front, &cookie, to).await;
    assert_eq!(answer.field("location"), Some(format!("{to}&{ISS}").as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b155_an_empty_state_is_none() {
    let front = front("").await;
    let mut form = FORM.to_vec();
    form.retain(|(name, _)| *name != "state");
    let query = front.push("web", &form).await;
    let cookie = login(&front, &query).await;
    let back = done(&front, &cookie, "https://client.example/cb?code=c&state=").await;
    assert!(back.field("location").unwrap().ends_with(ISS));
    super::refused(
        &front.visit_with(&format!("/authorize?{query}"), &cookie).await,
        400,
        "invalid_request_uri",
    );
}
