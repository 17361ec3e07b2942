//! `deploy/docker`: the Dockerfile, and the check that its program has to pass.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::tools::{run, verdict};

const FOLDER: &str = "deploy/docker";

/// A program that does what the check asks of the gateway, and nothing else.
const PROGRAM: &str = r#"fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("version") => println!("1"),
        Some("check") => assert!(std::fs::read_to_string("gateway.toml").is_ok()),
        _ => std::process::exit(2),
    }
}
"#;

/// Compiles `source` with these flags and lets the check judge it.
fn judged(source: &str, flags: &[&str]) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "--crate-name", "program", "-", "-o"]).arg(&program);
    verdict(&run(rustc.args(flags), source)).unwrap();
    judged_file(&program)
}

fn judged_file(program: &Path) -> Result<String, String> {
    verdict(&run(Command::new(format!("{FOLDER}/check")).arg(program), ""))
}

const STATIC: &str = "-Ctarget-feature=+crt-static";
const STRIPPED: &str = "-Cstrip=symbols";

#[test]
fn the_check_takes_what_needs_nothing_else() {
    let found = judged(PROGRAM, &[STATIC, STRIPPED]).unwrap();
    assert!(found.contains("static, stripped"), "{found}");
}

#[test]
fn the_check_refuses_what_would_not_run_alone() {
    for (source, flags, complaint) in [
        (PROGRAM.to_owned(), &[STRIPPED][..], "not static"),
        (PROGRAM.to_owned(), &[STATIC], "not stripped"),
        (
            PROGRAM.replace("println!(\"1\")", "std::fs::write(\"here\", \"\").unwrap()"),
            &[STATIC, STRIPPED],
            "does not run",
        ),
        (
            PROGRAM.replace("\"gateway.toml\"", "\"no-such-file\""),
            &[STATIC, STRIPPED],
            "does not read its configuration",
        ),
    ] {
        let problem = judged(&source, flags).unwrap_err();
        assert!(problem.contains(complaint), "{complaint}: {problem}");
    }
    let problem = judged_file(Path::new(env!("CARGO_BIN_EXE_parapet"))).unwrap_err();
    assert!(problem.contains("not static"), "{problem}");
}

#[test]
fn the_check_refuses_what_is_too_large() {
    let large = PROGRAM.to_owned()
        + "#[used]\nstatic ROOM: [u8; 26 << 20] = { let mut room = [0; 26 << 20]; room[0] = 1; room };\n";
    let problem = judged(&large, &[STATIC, STRIPPED]).unwrap_err();
    assert!(problem.contains("or more"), "{problem}");
}

/// What the last stage of the Dockerfile says under this instruction.
pub(super) fn of_dockerfile(instruction: &str) -> String {
    let file = fs::read_to_string(format!("{FOLDER}/Dockerfile")).unwrap().replace("\\\n", " ");
    let (_, last) = file.rsplit_once("\nFROM ").unwrap();
    let last = format!("FROM {last}");
    let mut lines = last.lines().filter_map(|line| line.strip_prefix(&format!("{instruction} ")));
    let found = lines.next().unwrap_or_else(|| panic!("no {instruction}"));
    found.to_owned()
}

#[test]
fn the_image_holds_the_program_alone_and_has_no_user_with_rights() {
    assert_eq!(of_dockerfile("FROM"), "scratch");
    assert_eq!(of_dockerfile("USER"), "65532:65532");
    assert_eq!(of_dockerfile("ENTRYPOINT"), r#"["/parapet"]"#);
    let file = fs::read_to_string(format!("{FOLDER}/Dockerfile")).unwrap();
    assert!(file.contains("\n    deploy/docker/build /out\n"), "built by the script");
    // Its commands are those of the program.
    let health = of_dockerfile("HEALTHCHECK");
    let health = health.split_once(" CMD ").unwrap().1;
    for words in [
        health.to_owned(),
        of_dockerfile("ENTRYPOINT").replace(']', ", ") + &of_dockerfile("CMD")[1..],
    ] {
        let words: Vec<String> = serde_json::from_str(&words).unwrap();
        assert_eq!(words[0], "/parapet");
        let mut parapet = Command::new(env!("CARGO_BIN_EXE_parapet"));
        verdict(&run(parapet.args(&words[1..]).arg("--help"), "")).unwrap();
    }
}

/// The folder that the engine gets holds what cargo needs.
#[test]
fn the_build_context_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let ignore = fs::read_to_string(".dockerignore").unwrap();
    let mut kept = ignore.lines().filter_map(|line| line.strip_prefix('!')).peekable();
    assert!(ignore.lines().any(|line| line == "*") && kept.peek().is_some());
    for path in kept {
        let copy = folder.path().join(path);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        let copied = Command::new("cp").arg("-R").arg(path).arg(&copy).status().unwrap();
        assert!(copied.success(), "{path}");
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"]);
    verdict(&run(cargo.current_dir(folder.path()), "")).unwrap();
    for file in ["gateway.toml", ".askama.toml", "src/answer/error.html", "deploy/docker/build"] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
}
