//! `parapet doctor` before servers of every kind.

use serde_json::Value;
use tempfile::TempDir;

use super::{Said, parapet_with};

mod real;
mod server;
mod store;
mod stub;
mod tls;

/// The variable that a suggestion names.
const SECRET: [(&str, &str); 1] = [("PARAPET_UPSTREAM_SECRET", "s3cr3t-of-the-gateway")];

/// A configuration that is examined, mended by what was suggested, and examined again.
struct Ward {
    folder: TempDir,
    table: toml::Table,
}

/// What the doctor says.
struct Examined {
    said: Said,
    report: Value,
}

impl Ward {
    fn new(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, table: toml.parse().unwrap() }
    }

    fn path(&self) -> String {
        self.folder.path().join("gateway.toml").display().to_string()
    }

    fn write(&self) {
        std::fs::write(self.path(), toml::to_string(&self.table).unwrap()).unwrap();
    }

    async fn examine(&self, arguments: &[&str]) -> Examined {
        self.write();
        let path = self.path();
        let all = [&["doctor", "--json", "--config", &path][..], arguments].concat();
        let said = parapet_with(&all, &SECRET).await;
        let report = serde_json::from_str(&said.out)
            .unwrap_or_else(|error| panic!("{error}: {said:?} for {:?}", self.table));
        Examined { said, report }
    }

    /// Puts the suggested lines into the file, which then still is a good one.
    async fn mend(&mut self, examined: &Examined) {
        let lines = examined.report["toml"].as_str().unwrap_or_default();
        let lines: toml::Table = lines.parse().unwrap();
        put(&mut self.table, lines);
        self.write();
        let path = self.path();
        let said = parapet_with(&["check", "--config", &path], &SECRET).await;
        assert_eq!(said.code, 0, "{} {:?}", said.err, self.table);
    }
}

fn put(table: &mut toml::Table, lines: toml::Table) {
    for (key, value) in lines {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(more)) => put(known, more),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

impl Examined {
    fn finding(&self, check: &str) -> &Value {
        let findings = self.report["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["check"] == check);
        found.unwrap_or_else(|| panic!("no {check} in {:#}", self.report))
    }

    #[track_caller]
    fn assert(&self, check: &str, verdict: &str, says: &str) {
        let finding = self.finding(check);
        assert_eq!(finding["verdict"], verdict, "{finding:#}");
        assert!(finding["says"].as_str().unwrap().contains(says), "{finding:#}");
    }

    /// Exit code 1 where there is a problem, else 0, and nothing on standard error.
    #[track_caller]
    fn assert_code(&self) {
        let is_problem = self.report["verdict"] == "problem";
        assert_eq!((self.said.code, self.said.err.as_str()), (i32::from(is_problem), ""));
    }
}
