//! What goes through untouched, what is changed on the way, and what happens when the upstream is
//! not there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parapet::oauth::error::ErrorCode;
use parapet::proxy::application::Route;
use tokio::sync::Notify;

use crate::support::public_side::{PublicSide, Script, configuration};
use crate::support::raw::Raw;
use crate::support::upstream::{Step, Upstream};

const TRUSTING: &str = "trusted_proxies = [\"127.0.0.1/32\"]\n---";

async fn front(upstream: &Upstream, settings: &str) -> (PublicSide, Raw) {
    let gateway = PublicSide::start(upstream.address, settings, Script::default());
    let client = Raw::connect(gateway.address).await;
    (gateway, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_and_answer_keep_what_they_say() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 Fine\r\nContent-Encoding: gzip\r\nETag: W/\"x\"\r\nSet-Cookie: a=1\r\n\
         Set-Cookie: b=2; Path=/\r\nVary: Accept-Encoding\r\nX-Own: ä\r\n\
         Content-Length: 4\r\n\r\n\x1f\x0b\x08\x00",
    )
    .await;
    let (gateway, mut client) = front(&upstream, "").await;
    client
        .send(
            "POST /a/%2e%2E/b;p=1//c?x=1&x=%20&y=a+b HTTP/1.1\r\nHost: login.example\r\n\
             Cookie: s=1;t=\"2 3\"\r\nAccept-Encoding: gzip, br\r\nAuthorization: Basic abc\r\n\
             Content-Type: text/x\r\nContent-Length: 5\r\n\r\nhello",
        )
        .await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"\x1f\x0b\x08\0".as_slice()));
    assert_eq!(answer.field("content-encoding"), Some("gzip"));
    assert_eq!(answer.field("etag"), Some("W/\"x\""));
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2; Path=/"]);
    let seen = upstream.only();
    assert_eq!((seen.method.as_str(), seen.body.as_slice()), ("POST", b"hello".as_slice()));
    assert_eq!(seen.target, "/a/%2e%2E/b;p=1//c?x=1&x=%20&y=a+b");
    assert_eq!(seen.field("host"), Some("login.example"));
    assert_eq!(seen.field("cookie"), Some("s=1;t=\"2 3\""));
    assert_eq!(seen.field("accept-encoding"), Some("gzip, br"));
    assert_eq!(seen.field("authorization"), Some("Basic abc"));
    assert_eq!(seen.field("x-request-id"), answer.field("x-request-id"));
    let told = gateway.told(1).await;
    assert_eq!(told[0].path, "/a/%2e%2E/b;p=1//c");
    assert_eq!((told[0].status, told[0].upstream_status), (Some(200), Some(200)));
    assert_eq!((told[0].bytes_in, told[0].bytes_out), (5, 4));
    assert_eq!((told[0].error, told[0].route), (None, Route::PassThrough));
    assert_eq!(Some(told[0].request_id.as_str()), answer.field("x-request-id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_without_bodies_stay_without() {
    let upstream = Upstream::scripted(|seen| {
        let answer = match seen.method.as_str() {
            "HEAD" => "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
            _ => "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
        };
        vec![Step::Bytes(answer.into())]
    })
    .await;
    let (_gateway, mut client) = front(&upstream, "").await;
    client.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.answer_to("HEAD").await;
    assert_eq!(answer.field("content-length"), Some("1234"));
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"x\"\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 304);
    assert_eq!(upstream.connections(), 1, "the upstream connection was not reused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_hints_trailers_and_chunks_arrive() {
    let upstream = Upstream::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nTrailer: X-T\r\n\
         Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
    )
    .await;
    let (_gateway, mut client) = front(&upstream, "").await;
    for _ in 0..2 {
        client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 103);
        assert_eq!(client.answer().await.text(), "abc");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_stream_both_ways() {
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let upstream = Upstream::scripted(move |_| {
        vec![
            Step::Bytes(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n".into(),
            ),
            Step::Await(Arc::clone(&waiting)),
            Step::Bytes(b"3\r\ntwo\r\n0\r\n\r\n".into()),
        ]
    })
    .await;
    let (_gateway, mut client) = front(&upstream, "").await;
    client
        .send("POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    // The head is there although neither body has ended.
    let seen = upstream.until(|seen| seen.target == "/early").await;
    assert_eq!(seen.field("transfer-encoding"), Some("chunked"));
    client.send("3\r\ndef\r\n0\r\n\r\n").await;
    go.notify_one();
    assert_eq!(client.answer().await.text(), "onetwo");
    upstream.until(|seen| seen.body == b"abcdef").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_upload_and_continue_arrive_whole() {
    let upstream = Upstream::fine().await;
    let (_gateway, mut client) = front(&upstream, "").await;
    let body = vec![b'u'; 8 * 1024 * 1024];
    client
        .send(format!(
            "PUT /up HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ))
        .await;
    assert_eq!(client.answer().await.status, 100);
    client.send(&body).await;
    assert_eq!(client.answer().await.status, 200);
    assert!(upstream.only().body == body);
}

/// Where an upstream answers before pingora 0.9.1 has begun to listen for it, pingora may take the end
/// of the request for the end of the socket and close; browsers then connect again, and so do we.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_socket_passes() {
    for _ in 0..5 {
        if tokio::spawn(web_socket_echoes()).await.is_ok() {
            return;
        }
    }
    panic!("five web sockets in a row were closed");
}

async fn web_socket_echoes() {
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let upstream = Upstream::scripted(move |seen| {
        assert_eq!(seen.field("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
        vec![
            Step::Await(Arc::clone(&waiting)),
            Step::Bytes(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
                    .into(),
            ),
            Step::Echo,
        ]
    })
    .await;
    let (_gateway, mut client) = front(&upstream, "").await;
    client
        .send(
            "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    upstream.until(|seen| seen.target == "/ws").await;
    go.notify_one();
    assert_eq!(client.answer().await.status, 101);
    for word in ["\x01\x02one", "two"] {
        client.send(word).await;
        assert_eq!(client.take(word.len()).await, word.as_bytes());
    }
}

const FORGED: &str = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: ftp\r\n\
        X-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6;host=evil\r\nX-Real-IP: 6.6.6.6\r\n\
        X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX-HTTP-Method-Override: PUT\r\n\
        X-HTTP-Method: PUT\r\nX-Method-Override: PUT\r\nX-Forwarded-Prefix: /p\r\n\
        X-Forwarded-Uri: /u\r\nX-Forwarded-Path: /u\r\nX-Original-Uri: /u\r\nX-Override-Url: /u\r\n\
        X_Forwarded_For: 6.6.6.6\r\nClient-Cert: :AA==:\r\nClient-Cert-Chain: x\r\n\
        X-Forwarded-Client-Cert: x\r\nSSL-Client-Cert: x\r\nSSL-Client-S-DN: x\r\n\
        X-Amzn-Mtls-Clientcert: x\r\nX-Forwarded-Tls-Client-Cert: x\r\nX-SSL-Client-Verify: x\r\n\
        X-ARR-ClientCert: x\r\nx-gate: guessed\r\nX-Request-Id: chosen-by-client\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn untrusted_peer_cannot_speak_for_others() {
    let settings = "issuer = \"https://login.example:8443/tenant\"\n---\
        secret_header = \"X-Gate\"\nsecret_header_value = \"open-sesame\"\n===";
    let upstream = Upstream::fine().await;
    let (gateway, mut client) = front(&upstream, settings).await;
    client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\n{FORGED}\r\n")).await;
    let answer = client.answer().await;
    let seen = upstream.only();
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-host", "login.example:8443"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "8443"),
        ("forwarded", "for=127.0.0.1;host=\"login.example:8443\";proto=https"),
        ("x-gate", "open-sesame"),
        ("host", "a"),
    ] {
        assert_eq!((seen.field(name), seen.count(name)), (Some(value), 1), "{name}");
    }
    let allowed = [
        "host",
        "x-forwarded-for",
        "x-real-ip",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "forwarded",
        "x-gate",
        "x-request-id",
    ];
    let others: Vec<_> =
        seen.fields.iter().filter(|(name, _)| !allowed.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "{others:?}");
    assert_ne!(answer.field("x-request-id"), Some("chosen-by-client"));
    assert!(!gateway.told(1).await[0].peer.trusted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trusted_peer_names_client_scheme_and_request() {
    let upstream = Upstream::fine().await;
    let (gateway, mut client) = front(&upstream, TRUSTING).await;
    client
        .send(
            "GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 203.0.113.7\r\n\
             X-Forwarded-Proto: https\r\nX-Request-Id: from-the-edge-1\r\nClient-Cert: :AA==:\r\n\
             X-Original-URL: /admin\r\n\r\n",
        )
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.field("x-request-id"), Some("from-the-edge-1"));
    let seen = upstream.only();
    assert_eq!(seen.field("x-forwarded-for"), Some("203.0.113.7"));
    assert_eq!(seen.field("x-request-id"), Some("from-the-edge-1"));
    assert_eq!(seen.field("client-cert"), Some(":AA==:"));
    assert_eq!(seen.field("x-original-url"), None);
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"), "the issuer's scheme");
    let peer = gateway.told(1).await[0].peer;
    assert!(peer.trusted && peer.secure);
    assert_eq!(peer.address.unwrap().to_string(), "203.0.113.7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_cookies_stay_here_and_upstream_host_is_told_if_asked_for() {
    let upstream = Upstream::fine().await;
    let (_gateway, mut client) = front(&upstream, "---preserve_host = false\n===").await;
    client
        .send("GET /x HTTP/1.1\r\nHost: a\r\nCookie: s=1; parapet-flow-x=abc; t=2\r\nCookie: __Host-parapet-y=1\r\n\r\n")
        .await;
    client.answer().await;
    let seen = upstream.only();
    assert_eq!((seen.field("cookie"), seen.count("cookie")), (Some("s=1; t=2"), 1));
    assert_eq!(seen.field("host"), Some(upstream.address.to_string().as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn internal_address_becomes_the_public_one() {
    let upstream = Upstream::scripted(|seen| {
        let own = seen.field("x-own").unwrap();
        vec![Step::Bytes(
            format!(
                "HTTP/1.1 {} X\r\nLocation: http://{own}/a?b#c\r\nContent-Location: http://{own}0/x\r\n\
                 Refresh: 5; URL=\"http://{own}/r\"\r\nContent-Length: 0\r\n\r\n",
                seen.target.trim_start_matches('/')
            )
            .into(),
        )]
    })
    .await;
    let (_gateway, mut client) = front(&upstream, "").await;
    let own = upstream.address;
    for status in [302, 307, 201] {
        client.send(format!("GET /{status} HTTP/1.1\r\nHost: a\r\nX-Own: {own}\r\n\r\n")).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.field("location"), Some("http://127.0.0.1:8080/a?b#c"));
        assert_eq!(answer.field("refresh"), Some("5; URL=\"http://127.0.0.1:8080/r\""));
        let other = format!("http://{own}0/x");
        assert_eq!(answer.field("content-location"), Some(other.as_str()), "another port");
    }
}

/// An address that nobody listens on any more.
async fn closed_port() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absent_upstream_is_told_with_a_body_and_without_losing_the_connection() {
    let address = closed_port().await;
    let gateway = PublicSide::start(address, "", Script::default());
    let mut client = Raw::connect(gateway.address).await;
    client.send("GET /x?state=SECRET HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.answer().await;
    assert!(answer.text().starts_with("bad_gateway "), "{}", answer.text());
    assert!(!answer.text().contains(&address.port().to_string()));
    let mut client = Raw::connect(gateway.address).await;
    for _ in 0..20 {
        client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 502);
        if answer.field("connection") == Some("close") {
            client = Raw::connect(gateway.address).await;
        }
    }
    let told = gateway.script.told.lock().clone();
    let kept = told.iter().filter(|told| told.reason == Some("upstream_gone")).count();
    assert!(kept >= 15, "{kept} of the answers came without a new connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstream_that_comes_back_is_found_again() {
    let address = closed_port().await;
    let gateway = PublicSide::start(address, "", Script::default());
    let mut client = Raw::connect(gateway.address).await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 502);
    let upstream =
        Upstream::on(address, |_| vec![Step::Bytes(b"HTTP/1.1 204 No\r\n\r\n".into())]).await;
    for _ in 0..500 {
        let mut client = Raw::connect(gateway.address).await;
        client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        if client.answer().await.status == 204 {
            assert!(!upstream.seen().is_empty());
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the upstream was never found again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_looked_up_and_unknown_ones_give_503() {
    let upstream = Upstream::fine().await;
    let config = configuration(&format!("http://localhost:{}", upstream.address.port()), "");
    let gateway = PublicSide::with(config, Script::default());
    let mut client = Raw::connect(gateway.address).await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);

    let gateway = PublicSide::with(
        configuration("http://nowhere.invalid:9", "---connect_timeout = \"500ms\"\n==="),
        Script::default(),
    );
    let mut client = Raw::connect(gateway.address).await;
    for _ in 0..2 {
        client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.field("connection"), Some("keep-alive"));
    }
    let told = gateway.told(2).await;
    assert_eq!(told[0].error, Some(ErrorCode::TemporarilyUnavailable));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_or_broken_upstream_gives_504_or_502() {
    let never = Arc::new(Notify::new());
    let upstream = Upstream::scripted(move |seen| match seen.target.as_str() {
        "/silent" => vec![Step::Await(Arc::clone(&never))],
        "/nonsense" => vec![Step::Bytes(b"nonsense\r\n\r\n".into()), Step::Close],
        _ => vec![Step::Close],
    })
    .await;
    let gateway =
        PublicSide::start(upstream.address, "---read_timeout = \"1s\"\n===", Script::default());
    for (request, status) in
        [("GET /silent", 504), ("GET /nonsense", 502), ("GET /close", 502), ("POST /close", 502)]
    {
        let mut client = Raw::connect(gateway.address).await;
        client.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{request}");
        assert!(!answer.body.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_connection_is_tried_again_for_safe_methods_only() {
    for (method, tries) in [("GET", 2), ("POST", 1)] {
        let upstream = Upstream::scripted(move |seen| match seen.target.as_str() {
            "/first" => {
                vec![Step::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into())]
            }
            _ => vec![Step::Close],
        })
        .await;
        let (_gateway, mut client) = front(&upstream, "").await;
        client.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
        client.send(format!("{method} /again HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(client.answer().await.status, 502);
        let seen = upstream.seen().iter().filter(|seen| seen.target == "/again").count();
        assert_eq!(seen, tries, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guard_and_scanner_keep_requests_from_the_upstream() {
    let upstream = Upstream::fine().await;
    let (gateway, mut client) = front(&upstream, "").await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nX-Refuse: 1\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.text().as_str()), (400, "guarded"));
    assert!(upstream.seen().is_empty());
    for framing in [
        "Content-Length: 20\r\n\r\nxxxxx-forbidden-xxxx",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nforbi\r\n3\r\ndde\r\n3\r\nxxx\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nforbi\r\n4\r\ndden\r\n0\r\n\r\n",
    ] {
        let mut client = Raw::connect(gateway.address).await;
        client.send(format!("POST /form HTTP/1.1\r\nHost: a\r\n{framing}")).await;
        let answer = client.answer().await;
        if framing.contains("xxx\r\n") {
            assert_eq!(answer.status, 200);
            continue;
        }
        assert_eq!((answer.status, answer.text().as_str()), (400, "scanned"), "{framing}");
    }
    assert!(upstream.seen().iter().all(|seen| seen.cut || seen.body == b"forbiddexxx"));
}
