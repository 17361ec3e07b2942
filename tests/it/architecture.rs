//! The rules of the house, checked on the source itself: imports run down only (by the table in
//! `ARCHITECTURE.md`), pingora stays in its two rooms, files stay short, names stay telling.

use std::collections::BTreeMap;

use super::support::rust;
use super::support::sources::files_under;

const LONGEST_FILE: usize = 400;

/// Level by room.
type Levels = BTreeMap<String, u8>;

/// One file, as far as the rules look at it.
struct Source {
    /// Its modules from the crate's root: `src/par/error.rs` is `par`, `error`.
    module: Vec<String>,
    lines: usize,
    /// Its text without comments, strings and tests.
    code: String,
    /// The same of its tests.
    tests: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let path = path.trim_start_matches("src/").trim_end_matches(".rs");
        let module = path.split('/').filter(|name| !["mod", "lib"].contains(name));
        let bare = rust::without_comments_and_strings(text);
        let (code, tests) = bare.split_once("#[cfg(test)]\nmod ").unwrap_or((&bare, ""));
        Self {
            module: module.map(str::to_owned).collect(),
            lines: text.lines().count(),
            code: code.to_owned(),
            tests: tests.to_owned(),
        }
    }

    /// The command line belongs to `main`.
    fn room(&self) -> &str {
        match self.module.first().map(String::as_str) {
            Some("cli") => "main",
            Some(room) => room,
            None => "lib",
        }
    }

    /// Every room that the file names.
    fn imports(&self) -> Vec<String> {
        let mut test_module = self.module.clone();
        test_module.push("tests".to_owned());
        let mut rooms = rust::rooms_named(&self.code, &self.module);
        rooms.extend(rust::rooms_named(&self.tests, &test_module));
        rooms
    }
}

/// The table of levels in the document.
fn levels(document: &str) -> Levels {
    let mut levels = Levels::new();
    for line in document.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, level, rooms, ..] = cells[..] else { continue };
        let Ok(level) = level.parse() else { continue };
        let names = rooms.split('`').skip(1).step_by(2);
        levels.extend(names.map(|name| (name.to_owned(), level)));
    }
    levels
}

/// Everything that breaks a rule, in words.
fn violations(path: &str, text: &str, levels: &Levels) -> Vec<String> {
    let source = Source::new(path, text);
    let mut found = forbidden_imports(&source, levels);
    found.extend(out_of_place(&source));
    found.extend(empty_names(&source));
    if source.lines > LONGEST_FILE {
        found.push(format!("{} lines, more than {LONGEST_FILE}", source.lines));
    }
    found.into_iter().map(|violation| format!("{path}: {violation}")).collect()
}

fn forbidden_imports(source: &Source, levels: &Levels) -> Vec<String> {
    let room = source.room();
    if room == "lib" {
        return Vec::new();
    }
    let Some(own) = levels.get(room) else {
        return vec![format!("the room `{room}` is not in the table of ARCHITECTURE.md")];
    };
    let mut imports = source.imports();
    imports.sort();
    imports.dedup();
    let foreign = imports.into_iter().filter(|import| import != room && import != "cli");
    foreign
        .filter_map(|import| match levels.get(&import) {
            Some(level) if level < own => None,
            Some(level) if level == own => Some(format!("`{room}` imports `{import}` beside it")),
            Some(_) => Some(format!("`{room}` imports `{import}` above it")),
            None => Some(format!("`{room}` imports `{import}`, which has no level")),
        })
        .collect()
}

/// What only some rooms may use.
fn out_of_place(source: &Source) -> Vec<String> {
    let rules: [(&str, &[&str]); 3] = [
        ("pingora", &["proxy", "gateway"]),
        ("tokio::spawn", &["gateway", "admin"]),
        ("std::env::", &["config"]),
    ];
    let uses = |words: &str| rust::words_stand_in(&source.code, words);
    rules
        .into_iter()
        .filter(|(words, rooms)| uses(words) && !rooms.contains(&source.room()))
        .map(|(words, rooms)| format!("`{words}` belongs to {}", rooms.join(" and ")))
        .collect()
}

fn empty_names(source: &Source) -> Vec<String> {
    let both = format!("{}\n{}", source.code, source.tests);
    let names = rust::declared(&both);
    names
        .into_iter()
        .filter(|(kind, name)| match *kind {
            "fn" => name.starts_with("get_") && !rust::is_imposed(&both, name),
            _ => ["Manager", "Helper", "Util", "Utils"].iter().any(|end| name.ends_with(end)),
        })
        .map(|(kind, name)| format!("`{kind} {name}` says nothing"))
        .collect()
}

#[test]
fn the_source_keeps_the_rules() {
    let levels = levels(&std::fs::read_to_string("ARCHITECTURE.md").unwrap());
    assert!(levels.len() >= 16, "{levels:?}");
    let files = files_under("src", "rs");
    assert!(files.len() > 50);
    let found: Vec<_> = files
        .iter()
        .flat_map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            violations(&path.display().to_string(), &text, &levels)
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

const TABLE: &str = "| level | room |\n| --- | --- |\n| 8 | `main` |\n| 6 | `proxy`, `admin` |\n\
                     | 4 | `par`, `authorize` (words) |\n| 1 | `config` |\n| 0 | `oauth` |\n";

fn judged(path: &str, text: &str) -> Vec<String> {
    violations(path, text, &levels(TABLE))
}

#[test]
fn imports_down_and_within_a_room_pass() {
    for (path, text) in [
        ("src/proxy/mod.rs", "use crate::par::ParError;\nuse crate::{config, oauth::{a, b}};"),
        ("src/par/error.rs", "use super::request::{self, RequestError};\nuse crate::par::x;"),
        ("src/par/mod.rs", "// use crate::proxy;\nconst A: &str = \"crate::proxy\";"),
        ("src/par/mod.rs", "/* use crate::proxy */ const A: &str = r#\"\"crate::proxy\"#;"),
        ("src/main.rs", "mod cli;\nuse cli::Cli;\nuse parapet::{config, proxy};"),
        ("src/oauth/scope.rs", "#[cfg(test)]\nmod tests {\n use super::super::names;\n}"),
    ] {
        assert!(judged(path, text).is_empty(), "{path}: {:?}", judged(path, text));
    }
}

#[test]
fn imports_up_and_sideways_are_found() {
    for (path, text) in [
        ("src/par/mod.rs", "use crate::authorize::Flow;"),
        ("src/par/mod.rs", "fn a() -> crate::proxy::Proxy {}"),
        ("src/par/mod.rs", "use crate::{\n    config,\n    proxy::{a, b},\n};"),
        ("src/par/error.rs", "use super::super::proxy::Proxy;"),
        ("src/oauth/scope.rs", "#[cfg(test)]\nmod tests {\n use super::super::super::par;\n}"),
        ("src/config/mod.rs", "#[cfg(test)]\nmod tests {\n use crate::par;\n}"),
        ("src/unknown.rs", ""),
        ("src/par/mod.rs", "use crate::unknown;"),
    ] {
        assert_eq!(judged(path, text).len(), 1, "{path}: {text}: {:?}", judged(path, text));
    }
}

#[test]
fn other_rules_are_kept_too() {
    let long = "// a\n".repeat(LONGEST_FILE + 1);
    for (path, text) in [
        ("src/par/mod.rs", "use pingora::proxy;"),
        ("src/par/mod.rs", "tokio::spawn(async {});"),
        ("src/oauth/mod.rs", "let a = std::env::args();"),
        ("src/par/mod.rs", "pub(crate) fn get_client() {}"),
        ("src/par/mod.rs", "impl A for B {\n}\nimpl Own {\n    fn get_client() {}\n}"),
        ("src/par/mod.rs", "pub struct ClientManager;"),
        ("src/par/mod.rs", "enum StringUtils {}"),
        ("src/par/mod.rs", &long),
    ] {
        assert_eq!(judged(path, text).len(), 1, "{path}: {:?}", judged(path, text));
    }
    for (path, text) in [
        ("src/proxy/mod.rs", "use pingora::proxy;"),
        ("src/config/mod.rs", "std::env::vars_os();"),
        ("src/proxy/guard.rs", "impl Foreign for Own {\n    fn get_digest() {}\n}"),
        ("src/par/mod.rs", "const TARGET: &str = \"pingora\"; fn target() {} struct Utility;"),
    ] {
        assert!(judged(path, text).is_empty(), "{:?}", judged(path, text));
    }
}
