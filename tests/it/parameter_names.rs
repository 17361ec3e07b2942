//! Names as real servers read them: whatever one of them takes for a registered name, and is not that
//! name to the byte, is refused in a push, in a step of a login, and where a push is required.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use parapet::authorize::Guard;
use parapet::authorize::pin::{Reach, Rules};
use parapet::client::Registry;
use parapet::clock::SystemClock;
use parapet::config::{self, Environment};
use parapet::oauth::names::{AUTHORIZATION, Vocabulary, list_of};
use parapet::oauth::parameters::Parameters;
use parapet::upstream::key_set::KeyFetcher;
use parapet::upstream::{Discovery, HttpClient};

use super::support::server_names::readers;

/// Every byte, and what is not ASCII but folds to it or has no width.
fn insertions() -> Vec<String> {
    let bytes = (0..=u8::MAX).map(|byte| char::from(byte).to_string());
    let further = [
        "\u{17f}", "\u{212a}", "\u{131}", "\u{130}", "\u{3000}", "\u{feff}", "\u{200b}", "\u{301}",
    ];
    let pairs = ["[]", "[0]", "%00", "%20", "][", "\r\n", "[x]"];
    bytes.chain(further.into_iter().chain(pairs).map(str::to_owned)).collect()
}

/// Spellings of `name`: something put at every place, and a letter in another form.
fn spellings(name: &str) -> Vec<String> {
    let mut all =
        vec![name.to_uppercase(), format!("[{name}]"), format!("[[{name}]]"), format!("]{name}[")];
    for insertion in insertions() {
        for place in 0..=name.len() {
            let mut spelling = name.to_owned();
            spelling.insert_str(place, &insertion);
            all.push(spelling);
        }
    }
    for (place, _) in name.match_indices(['_', 's', 'k', 'i', 'a', 'r']) {
        for form in
            [".", " ", "[", "\u{17f}", "\u{212a}", "\u{131}", "\u{ff41}", "S", "K", "I", "-"]
        {
            let mut spelling = name.to_owned();
            spelling.replace_range(place..=place, form);
            all.push(spelling);
        }
    }
    all
}

fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

#[test]
fn b256_what_a_server_reads_as_a_registered_name_is_refused_at_the_push_and_in_steps() {
    let rules = Rules {
        beside: Vec::new(),
        never_echoed: Vec::new(),
        vocabulary: Vocabulary::default(),
        reach: Reach::Request,
    };
    let mut seen = 0;
    for name in AUTHORIZATION {
        for spelling in spellings(name) {
            let readers = readers(&spelling, name);
            if readers.is_empty() {
                continue;
            }
            seen += 1;
            let text = format!("{}=x", encoded(&spelling));
            // What cannot be read is refused.
            let Ok(form) = Parameters::parse(text.as_bytes()) else { continue };
            assert!(form.imitate_registered(), "push: {spelling:?} is {name} to {readers:?}");
            assert!(
                rules.is_imitated_in_query(&form),
                "query: {spelling:?} is {name} to {readers:?}"
            );
            let is_list = list_of(&spelling).is_some();
            assert!(
                is_list || rules.is_imitated_in_form(&form),
                "form: {spelling:?} is {name} to {readers:?}"
            );
        }
    }
    assert!(seen > 2_000, "{seen} spellings");
}

fn guard() -> Guard {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let text = "[server]\nissuer = \"http://127.0.0.1:1\"\nlisten = [\"127.0.0.1:0\"]\n\
                [upstream]\nurl = \"http://127.0.0.1:2\"\nauthorization_path = \"/authorize\"\n\
                [par]\nrequired = true\n";
    std::fs::write(&file, text).unwrap();
    let config = config::load(&file, &Environment::default()).unwrap().config;
    let client = HttpClient::new(&config.upstream, &config.server.issuer).unwrap();
    let fetcher = Arc::new(KeyFetcher::new(&config.client_keys, Arc::new(SystemClock::start())));
    let registry = Arc::new(Registry::new(&config.clients, &config.par, &fetcher));
    Guard::new(&config, registry, Arc::new(Discovery::new(client, &config))).unwrap()
}

fn is_cut(guard: &Guard, media_type: &'static str, body: &[u8]) -> bool {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))]);
    let mut scan = guard.body_scan("/other", None, &headers).unwrap();
    scan.feed(body) || scan.end()
}

#[test]
fn b256_b269_what_a_server_reads_as_a_request_is_refused_on_every_path() {
    let guard = guard();
    let part = |name: &[u8], value: &str| {
        let head = b"--b\r\nContent-Disposition: form-data; name=\"".as_slice();
        [head, name, b"\"\r\n\r\n", value.as_bytes(), b"\r\n"].concat()
    };
    for (name, other) in [
        ("client_id", "response_type"),
        ("response_type", "client_id"),
        ("request_uri", "client_id"),
    ] {
        for spelling in spellings(name) {
            let readers = readers(&spelling, name);
            if readers.is_empty() {
                continue;
            }
            let query = format!("{}=x&{other}=code", encoded(&spelling));
            let told = format!("{spelling:?} is {name} to {readers:?}");
            assert!(guard.refuses("/other", Some(&query)), "query: {told}");
            let form = "application/x-www-form-urlencoded";
            assert!(is_cut(&guard, form, query.as_bytes()), "form: {told}");
            let body =
                [part(spelling.as_bytes(), "x"), part(other.as_bytes(), "code"), b"--b--".to_vec()];
            let multipart = "multipart/form-data; boundary=b";
            assert!(is_cut(&guard, multipart, &body.concat()), "multipart: {told}");
        }
    }
}
