use proptest::prelude::*;

use super::*;
use crate::authorize::departure::Emission;
use crate::authorize::resume::speaks_of;
use crate::oauth::parameters::Parameters;
use crate::store::FlowId;

const PUSHED: &str = "client_id=app&response_type=code&redirect_uri=https%3A%2F%2Fc.example%2Fcb\
&scope=openid&state=se%22cr%26et&nonce=n%C3%B6nce&claims=%7B%22a%22%3A%20%5B1%2C2%5D%7D\
&resource=https%3A%2F%2Fx&resource=https%3A%2F%2Fy";

const REFERENCE: Reference = Reference::from_bytes([1; 32]);

fn stamp() -> Stamp<'static> {
    Stamp::new((&REFERENCE, FlowId([2; 12])), &[5; 32], PUSHED)
}

fn scene(path: &str) -> Scene {
    Scene {
        origin: "https://login.example".to_owned(),
        path: path.to_owned(),
        secrets: stamp().secrets(),
        is_endpoint: Box::new(|path| path == "/authorize"),
        emission: Box::new(|path, query| {
            let Ok(given) = Parameters::parse(query.as_bytes()) else { return Emission::Foreign };
            let whole = given.value("response_type").is_some() && path == "/authorize";
            if !whole || !speaks_of(&given, PUSHED) {
                return Emission::Foreign;
            }
            let continuation = Continuation { path: path.into(), query: query.into() };
            let shown = "client_id=app&request_uri=H".into();
            Emission::Of(Reference::from_bytes([9; 32]), continuation, shown)
        }),
    }
}

/// A page as the browser gets it, fed in these pieces, and the queries kept for it.
fn seen(path: &str, pieces: &[&[u8]]) -> (String, Vec<String>) {
    let shared = Arc::new(Mutex::new(Shared::default()));
    let view = View::new(scene(path), Arc::clone(&shared));
    let mut rewriter = rewriter(view, AsciiCompatibleEncoding::utf_8(), &shared);
    for piece in pieces {
        rewriter.write(piece).unwrap();
    }
    rewriter.end().unwrap();
    let shared = shared.lock();
    let kept = shared.kept.iter().map(|(_, kept)| kept.query.to_string()).collect();
    (String::from_utf8(shared.out.clone()).unwrap(), kept)
}

fn masked(html: &str) -> String {
    seen("/authorize", &[html.as_bytes()]).0
}

fn token(name: &str, value: &str) -> String {
    let secrets = stamp().secrets();
    secrets.iter().find_map(|secret| secret.stands_for(name, value)).unwrap().to_owned()
}

/// What the upstream's page emits: an authorize URL in its own spelling.
fn url(ampersand: &str) -> String {
    let pairs = ["client_id=app", "response_type=code", "state=se%22cr%26et", "nonce=n%c3%b6nce"];
    format!("/authorize?{}", pairs.join(ampersand))
}

#[test]
fn hidden_fields_get_tokens_however_they_are_written() {
    let state = token("state", "se\"cr&et");
    for field in [
        "<input type=\"hidden\" name=\"state\" value=\"se&quot;cr&amp;et\">",
        "<INPUT VALUE='se\"cr&et' NAME=state TYPE=HIDDEN />",
        "<input type=hidden name=state value=se&#34;cr&#x26;et>",
        "<input\n value='se\"cr&amp;et'\n type='hidden' id=x\n name='state'\n>",
        "<input type=hidden name=state value='se\"cr&et' value='se\"cr&et'>",
    ] {
        let page = masked(&format!("<p><form method=post>{field}</form>"));
        assert!(page.contains(&format!("\"{state}\"")), "{page}");
        assert!(!page.contains("cr&"), "{page}");
    }
    let page = masked(
        "<form><input type=hidden name=nonce value=n&#246;nce><input type=hidden name=claims value='{\"a\":[1,2]}'>",
    );
    assert!(page.contains(&token("nonce", "nönce")) && !page.contains("nce>"), "{page}");
    assert!(page.contains(&token("claims", "{\"a\": [1,2]}")) && !page.contains("[1"), "{page}");
}

#[test]
fn repeated_fields_get_a_token_each() {
    let field = |value| format!("<input type=hidden name=resource value={value}>");
    let page = masked(&format!("<form>{}{}</form>", field("https://x"), field("https://y")));
    let (one, two) = (token("resource", "https://x"), token("resource", "https://y"));
    assert_ne!(one, two);
    assert!(page.contains(&one) && page.contains(&two) && !page.contains("https"), "{page}");
}

#[test]
fn other_fields_stay() {
    for field in [
        "<input type=hidden name=client_id value=app>",
        "<input type=hidden name=state value=other>",
        "<input type=hidden name=csrf value=openid>",
        "<input type=text name=scope value=openid>",
        "<input type=hidden name=scope>",
    ] {
        let page = format!("<form method=post>{field}<p>openid</form>");
        assert_eq!(masked(&page), page);
    }
}

#[test]
fn a_form_is_masked_where_it_is_pinned_when_it_comes_back() {
    let field = "<input type=hidden name=scope value=openid>";
    let token = token("scope", "openid");
    let handle = "urn:ietf:params:oauth:request_uri:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (path, form, expected) in [
        ("/authorize", "<form>", true),
        ("/authorize", "<form action=''>", true),
        ("/authorize", "<form action='#'>", true),
        ("/authorize", "<form action='?lang=de'>", true),
        ("/authorize", "<form action=authorize>", true),
        ("/authorize", "<form action='HTTPS://login.example/authorize'>", true),
        ("/authorize", "<form action=' /author\nize '>", true),
        ("/authorize", "<base href=/deep/er/><form>", true),
        ("/authorize", "<base href=/deep/er/><form action=../../authorize>", true),
        ("/authorize", "<base href=/deep/er/><form action=authorize>", false),
        ("/authorize", "<form action=/login method=post>", false),
        ("/authorize", "<form action='https://login.example.evil/authorize'>", false),
        ("/next", "<form method=post>", true),
        ("/next", "<form>", false),
        ("/next", "<form method=post action='?x'>", false),
        ("/next", "<form method=post action='/a?request_uri=H'>", true),
        ("/next", "<form method=get action='/a?request_uri=H'>", false),
        ("/next", "<form action=/authorize>", true),
    ] {
        let form = form.replace("=H", &format!("={handle}"));
        let (page, _) = seen(path, &[format!("{form}{field}</form>").as_bytes()]);
        assert_eq!(page.contains(&token), expected, "{path} {form}");
        assert_eq!(page.contains("openid"), !expected, "{path} {form}");
    }
}

#[test]
fn fields_outside_a_form_belong_to_the_form_they_name() {
    let token = token("scope", "openid");
    let forms = "<form id=a></form><form id=b action=/login></form>";
    for (field, expected) in [
        ("<input type=hidden name=scope value=openid form=a>", true),
        ("<input type=hidden name=scope value=openid form=b>", false),
        ("<input type=hidden name=scope value=openid form=later>", true),
        ("<input type=hidden name=scope value=openid>", true),
    ] {
        assert_eq!(masked(&format!("{forms}{field}")).contains(&token), expected, "{field}");
    }
}

#[test]
fn authorize_urls_get_handles_wherever_they_stand() {
    let shown = "client_id=app&amp;request_uri=H";
    for element in [
        "<form action=\"URL\" method=post>",
        "<form><button formaction='URL'>",
        "<form><input type=submit formaction='URL'>",
        "<a href='URL#top'>",
        "<map><area href=URL>",
        "<link rel=canonical href='URL'>",
        "<iframe src='//login.exampleURL'></iframe>",
        "<img src=URL>",
        "<script src='URL'></script>",
        "<meta http-equiv=refresh content=\"0; Url = x; url='URL'\">",
        "<meta property='og:url' content='URL'>",
        "<div data-next='URL'>",
        "<form action=/login><input type=hidden name=next value='URL'>",
        "<A HREF='URL'>",
    ] {
        for ampersand in ["&", "&amp;", "&#38;"] {
            let html = element.replace("URL'", &format!("{}'", url(ampersand)));
            let html = html.replace("URL", &url(ampersand));
            let (page, kept) = seen("/authorize", &[html.as_bytes()]);
            assert!(page.contains(shown) || page.contains("next="), "{page}");
            assert!(!page.contains("state"), "{page}");
            assert!(!kept.is_empty(), "{page}");
        }
    }
}

#[test]
fn nested_urls_keep_their_depth() {
    let mut once = String::new();
    crate::oauth::parameters::encode(&mut once, &url("&"));
    let page = masked(&format!("<a href='/login?next={once}&amp;x=1'>"));
    assert_eq!(
        page,
        "<a href=\"/login?next=%2Fauthorize%3Fclient_id%3Dapp%26request_uri%3DH&amp;x=1\">"
    );
    let mut twice = String::new();
    crate::oauth::parameters::encode(&mut twice, &format!("/b?next={once}"));
    let page = masked(&format!("<a href='/broker?to={twice}'>"));
    assert!(page.contains("request_uri%253DH") && !page.contains("state"), "{page}");
    let page = masked(&format!("<a href='../x/../authorize{}'>", &url("&")[10..]));
    assert!(page.contains("=H") && !page.contains("state"), "{page}");
}

#[test]
fn what_people_and_scripts_read_stays() {
    let page = format!(
        "<!doctype html><pre>state={0}</pre><script>var u = '{0}';</script><style>a{{}}</style><noscript><a href='{0}'></noscript>\
<textarea>{0}</textarea><p onclick=\"location='{0}'\">scope openid</p><a href='/authorize'>\
<a href='/authorize?client_id=other&response_type=code'><a href='https://c.example{0}'>",
        url("&")
    );
    assert_eq!(masked(&page), page);
}

const PAGE: &str = "<!doctype html><html><head><meta charset=utf-8><title>Än</title></head><body>\
<form action='/authorize?client_id=app&amp;response_type=code&amp;state=se%22cr%26et' method=POST>\
<input type=hidden name=state value=\"se&quot;cr&amp;et\"><input type=hidden name=nonce value=nönce>\
<button name=a value=b>ja</button></form><form action=/login><input type=hidden name=scope \
value=openid></form><!-- end --></body></html>";

#[test]
fn a_page_reads_the_same_cut_at_any_place() {
    let whole = masked(PAGE);
    assert!(whole.contains("request_uri=H") && whole.contains("value=openid"));
    for cut in 0..PAGE.len() {
        let (head, tail) = PAGE.as_bytes().split_at(cut);
        assert_eq!(seen("/authorize", &[head, tail]).0, whole, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = PAGE.as_bytes().chunks(1).collect();
    assert_eq!(seen("/authorize", &bytes).0, whole);
}

#[test]
fn the_parser_passes_the_rest_as_it_is_where_its_memory_ends() {
    let shared = Arc::new(Mutex::new(Shared::default()));
    let view = View::new(scene("/authorize"), Arc::clone(&shared));
    let mut rewriter = rewriter(view, AsciiCompatibleEncoding::utf_8(), &shared);
    let page = format!("{PAGE}<p title='{}'>", "x".repeat(2 * MOST));
    let mut fed = 0;
    for piece in page.as_bytes().chunks(16 << 10) {
        fed += piece.len();
        if rewriter.write(piece).is_err() {
            break;
        }
    }
    assert!(fed < page.len() && fed > MOST / 2, "{fed}");
    let mut out = shared.lock().out.clone();
    out.extend_from_slice(&page.as_bytes()[fed..]);
    let expected = page.replace(PAGE, &masked(PAGE));
    assert!(out == expected.as_bytes(), "{} for {}", out.len(), expected.len());
}

#[test]
fn a_mebibyte_streams_through_and_next_to_nothing_is_held() {
    let shared = Arc::new(Mutex::new(Shared::default()));
    let view = View::new(scene("/authorize"), Arc::clone(&shared));
    let mut rewriter = rewriter(view, AsciiCompatibleEncoding::utf_8(), &shared);
    let page = PAGE.repeat((1 << 20) / PAGE.len() + 1);
    let (mut fed, mut written) = (0, 0);
    for piece in page.as_bytes().chunks(16 << 10) {
        rewriter.write(piece).unwrap();
        fed += piece.len();
        let out = std::mem::take(&mut shared.lock().out);
        assert!(out.len() < 2 * piece.len());
        written += out.len();
        // Tokens and handles are about as long as what they stand for here.
        assert!(fed < written + fed / 4 + (16 << 10), "{fed} read, {written} written");
    }
    rewriter.end().unwrap();
}

#[test]
fn pages_of_other_encodings_are_told_by_their_header() {
    let told = |name, value: &'static str| {
        encoding(&HeaderMap::from_iter([(name, http::HeaderValue::from_static(value))]))
    };
    for kind in ["text/html", "text/html; charset=ISO-8859-1", "text/html;charset=\"utf-8\""] {
        assert!(told(CONTENT_TYPE, kind).is_ok(), "{kind}");
    }
    for kind in [
        "text/html; charset=utf-16",
        "text/html; Charset=UTF-16LE",
        "text/html;charset=iso-2022-jp",
    ] {
        assert_eq!(told(CONTENT_TYPE, kind).unwrap_err(), Fault::Encoding, "{kind}");
    }
    assert_eq!(told(CONTENT_ENCODING, "gzip").unwrap_err(), Fault::Compressed);
    assert!(told(CONTENT_ENCODING, "Identity").is_ok());
    assert!(is_utf16(&[0xff, 0xfe, b'<', 0]) && !is_utf16(b"<h"));
}

#[test]
fn an_old_encoding_is_read_and_written_as_itself() {
    let shared = Arc::new(Mutex::new(Shared::default()));
    let view = View::new(scene("/authorize"), Arc::clone(&shared));
    let latin = AsciiCompatibleEncoding::new(encoding_rs::WINDOWS_1252).unwrap();
    let mut rewriter = rewriter(view, latin, &shared);
    rewriter.write(b"<p>\xe4<input type=hidden name=nonce value=n\xf6nce>").unwrap();
    rewriter.end().unwrap();
    let out = shared.lock().out.clone();
    assert!(out.starts_with(b"<p>\xe4") && !out.contains(&0xf6));
}

proptest! {
    #[test]
    fn a_page_without_what_was_pushed_stays_byte_for_byte(
        pieces in proptest::collection::vec(prop_oneof![
            "[a-z0-9 <>=\"'/&;!?#-]{0,20}",
            Just("<form method=post action=/authorize>".to_owned()),
            Just("<input type=hidden name=state value='other'>".to_owned()),
            Just("<a href='/authorize?client_id=x&amp;response_type=code'>".to_owned()),
            Just("<script>if (a<b) {}</script>".to_owned()),
            Just("<select><option value=1><textarea>".to_owned()),
            Just("</form>".to_owned()),
            Just("<!--".to_owned()),
            Just("é\u{2028}".to_owned()),
        ], 0..20),
    ) {
        let page = pieces.concat();
        prop_assert_eq!(masked(&page), page);
    }

    #[test]
    fn no_bytes_make_it_panic_or_change(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let view = View::new(scene("/authorize"), Arc::clone(&shared));
        let mut rewriter = rewriter(view, AsciiCompatibleEncoding::utf_8(), &shared);
        rewriter.write(&bytes).unwrap();
        rewriter.end().unwrap();
        prop_assert_eq!(&shared.lock().out, &bytes);
    }
}
