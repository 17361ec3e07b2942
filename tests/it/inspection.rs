//! Exchanges whose page is looked at: to upstream and browser they are like any other, but for what
//! the page's filter does.

use std::sync::Arc;

use parapet::oauth::error::ErrorCode;
use tokio::sync::Notify;

use crate::support::public_side::{PublicSide, Script};
use crate::support::raw::{Answer, Raw};
use crate::support::upstream::{Seen, Step, Upstream};

const OURS: &str = "Cookie: a=1; parapet-x=2; b=3\r\n";

fn page(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nETag: \"x\"\r\n\
         Content-MD5: x\r\nAccept-Ranges: bytes\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         Set-Cookie: s=1\r\nKeep-Alive: timeout=5\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

async fn side(
    script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static,
) -> (Upstream, PublicSide) {
    let upstream = Upstream::scripted(script).await;
    let side = PublicSide::start(upstream.address, "", Script::default());
    (upstream, side)
}

/// `GET target`, to be filtered so.
async fn get(side: &PublicSide, target: &str, how: &str) -> Answer {
    let mut client = Raw::connect(side.address).await;
    let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{OURS}X-Page: {how}\r\n");
    client.send(format!("{head}If-None-Match: \"x\"\r\nRange: bytes=0-1\r\n\r\n")).await;
    client.answer().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upstream_is_asked_as_for_any_other_request() {
    let (upstream, side) = side(|_| vec![Step::Bytes(page("a page"))]).await;
    let fields = "Accept-Encoding: gzip\r\nX-Forwarded-For: 9.9.9.9\r\nX-Original-URL: /x\r\n\
                  X_Odd: 1\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nTE: trailers\r\nX-Own: 1\r\n";
    for how in ["", "X-Page: hold\r\n"] {
        let mut client = Raw::connect(side.address).await;
        client.send(format!("GET /a?b=c HTTP/1.1\r\nHost: a\r\n{OURS}{how}{fields}\r\n")).await;
        assert_eq!(client.answer().await.text(), "a page");
    }
    let strip = |seen: &Seen| {
        let own = ["x-request-id", "x-page", "accept-encoding"];
        let mut fields = seen.fields.clone();
        fields.retain(|(name, _)| !own.contains(&name.as_str()));
        fields.sort();
        (seen.method.clone(), seen.target.clone(), fields)
    };
    let seen = upstream.seen();
    assert_eq!(strip(&seen[0]), strip(&seen[1]));
    assert_eq!(seen[1].field("accept-encoding"), Some("identity"));
    assert_eq!(seen[1].field("cookie"), Some("a=1; b=3"));
    assert_eq!(seen[1].field("x-forwarded-for"), Some("127.0.0.1"));
    let told = side.told(2).await;
    assert_eq!((told[0].status, told[1].status), (Some(200), Some(200)));
    assert_eq!((told[1].upstream_status, told[1].bytes_out), (Some(200), 6));
    assert_eq!((told[1].error, told[1].reason), (None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filtered_page_says_nothing_of_the_upstreams_bytes() {
    let (upstream, side) = side(|_| vec![Step::Bytes(page("a page"))]).await;
    let held = get(&side, "/", "hold").await;
    assert_eq!((held.text().as_str(), held.field("content-length")), ("a page", Some("6")));
    assert_eq!(held.field("transfer-encoding"), None);
    // The connection is given back once the exchange is over.
    side.told(1).await;
    let changed = get(&side, "/", "upper").await;
    assert_eq!((changed.text().as_str(), changed.field("content-length")), ("A PAGE", None));
    for answer in [held, changed] {
        for name in ["etag", "content-md5", "accept-ranges", "last-modified", "keep-alive"] {
            assert_eq!(answer.field(name), None, "{name}");
        }
        assert_eq!(answer.field("set-cookie"), Some("s=1"));
        assert_eq!(answer.field("connection"), Some("keep-alive"));
        assert!(answer.field("x-request-id").is_some());
    }
    for seen in upstream.seen() {
        assert_eq!((seen.field("if-none-match"), seen.field("range")), (None, None));
    }
    assert_eq!(upstream.connections(), 1, "the upstream's connection was not kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_page_streams_with_its_own_framing() {
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let (_upstream, side) = side(move |seen| match seen.target.as_str() {
        "/file" => vec![
            Step::Bytes(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nETag: \"x\"\r\n\
                  Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n"
                    .to_vec(),
            ),
            Step::Await(Arc::clone(&wait)),
            Step::Bytes(b"4\r\nmore\r\n0\r\n\r\n".to_vec()),
        ],
        "/none" => vec![Step::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())],
        "/long" => vec![
            Step::Bytes(
                b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\nuntil the end".to_vec(),
            ),
            Step::Close,
        ],
        _ => vec![Step::Bytes(
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\
              Content-Type: text/css\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                .to_vec(),
        )],
    })
    .await;
    let mut client = Raw::connect(side.address).await;
    client.send(format!("GET /file HTTP/1.1\r\nHost: a\r\n{OURS}X-Page: upper\r\n\r\n")).await;
    let mut head = Vec::new();
    while !head.ends_with(b"four") {
        head.extend(client.take(1).await);
    }
    go.notify_one();
    assert_eq!(client.take(9).await, b"\r\n4\r\nmore");
    assert!(String::from_utf8_lossy(&head).to_ascii_lowercase().contains("etag: \"x\""));
    assert_eq!(get(&side, "/none", "upper").await.status, 204);
    assert_eq!(get(&side, "/long", "upper").await.text(), "until the end");
    let chunks = get(&side, "/css", "upper").await;
    assert_eq!(
        (chunks.text().as_str(), chunks.field("transfer-encoding")),
        ("abc", Some("chunked"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_page_is_replaced_or_cut() {
    let (_upstream, side) = side(|_| vec![Step::Bytes(page("secret"))]).await;
    let refused = get(&side, "/", "refuse").await;
    assert_eq!((refused.status, refused.text().as_str()), (400, "page refused"));
    side.told(1).await;
    let mut client = Raw::connect(side.address).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{OURS}X-Page: late\r\n\r\n")).await;
    let rest = String::from_utf8(client.rest().await).unwrap();
    assert!(rest.starts_with("HTTP/1.1 200") && !rest.contains("page refused"), "{rest}");
    assert!(!rest.ends_with("0\r\n\r\n"), "a cut page must not look whole: {rest}");
    let told = side.told(2).await;
    assert_eq!((told[0].status, told[0].upstream_status), (Some(400), Some(200)));
    assert_eq!(told[1].reason, Some("page_refused"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_are_sent_on_and_watched() {
    let (upstream, side) = side(|_| vec![Step::Bytes(page("posted"))]).await;
    for (form, status) in [("user=a&word=b", 200), ("user=forbidden", 400)] {
        let mut client = Raw::connect(side.address).await;
        let length = form.len();
        client
            .send(format!(
                "POST /login HTTP/1.1\r\nHost: a\r\n{OURS}X-Page: upper\r\nContent-Length: {length}\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}"
            ))
            .await;
        assert_eq!(client.answer().await.status, status);
    }
    let seen = upstream.only();
    assert_eq!((seen.method.as_str(), seen.body.as_slice()), ("POST", b"user=a&word=b".as_slice()));
    assert_eq!(seen.count("content-length"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_those_of_any_other_request() {
    let upstream = Upstream::scripted(|seen| match seen.target.as_str() {
        "/silent" => vec![Step::Await(Arc::new(Notify::new()))],
        "/half" => vec![
            Step::Bytes(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\nhalf"
                    .to_vec(),
            ),
            Step::Close,
        ],
        "/switch" => vec![Step::Bytes(b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec())],
        _ => vec![Step::Close],
    })
    .await;
    let settings = "---read_timeout = \"1s\"\n===";
    let side = PublicSide::start(upstream.address, settings, Script::default());
    for (target, status) in [("/silent", 504), ("/close", 502), ("/half", 502), ("/switch", 502)] {
        assert_eq!(get(&side, target, "hold").await.status, status, "{target}");
    }
    let mut told = side.told(4).await;
    // In the order of the list: silent, close, half, switch.
    let order = ["/silent", "/close", "/half", "/switch"];
    told.sort_by_key(|told| order.iter().position(|path| *path == told.path));
    assert_eq!(
        (told[0].error, told[0].reason),
        (Some(ErrorCode::GatewayTimeout), Some("read_timed_out"))
    );
    assert_eq!(told[1].error, Some(ErrorCode::BadGateway));
    assert_eq!(told[2].upstream_status, Some(200));

    let nobody = "127.0.0.1:1".parse().unwrap();
    let side = PublicSide::start(nobody, "", Script::default());
    assert_eq!(get(&side, "/", "hold").await.status, 502);
    let told = side.told(1).await;
    assert_eq!(
        (told[0].error, told[0].reason),
        (Some(ErrorCode::BadGateway), Some("connect_refused"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_the_upstream_closed_is_not_the_browsers_concern() {
    let (upstream, side) = side(|_| vec![Step::Bytes(page("x")), Step::Close]).await;
    for _ in 0..5 {
        assert_eq!(get(&side, "/", "hold").await.text(), "x");
    }
    assert_eq!(upstream.seen().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_goes_away_is_not_waited_for() {
    let (upstream, side) = side(|_| vec![Step::Await(Arc::new(Notify::new()))]).await;
    let mut client = Raw::connect(side.address).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{OURS}X-Page: hold\r\n\r\n")).await;
    upstream.until(|seen| seen.target == "/").await;
    drop(client);
    let told = side.told(1).await;
    assert_eq!((told[0].status, told[0].error), (None, None));
    assert_eq!(told[0].reason, Some("connection_closed"));
}
