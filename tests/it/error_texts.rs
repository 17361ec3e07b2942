//! `docs/errors.md` has every text that the program can answer, print or log when something is
//! wrong, and each has an anchor.
//!
//! A row's first cell holds texts, each behind its `<a id="…"></a>`. There `…` stands for what
//! differs from case to case, as it does for `{…}` of a format string here.

use std::collections::HashSet;
use std::path::Path;

use parapet::answer::{Language, Reason, texts};

use super::support::markdown::Document;
use super::support::sources::files_under;

/// Texts of errors that reach nobody: what people see of them is a [`Reason`] of its own.
const UNSEEN: [&str; 2] = ["src/authorize/error.rs", "src/authorize/pin/multipart.rs"];

struct Row {
    anchor: String,
    text: String,
}

/// Every anchor of the page with the text behind it.
fn rows() -> Vec<Row> {
    let page = std::fs::read_to_string("docs/errors.md").unwrap();
    let cells = page.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = cells.filter_map(|line| line.split(" | ").next());
    let marked = cells.flat_map(|cell| cell.split("<a id=\"").skip(1));
    let halves = marked.map(|rest| rest.split_once("\"></a>").unwrap());
    let row = |(anchor, text): (&str, &str)| Row {
        anchor: anchor.to_owned(),
        text: text.trim_end_matches("<br>").trim_end_matches(", ").to_owned(),
    };
    halves.map(row).collect()
}

/// Whether `text` is what `pattern` says, with anything in place of each `…`.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('…');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let is_last = pieces.peek().is_none();
        let found = if is_last { rest.rfind(piece) } else { rest.find(piece) };
        let Some(at) = found else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty() || pattern.ends_with('…')
}

fn slug(text: &str) -> String {
    let letters = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' });
    let words: String = letters.collect();
    words.split_whitespace().collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

fn demand(texts: impl IntoIterator<Item = String>) {
    let rows = rows();
    let has_row = |text: &String| rows.iter().any(|row| fits(&row.text, text));
    let missing: Vec<_> = texts.into_iter().filter(|text| !has_row(text)).collect();
    assert!(missing.is_empty(), "docs/errors.md lacks {missing:#?}");
}

/// The program's own sources, without the tests at their ends.
fn sources() -> Vec<String> {
    let files = files_under("src", "rs").into_iter();
    let files = files.filter(|path| !UNSEEN.iter().any(|unseen| path == Path::new(unseen)));
    let texts = files.map(|path| std::fs::read_to_string(path).unwrap());
    texts.map(|text| text.split("#[cfg(test)]").next().unwrap().to_owned()).collect()
}

/// The first string literal of `code`, with `…` for what is put in.
fn literal(code: &str) -> Option<String> {
    let (mut text, mut letters) = (String::new(), code.split_once('"')?.1.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Some(text),
            '\\' => match letters.next()? {
                '\n' => letters = letters.as_str().trim_start().chars(),
                escaped => text.push(escaped),
            },
            '{' => {
                letters = letters.as_str().split_once('}')?.1.chars();
                text.push('…');
            }
            letter => text.push(letter),
        }
    }
    None
}

fn literals_after(opening: &str) -> Vec<String> {
    sources().iter().flat_map(|source| literals(source, opening)).collect()
}

/// The texts behind each `opening` in a source.
pub(crate) fn literals(source: &str, opening: &str) -> Vec<String> {
    let calls = source.split(opening).skip(1);
    let calls = calls.filter(|call| !call.starts_with("transparent"));
    let has_words = |text: &String| text.chars().any(char::is_alphabetic);
    calls.filter_map(literal).filter(has_words).collect()
}

#[test]
fn every_anchor_is_the_text_in_small_letters_and_stands_once() {
    let page = std::fs::read_to_string("docs/errors.md").unwrap();
    let mut seen = HashSet::new();
    let all: Vec<_> = rows();
    assert!(all.len() > 300, "{}", all.len());
    for anchor in Document::new(&page).anchors() {
        assert!(seen.insert(anchor.clone()), "{anchor} stands twice");
    }
    for Row { anchor, text } in all {
        let name = text.trim_start_matches('`').split('`').next().unwrap();
        let is_label =
            ["page-", "reason-", ""].iter().any(|kind| anchor == format!("{kind}{name}"));
        let begins = slug(&text)
            .strip_prefix(&anchor)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        assert!(is_label || begins, "{anchor} is not how {text:?} begins");
    }
}

#[test]
fn every_row_has_an_anchor() {
    let page = std::fs::read_to_string("docs/errors.md").unwrap();
    let mut lines = page.lines().skip_while(|line| !line.starts_with("## ")).peekable();
    while let Some(line) = lines.next() {
        let is_head = lines.peek().is_some_and(|next| next.starts_with("| ---"));
        if line.starts_with("| ") && !is_head && !line.starts_with("| ---") {
            assert!(line.starts_with("| <a id=\""), "{line}");
        }
    }
}

#[test]
fn every_error_is_explained() {
    let found = literals_after("#[error(");
    assert!(found.len() > 200, "{}", found.len());
    demand(found);
}

#[test]
fn every_warning_of_the_log_is_explained() {
    let mut found = literals_after("tracing::warn!(");
    found.extend(literals_after("tracing::error!("));
    assert!(found.len() > 20, "{found:?}");
    demand(found);
}

#[test]
fn every_reason_to_be_unready_is_explained() {
    let found = literals_after(".because(");
    assert!(found.len() > 3, "{found:?}");
    demand(found);
}

/// All that `parapet check` says of the wrong configurations in `tests/fixtures/config/bad`.
#[test]
fn every_problem_of_a_configuration_is_explained() {
    let mut found = HashSet::new();
    for file in files_under("tests/fixtures/config/bad", "txt") {
        let text = std::fs::read_to_string(file).unwrap();
        for line in text.lines().filter(|line| line.starts_with("tests/fixtures/config")) {
            let (_, said) = line.split_once(": ").unwrap();
            // `KEY` in [TABLE]: what is wrong with it
            let said = if said.starts_with('`') { said.split_once(": ").unwrap().1 } else { said };
            found.insert(said.to_owned());
        }
    }
    assert!(found.len() > 100, "{}", found.len());
    demand(found);
}

#[test]
fn every_page_that_people_get_is_explained() {
    let rows = rows();
    for reason in Reason::ALL {
        let row = rows.iter().find(|row| row.anchor == format!("page-{}", reason.as_str()));
        let row = row.unwrap_or_else(|| panic!("docs/errors.md lacks {}", reason.as_str()));
        let said = texts(Language::English, reason).text;
        assert!(row.text.ends_with(said), "{}: {said}", row.text);
    }
}

#[test]
fn every_code_on_the_wire_is_explained() {
    let codes = std::fs::read_to_string("src/oauth/error.rs").unwrap();
    let codes = codes.split("const fn as_str").nth(1).unwrap().split("const fn label").next();
    let codes = codes.unwrap().split('"').skip(1).step_by(2);
    demand(codes.map(|code| format!("`{code}`")));
}

/// Every label that the audit trail has for a refused push.
#[test]
fn every_reason_of_a_failed_authentication_is_explained() {
    for file in ["certificate/proof", "assertion", "authentication/mod"] {
        let source = std::fs::read_to_string(format!("src/client/{file}.rs")).unwrap();
        let body = source.split("-> &'static str {").nth(1).unwrap().split("\n    }\n").next();
        demand(body.unwrap().split('"').skip(1).step_by(2).map(|label| format!("`{label}`")));
    }
}

#[test]
fn a_text_is_found_by_its_pattern() {
    assert!(fits("a … b: …", "a 1 2 b: c: d"));
    assert!(fits("… needs …", "x needs y") && fits("x", "x"));
    assert!(!fits("a … b", "a 1 b c") && !fits("a", "ab") && !fits("a …", "b a "));
    assert_eq!(literal("\n  \"a {0:?} \\\"b\\\" \\\n   c\""), Some("a … \"b\" c".to_owned()));
    assert_eq!(slug("`[a] b`: it's"), "a-b-it-s");
}
