//! What is wrong with a configuration, and where: file, line, column, the line itself with a caret
//! line under it, and a note that says how to put it right.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::schema;

/// One configuration file's text.
pub(super) struct Source {
    /// 0 for the main file, then the drop-in files in the order of their names.
    pub(super) rank: usize,
    /// The path as it was given.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Source {
    /// The folder that relative paths in this file count from.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.path).finish()
    }
}

/// Where a value or a problem comes from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// These bytes of a file; an empty range means the file as a whole.
    File(Arc<Source>, Range<usize>),
    /// An environment variable.
    Variable(String),
}

impl Origin {
    /// A file as a whole.
    pub(super) fn whole(source: &Arc<Source>) -> Self {
        Self::File(Arc::clone(source), 0..0)
    }

    /// A file that has no text, because it could not be read.
    pub(super) fn unreadable(path: &Path) -> Self {
        Self::whole(&Arc::new(Source {
            rank: usize::MAX,
            path: path.to_owned(),
            text: String::new(),
        }))
    }

    /// Files in the order they are read, each from top to bottom, then the variables.
    fn order(&self) -> (usize, usize, &str) {
        match self {
            Self::File(source, span) => (source.rank, span.start, ""),
            Self::Variable(name) => (usize::MAX, usize::MAX, name),
        }
    }
}

/// One problem of a configuration. Its text shows no secret.
#[derive(Debug, Clone)]
pub struct Problem {
    origin: Origin,
    message: String,
    note: Option<String>,
    shown: Shown,
}

/// How much of the line that a problem is about is shown.
#[derive(Debug, Clone, Copy)]
enum Shown {
    /// All but what belongs to a secret.
    Line,
    /// The keys that the gateway knows. In a file that is not TOML nobody can tell what is a value, and
    /// of which key.
    Keys,
}

impl Problem {
    pub(super) fn new(origin: Origin, message: impl Into<String>) -> Self {
        Self { origin, message: message.into(), note: None, shown: Shown::Line }
    }

    /// A problem of a file that cannot be parsed.
    pub(super) fn of_damage(origin: Origin, message: impl Into<String>) -> Self {
        Self { shown: Shown::Keys, ..Self::new(origin, message) }
    }

    /// Adds what would help.
    pub(super) fn with_note(mut self, note: Option<String>) -> Self {
        self.note = note;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = hide_userinfo(&self.message);
        match &self.origin {
            Origin::Variable(name) => writeln!(f, "{name}: {message}")?,
            Origin::File(source, span) if span.is_empty() => {
                writeln!(f, "{}: {message}", source.path.display())?;
            }
            Origin::File(source, span) => {
                let excerpt = Excerpt::of(&source.text, span, self.shown);
                let (line, column) = (excerpt.number, excerpt.column);
                writeln!(f, "{}:{line}:{column}: {message}", source.path.display())?;
                write!(f, "{excerpt}")?;
            }
        }
        match &self.note {
            Some(note) => writeln!(f, "      = {note}"),
            None => Ok(()),
        }
    }
}

/// All problems of a configuration, in the order of the files.
#[derive(Debug, Default, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// `value`, unless there are problems.
    pub(super) fn or<T>(mut self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => {
                self.0.sort_by(|a, b| a.origin.order().cmp(&b.origin.order()));
                Err(self)
            }
        }
    }

    /// The problems one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true of what [`load`](super::load) returns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// The nearest of `known` to `name`, if one is near enough to be what was meant.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(name.len()) / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Whether `key` names a value that must not be shown; misspelt names count.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let points_elsewhere =
        key.ends_with("_file") || key.ends_with("_env") || key == "secret_header";
    let apart = strsim::damerau_levenshtein;
    // `upgrade_socket` is two letters away.
    let is_one = |part: &str| ["secret", "password"].iter().any(|word| apart(part, word) <= 1);
    !points_elsewhere
        && (["secret", "password"].iter().any(|word| key.contains(word))
            || ["secret", "snapshot_key"].iter().any(|word| apart(&key, word) <= 2)
            || key.split('_').any(is_one))
}

/// One line of a file and the part of it that a problem is about.
struct Excerpt {
    number: usize,
    /// In characters, from 1.
    column: usize,
    line: String,
    carets: usize,
}

impl Excerpt {
    fn of(text: &str, span: &Range<usize>, shown: Shown) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text.get(start..).unwrap_or_default();
        let line = line.lines().next().unwrap_or_default();
        let column = before.len() - start;
        let end = (span.end.max(span.start) - start).min(line.len());
        let marked = line.get(column..end).map_or(0, |part| part.chars().count());
        Self {
            number: before.matches('\n').count() + 1,
            column: line.get(..column).unwrap_or(line).chars().count() + 1,
            line: match shown {
                Shown::Keys => keys_of(line),
                // Its key stands above; it may be that of a secret.
                Shown::Line if is_within_a_string(text.get(..start).unwrap_or_default()) => {
                    "…".to_owned()
                }
                Shown::Line => hide_userinfo(&hide_secret(line)),
            },
            carets: marked.max(1),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indent: String = self
            .line
            .chars()
            .chain(std::iter::repeat(' '))
            .take(self.column - 1)
            .map(|character| if character == '\t' { '\t' } else { ' ' })
            .collect();
        let room = self.line.chars().count().saturating_sub(self.column - 1);
        let carets = "^".repeat(self.carets.min(room.max(1)));
        writeln!(f, "{:>5} | {}", self.number, self.line)?;
        writeln!(f, "      | {indent}{carets}")
    }
}

/// Whether a string of several lines has begun in `before` and not ended.
fn is_within_a_string(before: &str) -> bool {
    ["\"\"\"", "'''"].iter().any(|quotes| before.matches(quotes).count() % 2 == 1)
}

/// Dots out all of a line but its punctuation and the known key or table that it begins with, character by
/// character.
fn keys_of(line: &str) -> String {
    let is_of_key =
        |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    let begins =
        line.len() - line.trim_start_matches(|c: char| c.is_whitespace() || c == '[').len();
    let (lead, rest) = line.split_at(begins);
    let key = rest.find(|character| !is_of_key(character)).unwrap_or(rest.len());
    let (key, rest) = rest.split_at(key);
    let is_header = lead.ends_with('[');
    let is_assigned = rest.trim_start().starts_with('=');
    let is_known = (is_header || is_assigned) && key.split('.').all(schema::is_key);
    if is_known && key.split('.').any(is_secret) {
        return hide_secret(line);
    }
    let dotted = |text: &str| -> String {
        let keeps = |c: char| c.is_whitespace() || "\"'=[]{},".contains(c);
        text.chars().map(|c| if keeps(c) { c } else { '·' }).collect()
    };
    let key = if is_known { key.to_owned() } else { dotted(key) };
    format!("{lead}{key}{}", dotted(rest))
}

/// Cuts a line after the first key that holds a secret.
fn hide_secret(line: &str) -> String {
    for (index, _) in line.match_indices('=') {
        let (before, _) = line.split_at(index);
        let key = before.trim_end().trim_end_matches(['"', '\'']);
        let key = key
            .rsplit(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
            .next();
        if key.is_some_and(is_secret) {
            return format!("{before}= …");
        }
    }
    line.to_owned()
}

/// Blots out what stands before the last `@` of a URL, character by character. A password that was not
/// encoded may hold what would end the authority.
fn hide_userinfo(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let end = after
            .find(|character: char| character.is_whitespace() || character == '"')
            .unwrap_or(after.len());
        let userinfo = after.get(..end).and_then(|url| url.rfind('@'));
        let (hidden, kept) = after.split_at(userinfo.unwrap_or(0));
        shown.extend(hidden.chars().map(|_| '*'));
        rest = kept;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str, span: Range<usize>) -> String {
        let source = Arc::new(Source { rank: 0, path: "gateway.toml".into(), text: text.into() });
        Problem::new(Origin::File(source, span), "wrong").to_string()
    }

    #[test]
    fn the_caret_line_stands_under_the_span() {
        assert_eq!(
            problem("[par]\nlifetim = \"60s\"\n", 6..13),
            "gateway.toml:2:1: wrong\n    2 | lifetim = \"60s\"\n      | ^^^^^^^\n"
        );
    }

    #[test]
    fn columns_count_characters_and_tabs_are_kept() {
        assert_eq!(
            problem("\ta = \"ü\" # x", 11..12),
            "gateway.toml:1:11: wrong\n    1 | \ta = \"ü\" # x\n      | \t         ^\n"
        );
    }

    #[test]
    fn spans_past_the_line_or_the_text_are_cut() {
        assert!(problem("a = [\n1,\n]", 4..11).ends_with("    1 | a = [\n      |     ^\n"));
        assert!(problem("a = ", 4..5).ends_with("    1 | a = \n      |     ^\n"));
        assert!(problem("a", 90..95).starts_with("gateway.toml:1:2: wrong"));
    }

    #[test]
    fn secrets_are_cut_from_the_line() {
        for line in [
            "secret = \"hunter2\"",
            "secrt = \"hunter2\"",
            "previous_secert = \"hunter2\"",
            "pasword = \"hunter2\"",
            "snapshot_kye = \"hunter2\"",
            "\"secret\"=\"hunter2\"",
            "clients = [{ client_id = \"a\", secret = \"hunter2\" }]",
            "secret_header_value = 'hunter2'",
            "snapshot_key = \"hunter2\"",
            "url = \"redis://u:hunter2@cache\"",
            "url = \"redis://hunter2@cache",
            "url = \"redis://u:1/hunter2@cache\"",
            "url = \"redis://u:#hunter2'?@cache\"",
        ] {
            let shown = problem(line, 0..line.len());
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        for line in [
            "secret_file = \"/run/s\"",
            "secret_header = \"x-gate\"",
            "upgrade_socket = \"s\"",
            "snapshot = \"s\"",
        ] {
            assert!(problem(line, 0..1).contains(line));
        }
    }

    #[test]
    fn a_line_within_a_string_is_not_shown() {
        for quotes in ["\"\"\"", "'''"] {
            let text = format!("secret = {quotes}\nhunter2\\x\n{quotes}\na = 1\n");
            let at = text.find("hunter2").unwrap();
            let shown = problem(&text, at..at + 8);
            assert!(
                shown.starts_with("gateway.toml:2:1: ") && !shown.contains("hunter2"),
                "{shown}"
            );
            let at = text.find("a = 1").unwrap();
            assert!(problem(&text, at..at + 1).contains("a = 1"));
        }
    }

    #[test]
    fn the_nearest_name_must_be_near() {
        assert_eq!(nearest("lifetim", ["path", "lifetime"]), Some("lifetime"));
        assert_eq!(nearest("colour", ["path", "lifetime"]), None);
    }
}
