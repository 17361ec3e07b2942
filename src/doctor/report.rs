//! What was found, as a table for people and as JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

/// How good it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Not looked at.
    Skipped,
    /// As it should be.
    Good,
    /// It works; somebody should know.
    Warning,
    /// It does not work, or gives up what the gateway promises.
    Problem,
}

impl Verdict {
    /// The word in both forms.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    const fn mark(self) -> &'static str {
        match self {
            Self::Skipped => "-",
            Self::Good => "✓",
            Self::Warning => "!",
            Self::Problem => "✗",
        }
    }

    const fn colour(self) -> &'static str {
        match self {
            Self::Skipped => "2",
            Self::Good => "32",
            Self::Warning => "33",
            Self::Problem => "31",
        }
    }
}

/// A line of gateway.toml.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    table: &'static str,
    key: &'static str,
    value: toml::Value,
}

/// One thing that was looked at.
#[derive(Debug, Clone)]
pub struct Finding {
    check: &'static str,
    verdict: Verdict,
    says: String,
    advice: Option<String>,
    lines: Vec<Line>,
}

impl Finding {
    /// As it should be.
    pub(super) fn good(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Good, says)
    }

    /// Not looked at, and why.
    pub(super) fn skipped(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skipped, says)
    }

    /// Somebody should know.
    pub(super) fn warning(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warning, says)
    }

    /// Not as it should be.
    pub(super) fn problem(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Problem, says)
    }

    pub(super) fn new(check: &'static str, verdict: Verdict, says: impl Into<String>) -> Self {
        Self { check, verdict, says: printable(&says.into()), advice: None, lines: Vec::new() }
    }

    /// What to do about it.
    pub(super) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(printable(&advice.into()));
        self
    }

    /// A line to put into gateway.toml.
    pub(super) fn line(
        mut self,
        table: &'static str,
        key: &'static str,
        value: impl Into<toml::Value>,
    ) -> Self {
        self.lines.push(Line { table, key, value: value.into() });
        self
    }

    /// What was looked at, such as `upstream.clock`.
    #[must_use]
    pub const fn check(&self) -> &'static str {
        self.check
    }

    /// How good it is.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }
}

/// Whether the table has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// A terminal.
    On,
    /// A file, a pipe, or somebody who wants none.
    Off,
}

/// Everything that was found, in the order of looking.
#[derive(Debug, Default)]
pub struct Report {
    /// Never empty after an examination.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The worst of all.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let verdicts = self.findings.iter().map(Finding::verdict);
        verdicts.max().unwrap_or(Verdict::Good).max(Verdict::Good)
    }

    /// All suggested lines as one TOML document; empty where there are none. Of two for one key the
    /// first counts.
    #[must_use]
    pub fn toml(&self) -> String {
        toml_of(self.findings.iter().flat_map(|finding| &finding.lines))
    }

    /// A table with the suggestions under their findings.
    #[must_use]
    pub fn text(&self, colour: Colour) -> String {
        let width = self.findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
        let mut text = String::new();
        for finding in &self.findings {
            let verdict = finding.verdict;
            let mark = format!("{} {:<7}", verdict.mark(), verdict.as_str());
            let mark = match colour {
                Colour::On => format!("\x1b[{}m{mark}\x1b[0m", verdict.colour()),
                Colour::Off => mark,
            };
            let _ = writeln!(text, "{mark}  {:<width$}  {}", finding.check, finding.says);
            let advice = finding.advice.iter().cloned();
            let lines = toml_of(&finding.lines);
            let lines = lines.lines().map(|line| format!("  {line}"));
            for line in advice.chain(lines) {
                let _ = writeln!(text, "{:indent$}{line}", "", indent = width + 13);
            }
        }
        let _ = writeln!(text, "\n{}", self.counts());
        text
    }

    /// `findings`, each with `check`, `verdict`, `says` and, or null, `advice` and `toml`; the worst
    /// `verdict`; all lines in `toml`, or null.
    #[must_use]
    pub fn json(&self) -> Value {
        let text = |text: String| if text.is_empty() { Value::Null } else { json!(text) };
        let findings = self.findings.iter().map(|finding| {
            json!({
                "check": finding.check,
                "verdict": finding.verdict.as_str(),
                "says": finding.says,
                "advice": finding.advice,
                "toml": text(toml_of(&finding.lines)),
            })
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "verdict": self.verdict().as_str(),
            "findings": findings.collect::<Vec<_>>(),
            "toml": text(self.toml()),
        })
    }

    fn counts(&self) -> String {
        let all = [Verdict::Good, Verdict::Warning, Verdict::Problem, Verdict::Skipped];
        let counts = all.map(|verdict| {
            let count = self.findings.iter().filter(|found| found.verdict == verdict).count();
            let plural = match verdict {
                Verdict::Warning | Verdict::Problem if count != 1 => "s",
                Verdict::Skipped | Verdict::Good | Verdict::Warning | Verdict::Problem => "",
            };
            format!("{count} {}{plural}", verdict.as_str())
        });
        counts.join(", ")
    }
}

fn toml_of<'a>(lines: impl IntoIterator<Item = &'a Line>) -> String {
    let mut tables: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        let table = tables.entry(line.table).or_default();
        if table.iter().all(|known| known.key != line.key) {
            table.push(line);
        }
    }
    let mut text = String::new();
    for (table, lines) in tables {
        let _ = writeln!(text, "[{table}]");
        for line in lines {
            let _ = writeln!(text, "{} = {}", line.key, line.value);
        }
    }
    text
}

/// What servers say may be anything, and goes to a terminal.
fn printable(text: &str) -> String {
    const MOST: usize = 600;
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            findings: vec![
                Finding::good("a", "fine"),
                Finding::problem("longer", "bad\x1b[1m")
                    .advice("mend it")
                    .line("upstream", "preset", "glewlwyd")
                    .line("authorize", "continuation", true),
                Finding::warning("b", "so so").line("upstream", "preset", "duende"),
            ],
        }
    }

    #[test]
    fn the_table_is_aligned_and_shows_no_controls() {
        let expected = "✓ good     a       fine\n\
                        ✗ problem  longer  bad [1m\n                   mend it\n\
                        \x20                    [authorize]\n\
                        \x20                    continuation = true\n\
                        \x20                    [upstream]\n\
                        \x20                    preset = \"glewlwyd\"\n\
                        ! warning  b       so so\n\
                        \x20                    [upstream]\n\
                        \x20                    preset = \"duende\"\n\n\
                        1 good, 1 warning, 1 problem, 0 skipped\n";
        assert_eq!(report().text(Colour::Off), expected);
        assert!(report().text(Colour::On).starts_with("\x1b[32m✓ good   \x1b[0m  a"));
    }

    #[test]
    fn the_first_line_for_a_key_counts() {
        let toml = report().toml();
        assert_eq!(toml, "[authorize]\ncontinuation = true\n[upstream]\npreset = \"glewlwyd\"\n");
        let json = report().json();
        assert_eq!((&json["verdict"], &json["toml"]), (&json!("problem"), &json!(toml)));
        assert_eq!(json["findings"][0]["advice"], Value::Null);
        assert_eq!(Report::default().verdict(), Verdict::Good);
    }
}
