//! What servers do, one quirk at a time: found where it is, and not where it is not.

use super::stub::{Answer, ISSUER, Ways};
use super::{SECRET, Ward};
use crate::commands::{parapet, parapet_with};
use crate::support::upstream::{Step, Upstream};

fn toml(upstream: &Upstream) -> String {
    format!(
        "[server]\nissuer = \"{ISSUER}\"\n[upstream]\nurl = \"http://{}\"\n[authorize]\n[store]\n",
        upstream.address
    )
}

/// Every check of a server that has nothing to be said of.
const FINE: [&str; 14] = [
    "upstream.reachable",
    "metadata.place",
    "metadata.issuer",
    "metadata.endpoints",
    "metadata.abilities",
    "authorize.get",
    "authorize.post",
    "authorize.target",
    "authorize.redirect",
    "authorize.aliases",
    "authorize.paths",
    "token.errors",
    "upstream.preset",
    "store",
];

#[tokio::test]
async fn a_server_without_quirks_is_good() {
    let upstream = Ways::default().start().await;
    let ward = Ward::new(&toml(&upstream));
    let examined = ward.examine(&[]).await;
    for check in FINE {
        examined.assert(check, "good", "");
    }
    for check in ["upstream.clock", "around.public"] {
        examined.assert(check, "skipped", "");
    }
    assert_eq!(examined.report["verdict"], "good");
    assert!(examined.report["toml"].is_null());
    examined.assert_code();
    let said = parapet(&["doctor", "--config", &ward.path()]).await;
    let counts = "\n15 good, 0 warnings, 0 problems, 2 skipped\n";
    assert!(said.out.ends_with(counts), "{}", said.out);
    assert!(!said.out.contains('\u{1b}'), "{}", said.out);
    for seen in upstream.seen() {
        assert!(seen.field("host") == Some("login.example"), "{seen:?}");
        assert!(!String::from_utf8_lossy(&seen.raw).contains("authorization:"), "{seen:?}");
    }
    assert!(upstream.seen().len() < 60, "{}", upstream.seen().len());
}

/// A server, a check, its verdict, and a word of what is said.
type Case = (Ways, &'static str, &'static str, &'static str);

fn with(change: impl Fn(&mut Ways)) -> Ways {
    let mut ways = Ways::default();
    change(&mut ways);
    ways
}

/// What can be mended in the file, with a suggested line.
fn mendable() -> Vec<Case> {
    let long = with(|ways| ways.longest = 4080);
    let post = with(|ways| ways.methods = &["POST"]);
    let elsewhere = "/oauth2/.well-known/openid-configuration";
    let elsewhere = with(|ways| ways.metadata = Some(elsewhere));
    let renamed = with(|ways| {
        (ways.issuer, ways.origin) = ("https://b.example", "https://b.example");
    });
    let page = with(|ways| ways.answer = Answer::Page);
    let callback = with(|ways| ways.paths.push("/connect/authorize/callback"));
    let duende = with(|ways| {
        ways.paths = vec!["/connect/authorize"];
        ways.answer = Answer::Carries("ReturnUrl");
    });
    vec![
        (long, "authorize.target", "problem", "max_target_bytes = 4000"),
        (post, "authorize.get", "problem", "authorize_method = \"post\""),
        (elsewhere, "metadata.place", "problem", "discovery_path = \"/oauth2/.well-known/"),
        (renamed, "metadata.issuer", "problem", "issuer = \"https://b.example\""),
        (page, "authorize.page", "warning", "mask_html = true"),
        (callback, "authorize.paths", "problem", "[\"/connect/authorize/callback\"]"),
        (duende, "upstream.preset", "warning", "preset = \"duende\""),
    ]
}

/// Each is found, the suggested lines make a good file, and then it is found no more.
#[tokio::test]
async fn what_is_suggested_mends_what_was_found() {
    for (ways, check, verdict, line) in mendable() {
        let upstream = ways.start().await;
        let mut ward = Ward::new(&toml(&upstream));
        let examined = ward.examine(&[]).await;
        examined.assert(check, verdict, "");
        examined.assert_code();
        let lines = examined.finding(check)["toml"].as_str().unwrap_or_default();
        assert!(lines.contains(line), "{check}: {lines}");
        ward.mend(&examined).await;
        let again = ward.examine(&[]).await;
        again.assert(check, "good", "");
        again.assert_code();
    }
}

#[tokio::test]
async fn an_endpoint_without_metadata_is_found_and_named() {
    let ways = Ways { metadata: None, paths: vec!["/oauth2/authorize"], ..Ways::default() };
    let upstream = ways.start().await;
    let mut ward = Ward::new(&toml(&upstream));
    let examined = ward.examine(&[]).await;
    examined.assert("metadata.place", "problem", "none at");
    examined.assert("authorize.path", "problem", "/oauth2/authorize answers like one");
    ward.mend(&examined).await;
    let again = ward.examine(&[]).await;
    again.assert("metadata.place", "warning", "");
    again.assert("authorize.get", "good", "302");
    again.assert_code();
}

/// What the server or the network has to mend, if anybody.
fn told() -> Vec<Case> {
    let away = with(|ways| ways.origin = "http://10.0.0.1");
    let par = with(|ways| ways.further = &[("pushed_authorization_request_endpoint", "x")]);
    let dpop = with(|ways| ways.further = &[("dpop_signing_alg_values_supported", "x")]);
    let slow = with(|ways| ways.date = Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    let grant = with(|ways| ways.token_error = "invalid_grant");
    let carries = with(|ways| ways.answer = Answer::Carries("next"));
    let refuses = with(|ways| ways.answer = Answer::Refuses);
    let returns = with(|ways| ways.answer = Answer::Returns);
    let get = with(|ways| ways.methods = &["GET"]);
    let neither = with(|ways| ways.methods = &[]);
    let aliases = with(|ways| ways.paths = vec!["/authorize", "/authorize/", "//authorize"]);
    vec![
        (away, "metadata.endpoints", "problem", "authorization_endpoint, token_endpoint"),
        (par, "metadata.abilities", "warning", "pushed requests itself"),
        (dpop, "metadata.abilities", "good", "DPoP"),
        (slow, "upstream.clock", "problem", "behind ours"),
        (grant, "token.errors", "warning", "invalid_grant"),
        (carries, "authorize.redirect", "good", "into `next` of /login"),
        (refuses, "authorize.page", "skipped", "before it"),
        (returns, "authorize.redirect", "problem", "any redirect"),
        (get, "authorize.post", "good", "not used"),
        (neither, "authorize.get", "problem", "405"),
        (aliases, "authorize.aliases", "good", "another last slash, a double slash"),
    ]
}

#[tokio::test]
async fn other_quirks_are_told_of() {
    for (ways, check, verdict, says) in told() {
        let upstream = ways.start().await;
        let examined = Ward::new(&toml(&upstream)).examine(&[]).await;
        examined.assert(check, verdict, says);
        examined.assert_code();
    }
}

#[tokio::test]
async fn continuation_is_asked_for_where_addresses_show_the_request() {
    let ways = Ways { answer: Answer::Carries("next"), ..Ways::default() };
    let upstream = ways.start().await;
    let off = toml(&upstream).replace("[authorize]\n", "[authorize]\ncontinuation = false\n");
    let mut ward = Ward::new(&off);
    let examined = ward.examine(&[]).await;
    examined.assert("authorize.redirect", "problem", "`next`");
    ward.mend(&examined).await;
    ward.examine(&[]).await.assert("authorize.redirect", "good", "handle");
}

#[tokio::test]
async fn b239_a_way_around_the_gateway_is_found() {
    let upstream = Ways::default().start().await;
    let elsewhere = Upstream::fine().await;
    let mut ward = Ward::new(&toml(&upstream));
    let public = format!("http://{}/", upstream.address);
    let other = format!("http://{}", elsewhere.address);
    let examined = ward.examine(&["--public-upstream", &other]).await;
    examined.assert("around.public", "good", "no authorization endpoint answers");
    let examined = ward.examine(&["--public-upstream", &public]).await;
    examined.assert("around.public", "warning", "around the gateway");
    ward.mend(&examined).await;
    let again = ward.examine(&["--public-upstream", &public]).await;
    again.assert("around.secret_header", "problem", "also without");

    let strict = Ways { insists_on: Some("x-parapet"), ..Ways::default() }.start().await;
    let public = format!("http://{}", strict.address);
    ward.table["upstream"]["url"] = public.clone().into();
    let again = ward.examine(&["--public-upstream", &public]).await;
    again.assert("around.secret_header", "good", "");
    again.assert("around.public", "good", "");
    assert!(!again.said.out.contains(SECRET[0].1));
}

#[tokio::test]
async fn a_client_that_the_server_knows_shows_more() {
    let ways = Ways { answer: Answer::Returns, token_error: "invalid_grant", ..Ways::default() };
    let upstream = ways.start().await;
    let client = "[[clients]]\nclient_id = \"app\"\nauthentication = \"none\"\n\
                  redirect_uris = [\"https://c.example/cb\"]\n";
    let ward = Ward::new(&format!("{}{client}", toml(&upstream)));
    let examined = ward.examine(&["--client", "app"]).await;
    examined.assert("authorize.redirect", "skipped", "answers the client at once");
    upstream.until(|seen| seen.target.contains("redirect_uri=https%3A%2F%2Fc.example%2Fcb")).await;
}

/// Nothing that comes over the wire makes the doctor fall ill.
#[tokio::test]
async fn odd_servers_are_survived() {
    let huge = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(3 << 20));
    let deep = "[".repeat(50_000);
    let deep = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{deep}", deep.len());
    let odd = "HTTP/1.1 302 F\r\nlocation: \u{fffd}://%%%?&&=&%ff\r\ncontent-type: ;;\r\n\
               set-cookie: \u{1}\r\ndate: Mon, , , :\r\ncontent-length: 0\r\n\r\n";
    for answer in ["", "nothing of HTTP\r\n\r\n", "HTTP/1.1 999 X\r\n\r\n", &huge, &deep, odd] {
        let bytes = answer.as_bytes().to_vec();
        let upstream =
            Upstream::scripted(move |_| vec![Step::Bytes(bytes.clone()), Step::Close]).await;
        let examined = Ward::new(&toml(&upstream)).examine(&[]).await;
        examined.assert_code();
        assert_eq!(examined.said.code, 1, "{}", &answer[..answer.len().min(40)]);
    }
    let silent = Upstream::scripted(|_| vec![Step::Await(std::sync::Arc::default())]).await;
    let examined = Ward::new(&toml(&silent)).examine(&[]).await;
    examined.assert("upstream.reachable", "problem", "does not answer within 5s");
    examined.assert("upstream", "skipped", "");
}

#[tokio::test]
async fn secrets_that_others_can_read_are_told_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let upstream = Ways::default().start().await;
    let ward = Ward::new(&format!(
        "{}[[clients]]\nclient_id = \"web\"\nsecret_file = \"web.secret\"\n",
        toml(&upstream)
    ));
    let file = ward.folder.path().join("web.secret");
    std::fs::write(&file, "web-secret").unwrap();
    for (mode, verdict, says) in
        [(0o600, "good", "by its owner alone"), (0o644, "warning", "by everybody (mode 644)")]
    {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        ward.examine(&[]).await.assert("files.secrets", verdict, says);
    }
}

#[tokio::test]
async fn bad_command_lines_and_configurations_have_their_codes() {
    let ward = Ward::new("[server]\n");
    ward.write();
    let path = ward.path();
    let said = parapet_with(&["doctor", "--config", &path], &[]).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("issuer"), "{}", said.err);
    let arguments = ["doctor", "-c", &path, "--public-upstream", "https://a.example/path"];
    assert_eq!(parapet(&arguments).await.code, 2);
}
