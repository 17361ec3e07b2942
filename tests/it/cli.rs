//! The command line, by running the program.

use std::path::Path;
use std::process::{Command, Output};

use parapet::config::{REFERENCE, SecretDigest};

/// Runs the program in the repository's folder without any of its variables.
fn parapet(arguments: &[&str]) -> Output {
    parapet_with(arguments, &[])
}

fn parapet_with(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_parapet"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

const BAD: &str = "tests/fixtures/config/bad/many.toml";

#[test]
fn check_says_good_in_one_line() {
    for command in ["check", "validate"] {
        let output = parapet(&[command]);
        assert_eq!((code(&output), stderr(&output)), (0, ""));
        assert_eq!(stdout(&output), "gateway.toml: good, 1 client\n");
    }
    let output = parapet_with(&["check"], &[("PARAPET_CONFIG", "./gateway.toml")]);
    assert_eq!(stdout(&output), "./gateway.toml: good, 1 client\n");
}

/// Relative paths count from the file's folder, which has an empty name here.
#[test]
fn a_configuration_in_the_working_folder_may_name_files_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let toml = "[server]\nissuer = \"https://login.example.com\"\n\
                [upstream]\nurl = \"http://127.0.0.1:9000\"\n\
                [store]\nsnapshot = \"pending\"\nsnapshot_key_file = \"snapshot.key\"\n";
    std::fs::write(folder.path().join("my.toml"), toml).unwrap();
    std::fs::write(folder.path().join("snapshot.key"), "A".repeat(43)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_parapet"));
    command.args(["check", "--config", "my.toml"]).env_clear().current_dir(folder.path());
    let output = command.output().unwrap();
    assert_eq!((code(&output), stderr(&output)), (0, ""));
}

#[test]
fn a_bad_configuration_ends_with_1_and_all_problems() {
    let expected = std::fs::read_to_string(Path::new(BAD).with_extension("txt")).unwrap();
    for arguments in [
        &["check", "--config", BAD][..],
        &["serve", "--config", BAD],
        &["config", "show", "-c", BAD],
    ] {
        let output = parapet(arguments);
        assert_eq!((code(&output), stdout(&output)), (1, ""));
        assert_eq!(stderr(&output), expected);
    }
    let output = parapet(&["check", "--config", "no/such.toml"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).starts_with("no/such.toml: cannot be read"));
    let output = parapet_with(&["check"], &[("PARAPET__PAR__LIFETIM", "1s")]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("did you mean PARAPET__PAR__LIFETIME?"));
}

#[test]
fn a_bad_command_line_ends_with_2() {
    for arguments in [&[][..], &["sevre"], &["check", "--confg", "a"], &["config"]] {
        let output = parapet(arguments);
        assert_eq!((code(&output), stdout(&output)), (2, ""));
        assert!(stderr(&output).contains("Usage:"), "{}", stderr(&output));
    }
}

#[test]
fn config_prints_defaults_schema_and_page() {
    assert_eq!(stdout(&parapet(&["config", "defaults"])), REFERENCE);
    let schema: serde_json::Value =
        serde_json::from_str(stdout(&parapet(&["config", "schema"]))).unwrap();
    assert_eq!(schema["properties"]["par"]["properties"]["lifetime"]["default"], "60s");
    assert_eq!(schema["required"], serde_json::json!(["server", "upstream"]));
    assert!(stdout(&parapet(&["config", "docs"])).starts_with("# Configuration\n"));
}

#[test]
fn config_show_merges_and_hides_secrets() {
    let output = parapet_with(&["config", "show"], &[("PARAPET__PAR__LIFETIME", "90s")]);
    assert_eq!(code(&output), 0);
    let shown: toml::Table = stdout(&output).parse().unwrap();
    assert_eq!(shown["par"]["lifetime"].as_str(), Some("90s"));
    assert_eq!(shown["clients"][0]["secret"].as_str(), Some("(hidden)"));
    assert!(!stdout(&output).contains("demo-secret"));
}

#[test]
fn secret_generate_prints_a_new_secret_and_its_digest() {
    let made = || {
        let output = parapet(&["secret", "generate"]);
        assert_eq!(code(&output), 0);
        let table: toml::Table = stdout(&output).parse().unwrap();
        let text = |key: &str| table[key].as_str().unwrap().to_owned();
        (text("secret"), text("secret_sha256"))
    };
    let (secret, digest) = made();
    assert_eq!((secret.len(), digest.len()), (43, 64));
    assert!(SecretDigest::parse(&digest).unwrap().matches(&secret));
    assert_ne!(made().0, secret);
}

#[test]
fn version_completions_and_manual_page() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(stdout(&parapet(&["version"])), format!("parapet {version}\n"));
    assert_eq!(
        stdout(&parapet(&["version", "--json"])),
        format!("{{\"name\":\"parapet\",\"version\":\"{version}\"}}\n")
    );
    for shell in ["bash", "zsh", "fish"] {
        let output = parapet(&["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("parapet"), "{shell}");
    }
    assert!(stdout(&parapet(&["man"])).contains(".TH parapet 1"));
}
