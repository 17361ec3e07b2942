//! Secrets with characters that nobody sees (B-253), and configurations that are damaged (B-266).

use std::path::Path;

use parapet::config::{self, Environment};

const CALLBACK: &str = "redirect_uris = [\"https://c.example/cb\"]";
const BASE: &str = "[server]\nissuer = \"https://login.example.com\"\n\
                    [upstream]\nurl = \"http://127.0.0.1:9000\"\n";

/// Each kind of secret: the lines before its key, the key, whether it may stand in the file, in a file and in
/// a variable.
const SECRETS: &[(&str, &str, [Option<&str>; 3])] = &[
    ("client_secret_basic", "", [Some("secret"), Some("secret_file"), Some("secret_env")]),
    ("client_secret_post", "", [Some("secret"), Some("secret_file"), Some("secret_env")]),
    ("client_secret_jwt", "", [Some("secret"), Some("secret_file"), Some("secret_env")]),
    (
        "client_secret_basic",
        "secret = \"now\"",
        [Some("previous_secret"), Some("previous_secret_file"), Some("previous_secret_env")],
    ),
    (
        "upstream",
        "",
        [
            Some("secret_header_value"),
            Some("secret_header_value_file"),
            Some("secret_header_value_env"),
        ],
    ),
    ("redis", "", [None, Some("password_file"), Some("password_env")]),
];

fn table(kind: &str, lines: &str, key: &str) -> String {
    match kind {
        "upstream" => format!("{BASE}secret_header = \"x-gate\"\n{key}\n"),
        "redis" => format!(
            "{BASE}[store]\nbackend = \"redis\"\n[store.redis]\n\
                            url = \"redis://127.0.0.1:1\"\n{key}\n"
        ),
        method => format!(
            "{BASE}[[clients]]\nclient_id = \"web\"\nauthentication = \"{method}\"\n{CALLBACK}\n\
             {lines}\n{key}\n"
        ),
    }
}

fn judged(folder: &Path, text: &str, variables: &[(&str, &str)]) -> Result<(), String> {
    let file = folder.join("gateway.toml");
    std::fs::write(&file, text).unwrap();
    let environment: Environment = variables.iter().copied().collect();
    config::load(&file, &environment).map(drop).map_err(|problems| problems.to_string())
}

/// What the value of each spelling leads to.
fn spelt(
    kind: &(&str, &str, [Option<&str>; 3]),
    secret: &str,
) -> Vec<(String, Result<(), String>)> {
    let (table_of, lines, spellings) = kind;
    let folder = tempfile::tempdir().unwrap();
    let mut results = Vec::new();
    for (place, key) in spellings.iter().enumerate() {
        let Some(key) = key else { continue };
        let value = match place {
            0 => serde_json::to_string(secret).unwrap().replace('\u{7f}', "\\u007f"),
            1 => {
                std::fs::write(folder.path().join("secret"), secret).unwrap();
                "\"secret\"".to_owned()
            }
            _ => "\"SECRET\"".to_owned(),
        };
        let text = table(table_of, lines, &format!("{key} = {value}"));
        let result = judged(folder.path(), &text, &[("SECRET", secret)]);
        results.push((format!("{table_of} {key}"), result));
    }
    results
}

#[test]
fn b253_a_secret_with_a_control_character_is_refused_in_any_spelling() {
    let good = "a-secret-of-more-than-thirty-two-bytes-for-hmac";
    let controls = (1..32_u8).chain([127]).map(char::from).chain(['\u{80}', '\u{85}', '\u{9f}']);
    let controls: Vec<char> = controls.collect();
    for kind in SECRETS {
        for (spelling, result) in spelt(kind, good) {
            assert_eq!(result, Ok(()), "{spelling}");
        }
        for control in &controls {
            for secret in [
                format!("{control}{good}"),
                format!("{good}{control}{good}"),
                format!("{good}{control}{control}"),
            ] {
                for (spelling, result) in spelt(kind, &secret) {
                    let problem = result.expect_err(&format!("{spelling} {control:?}"));
                    assert!(problem.contains("control character"), "{spelling}: {problem}");
                    assert!(!problem.contains(good), "{spelling}: {problem}");
                }
            }
        }
    }
    // One line break at the end of a file is the editor's.
    for kind in SECRETS {
        for end in ["\n", "\r\n"] {
            let results = spelt(kind, &format!("{good}{end}"));
            for (spelling, result) in results {
                assert_eq!(result.is_ok(), spelling.ends_with("_file"), "{spelling} {end:?}");
            }
        }
    }
}

/// A configuration with a string in every place, and none of them may be shown.
const WHOLE: &str = r#"[server]
issuer = "https://planted-issuer.example"
listen = ["127.0.0.1:1", "planted-listen"]
[upstream]
url = "http://planted-upstream:9000"
secret_header = "planted-header"
secret_header_value = "planted-value"
[[clients]]
client_id = 'planted-client'
secret = """
planted-first = line
planted-second"""
redirect_uris = [
  "https://planted.example/cb", # planted-comment
  'https://planted.example/other?a=planted-query',
]
[[clients]]
client_id = "planted\tclient"
jwks = { keys = [{ kty = "EC", x = "planted-x", y = "planted-y" }] }
"#;

#[test]
fn b266_no_string_of_a_damaged_configuration_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (mut damaged, mut checked) = (Vec::new(), 0);
    for (at, character) in WHOLE.char_indices() {
        let after = at + character.len_utf8();
        for with in ["", "\"", "'", "\n", "=", "[", "\\", "\u{1}"] {
            damaged.push(format!("{}{with}{}", &WHOLE[..at], &WHOLE[after..]));
            damaged.push(format!("{}{with}{}", &WHOLE[..at], &WHOLE[at..]));
        }
        damaged.push(WHOLE[..at].to_owned());
    }
    for text in damaged {
        let Err(shown) = judged(folder.path(), &text, &[]) else { continue };
        if !shown.contains("not TOML") {
            continue;
        }
        checked += 1;
        for part in ["planted", "lanted-", "anted", "issuer.ex", "ed-value", "-second", "-query"] {
            assert!(!shown.contains(part), "{part} is shown:\n{shown}\nof\n{text}");
        }
    }
    assert!(checked > 2_000, "{checked}");
}

#[test]
fn b266_the_place_and_the_key_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    for (text, wanted) in [
        ("[par]\nlifetime = 60s\n", "    2 | lifetime = ···\n      |            ^"),
        ("[par\nlifetime = 60\n", "    1 | [par\n      |     ^"),
        ("[par]\nlifetim = \"60s\n", "    2 | ······· = \"···\n"),
        ("[upstream]\ntls.ca = \"a\n", "    2 | tls.ca = \"·\n"),
    ] {
        let shown = judged(folder.path(), text, &[]).unwrap_err();
        assert!(shown.contains(wanted), "{shown}");
    }
}
