//! Metadata of the whole gateway: found, merged, kept, and honest about what it is not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::authorize::{Front, METADATA, configuration, ok, upstream_on};
use crate::support::gateway::Gateway;
use crate::support::http::{Answer, get};
use crate::support::ports::free_port;
use crate::support::upstream::{Seen, Step, Upstream};

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";
const PATIENCE: Duration = Duration::from_secs(20);

fn absent() -> Vec<u8> {
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()
}

/// A gateway in front of an upstream that answers as told, metadata too.
async fn front(
    settings: &str,
    script: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
) -> (Upstream, Gateway) {
    let upstream = Upstream::scripted(move |seen| vec![Step::Bytes(script(seen))]).await;
    let gateway = Gateway::start(&toml(settings, &upstream.address.to_string())).await;
    (upstream, gateway)
}

fn toml(settings: &str, address: &str) -> String {
    let mut table: toml::Table = configuration(settings).parse().unwrap();
    let url = format!("http://{address}");
    table["upstream"].as_table_mut().unwrap().insert("url".into(), url.into());
    table.to_string()
}

async fn until(url: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = get(url).await;
        if wanted(&answer) || begun.elapsed() > PATIENCE {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b172_b173_b176_b235_an_openid_only_upstream_gets_both_documents() {
    let front = Front::start("").await;
    let mut documents = Vec::new();
    for path in [OPENID, OAUTH] {
        let answer = get(&format!("{}{path}", front.gateway.url)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        documents.push(answer.json());
    }
    assert_eq!(documents[0], documents[1]);
    let mut expected: Value = serde_json::from_str(METADATA).unwrap();
    expected["pushed_authorization_request_endpoint"] = json!("https://login.example/par");
    expected["require_pushed_authorization_requests"] = json!(false);
    expected["request_object_signing_alg_values_supported"] = json!([
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
        "Ed25519"
    ]);
    assert_eq!(documents[0], expected);
    let head =
        front.send("HEAD /.well-known/openid-configuration HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let post = front.post(OPENID, "").await;
    assert_eq!((post.status, post.field("allow")), (405, Some("GET, HEAD")));
    let query = front.pushed().await;
    assert_eq!(front.visit(&format!("/authorize?{query}")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b172_each_document_stays_the_upstreams_own_under_a_path() {
    let settings = "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"https://login.example/o\"";
    let (_upstream, gateway) = front(settings, |seen| {
        let kind = match seen.target.as_str() {
            "/o/.well-known/openid-configuration" => "openid",
            "/.well-known/oauth-authorization-server/o" => "oauth",
            _ => return absent(),
        };
        ok(&json!({"issuer": "https://login.example/o", "kind": kind,
            "authorization_endpoint": "https://login.example/o/authorize"})
        .to_string())
    })
    .await;
    for (path, kind) in [
        ("/o/.well-known/openid-configuration", "openid"),
        ("/.well-known/oauth-authorization-server/o", "oauth"),
        ("/.well-known/openid-configuration/o", "openid"),
        ("/o/.well-known/oauth-authorization-server", "openid"),
    ] {
        let document = get(&format!("{}{path}", gateway.url)).await.json();
        assert_eq!(document["kind"], kind, "{path}");
        assert_eq!(document["issuer"], "https://login.example/o");
        assert_eq!(
            document["pushed_authorization_request_endpoint"], "https://login.example/par",
            "{path}"
        );
    }
    let outside = get(&format!("{}{OPENID}", gateway.url)).await;
    assert_eq!(outside.status, 404, "another issuer's document is the upstream's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b173_b174_b175_b177_policies_are_told_and_silence_is_kept() {
    let member = "pushed_authorization_request_endpoint";
    let iss = "authorization_response_iss_parameter_supported";
    for (settings, endpoint, required, promised) in [
        ("[par]\nrequired = true", true, json!(true), json!(true)),
        ("[par]\nrequired = true\n[authorize]\nadd_iss = false", true, json!(true), Value::Null),
        ("[par]\nadvertise = false", false, Value::Null, Value::Null),
        ("[par]\nenabled = false", false, Value::Null, Value::Null),
        (
            "[clients.web]\nrequire_pushed_authorization_requests = true",
            true,
            json!(false),
            Value::Null,
        ),
    ] {
        let front = Front::start(settings).await;
        let document = get(&format!("{}{OPENID}", front.gateway.url)).await.json();
        assert_eq!(document.get(member).is_some(), endpoint, "{settings}");
        assert_eq!(document["require_pushed_authorization_requests"], required, "{settings}");
        assert_eq!(document[iss], promised, "{settings}");
        if settings.contains("advertise") {
            front.pushed().await;
        }
    }
}

/// A document with what must be kept, turned and dropped, and with fields that fit it alone.
fn elaborate() -> Vec<u8> {
    let document = json!({
        "issuer": "http://internal.example",
        "authorization_endpoint": "http://internal.example/authorize",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "code_challenge_methods_supported": ["plain"],
        "request_uri_parameter_supported": true,
        "require_request_uri_registration": true,
        "request_parameter_supported": true,
        "signed_metadata": "eyJ.x.y",
        "pushed_authorization_request_endpoint": "http://internal.example/other-par",
        "vendor": [{"a": null, "b": 1.5, "c": "http://elsewhere.example/x"}],
    });
    let body = document.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"old\"\r\n\
         Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-MD5: x\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b178_b180_b181_b184_b235_members_are_kept_turned_or_dropped() {
    let (upstream, gateway) = front("[par]\nrequire_pkce = true", |_| elaborate()).await;
    let answer = get(&format!("{}{OPENID}", gateway.url)).await;
    for stale in ["etag", "last-modified", "content-md5", "content-encoding"] {
        assert_eq!(answer.header(stale), None, "{stale}");
    }
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    let document = answer.json();
    assert_eq!(document["issuer"], "https://login.example");
    let methods = json!(["client_secret_basic", "private_key_jwt"]);
    assert_eq!(document["token_endpoint_auth_methods_supported"], methods);
    assert_eq!(document["code_challenge_methods_supported"], json!(["plain", "S256"]));
    for kept in [
        "request_uri_parameter_supported",
        "require_request_uri_registration",
        "request_parameter_supported",
    ] {
        assert_eq!(document[kept], json!(true), "{kept}");
    }
    assert_eq!(
        document["vendor"],
        json!([{"a": null, "b": 1.5, "c": "http://elsewhere.example/x"}])
    );
    assert_eq!(document.get("signed_metadata"), None);
    assert_eq!(document["pushed_authorization_request_endpoint"], "https://login.example/par");
    let asked = upstream.seen();
    assert!(
        asked.iter().all(|seen| seen.field("accept-encoding") == Some("identity")),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b231_the_internal_origin_never_shows() {
    let port = free_port();
    let origin = format!("http://127.0.0.1:{port}");
    let body = METADATA.replace("https://login.example", &origin);
    let upstream =
        Upstream::on(([127, 0, 0, 1], port).into(), move |_| vec![Step::Bytes(ok(&body))]).await;
    let gateway = Gateway::start(&toml("", &upstream.address.to_string())).await;
    for path in [OPENID, OAUTH] {
        let answer = get(&format!("{}{path}", gateway.url)).await;
        assert!(!answer.text().contains(&origin), "{}", answer.text());
        assert_eq!(answer.json()["authorization_endpoint"], "https://login.example/authorize");
    }
    let answer =
        get(&format!("{}/authorize?client_id=web&request_uri=https://x", gateway.url)).await;
    assert_eq!(answer.status, 400, "the path is known from the internal address too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b172_a_server_that_wants_its_public_name_is_asked_under_it() {
    let (_upstream, gateway) = front("", |seen| {
        let public = seen.field("host") == Some("login.example")
            && seen.field("x-forwarded-proto") == Some("https");
        match (public, seen.target.as_str()) {
            (false, _) => b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".to_vec(),
            (true, OPENID) => ok(METADATA),
            (true, _) => absent(),
        }
    })
    .await;
    assert_eq!(get(&format!("{}{OAUTH}", gateway.url)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b236_ready_by_itself_once_the_upstream_is_there_and_kept_when_it_goes() {
    let address = ([127, 0, 0, 1], free_port()).into();
    let settings = "[admin]\nlisten = \"127.0.0.1:0\"";
    let gateway = Gateway::start(&toml(settings, &format!("{address}"))).await;
    let _: std::net::SocketAddr = address;
    let ready = format!("{}/readyz", gateway.admin_url.as_ref().unwrap());
    assert_eq!(get(&ready).await.status, 503);
    let document = format!("{}{OPENID}", gateway.url);
    let early = get(&document).await;
    assert!([502, 503].contains(&early.status.as_u16()), "{}", early.status);
    assert!(early.header("retry-after").is_some());
    assert!(early.json().get("issuer").is_none(), "{}", early.text());
    let upstream = upstream_on(address, |_| ok("")).await;
    assert_eq!(until(&ready, |answer| answer.status == 200).await.status, 200);
    let good = get(&document).await;
    assert_eq!(good.status, 200);
    drop(upstream);
    let kept = get(&document).await;
    assert_eq!((kept.status, &kept.body), (good.status, &good.body));
    assert_eq!(get(&ready).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b236_what_is_no_document_is_never_passed_on() {
    let answers: [&[u8]; 6] = [
        b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: https://login.example/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"issuer\":\"https://login.example\"",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
    ];
    for answer in answers {
        let upstream =
            Upstream::scripted(move |_| vec![Step::Bytes(answer.to_vec()), Step::Close]).await;
        let gateway = Gateway::start(&toml("", &upstream.address.to_string())).await;
        for path in [OPENID, OAUTH] {
            let refused = get(&format!("{}{path}", gateway.url)).await;
            assert!([502, 503].contains(&refused.status.as_u16()), "{}", refused.status);
            assert!(refused.json().get("issuer").is_none());
            assert_eq!(refused.header("cache-control"), Some("no-store"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b272_no_spelling_of_a_documents_path_shows_the_servers_own() {
    let (upstream, gateway) = front("", |_| ok(METADATA)).await;
    assert_eq!(get(&format!("{}{OPENID}", gateway.url)).await.status, 200);
    let before = upstream.seen().len();
    for path in [
        "/.well-known/openid-configuration/",
        "//.well-known/openid-configuration",
        "/.well-known//openid-configuration",
        "/./.well-known/openid-configuration",
        "/x/../.well-known/openid-configuration",
        "/x/..;/.well-known/openid-configuration",
        "/.WELL-KNOWN/OpenID-Configuration",
        "/.well-known/openid%2dconfiguration",
        "/%2ewell-known/openid-configuration",
        "/%252ewell-known/openid-configuration",
        "/.well-known%2fopenid-configuration",
        "/.well-known/openid-configuration;x=1",
        "/.well-known/openid-configuration%3Fx",
        "/.well-known/openid-configuration%20",
        "/.well-known/openid-configuration.json",
        "/.well-known/oauth-authorization-server/",
        "/.well-known/oauth-authorization-server.xml",
        "/.well-known\\openid-configuration",
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: login.example\r\n\r\n");
        let address = gateway.url.trim_start_matches("http://").parse().unwrap();
        let mut client = crate::support::raw::Raw::connect(address).await;
        client.send(head).await;
        let answer = client.answer().await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("token_endpoint"), "{path}");
    }
    assert_eq!(upstream.seen().len(), before);
    for path in ["/.well-known/webfinger", "/.well-known/openid-configuration-2", "/a/"] {
        get(&format!("{}{path}", gateway.url)).await;
    }
    assert_eq!(upstream.seen().len(), before + 3);
}
