//! How often and for how long a reference works, judged by a clock that the test moves.

use parapet::authorize::Onward;

use super::desk::{Browser, Desk};

const EXPIRED: &str = "invalid_request_uri";

fn desk(mode: &str) -> Desk {
    Desk::new(&format!("[authorize]\nsingle_use = \"{mode}\"\nlogin_lifetime = \"10m\""))
}

#[tokio::test]
async fn b159_b160_the_first_visit_must_come_in_time() {
    for mode in ["completion", "browser", "first-load"] {
        let desk = desk(mode);
        let (early, late) = (desk.push().await, desk.push().await);
        desk.wait(59);
        assert!(desk.visit(&mut Browser::default(), &early).await.is_ok(), "{mode}");
        desk.wait(1);
        let refused = desk.visit(&mut Browser::default(), &late).await.unwrap_err();
        assert_eq!(refused, EXPIRED, "{mode}");
    }
}

#[tokio::test]
async fn b161_b163_a_login_begun_in_time_may_take_longer_in_its_own_browser() {
    for mode in ["completion", "browser"] {
        let desk = desk(mode);
        let query = desk.push().await;
        let (mut own, mut other) = (Browser::default(), Browser::default());
        let first = desk.visit(&mut own, &query).await.unwrap();
        desk.wait(300);
        let again = desk.visit(&mut own, &query).await.unwrap();
        assert_eq!(first.target, again.target);
        assert!(again.set_cookies.is_empty());
        assert_eq!(desk.visit(&mut other, &query).await.unwrap_err(), EXPIRED, "{mode}");
        desk.wait(299);
        assert!(desk.visit(&mut own, &query).await.is_ok(), "{mode}");
        assert!(matches!(desk.complete(&own).await, Onward::Amended(_)), "{mode}");
        assert_eq!(desk.visit(&mut own, &query).await.unwrap_err(), EXPIRED, "{mode}");
    }
}

#[tokio::test]
async fn b163_after_the_login_window_even_the_own_browser_starts_again() {
    let desk = desk("completion");
    let query = desk.push().await;
    let mut own = Browser::default();
    desk.visit(&mut own, &query).await.unwrap();
    desk.wait(600);
    assert_eq!(desk.visit(&mut own, &query).await.unwrap_err(), EXPIRED);
}

#[tokio::test]
async fn b162_b164_b169_the_three_modes_differ_in_who_may_load_again() {
    for (mode, own_again, other) in
        [("completion", true, true), ("browser", true, false), ("first-load", false, false)]
    {
        let desk = desk(mode);
        let query = desk.push().await;
        let (mut first, mut second) = (Browser::default(), Browser::default());
        assert!(desk.visit(&mut first, &query).await.is_ok());
        let reload = desk.visit(&mut first, &query).await;
        assert_eq!(reload.is_ok(), own_again, "{mode}");
        let elsewhere = desk.visit(&mut second, &query).await;
        assert_eq!(elsewhere.is_ok(), other, "{mode}");
        for refused in [reload.err(), elsewhere.err()].into_iter().flatten() {
            assert_eq!(refused, EXPIRED, "{mode}");
        }
        assert!(matches!(desk.complete(&first).await, Onward::Amended(_)), "{mode}");
        for browser in [&mut first, &mut second, &mut Browser::default()] {
            assert_eq!(desk.visit(browser, &query).await.unwrap_err(), EXPIRED, "{mode}");
        }
    }
}

#[tokio::test]
async fn b232_an_undone_start_leaves_the_reference_as_it_was() {
    for mode in ["browser", "first-load"] {
        let desk = desk(mode);
        let query = desk.push().await;
        let lost = desk.visit(&mut Browser::default(), &query).await.unwrap();
        assert!(desk.visit(&mut Browser::default(), &query).await.is_err());
        desk.endpoints.undo(&lost.flow).await;
        let kept = desk.visit(&mut Browser::default(), &query).await.unwrap();
        // An undo that comes twice, or late, is not the present flow's.
        desk.endpoints.undo(&lost.flow).await;
        assert!(desk.visit(&mut Browser::default(), &query).await.is_err(), "{mode}");
        desk.endpoints.undo(&kept.flow).await;
        assert!(desk.visit(&mut Browser::default(), &query).await.is_ok(), "{mode}");
    }
}

#[tokio::test]
async fn b164_b168_a_completion_repeats_for_ten_seconds_in_its_own_flow_alone() {
    let desk = desk("completion");
    let query = desk.push().await;
    let (mut winner, mut loser) = (Browser::default(), Browser::default());
    desk.visit(&mut winner, &query).await.unwrap();
    desk.visit(&mut loser, &query).await.unwrap();
    assert!(matches!(desk.complete(&winner).await, Onward::Amended(_)));
    assert!(matches!(desk.complete(&loser).await, Onward::Refused(_)));
    desk.wait(9);
    assert!(matches!(desk.complete(&winner).await, Onward::Amended(_)));
    assert!(matches!(desk.complete(&loser).await, Onward::Refused(_)));
    desk.wait(2);
    let Onward::Refused(page) = desk.complete(&winner).await else { panic!("repeated too late") };
    assert_eq!(page.status(), 400);
    assert!(!format!("{page:?}").contains("code=c"));
    assert!(page.headers().get("location").is_none());
}

#[tokio::test]
async fn b146_a_client_that_is_gone_or_lost_its_address_gets_no_further() {
    for change in [
        "[clients.web]\nenabled = false",
        "[clients.web]\nclient_id = \"renamed\"",
        "[clients.web]\nredirect_uris = [\"https://client.example/second\"]",
    ] {
        let mut desk = Desk::new("");
        let (fresh, begun) = (desk.push().await, desk.push().await);
        let mut browser = Browser::default();
        desk.visit(&mut browser, &begun).await.unwrap();
        desk.reconfigure(change);
        for query in [&fresh, &begun] {
            assert_eq!(
                desk.visit(&mut browser, query).await.unwrap_err(),
                "invalid_request",
                "{change}"
            );
        }
        // Nor does a code that the server gives it all the same.
        let Onward::Refused(page) = desk.complete(&browser).await else { panic!("{change}") };
        assert!(page.status() == 400 && !format!("{page:?}").contains("code=c"), "{change}");
        desk.reconfigure("");
        assert!(desk.visit(&mut browser, &fresh).await.is_ok(), "{change}");
    }
}

#[tokio::test]
async fn b145_switched_off_after_the_push_a_reference_is_dead() {
    let mut desk = Desk::new("");
    let query = desk.push().await;
    desk.reconfigure("[par]\nenabled = false");
    assert_eq!(desk.visit(&mut Browser::default(), &query).await.unwrap_err(), EXPIRED);
}

#[tokio::test]
async fn b163_an_answer_that_comes_after_the_login_window_is_withheld() {
    let desk = desk("completion");
    let query = desk.push().await;
    let mut own = Browser::default();
    desk.visit(&mut own, &query).await.unwrap();
    desk.wait(30);
    // Another browser's later start keeps the request longer than the first one may take.
    desk.visit(&mut Browser::default(), &query).await.unwrap();
    desk.wait(570);
    let Onward::Refused(page) = desk.complete(&own).await else {
        panic!("a code of a login that took too long");
    };
    assert_eq!(page.status(), 400);
    let page: serde_json::Value = serde_json::from_slice(page.body()).unwrap();
    assert_eq!(page["error"], EXPIRED);
    assert!(page["error_description"].as_str().unwrap().contains("limited time"), "{page}");
}
