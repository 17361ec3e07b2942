//! The public listener against raw sockets: requests that two servers could read in two ways, and
//! clients that hold connections.

use std::time::Duration;

use tokio::net::UnixStream;

use crate::support::public_side::{PublicSide, Script, configuration};
use crate::support::raw::Raw;
use crate::support::upstream::{Step, Upstream};

/// What the upstream may see of a probe.
enum Upstreamed {
    Nothing,
    /// One well-formed request with this target and body.
    One(&'static str, &'static str),
}
use Upstreamed::{Nothing, One};

struct Probe {
    name: &'static str,
    bytes: &'static [u8],
    status: u16,
    upstream: Upstreamed,
}

const fn refused(name: &'static str, bytes: &'static [u8]) -> Probe {
    Probe { name, bytes, status: 400, upstream: Nothing }
}

const fn passed(
    name: &'static str,
    bytes: &'static [u8],
    target: &'static str,
    body: &'static str,
) -> Probe {
    Probe { name, bytes, status: 200, upstream: One(target, body) }
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

const PROBES: [Probe; 36] = [
    refused(
        "length and chunks",
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    refused(
        "chunks and length",
        b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    refused("chunked, identity", b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    refused("xchunked", b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    refused("identity, chunked", b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"),
    refused("two codings", b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    refused("chunked twice", b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    refused("blank before the colon", b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    refused("folded field", b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    refused("vertical tab", b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    refused("two lengths", b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
    refused("one length twice", b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"),
    refused("list of lengths", b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\nab"),
    refused("length with a sign", b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde"),
    refused("chunks in HTTP/1.0", b"POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    refused("bare line feeds", b"GET /x HTTP/1.1\nHost: a\n\n"),
    refused("one bare line feed", b"GET /x HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n"),
    refused("two hosts", b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    refused("no host", b"GET /x HTTP/1.1\r\n\r\n"),
    refused("empty host", b"GET /x HTTP/1.1\r\nHost: \r\n\r\n"),
    refused("absolute form, other host", b"GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("absolute form, same host", b"GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("authority form", b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("NUL in a field", b"GET /x HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n"),
    refused("carriage return in a field", b"GET /x HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n"),
    refused("UTF-8 in the target", "GET /ä HTTP/1.1\r\nHost: a\r\n\r\n".as_bytes()),
    refused("no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    refused("body at authorize", b"GET /authorize HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"),
    refused("chunks at authorize", b"HEAD /authorize HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    Probe {
        name: "CONNECT",
        bytes: b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        status: 405,
        upstream: Nothing,
    },
    Probe {
        name: "TRACE",
        bytes: b"TRACE /x HTTP/1.1\r\nHost: a\r\n\r\n",
        status: 405,
        upstream: Nothing,
    },
    passed("blank in the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "/a%20b", ""),
    passed("two slashes", b"GET //evil/x HTTP/1.1\r\nHost: a\r\n\r\n", "//evil/x", ""),
    passed("asterisk form", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "*", ""),
    passed("GET with a body", b"GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", "/x", "ab"),
    passed(
        "unknown upgrade and a second request",
        b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        "/x",
        "",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguous_requests_are_refused_and_the_rest_arrives_as_one_request() {
    for probe in &PROBES {
        let upstream = Upstream::fine().await;
        let gateway = PublicSide::start(upstream.address, "", Script::default());
        let mut client = Raw::connect(gateway.address).await;
        client.send(probe.bytes).await;
        let method = if probe.bytes.starts_with(b"HEAD") { "HEAD" } else { "GET" };
        let answer = client.answer_to(method).await;
        assert_eq!(answer.status, probe.status, "{}: {answer:?}", probe.name);
        match probe.upstream {
            Nothing => {
                assert_eq!(answer.field("connection"), Some("close"), "{}", probe.name);
                assert_eq!(client.rest().await, b"", "{}: a second answer", probe.name);
                assert_eq!(upstream.seen().len(), 0, "{}", probe.name);
            }
            One(target, body) => {
                let seen = upstream.only();
                assert_eq!(seen.target, target, "{}", probe.name);
                assert_eq!(seen.body, body.as_bytes(), "{}", probe.name);
                assert_eq!(seen.count("host"), 1, "{}", probe.name);
                assert_eq!(seen.field("upgrade"), None, "{}", probe.name);
                assert!(!seen.raw.windows(2).any(|two| two[1] == b'\n' && two[0] != b'\r'));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_chunks_never_become_a_whole_request() {
    for body in
        ["ffffffffffffffffff\r\nabc\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "zz\r\nabc\r\n0\r\n\r\n"]
    {
        let upstream = Upstream::fine().await;
        let gateway = PublicSide::start(upstream.address, "", Script::default());
        let mut client = Raw::connect(gateway.address).await;
        let head = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send(format!("{head}{body}{SMUGGLED}")).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 400, "{body:?}");
        assert_eq!(client.rest().await, b"", "{body:?}: a second answer");
        assert!(upstream.seen().iter().all(|seen| seen.cut), "{body:?}: {:?}", upstream.seen());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunk_extension_does_not_carry_a_second_request() {
    let upstream = Upstream::fine().await;
    let gateway = PublicSide::start(upstream.address, "", Script::default());
    let mut client = Raw::connect(gateway.address).await;
    client
        .send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n")
        .await;
    let answer = client.answer().await;
    let seen = upstream.seen();
    assert!(seen.len() <= 1 && seen.iter().all(|seen| seen.cut || seen.body == b"abc"), "{seen:?}");
    assert!(matches!(answer.status, 200 | 400), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nominated_fields_stop_here() {
    let upstream = Upstream::fine().await;
    let gateway = PublicSide::start(upstream.address, "", Script::default());
    let mut client = Raw::connect(gateway.address).await;
    client
        .send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: X-Foo\r\nX-Foo: 1\r\nX-Bar: 2\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.status, 200);
    let seen = upstream.only();
    assert_eq!(seen.field("x-foo"), None);
    assert_eq!(seen.field("x-bar"), Some("2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_0_without_host_gets_the_public_one() {
    let upstream = Upstream::fine().await;
    let gateway = PublicSide::start(upstream.address, "", Script::default());
    let mut client = Raw::connect(gateway.address).await;
    client.send("GET /x HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(upstream.only().field("host"), Some("127.0.0.1:8080"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_targets_and_heads_have_their_own_answers() {
    let upstream = Upstream::fine().await;
    let gateway = PublicSide::start(upstream.address, "", Script::default());
    let long = |target: usize, field: usize| {
        let (target, field) = ("a".repeat(target - 1), "b".repeat(field));
        format!("GET /{target} HTTP/1.1\r\nHost: a\r\nX-A: {field}\r\n\r\n")
    };
    for (target, field, status) in [
        (65_000, 10, 200),
        (65_001, 10, 414),
        (65_000, 1000, 431),
        (10, 70_000, 431),
        (10, 900_000, 431),
        (300_000, 10, 414),
        (10, 64_000, 200),
    ] {
        let mut client = Raw::connect(gateway.address).await;
        // Where the answer comes early, the rest may not be taken any more.
        client.try_send(long(target, field)).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "target {target}, field {field}: {}", answer.text());
        assert!(!answer.body.is_empty());
    }
}

const QUICK: &str = "[limits]\nheader_timeout = \"300ms\"\nkeepalive_timeout = \"900ms\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dripped_head_is_cut_on_first_and_reused_connections() {
    let upstream = Upstream::fine().await;
    let gateway = PublicSide::start(upstream.address, QUICK, Script::default());
    for reused in [false, true] {
        let mut client = Raw::connect(gateway.address).await;
        if reused {
            client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert_eq!(client.answer().await.status, 200);
        }
        let begun = std::time::Instant::now();
        for byte in "GET /slow HTTP/1.1\r\nHost: a\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaa".bytes() {
            if !client.try_send([byte]).await || begun.elapsed() > Duration::from_millis(800) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let answer = client.answer().await;
        assert_eq!(answer.status, 408, "reused: {reused}");
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_are_closed_in_their_own_time() {
    let upstream = Upstream::fine().await;
    let gateway = PublicSide::start(upstream.address, QUICK, Script::default());
    for reused in [false, true] {
        let mut client = Raw::connect(gateway.address).await;
        if reused {
            client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert_eq!(client.answer().await.status, 200);
        }
        let begun = std::time::Instant::now();
        assert!(client.is_closed_within(Duration::from_secs(5)).await, "reused: {reused}");
        let idle = begun.elapsed();
        assert!(idle > Duration::from_millis(600), "closed after {idle:?}: not the head's time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guards_leave_slow_bodies_and_slow_answers_alone() {
    let upstream = Upstream::fine().await;
    let gateway = PublicSide::start(upstream.address, QUICK, Script::default());
    let mut client = Raw::connect(gateway.address).await;
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n").await;
    for byte in "abc".bytes() {
        tokio::time::sleep(Duration::from_millis(400)).await;
        client.send([byte]).await;
    }
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(upstream.only().body, b"abc");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_take_the_answer_holds_no_place() {
    let upstream = Upstream::scripted(|_| {
        let length = 32 << 20;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        vec![Step::Bytes([head.as_bytes(), &vec![b'x'; length]].concat())]
    })
    .await;
    let settings = "[limits]\nconnections = 1\nwrite_timeout = \"500ms\"\n";
    let gateway = PublicSide::start(upstream.address, settings, Script::default());
    let mut deaf = Raw::connect(gateway.address).await;
    deaf.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let mut next = Raw::connect(gateway.address).await;
        if !next.is_closed_within(Duration::from_millis(100)).await {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the room was never free again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_above_the_cap_are_closed_at_once() {
    let upstream = Upstream::fine().await;
    let settings = "[limits]\nconnections = 2\n";
    let gateway = PublicSide::start(upstream.address, settings, Script::default());
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = Raw::connect(gateway.address).await;
        client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
        held.push(client);
    }
    let mut third = Raw::connect(gateway.address).await;
    assert!(third.is_closed_within(Duration::from_secs(5)).await);
    drop(held.pop());
    // The room is free as soon as the gateway has seen the close.
    for _ in 0..1000 {
        let mut again = Raw::connect(gateway.address).await;
        again.try_send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        if !again.is_closed_within(Duration::from_millis(100)).await {
            return;
        }
    }
    panic!("the room was never free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unix_socket_serves_beside_tcp_and_is_gone_after_stop() {
    let upstream = Upstream::fine().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.sock");
    let server =
        format!("listen = [\"unix:{}\", \"127.0.0.1:0\", \"127.0.0.1:0\"]\n---", path.display());
    let config = configuration(&format!("http://{}", upstream.address), &server);
    let gateway = PublicSide::with(config, Script::default());
    let mut client = Raw::over(UnixStream::connect(&path).await.unwrap());
    client.send("GET /unix HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    let mut client = Raw::connect(gateway.address).await;
    client.send("GET /tcp HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    let address = gateway.address;
    gateway.stop().await;
    assert!(!path.exists());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    assert!(client.is_closed_within(Duration::from_secs(5)).await, "idle connection outlived stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_the_gateway_reads_are_bounded_in_size_and_time() {
    let upstream = Upstream::fine().await;
    let settings = "[limits]\nbody_timeout = \"500ms\"\n[par]\nmax_body_bytes = 1024\n";
    let gateway = PublicSide::start(upstream.address, settings, Script::default());
    let chunk = format!("200\r\n{}\r\n", "a".repeat(512));
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}0\r\n\r\n");
    let announced = format!("Content-Length: 200000\r\n\r\n{}", "a".repeat(200_000));
    let slow = "Content-Length: 10\r\n\r\nabc".to_owned();
    let fits = format!("Content-Length: 1024\r\n\r\n{}", "a".repeat(1024));
    for (rest, status) in [(announced, 413), (chunked, 413), (slow, 408), (fits, 201)] {
        let mut client = Raw::connect(gateway.address).await;
        client.try_send(format!("POST /par HTTP/1.1\r\nHost: a\r\n{rest}")).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status);
        assert!(!answer.body.is_empty());
        if status != 201 {
            assert_eq!(answer.field("connection"), Some("close"));
            assert_eq!(client.rest().await, b"");
        }
    }
    let mut client = Raw::connect(gateway.address).await;
    let head = "POST /par HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ";
    client.send(format!("{head}3\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 100);
    client.send("abc").await;
    let answer = client.answer().await;
    assert!(answer.status == 201 && answer.text().ends_with(" abc"), "{answer:?}");
    client.send(format!("{head}1025\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 413, "told before the body is sent");
    assert!(upstream.seen().is_empty());
}
