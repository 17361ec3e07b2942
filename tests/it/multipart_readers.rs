//! Multipart forms as real servers read them: where one of them finds an authorization request, it is
//! refused, and what the gateway writes anew has one reading.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use parapet::authorize::Guard;
use parapet::authorize::pin::multipart::{Content, Multipart};
use parapet::client::Registry;
use parapet::clock::SystemClock;
use parapet::config::{self, Environment};
use parapet::oauth::names::{Name, Vocabulary, is_legal};
use parapet::upstream::key_set::KeyFetcher;
use parapet::upstream::{Discovery, HttpClient};

use super::support::server_parts::READERS;

const TYPE: &str = "multipart/form-data; boundary=b";

/// A client named `must` has to push, others need not.
fn guard() -> Guard {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let text = "[server]\nissuer = \"http://127.0.0.1:1\"\nlisten = [\"127.0.0.1:0\"]\n\
                [upstream]\nurl = \"http://127.0.0.1:2\"\nauthorization_path = \"/authorize\"\n\
                [[clients]]\nclient_id = \"must\"\nauthentication = \"none\"\n\
                redirect_uris = [\"https://c.example/cb\"]\n\
                require_pushed_authorization_requests = true\n";
    std::fs::write(&file, text).unwrap();
    let config = config::load(&file, &Environment::default()).unwrap().config;
    let client = HttpClient::new(&config.upstream, &config.server.issuer).unwrap();
    let fetcher = Arc::new(KeyFetcher::new(&config.client_keys, Arc::new(SystemClock::start())));
    let registry = Arc::new(Registry::new(&config.clients, &config.par, &fetcher));
    Guard::new(&config, registry, Arc::new(Discovery::new(client, &config))).unwrap()
}

fn is_cut(guard: &Guard, body: &[u8], size: usize) -> bool {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(TYPE))]);
    let mut scan = guard.body_scan("/other", None, &headers).unwrap();
    body.chunks(size).any(|piece| scan.feed(piece)) || scan.end()
}

/// Heads that name `client_id`, in the ways of the specifications.
const HEADS: &[&str] = &[
    "Content-Disposition: form-data; name=\"client_id\"\r\n\r\n",
    "Content-Disposition: form-data; name=client_id\r\n\r\n",
    "Content-Disposition: form-data; name*=utf-8''client%5Fid\r\n\r\n",
    "Content-Disposition: form-data; filename=\"\"; name=\"client_id\"\r\n\r\n",
    "Content-Type: text/plain\r\nContent-Disposition: form-data; name=\"client_id\"\r\n\r\n",
    "Content-Disposition: form-data; name=\"x\"; name=\"client_id\"\r\n\r\n",
];

/// What is put into them: every byte, and longer pieces in which readers differ.
fn insertions() -> Vec<Vec<u8>> {
    let pieces: [&[u8]; 24] = [
        b"\r\n",
        b"\n\n",
        b"\r\r",
        b"\r\n\r\n",
        b"\n\r\n",
        b"\r\n ",
        b"\n\t",
        b"\r\nX: y\r\n",
        b"\nX: y\n",
        b"; x=\"",
        b"\\\"",
        b"\\\\\"",
        b"\"\"",
        b"; name=\"y\"",
        b"; name=y",
        b"; name*=''y",
        b"\xc2\xa0",
        b"\xe3\x80\x80",
        b"%20",
        b"%00",
        b"--",
        b"\r\nContent-Disposition: form-data; name=\"y\"\r\n",
        b"(c)",
        b"\xef\xbb\xbf",
    ];
    let bytes = (0..=u8::MAX).map(|byte| vec![byte]);
    bytes.chain(pieces.iter().map(|piece| piece.to_vec())).collect()
}

/// `head` with each insertion at each place, and each of two places for a few of them.
fn variants(head: &str) -> Vec<Vec<u8>> {
    let with = |text: &[u8], at: usize, piece: &[u8]| [&text[..at], piece, &text[at..]].concat();
    let insertions = insertions();
    let mut all = Vec::new();
    for at in 0..=head.len() {
        for piece in &insertions {
            all.push(with(head.as_bytes(), at, piece));
        }
    }
    let odd: [&[u8]; 7] = [b"\"", b"\n\n", b"\r", b"\\", b";", b"'", b"\n"];
    for first in odd {
        for second in odd {
            for at in 20..head.len() {
                let once = with(head.as_bytes(), at, first);
                all.extend((at..once.len()).step_by(3).map(|other| with(&once, other, second)));
            }
        }
    }
    all
}

#[test]
fn b269_what_a_server_reads_as_a_request_in_a_multipart_form_is_refused() {
    let guard = guard();
    let (mut seen, mut missed) = (0, Vec::new());
    for head in HEADS {
        for variant in variants(head) {
            let part = [&variant[..], b"must"].concat();
            let reads = |reader: &&(&str, super::support::server_parts::Reader)| {
                (reader.1)(&part)
                    .is_some_and(|(name, value)| name == "client_id" && value.trim() == "must")
            };
            let readers: Vec<_> = READERS.iter().filter(reads).map(|(server, _)| server).collect();
            if readers.is_empty() {
                continue;
            }
            seen += 1;
            let other = b"\r\n--b\r\nContent-Disposition: form-data; name=\"response_type\"\r\n\r\ncode\r\n";
            let body = [b"--b\r\n", &part[..], other, b"--b--\r\n"].concat();
            let told = String::from_utf8_lossy(&part).into_owned();
            if !is_cut(&guard, &body, body.len()) || seen % 16 == 0 && !is_cut(&guard, &body, 1) {
                missed.push(format!("{told:?} names the client to {readers:?}"));
            }
        }
    }
    assert!(missed.is_empty(), "{} of {seen}: {:#?}", missed.len(), missed.iter().take(40));
    assert!(seen > 10_000, "{seen} heads");
}

#[test]
fn b269_what_is_written_anew_has_one_reading() {
    let vocabulary = Vocabulary::default();
    let mut seen = 0;
    for head in HEADS {
        for variant in variants(&head.replace("client_id", "color")) {
            let body = [b"--b\r\n", &variant[..], b"red\r\n--b--\r\n"].concat();
            let Ok(form) = Multipart::parse(TYPE, &body) else { continue };
            let [part] = form.parts() else { panic!("{} parts", form.parts().len()) };
            let Content::Value(value) = part.content else { continue };
            // Such a name is refused before anything is written.
            if !is_legal(part.name) || matches!(vocabulary.read(part.name), Name::Imitation(_)) {
                continue;
            }
            seen += 1;
            let written = form.anew().unwrap().body;
            let begin = written.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
            let end =
                written.len() - written.iter().rev().skip(2).position(|&b| b == b'\n').unwrap() - 4;
            for (server, read) in READERS {
                let (name, content) = read(&written[begin..end]).unwrap();
                assert_eq!(content, value, "{server}");
                let letters = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "");
                // Rack cuts a name at a bracket.
                let ours = letters(&part.name.replace('"', "%22"));
                let theirs = letters(&name);
                assert!(theirs == ours || part.name.contains(['[', ']']), "{server}: {name:?}");
            }
        }
    }
    assert!(seen > 500, "{seen} heads");
}
