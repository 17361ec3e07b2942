//! The tools of `tests/deploy`, and what they answer.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The versions of Kubernetes that every manifest is for: the first with native sidecars, a new one.
const VERSIONS: [&str; 2] = ["1.29", "1.35"];

/// Runs a program to its end; `input` is its standard input.
pub(super) fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let text = input.to_owned();
    // One that refuses its input early closes it.
    let writer = std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// Standard output where the program ended well, else what it said.
pub(super) fn verdict(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stdout) + &text(&output.stderr))
    }
}

/// Runs a program that `tests/deploy/install` brings.
fn tool(arguments: &[&str], input: &str) -> Result<String, String> {
    install();
    verdict(&run(Command::new("tests/deploy/run").args(arguments), input))
}

fn install() {
    static INSTALLED: OnceLock<Result<String, String>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| verdict(&run(&mut Command::new("tests/deploy/install"), "")))
        .as_ref()
        .expect("the tools can be installed");
}

/// Packs `release/parapet` of the folder `built` as a Debian package into `out`.
pub(super) fn packed(built: &Path, out: &Path) -> Result<String, String> {
    install();
    let mut command = Command::new("tests/deploy/run");
    command.arg("deploy/debian/build").arg(out).env("CARGO_TARGET_DIR", built);
    verdict(&run(&mut command, ""))
}

/// The documents of a YAML text, not judged.
pub(super) fn yaml(text: &str) -> Vec<Value> {
    let json = tool(&["python", "tests/deploy/manifests.py", "plain"], text).unwrap();
    serde_json::from_str(&json).unwrap()
}

/// The manifests of a YAML text where Kubernetes takes every one, else what is wrong with them.
pub(super) fn judged(text: &str) -> Result<Vec<Value>, String> {
    let arguments = [&["python", "tests/deploy/manifests.py"], &VERSIONS[..]].concat();
    tool(&arguments, text).map(|json| serde_json::from_str(&json).unwrap())
}

/// What `kubectl kustomize` makes of a folder below `deploy/kubernetes`.
pub(super) fn kustomize(folder: &str) -> String {
    tool(&["kubectl", "kustomize", &format!("deploy/kubernetes/{folder}")], "").unwrap()
}

/// `lint`, `render` or `notes` of a chart with the values of a file.
pub(super) fn helm(action: &str, chart: &str, values: &str) -> Result<String, String> {
    tool(&["python", "tests/deploy/chart.py", action, chart, values], "")
}

/// The list at a JSON pointer; empty where there is none.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The text at a JSON pointer; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
