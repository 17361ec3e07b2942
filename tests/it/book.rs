//! The documents as a book: every page is in its summary, and links hold in the layout of the book.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::docs::broken_links;
use super::support::markdown::Document;
use super::support::sources::files_under;

#[test]
fn the_summary_names_every_page_once() {
    let summary = Document::new(&std::fs::read_to_string("docs/SUMMARY.md").unwrap());
    let mut named: Vec<_> = summary.links().map(str::to_owned).collect();
    let pages = files_under("docs", "md")
        .into_iter()
        .map(|path| path.strip_prefix("docs").unwrap().to_str().unwrap().to_owned());
    let top = std::fs::read_dir(".").unwrap().map(|entry| entry.unwrap().path());
    let top = top.filter(|path| path.extension().is_some_and(|found| found == "md"));
    let top = top.map(|path| format!("../{}", path.file_name().unwrap().to_str().unwrap()));
    let pages: BTreeSet<_> = pages.filter(|name| name != "SUMMARY.md").chain(top).collect();
    named.sort_unstable();
    assert_eq!(named, pages.into_iter().collect::<Vec<_>>());
}

#[test]
fn every_link_leads_somewhere_in_the_book() {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new("docs/book/build").canonicalize().unwrap();
    let status = Command::new(script).arg("--sources").arg(folder.path()).status().unwrap();
    assert!(status.success());
    let source = folder.path().join("src");
    let pages = files_under(&source, "md").into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path, Document::new(&text))
    });
    let pages: Vec<_> = pages.collect();
    assert!(pages.len() > 15, "{}", pages.len());
    assert!(pages.iter().any(|(path, _)| *path == source.join("SUMMARY.md")));
    let wrong = broken_links(&pages);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
