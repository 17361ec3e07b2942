//! The documents are true: links resolve, commands parse, configurations load, errors are listed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use parapet::config::{self, Environment};

use super::support::markdown::{Block, Document};
use super::support::sources::files_under;

/// Every document that people read, by its path.
fn documents() -> Vec<(PathBuf, Document)> {
    let own = std::fs::read_dir(".").unwrap().map(|entry| entry.unwrap().path());
    let own = own.filter(|path| path.extension().is_some_and(|found| found == "md"));
    let folders = ["docs", "deploy"].into_iter().flat_map(|folder| files_under(folder, "md"));
    let paths = own.map(|path| path.strip_prefix(".").unwrap().to_owned()).chain(folders);
    paths
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path, Document::new(&text))
        })
        .collect()
}

#[test]
fn the_documents_are_there() {
    let found: HashSet<_> = documents().into_iter().map(|(path, _)| path).collect();
    for path in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] {
        assert!(found.contains(Path::new(path)), "{path}");
    }
    assert!(Path::new("LICENSE").exists());
}

#[test]
fn every_link_leads_somewhere() {
    let wrong = broken_links(&documents());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The links between documents that lead nowhere.
pub(super) fn broken_links(documents: &[(PathBuf, Document)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, document) in documents {
        for link in document.links().filter(|link| !link.contains(':')) {
            if let Err(problem) = follow(path, link) {
                wrong.push(format!("{}: {link}: {problem}", path.display()));
            }
        }
    }
    wrong
}

fn follow(from: &Path, link: &str) -> Result<(), &'static str> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => from.to_owned(),
        file => from.parent().unwrap().join(file),
    };
    if !target.exists() {
        return Err("no such file");
    }
    if anchor.is_empty() {
        return Ok(());
    }
    let text = std::fs::read_to_string(&target).map_err(|_| "not a document")?;
    let anchors = Document::new(&text).anchors();
    if anchors.iter().any(|known| known == anchor) { Ok(()) } else { Err("no such heading") }
}

#[test]
fn every_command_of_ours_is_understood() {
    let mut commands = 0;
    for (path, document) in documents() {
        for line in document.commands("parapet ") {
            let words = line.split_whitespace().skip(1);
            let words: Vec<_> = words.take_while(|word| !is_the_shells(word)).collect();
            let program = env!("CARGO_BIN_EXE_parapet");
            let output = Command::new(program).args(&words).arg("--help").output().unwrap();
            let problem = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {line}: {problem}", path.display());
            commands += 1;
        }
    }
    assert!(commands > 10, "{commands}");
}

fn is_the_shells(word: &str) -> bool {
    word.starts_with(['>', '|', '&', '<', '#', '('])
}

#[test]
fn every_make_target_exists() {
    let makefile = std::fs::read_to_string("Makefile").unwrap();
    for (path, document) in documents() {
        for line in document.commands("make ") {
            for target in line.split_whitespace().skip(1).take_while(|word| !is_the_shells(word)) {
                let rule = format!("\n{target}:");
                assert!(makefile.contains(&rule), "{}: {line}", path.display());
            }
        }
    }
}

/// A whole configuration loads as it stands; a part of one loads on top of the shortest.
#[test]
fn every_configuration_loads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let mut whole = 0;
    for (path, document) in documents() {
        for block in document.blocks().iter().filter(|block| block.language == "toml") {
            let part: toml::Table = block.text.parse().unwrap_or_else(|error| {
                panic!("{}: {error}\n{}", path.display(), block.text);
            });
            let is_whole = part.contains_key("server") && part.contains_key("upstream");
            let text = if is_whole { block.text.clone() } else { on_the_shortest(part) };
            std::fs::write(&file, text).unwrap();
            if let Err(problems) = config::load(&file, &Environment::default()) {
                panic!("{}: {problems}", path.display());
            }
            whole += usize::from(is_whole);
        }
    }
    assert!(whole > 0);
}

/// A block that begins with the name of a script holds lines of that script, between its own comments.
#[test]
fn every_snippet_of_a_script_is_run() {
    let mut snippets = 0;
    for (path, document) in documents() {
        for block in document.blocks() {
            let comment = |line: &str| line.starts_with("// ") || line.starts_with("# ");
            let first = block.text.lines().next().and_then(|line| line.split_once(" tests/idp/"));
            let Some((_, script)) = first else { continue };
            let script = std::fs::read_to_string(Path::new("tests/idp").join(script)).unwrap();
            let lines: Vec<_> = block.text.lines().collect();
            for run in lines.split(|line| comment(line)).filter(|run| !run.is_empty()) {
                let all = script.contains(&(run.join("\n") + "\n"));
                let each = || run.iter().all(|line| script.lines().any(|known| known == *line));
                assert!(all || each(), "{}: {run:#?}", path.display());
            }
            snippets += 1;
        }
    }
    assert!(snippets > 3, "{snippets}");
}

fn on_the_shortest(part: toml::Table) -> String {
    let shortest = "server.issuer = \"https://login.example.com\"\n\
                    upstream.url = \"http://127.0.0.1:9000\"\n";
    let mut whole: toml::Table = shortest.parse().unwrap();
    for (name, value) in part {
        match (whole.get_mut(&name), value) {
            (Some(toml::Value::Table(table)), toml::Value::Table(more)) => table.extend(more),
            (_, value) => {
                whole.insert(name, value);
            }
        }
    }
    toml::to_string(&whole).unwrap()
}

#[test]
fn markdown_is_read() {
    let document = Document::new(
        "# A *b* `c`, d!\n[x](y.md#z) `parapet check`, and\n```sh\nparapet serve > a\n  # no\n\
         [no](link.md)\n```\n## Two-three\n## Two-three\n",
    );
    assert_eq!(document.links().collect::<Vec<_>>(), ["y.md#z"]);
    assert_eq!(document.anchors(), ["a-b-c-d", "two-three", "two-three-1"]);
    assert_eq!(document.commands("parapet "), ["parapet check", "parapet serve > a"]);
    let [Block { language, text }] = document.blocks() else { panic!("one block") };
    assert_eq!((language.as_str(), text.lines().count()), ("sh", 3));
    assert!(follow(Path::new("README.md"), "no-such-file.md").is_err());
    assert!(follow(Path::new("README.md"), "#no-such-heading").is_err());
}

/// `docs/conformance-modules.md` names every replayed conformance module, file by file, and no other.
#[test]
fn the_conformance_modules_are_those_that_run() {
    let page = std::fs::read_to_string("docs/conformance-modules.md").unwrap();
    for (file, prefix) in
        [("fapi2", "fapi2_"), ("message_signing", "fapi2_ms_"), ("fapi1", "fapi1_")]
    {
        let path = format!("tests/it/modules/{file}.rs");
        let (_, rest) = page.split_once(&format!("`{path}`:")).unwrap();
        let list = rest.split(".\n").next().unwrap();
        let named = list.split(',').map(|name| name.trim().trim_matches('`'));
        let code = std::fs::read_to_string(&path).unwrap();
        let run = code.split("#[tokio::test(").skip(1);
        let mut run: Vec<_> = run
            .filter_map(|test| test.split_once("\nasync fn ")?.1.split_once("()"))
            .map(|(name, _)| name.strip_prefix(prefix).unwrap())
            .collect();
        run.sort_unstable();
        let mut tests: Vec<_> = named.map(|name| name.replace('-', "_").to_lowercase()).collect();
        tests.sort_unstable();
        assert_eq!(tests, run, "{path}");
    }
}
