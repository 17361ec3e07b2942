//! What goes out where requests must be pushed: codes, tokens and signed responses that belong to no
//! pushed login of this browser stay here, by whatever door of the server they came.

use super::{FORM, Front, cookies, ok, redirect, refused};
use crate::support::raw::Answer;
use crate::support::upstream::Seen;

const REQUIRED: &str = "[par]\nrequired = true";
const WEB_MUST: &str = "[clients.web]\nrequire_pushed_authorization_requests = true";

/// Answers by which a server hands something out to `web`, as browsers follow them.
const HANDED_OUT: &[&str] = &[
    "https://client.example/cb?code=S3CRET&state=x",
    "https://client.example/cb?code=S3CRET",
    "https://client.example/cb?state=x&code=S3CRET&iss=y",
    "https://client.example/cb#code=S3CRET",
    "https://client.example/cb#access_token=S3CRET&token_type=bearer",
    "https://client.example/cb#id_token=S3CRET&state=x",
    "https://client.example/cb?response=S3CRET",
    "https://client.example/cb#response=S3CRET",
    "https://client.example/cb?error=x&code=S3CRET",
    "https://client.example/cb?c%6Fde=S3CRET",
    "https://client.example/cb?x=1;code=S3CRET",
    "https://CLIENT.example/cb?code=S3CRET",
    "HTTPS://client.example:443/cb?code=S3CRET",
    "https://user@client.example/cb?code=S3CRET",
    "https://client.example./cb?code=S3CRET",
    "https:client.example/cb?code=S3CRET",
    "https:\\\\client.example\\cb?code=S3CRET",
    "//client.example/cb?code=S3CRET",
    "\\\\client.example/cb?code=S3CRET",
    "https://client.example/x/../cb?code=S3CRET",
    "https://client.example/%63b?code=S3CRET",
    "https://client.example/cb/?code=S3CRET",
    "https://client.example/second?code=S3CRET",
];

/// A page that posts `fields` to `action`.
fn page(form: &str) -> Vec<u8> {
    let body = format!("<html><body onload=\"document.forms[0].submit()\">{form}</body></html>");
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn withheld(answer: &Answer, told: &str) {
    assert_eq!(answer.status, 400, "{told}: {} {}", answer.status, answer.text());
    let shown = format!("{:?} {}", answer.all("location"), answer.text());
    assert!(!shown.contains("S3CRET"), "{told}: {shown}");
    assert!(answer.field("refresh").is_none(), "{told}");
}

/// Number of the answer that a request asks this upstream for.
fn number(seen: &Seen) -> usize {
    seen.field("x-number").and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b306_nothing_is_handed_out_to_a_login_that_nobody_pushed() {
    for settings in [REQUIRED, WEB_MUST] {
        let front = Front::answering(settings, |seen| {
            let refreshes = seen.target.contains("refresh");
            let field = if refreshes { "Refresh: 0; url=" } else { "Location: " };
            let location = HANDED_OUT[number(seen)];
            format!("HTTP/1.1 302 Found\r\n{field}{location}\r\nContent-Length: 0\r\n\r\n")
                .into_bytes()
        })
        .await;
        for (number, location) in HANDED_OUT.iter().enumerate() {
            let head = format!("Host: login.example\r\nX-Number: {number}\r\n");
            // "Forgot password", a login page, any path by any method.
            for target in ["/login-actions/reset-credentials?x=1", "/login", "/a/refresh", "/"] {
                let told = format!("{settings} {target} {location}");
                withheld(&front.send(&format!("GET {target} HTTP/1.1\r\n{head}\r\n")).await, &told);
                let form =
                    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 14\r\n";
                let post = format!("POST {target} HTTP/1.1\r\n{head}{form}\r\nusername=alice");
                withheld(&front.send(&post).await, &told);
            }
            let put = format!("PUT /x HTTP/1.1\r\n{head}Content-Length: 0\r\n\r\n");
            withheld(&front.send(&put).await, location);
        }
    }
}

const FORMS: [&str; 8] = [
    r#"<form method=post action="https://client.example/cb"><input type=hidden name=code value=S3CRET></form>"#,
    r#"<FORM ACTION='HTTPS://CLIENT.example/cb'><INPUT NAME="id_token" value=S3CRET></FORM>"#,
    r#"<form action="https&#58;//client.example/cb"><input name=access_token value=S3CRET></form>"#,
    r#"<form id=f action="//client.example/cb"></form><input form=f name=response value=S3CRET>"#,
    r#"<form action="https://client.example/cb"><textarea name=code>S3CRET</textarea></form>"#,
    r#"<form action="https://client.example/cb"><button name=code value=S3CRET>go</button></form>"#,
    r#"<form action="/x"><input name=code value=S3CRET><button formaction="https://client.example/cb">go</button></form>"#,
    r#"<base href="https://client.example/"><form action="cb"><input name=code value=S3CRET></form>"#,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b306_pages_that_post_to_the_client_are_withheld() {
    for settings in [REQUIRED, WEB_MUST] {
        let front = Front::answering(settings, |seen| page(FORMS[number(seen)])).await;
        for (number, form) in FORMS.iter().enumerate() {
            let head = format!("Host: login.example\r\nX-Number: {number}\r\n");
            for target in ["/login", "/x/y?z=1"] {
                withheld(&front.send(&format!("GET {target} HTTP/1.1\r\n{head}\r\n")).await, form);
                let urlencoded =
                    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n";
                let post = format!("POST {target} HTTP/1.1\r\n{head}{urlencoded}\r\na=b");
                withheld(&front.send(&post).await, form);
                // What is not read ahead streams, and is cut.
                let json = "Content-Type: application/json\r\nContent-Length: 2\r\n";
                let mut client = front.connect().await;
                client.send(format!("POST {target} HTTP/1.1\r\n{head}{json}\r\n{{}}")).await;
                let rest = client.rest().await;
                assert!(!String::from_utf8_lossy(&rest).contains("S3CRET"), "{form}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b306_other_answers_pass() {
    for location in [
        "https://client.example/cb?error=access_denied&state=x",
        "https://client.example/cb",
        "https://client.example/cb?code=",
        "https://client.example/other/cb?x=code",
        "/login?code=1",
        "https://login.example/account?code=1&state=2",
    ] {
        let front = Front::answering(REQUIRED, move |_| redirect("302 Found", location)).await;
        let answer = front.visit("/login").await;
        assert_eq!((answer.status, answer.field("location")), (302, Some(location)), "{location}");
    }
    let front = Front::answering(REQUIRED, |_| {
        page("<form action=/login><input name=code placeholder='one-time code'></form>")
    })
    .await;
    let answer = front.visit_with("/login", "If-None-Match: \"x\"\r\nRange: bytes=0-1\r\n").await;
    assert!(answer.text().contains("one-time code"));
    let asked = front.calls().pop().unwrap();
    assert_eq!((asked.field("if-none-match"), asked.field("range")), (Some("\"x\""), None));
    assert_eq!(asked.field("accept-encoding"), Some("identity"));
    front.visit_with("/theme/a.css", "Accept-Encoding: gzip, br\r\n").await;
    assert_eq!(front.calls().pop().unwrap().field("accept-encoding"), Some("gzip"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b306_an_address_of_a_client_that_need_not_push_is_free() {
    let location = "https://shop.example/cb?code=1&state=2";
    let front = Front::answering(WEB_MUST, move |_| redirect("302 Found", location)).await;
    assert_eq!(front.visit("/login").await.field("location"), Some(location));
    let shared =
        format!("{WEB_MUST}\n[clients.shop]\nredirect_uris = [\"https://client.example/cb\"]");
    let location = "https://client.example/cb?code=1";
    let front = Front::answering(&shared, move |_| redirect("302 Found", location)).await;
    assert_eq!(front.visit("/login").await.field("location"), Some(location));
    // Where nothing must be pushed nothing is judged.
    let front = Front::answering("", move |_| redirect("302 Found", location)).await;
    assert_eq!(front.visit("/login").await.field("location"), Some(location));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b306_an_unregistered_address_off_the_public_origin_is_nobodys() {
    let location = "https://elsewhere.example/cb?code=S3CRET&state=2";
    let front = Front::answering(REQUIRED, move |_| redirect("302 Found", location)).await;
    withheld(&front.visit("/login").await, location);
    let front = Front::answering(WEB_MUST, move |_| redirect("302 Found", location)).await;
    assert_eq!(front.visit("/login").await.field("location"), Some(location));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b306_a_pushed_login_gets_its_answer_and_no_other() {
    let good = "https://client.example/cb?code=1&state=pushed-state";
    let answer = |location: &'static str| async move {
        let front = Front::answering(REQUIRED, move |seen| {
            if seen.target.starts_with("/authorize") {
                ok("page")
            } else {
                redirect("302 Found", location)
            }
        })
        .await;
        let query = front.pushed().await;
        let first = front.visit(&format!("/authorize?{query}")).await;
        front.visit_with("/login", &cookies(&[&first])).await
    };
    let completed = answer(good).await;
    assert_eq!(completed.status, 302, "{}", completed.text());
    for location in [
        "https://client.example/cb?code=S3CRET&state=another",
        "https://client.example/cb?code=S3CRET",
        "https://client.example/second?code=S3CRET&state=pushed-state",
        "https://shop.example/cb?code=S3CRET&state=pushed-state",
        "https://client.example/cb?response=S3CRET",
    ] {
        withheld(&answer(location).await, location);
    }
    // The answer to the very call lacks what was pushed.
    let front = Front::answering(REQUIRED, |_| {
        redirect("302 Found", "https://client.example/cb?code=S3CRET")
    })
    .await;
    let query = front.pushed().await;
    withheld(&front.visit(&format!("/authorize?{query}")).await, "without state");
    // A signed response belongs to a login that asked for one.
    let jarm = "https://client.example/cb?response=e.y.J";
    let front = Front::answering(REQUIRED, move |_| redirect("302 Found", jarm)).await;
    let form = [FORM, &[("response_mode", "jwt")]].concat();
    let query = front.push("web", &form).await;
    assert_eq!(front.visit(&format!("/authorize?{query}")).await.field("location"), Some(jarm));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b306_a_post_from_another_site_finds_its_login_by_the_index() {
    let front = Front::answering(REQUIRED, |seen| match seen.target.as_str() {
        "/saml/mine" => {
            redirect("302 Found", "https://client.example/cb?code=1&state=pushed-state")
        }
        "/saml/other" => redirect("302 Found", "https://client.example/cb?code=S3CRET&state=other"),
        _ => ok("page"),
    })
    .await;
    let query = front.pushed().await;
    front.visit(&format!("/authorize?{query}")).await;
    withheld(&front.post("/saml/other", "SAMLResponse=x").await, "another state");
    assert_eq!(front.post("/saml/mine", "SAMLResponse=x").await.status, 302);
}

/// A host with two issuers, ours below `/realms/zoo`.
async fn realms(settings: &str, answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Front {
    let settings = format!(
        "[server]\nissuer = \"https://login.example/realms/zoo\"\n[upstream]\n\
         authorization_path = \"/realms/zoo/auth\"\n{settings}"
    );
    let upstream = crate::support::upstream::Upstream::on(
        ([127, 0, 0, 1], crate::support::ports::free_port()).into(),
        move |seen| {
            let bytes = if seen.target.contains(".well-known") {
                ok(&super::METADATA
                    .replace("\"https://login.example\"", "\"https://login.example/realms/zoo\"")
                    .replace(
                        "https://login.example/authorize",
                        "https://login.example/realms/zoo/auth",
                    ))
            } else {
                answer(&seen.target)
            };
            vec![crate::support::upstream::Step::Bytes(bytes)]
        },
    )
    .await;
    let mut table: toml::Table = super::configuration(&settings).parse().unwrap();
    table["upstream"]
        .as_table_mut()
        .unwrap()
        .insert("url".into(), format!("http://{}", upstream.address).into());
    let gateway = crate::support::gateway::Gateway::start(&table.to_string()).await;
    let front = Front { upstream, gateway };
    let known = front.visit("/realms/zoo/.well-known/openid-configuration").await;
    assert_eq!(known.status, 200, "{}", known.text());
    front
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b309_required_is_for_the_issuers_own_paths() {
    let front = realms(REQUIRED, |_| ok("page")).await;
    let request = "client_id=security-admin-console&response_type=code&redirect_uri=x";
    for target in
        ["/realms/master/auth", "/realms/partner/protocol/auth", "/admin", "/realms/zoology/x"]
    {
        assert_eq!(front.visit(&format!("{target}?{request}")).await.status, 200, "{target}");
        assert_eq!(front.post(target, request).await.status, 200, "POST {target}");
    }
    for target in [
        "/realms/zoo/auth",
        "/realms/zoo/login",
        "/realms/zoo",
        "/Realms/ZOO/x",
        "/realms//zoo/auth",
        "/realms/zoo/../zoo/auth",
        "/x/..;/realms/zoo/login",
        "/%72ealms/zoo/y",
        "/realms%2Fzoo/y",
        "/realms/master/../zoo/auth",
    ] {
        refused(&front.visit(&format!("{target}?{request}")).await, 400, "invalid_request");
        assert_eq!(front.post(target, request).await.status, 400, "POST {target}");
    }
    let location = "https://elsewhere.example/cb?code=S3CRET";
    let front = realms(REQUIRED, move |_| redirect("302 Found", location)).await;
    assert_eq!(front.visit("/realms/master/x").await.field("location"), Some(location));
    withheld(&front.visit("/realms/zoo/login-actions/x").await, "ours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b309_exempt_clients_may_stay_without() {
    let settings = "[par]\nrequired = true\nexempt = [\"account-console\", \"bank\"]";
    let front = Front::start(settings).await;
    for query in [
        "client_id=account-console&response_type=code",
        "client_id=bank&response_type=code",
        "client_id=bank&client_id=account-console&response_type=code",
    ] {
        for path in ["/authorize", "/authorize/", "/login"] {
            assert_eq!(front.visit(&format!("{path}?{query}")).await.status, 200, "{path}?{query}");
        }
        for path in ["/authorize", "/login"] {
            assert_eq!(front.post(path, query).await.status, 200, "POST {path} {query}");
        }
    }
    for query in [
        "client_id=web&response_type=code",
        "client_id=account-console&client_id=web&response_type=code",
        "client_id=account-console&Client_Id=web&response_type=code",
        "client_id=Account-Console&response_type=code",
        "response_type=code",
    ] {
        refused(&front.visit(&format!("/authorize?{query}")).await, 400, "invalid_request");
        assert_eq!(front.post("/authorize", query).await.status, 400, "{query}");
    }
    for (location, passes) in [
        ("https://login.example/account?code=1", true),
        ("https://bank.example/cb?code=1", true),
        ("https://elsewhere.example/cb?code=S3CRET", false),
        ("https://client.example/cb?code=S3CRET", false),
    ] {
        let front = Front::answering(settings, move |_| redirect("302 Found", location)).await;
        let answer = front.visit("/login").await;
        assert_eq!(answer.status == 302, passes, "{location}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b306_a_page_that_the_server_compresses_or_stretches_is_judged_too() {
    use std::io::Write as _;

    let form = r#"<form method=post action="https://client.example/cb"><input name=code value=S3CRET></form>"#;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(form.as_bytes()).unwrap();
    let bytes = packer.finish().unwrap();
    let front = Front::answering(REQUIRED, move |_| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        );
        [head.as_bytes(), &bytes].concat()
    })
    .await;
    for target in ["/login", "/login.css"] {
        withheld(&front.visit_with(target, "Accept-Encoding: gzip\r\n").await, target);
    }
    let filler = "<p>x</p>".repeat(8_000);
    let front = Front::answering(REQUIRED, move |_| page(&format!("{filler}{form}{filler}"))).await;
    let mut client = front.connect().await;
    client.send("GET /login HTTP/1.1\r\nHost: login.example\r\nConnection: close\r\n\r\n").await;
    let rest = client.rest().await;
    assert!(!String::from_utf8_lossy(&rest).contains("S3CRET"));
}
