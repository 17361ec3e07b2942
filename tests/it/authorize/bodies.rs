//! Authorization requests in bodies that stream by: cut before the upstream has a whole one.

use super::{Front, refused};
use crate::support::raw::Answer;

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=b";

/// Sends the body in pieces of `size` bytes, in chunks or with a length.
async fn stream(front: &Front, path: &str, media_type: &str, body: &str, size: usize) -> Answer {
    let mut client = front.connect().await;
    let framing = match size {
        0 => format!("Content-Length: {}", body.len()),
        _ => "Transfer-Encoding: chunked".to_owned(),
    };
    client
        .send(format!(
            "POST {path} HTTP/1.1\r\nHost: login.example\r\nContent-Type: {media_type}\r\n{framing}\r\n\r\n"
        ))
        .await;
    if size == 0 {
        client.send(body).await;
        return client.answer().await;
    }
    for piece in body.as_bytes().chunks(size) {
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        if !client.try_send(chunk).await {
            break;
        }
        tokio::task::yield_now().await;
    }
    client.try_send("0\r\n\r\n").await;
    client.answer().await
}

fn part(name: &str, value: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; {name}\r\n\r\n{value}\r\n")
}

fn multipart(parts: &[(&str, &str)]) -> String {
    let parts: String = parts.iter().map(|(name, value)| part(name, value)).collect();
    format!("{parts}--b--\r\n")
}

fn forms() -> Vec<String> {
    let asked = "client_id=web&response_type=code";
    vec![
        "client_id=web&response_type=code&state=s".into(),
        "a=b;client_id=web;response_type=code".into(),
        "Client%5Fid=web&RESPONSE.TYPE=code".into(),
        "response_type=code&client_id=web".into(),
        "client_id=web&request=eyJ".into(),
        "client_id=web&request_uri=https://evil.example".into(),
        "client_id[]=web&response_type[0]=code".into(),
        format!("{}{asked}", "client_id=x&".repeat(40)),
        format!("{}{asked}", "request_uri=&".repeat(40)),
        format!("pad={}&{asked}", "x".repeat(100_000)),
    ]
}

fn multiparts() -> Vec<String> {
    let id = ("name=\"client_id\"", "web");
    let response = ("name=\"response_type\"", "code");
    let plain = multipart(&[id, response]);
    vec![
        multipart(&[response, ("name=\"x\"; filename=\"y\"", "z"), id]),
        multipart(&[("name=client_id", "web"), ("name=response_type", "code")]),
        multipart(&[("NAME=\"Client_Id\"", "web"), ("name=\"response.type\"", "code")]),
        // What only looks like a part's header hides the one behind it.
        multipart(&[("name=\"n\"", "one\r\n name=junk\r\ntwo"), id, response]),
        multipart(&[("name=\"n\"", "one\r\n name=request_uri\r\ntwo"), id, response]),
        multipart(&[("name=\"junk\"; name=\"client_id\"", "web"), response]),
        multipart(&[("name=\"client_id\"; name=\"junk\"", "web"), response]),
        plain.replace("\r\n", "\n"),
        format!("{}{plain}", part(id.0, "other").repeat(40)),
        plain,
    ]
}

fn attacks() -> impl Iterator<Item = (&'static str, String)> {
    let other_spelling = "Application/X-WWW-Form-Urlencoded; charset=utf-8";
    let forms = forms().into_iter().map(|body| (FORM, body));
    let spelled = forms.clone().take(1).map(move |(_, body)| (other_spelling, body));
    forms.chain(spelled).chain(multiparts().into_iter().map(|body| (MULTIPART, body)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_b144_no_body_carries_a_request_past_the_gateway() {
    let global = Front::start("[par]\nrequired = true").await;
    let single = Front::start("[clients.web]\nrequire_pushed_authorization_requests = true").await;
    for front in [&global, &single] {
        for (media_type, body) in attacks() {
            for size in [0, 1, 7, 4096] {
                if size == 1 && body.len() > 10_000 {
                    continue;
                }
                let answer = stream(front, "/login", media_type, &body, size).await;
                assert_eq!(answer.status, 400, "pieces of {size}: {media_type}: {body:.300}");
                refused(&answer, 400, "invalid_request");
            }
        }
        for call in front.calls() {
            assert!(
                call.cut,
                "a whole request got through: {}",
                String::from_utf8_lossy(&call.body)
            );
            let body = String::from_utf8_lossy(&call.body).to_ascii_lowercase();
            assert!(!(body.contains("code") && body.contains("web\r\n--b--")), "{body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_a_request_split_over_query_and_body_is_one() {
    for settings in
        ["[par]\nrequired = true", "[clients.web]\nrequire_pushed_authorization_requests = true"]
    {
        let front = Front::start(settings).await;
        for (path, body) in [
            ("/login?client_id=web", "response_type=code"),
            ("/login?response_type=code", "client_id=web"),
            ("/login?client_id=web", "a=b&request=eyJ"),
        ] {
            for size in [0, 1] {
                let answer = stream(&front, path, FORM, body, size).await;
                refused(&answer, 400, "invalid_request");
            }
        }
        assert!(front.calls().iter().all(|call| call.cut), "{:?}", front.calls());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_multipart_at_the_authorize_path_is_no_way_in_either() {
    let front = Front::start("[clients.web]\nrequire_pushed_authorization_requests = true").await;
    let body = multipart(&[("name=\"client_id\"", "web"), ("name=\"response_type\"", "code")]);
    for size in [0, 3] {
        refused(
            &stream(&front, "/authorize", MULTIPART, &body, size).await,
            400,
            "invalid_request",
        );
    }
    let large = format!("pad={}&client_id=web&response_type=code", "x".repeat(70_000));
    refused(&stream(&front, "/authorize", FORM, &large, 0).await, 400, "invalid_request");
    assert!(front.calls().iter().all(|call| call.cut));
    let body = body.replace("web", "shop");
    assert_eq!(stream(&front, "/authorize", MULTIPART, &body, 0).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_other_bodies_pass_untouched() {
    let front = Front::start("[par]\nrequired = true").await;
    let token = "grant_type=authorization_code&client_id=web&response_type=code&request=x";
    let login = "username=a&password=b%26c&client_id=web&_csrf=response_type";
    let upload = multipart(&[("name=\"file\"; filename=\"client_id\"", "response_type=code")]);
    let json = "{\"client_id\":\"web\",\"response_type\":\"code\"}";
    for (path, media_type, body) in [
        ("/token", FORM, token),
        ("/login", FORM, login),
        ("/upload", MULTIPART, &upload),
        ("/api", "application/json", json),
    ] {
        for size in [0, 1, 5] {
            let answer = stream(&front, path, media_type, body, size).await;
            assert_eq!(answer.status, 200, "{path}");
            let call = front.calls().pop().unwrap();
            assert_eq!((String::from_utf8(call.body).unwrap().as_str(), call.cut), (body, false));
        }
    }
}
