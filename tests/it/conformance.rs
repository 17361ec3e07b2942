//! Which behaviour is proved by which test: `docs/conformance.md`, made from the names of the tests.
//!
//! A test carries the numbers of the behaviours that it proves: `b012_…`, `b143_b144_…`. Run with
//! `PARAPET_WRITE_DOCS=1` the test below writes the document anew; otherwise it compares.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::support::sources::files_under;

const ROWS: &str = "docs/conformance-rows.txt";
const DOCUMENT: &str = "docs/conformance.md";

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    number: u16,
    area: String,
    /// `now`, or the later work that brings it.
    work: String,
    words: String,
}

/// Tests by the number of the behaviour that they prove, each as `file::name`.
type Proofs = BTreeMap<u16, Vec<String>>;

fn rows(text: &str) -> Vec<Row> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(row).collect()
}

fn row(line: &str) -> Row {
    let parts: Vec<_> = line.split('|').map(str::trim).collect();
    let [number, area, work, words] = parts[..] else { panic!("four parts: {line}") };
    Row {
        number: number.parse().unwrap(),
        area: area.to_owned(),
        work: work.to_owned(),
        words: words.to_owned(),
    }
}

/// Adds the tests of one file.
fn collect(proofs: &mut Proofs, file: &Path, text: &str) {
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(name) = function_name(line) {
            for number in numbers(name).filter(|_| is_test) {
                let place = format!("{}::{name}", file.display());
                proofs.entry(number).or_default().push(place);
            }
            is_test = false;
        }
    }
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    line.split(['(', '<']).next()
}

/// The leading `b012_b013_` of a name.
fn numbers(name: &str) -> impl Iterator<Item = u16> {
    name.split('_').map_while(|part| {
        let digits = part.strip_prefix('b').filter(|digits| digits.len() == 3)?;
        digits.parse().ok()
    })
}

fn all_proofs() -> Proofs {
    let mut proofs = Proofs::new();
    let examples = files_under("examples", "rs");
    for file in
        files_under("src", "rs").into_iter().chain(files_under("tests/it", "rs")).chain(examples)
    {
        collect(&mut proofs, &file, &std::fs::read_to_string(&file).unwrap());
    }
    proofs
}

/// The document.
fn document(rows: &[Row], proofs: &Proofs) -> String {
    let covered = |row: &&Row| proofs.contains_key(&row.number);
    let now = rows.iter().filter(|row| row.work == "now");
    let mut text = format!(
        "# Conformance\n\n\
         What a gateway for pushed authorization requests owes its clients, its users and the server \
         behind it, and the test that proves it. Made from the names of the tests by `make docs`; a \
         test keeps this file equal to them.\n\n\
         - {} of {} behaviours are proved by a test that carries their number.\n\
         - {} of the {} that belong to what is built now are proved; the others say \"not yet\", which \
         means that no test carries the number, not that the behaviour is known to be missing.\n\
         - Where a later work is named, the gateway does not do it yet.\n",
        rows.iter().filter(covered).count(),
        rows.len(),
        now.clone().filter(covered).count(),
        now.count(),
    );
    for area in areas(rows) {
        let title = area[..1].to_uppercase() + &area[1..];
        let _ = write!(text, "\n## {title}\n\n| | behaviour | proved by |\n| --- | --- | --- |\n");
        for row in rows.iter().filter(|row| row.area == area) {
            let _ = writeln!(
                text,
                "| B-{:03} | {} | {} |",
                row.number,
                row.words,
                verdict(row, proofs)
            );
        }
    }
    text
}

fn areas(rows: &[Row]) -> Vec<&str> {
    let mut areas: Vec<&str> = Vec::new();
    for row in rows {
        if !areas.contains(&row.area.as_str()) {
            areas.push(&row.area);
        }
    }
    areas
}

fn verdict(row: &Row, proofs: &Proofs) -> String {
    let later = (row.work != "now").then(|| format!("not yet: {}", row.work));
    let Some(tests) = proofs.get(&row.number) else {
        return later.unwrap_or_else(|| "not yet".to_owned());
    };
    let tests = tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join("<br>");
    // A test may prove the part of a later work that is built already.
    later.map_or(tests.clone(), |later| format!("in part: {tests}<br>{later}"))
}

#[test]
fn the_document_says_what_the_tests_prove() {
    let rows = rows(&std::fs::read_to_string(ROWS).unwrap());
    let document = document(&rows, &all_proofs());
    let path = PathBuf::from(DOCUMENT);
    if std::env::var_os("PARAPET_WRITE_DOCS").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == document, "{DOCUMENT} is out of date: run `make docs`");
}

#[test]
fn every_number_stands_once_and_every_test_names_one_that_exists() {
    let rows = rows(&std::fs::read_to_string(ROWS).unwrap());
    let numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=332).collect::<Vec<_>>());
    for (number, tests) in all_proofs() {
        assert!(numbers.contains(&number), "there is no behaviour {number}: {tests:?}");
    }
}

#[test]
fn names_give_their_leading_numbers() {
    let of = |name| numbers(name).collect::<Vec<_>>();
    assert_eq!(of("b012_duplicate_parameter_is_refused"), [12]);
    assert_eq!(of("b143_b144_alias_b145"), [143, 144]);
    assert!(of("b12_short").is_empty());
    assert!(of("body_is_streamed").is_empty());
}

#[test]
fn only_tests_count() {
    let text = "#[test]\nfn b001_a() {}\nfn b002_no_test() {}\n\
                #[tokio::test(flavor = \"x\")]\n#[expect(a)]\nasync fn b003_b() {}\n";
    let mut proofs = Proofs::new();
    collect(&mut proofs, Path::new("x.rs"), text);
    assert_eq!(proofs.keys().copied().collect::<Vec<_>>(), [1, 3]);
    assert_eq!(proofs[&3], ["x.rs::b003_b"]);
}

#[test]
fn a_row_says_by_what_it_is_proved_or_what_it_waits_for() {
    let rows =
        rows("# comment\n001 | a | now | one\n002 | a | later work | two\n003 | b | now | three\n");
    let proofs = Proofs::from([(1, vec!["x.rs::b001_a".to_owned()])]);
    let document = document(&rows, &proofs);
    assert!(document.contains("| B-001 | one | `x.rs::b001_a` |"), "{document}");
    assert!(document.contains("| B-002 | two | not yet: later work |"), "{document}");
    assert!(document.contains("| B-003 | three | not yet |"), "{document}");
    assert!(
        document.contains("1 of 3 behaviours") && document.contains("1 of the 2"),
        "{document}"
    );
}
