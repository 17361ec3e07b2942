//! Ways to hand an authorization request to the upstream past the guard.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::config::Environment;
use crate::config::{self, Config};
use crate::upstream::HttpClient;
use crate::upstream::key_set::KeyFetcher;

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=b";

fn config(par: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let text = format!(
        "[server]\nissuer = \"http://127.0.0.1:1\"\nlisten = [\"127.0.0.1:0\"]\n\
         [upstream]\nurl = \"http://127.0.0.1:2\"\nauthorization_path = \"/authorize\"\n{par}\n\
         [[clients]]\nclient_id = \"must\"\nauthentication = \"none\"\n\
         redirect_uris = [\"https://c.example/cb\"]\n\
         require_pushed_authorization_requests = true\n"
    );
    std::fs::write(&file, text).unwrap();
    config::load(&file, &Environment::default()).unwrap().config
}

fn guard(par: &str) -> Guard {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = config(par);
    let client = HttpClient::new(&config.upstream, &config.server.issuer).unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1)));
    let fetcher = Arc::new(KeyFetcher::new(&config.client_keys, clock));
    let registry = Arc::new(Registry::new(&config.clients, &config.par, &fetcher));
    Guard::new(&config, registry, Arc::new(Discovery::new(client, &config))).unwrap()
}

const REQUIRED: &str = "[par]\nrequired = true";

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
}

/// Whether the body is cut, fed whole and byte by byte.
fn cut(guard: &Guard, headers: &HeaderMap, query: Option<&str>, body: &str) -> bool {
    let run = |size: usize| {
        let Some(mut scan) = guard.body_scan("/other", query, headers) else {
            return false;
        };
        body.as_bytes().chunks(size).any(|piece| scan.feed(piece)) || scan.end()
    };
    let whole = run(body.len().max(1));
    assert_eq!(run(1), whole, "{body}");
    whole
}

fn part(field: &str, value: &str) -> String {
    format!("--b\r\n{field}\r\n\r\n{value}\r\n")
}

#[test]
fn b145_no_form_hides_an_authorization_request() {
    let guard = guard(REQUIRED);
    let form = headers(&[("content-type", FORM)]);
    let request = "client_id=a&response_type=code";
    let many = "client_id=a&".repeat(40) + "response_type=code";
    let blanks =
        format!("{}client_id=a&{}response_type=code", "%20+".repeat(600), "+".repeat(2000));
    for body in [
        request,
        &many,
        &blanks,
        "[client_id]=a&[response_type]=code",
        "Client.Id=a;RESPONSE_TYPE[]=code",
        "client_id=a&request_uri=https://x",
        "x=%&client%5fid=a&%72equest=eyJ",
    ] {
        assert!(cut(&guard, &form, None, body), "{body:.80}");
    }
    for body in ["", "client_id=a", "username=a&password=b", "a=client_id&b=response_type"] {
        assert!(!cut(&guard, &form, None, body), "{body}");
    }
    assert!(cut(&guard, &form, Some("client_id=a"), "response_type=code"), "half in the query");
    assert!(cut(&guard, &form, Some("response_type=code"), "client_id=a"), "half in the query");
}

#[test]
fn b145_no_multipart_hides_an_authorization_request() {
    let guard = guard(REQUIRED);
    let multipart = headers(&[("content-type", MULTIPART)]);
    let disposition = "Content-Disposition: form-data";
    for dress in [
        "; name=\"NAME\"",
        "; NAME_=1; name=NAME",
        "; name = \"NAME\"",
        ";\r\n name=\r\n \"NAME\"",
        "; name='NAME'",
        "; name*=utf-8''NAME",
        "; name*=UTF-8''%NAME",
        "; name=\"x\"; name=\"NAME\"",
        "; filename=\"x\"; name=NAME",
        "; name=\"NAME\"\r\nContent-Type: text/plain; name=\"x\"",
        "; name=NAME\r\nX: y",
    ] {
        let field = |name: &str| {
            let encoded = name.replace('_', "%5F").replace('e', "%65");
            let dress = dress.replace("%NAME", &encoded).replace("NAME_", "x");
            format!("{disposition}{}", dress.replace("NAME", name))
        };
        let body =
            part(&field("client_id"), "a") + &part(&field("response_type"), "code") + "--b--";
        assert!(cut(&guard, &multipart, None, &body), "{body}");
        let bare = body.replace('\r', "");
        assert!(cut(&guard, &multipart, None, &bare), "{bare}");
        let decoys = part(&format!("{disposition}; name=\"\""), "x");
        let led = format!("{decoys}{decoys}{body}");
        assert!(cut(&guard, &multipart, None, &led), "{led}");
        let padded =
            body.replace(disposition, &format!("X: {}\r\n{disposition}", "y".repeat(3000)));
        assert!(cut(&guard, &multipart, None, &padded), "{padded}");
    }
    let pieces = |a: &str, b: &str| format!("{disposition}; name*0=\"{a}\"; name*1=\"{b}\"");
    let body = part(&pieces("client_", "id"), "a") + &part(&pieces("request", "_uri"), "x");
    assert!(cut(&guard, &multipart, None, &body), "{body}");
}

#[test]
fn b145_a_boundary_within_a_line_opens_a_part_too() {
    let guard = guard(REQUIRED);
    let multipart = headers(&[("content-type", MULTIPART)]);
    let field = |name: &str| format!("Content-Disposition: form-data; name=\"{name}\"");
    let request = part(&field("client_id"), "a") + &part(&field("response_type"), "code");
    for led in [
        part(&field("foo"), &format!("1{request}")),
        part(&field("foo"), &format!("1\r\n2{request}")),
        part(&field("foo"), &format!("1-{request}")),
        part(&field("client_id"), &format!("a{}", part(&field("response_type"), "code"))),
        format!("preamble{request}--b--"),
    ] {
        assert!(cut(&guard, &multipart, None, &led), "{led}");
    }
}

#[test]
fn b145_dashes_in_a_value_cut_no_client_short() {
    let multipart = headers(&[("content-type", MULTIPART)]);
    let field = |name: &str| format!("Content-Disposition: form-data; name=\"{name}\"");
    let response_type = part(&field("response_type"), "code");
    for (client_id, is_cut) in
        [("must", true), ("must--", true), ("must--b--x", true), ("x", false)]
    {
        let body = part(&field("client_id"), client_id) + &response_type + "--b--";
        assert_eq!(cut(&guard(""), &multipart, None, &body), is_cut, "{body}");
    }
}

#[test]
fn b145_no_name_hides_behind_many_others() {
    let guard = guard(REQUIRED);
    let multipart = headers(&[("content-type", MULTIPART)]);
    let respelled = |index: u16| {
        let respell = |(at, c): (usize, char)| {
            if index >> at & 1 == 1 { c.to_ascii_uppercase() } else { c }
        };
        "client_id".chars().enumerate().map(respell).collect::<String>()
    };
    let names = |count: u16| {
        let one = |index| format!("; name=\"{}\"", respelled(index));
        format!("Content-Disposition: form-data{}", (0..count).map(one).collect::<String>())
    };
    assert!(!cut(&guard, &multipart, None, &(part(&names(8), "a") + "--b--")));
    let ninth = names(8) + "; name=\"response_type\"";
    assert!(cut(&guard, &multipart, None, &(part(&ninth, "a") + "--b--")));
    let word = "Content-Disposition: form-data; name=\"=?utf-8?q?client=5Fid?=\"";
    assert!(cut(&guard, &multipart, None, &(part(word, "a") + "--b--")));
}

#[test]
fn an_upload_that_speaks_of_requests_is_none() {
    let guard = guard(REQUIRED);
    let multipart = headers(&[("content-type", MULTIPART)]);
    let page = "<input name=\"client_id\">\n\n<input name=\"response_type\">\n-- \n";
    let field = "Content-Disposition: form-data; name=\"file\"; filename=\"client_id\"";
    assert!(!cut(&guard, &multipart, None, &(part(field, page) + "--b--")));
}

#[test]
fn b145_only_clients_that_must_push_are_held_back_however_many_are_named() {
    let guard = guard("");
    let form = headers(&[("content-type", FORM)]);
    let decoys = "client_id=free&".repeat(40);
    assert!(cut(&guard, &form, None, &format!("{decoys}client_id=must&response_type=code")));
    assert!(cut(&guard, &form, Some("client_id=must"), "client_id=free&response_type=code"));
    assert!(!cut(&guard, &form, None, &format!("{decoys}response_type=code")));
}

#[test]
fn b145_a_form_that_cannot_be_watched_is_refused() {
    let guard = guard(REQUIRED);
    for fields in [
        &[("content-type", FORM), ("content-encoding", "gzip")][..],
        &[("content-type", "application/x-www-form-urlencoded; charset=utf-16")],
        &[("content-type", "application/x-www-form-urlencoded; charset=\"IBM037\"")],
        &[("content-type", FORM), ("content-type", MULTIPART)],
        &[("content-encoding", "deflate")],
    ] {
        assert!(cut(&guard, &headers(fields), None, "\u{1f}x"), "{fields:?}");
        assert!(!cut(&guard, &headers(fields), None, ""), "{fields:?}");
    }
    let request = "client_id=a&response_type=code";
    for fields in [
        &[][..],
        &[("content-type", "")],
        &[("content-type", "text/plain"), ("content-type", FORM)],
        &[("content-type", "text/plain, application/x-www-form-urlencoded")],
        &[("content-type", "Application/X-WWW-Form-Urlencoded;Charset=UTF-8")],
    ] {
        assert!(cut(&guard, &headers(fields), None, request), "{fields:?}");
    }
    let json = headers(&[("content-type", "application/json"), ("content-encoding", "gzip")]);
    assert!(!cut(&guard, &json, None, "\u{1f}x"));
}

#[test]
fn b256_blanks_without_number_hide_no_name_and_no_client() {
    let guard = guard("");
    let form = headers(&[("content-type", FORM)]);
    for blank in ["%09", "+", "%0A", "%2509", "%C2%A0", "%E3%80%80", "\t"] {
        let blanks = blank.repeat(1000);
        let once = blanks.replace("%25", "%");
        let body = format!("{blanks}client_id={once}must&response_type=code");
        assert!(cut(&guard, &form, None, &body), "{blank}");
    }
    let multipart = headers(&[("content-type", MULTIPART)]);
    for blank in ["\u{b}", "\t", "\u{3000}", "\0", "\u{1f}"] {
        let field = |name: &str| {
            format!("Content-Disposition: form-data; name=\"{}{name}\"", blank.repeat(1000))
        };
        let body =
            part(&field("client_id"), "must") + &part(&field("response_type"), "code") + "--b--";
        assert!(cut(&guard, &multipart, None, &body), "{blank:?}");
    }
}

#[test]
fn b262_b299_no_body_at_the_endpoint_is_taken_unread() {
    for par in ["", REQUIRED] {
        let guard = guard(par);
        for path in
            ["/authorize", "/authorize/", "/AUTHORIZE", "/authorize.json", "/x/../authorize"]
        {
            for fields in [
                &[("content-type", "application/json")][..],
                &[("content-type", "text/plain")],
                &[("content-type", "application/xml")],
                &[("content-type", "application/octet-stream")],
                &[("content-type", FORM), ("content-encoding", "gzip")],
                &[("content-type", "multipart/mixed; boundary=b"), ("content-encoding", "br")],
                &[("content-type", "application/x-www-form-urlencoded; charset=utf-7")],
            ] {
                let scan = guard.body_scan(path, None, &headers(fields));
                assert!(scan.unwrap().feed(b"x"), "{par} {path} {fields:?}");
            }
        }
    }
}

#[test]
fn b262_paths_that_fold_onto_the_endpoint_are_refused() {
    let guard = guard(REQUIRED);
    for path in [
        "/authorize%3Fclient_id=a&response_type=code",
        "/authorize%253Fclient_id=a",
        "/authorize%23",
        "/authorize.html",
        "/authorize.json",
        "/authorize.",
        "/authorize.;x=y",
        "/authorize%2ejson",
        "/authorize%00",
        "/authorize%20",
        "/%u0061uthorize",
        "/x%c0%af..%c0%afauthorize",
    ] {
        assert!(guard.refuses(path, None), "{path}");
    }
    for path in ["/authorized", "/author", "/authorize-device", "/authorize/x", "/.json", "/"] {
        assert!(!guard.refuses(path, None), "{path}");
    }
    let one = self::guard("");
    assert!(one.refuses("/authorize%3Fclient_id=must", None));
    assert!(!one.refuses("/authorize.html", Some("client_id=free")));
}

#[test]
fn b262_what_lies_below_a_script_runs_the_script() {
    let guard = guard("authorize_paths = [\"/oauth2/authorize.php\"]\n[par]\nrequired = true");
    assert!(guard.refuses("/oauth2/authorize.php/x", None));
    assert!(guard.refuses("/oauth2/Authorize.php/x/y", Some("a=b")));
    assert!(!guard.refuses("/oauth2/token.php/x", None));
}

#[test]
fn b263_a_name_that_a_database_folds_is_the_clients() {
    let guard = guard("");
    for client_id in ["must", "MUST", "must%20", "m%C3%BCst", "%EF%BD%8Dust", "must%00x", "+must"] {
        let query = format!("client_id={client_id}&response_type=code");
        assert!(guard.refuses("/authorize.html", Some(&query)), "{client_id}");
        assert!(guard.refuses("/other", Some(&query)), "{client_id}");
        let form = headers(&[("content-type", FORM)]);
        assert!(cut(&guard, &form, None, &query), "{client_id}");
    }
    assert!(!guard.refuses("/other", Some("client_id=must2&response_type=code")));
}

#[test]
fn b269_an_open_quote_ends_with_its_line() {
    let guard = guard(REQUIRED);
    let multipart = headers(&[("content-type", MULTIPART)]);
    for end in ["\r\nContent-Type: text/plain", "\nX: y", "\0x", "\u{b}", "\r\n y"] {
        let field = |name: &str| format!("Content-Disposition: form-data; name=\"{name}{end}");
        let body =
            part(&field("client_id"), "a") + &part(&field("response_type"), "code") + "--b--";
        assert!(cut(&guard, &multipart, None, &body), "{end:?}");
    }
}

#[test]
fn b299_encoded_parts_are_refused() {
    let guard = guard("");
    let multipart = headers(&[("content-type", MULTIPART)]);
    let with = |header: &str| {
        let field = format!("Content-Disposition: form-data; name=\"x\"\r\n{header}");
        part(&field, "bXVzdA==") + "--b--"
    };
    for header in [
        "Content-Transfer-Encoding: base64",
        "content-transfer-encoding:quoted-printable",
        "CONTENT-TRANSFER-ENCODING :\tBase64",
        "Content-Transfer-Encoding:\r\n base64",
        "Content-Transfer-Encoding: x-uuencode",
        "Content-Transfer-Encoding: 7bit, base64",
        "Content-Transfer-Encoding:",
    ] {
        assert!(cut(&guard, &multipart, None, &with(header)), "{header}");
    }
    for header in [
        "Content-Transfer-Encoding: 8bit",
        "Content-Transfer-Encoding: binary\r\nX: y",
        "X: base64",
    ] {
        assert!(!cut(&guard, &multipart, None, &with(header)), "{header}");
    }
}
