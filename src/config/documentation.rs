//! `docs/configuration.md`, written from the schema.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::REFERENCE;
use super::fixed;
use super::profile_table;
use super::schema::{Kind, items, kind, properties, schema, text, variable};
use super::shape::expected;

/// The page: a section for each table, a row for each key.
#[must_use]
pub fn documentation() -> String {
    let mut page = INTRODUCTION.to_owned();
    section(&mut page, schema(), &Place::default());
    page.push_str(&profile_table::section());
    page
}

const INTRODUCTION: &str = "\
# Configuration

This page is written from the types that read the file, by `parapet config docs`; do not edit it.
`gateway.toml` at the top of the repository shows every key with its default, in the order of use;
`gateway.schema.json` is the same for editors. `parapet check` names every problem of a file at once.

- A time is a whole number with `ms`, `s`, `m` or `h`; a rate is a whole number with `/s`, `/m` or `/h`.
- A relative path counts from the folder of the file it stands in; one in an environment variable
  from the folder of the main file.
- An environment variable replaces what the file says. A list is separated by commas. Clients cannot
  be set so. An unknown variable that begins with `PARAPET__` is an error.
- Unknown keys are errors.
- A newline at the end of a secret's file is not part of the secret.
- What is marked with *restart* needs one. All else
  [can change while the gateway runs](operations.md#changing-the-configuration-while-it-runs).
";

/// Where a table stands.
#[derive(Clone, Default)]
struct Place {
    path: Vec<String>,
    in_list: bool,
}

impl Place {
    fn within(&self, key: &str, in_list: bool) -> Self {
        let mut place = self.clone();
        place.path.push(key.to_owned());
        place.in_list |= in_list;
        place
    }

    /// Where the reference configuration shows `key` of this table, so that the page has the same
    /// order; what it does not show comes last.
    fn position(&self, key: &str) -> usize {
        let after = |start: usize, text: &str| {
            let rest = REFERENCE.get(start..)?;
            let plain = rest.find(&format!("\n{text}"));
            plain.or_else(|| rest.find(&format!("\n# {text}"))).map(|found| start + found)
        };
        let header = |path: &str| {
            after(0, &format!("[{path}]")).or_else(|| after(0, &format!("[[{path}]]")))
        };
        let start = match self.path.as_slice() {
            [] => Some(0),
            path => header(&path.join(".")),
        };
        let table = self.within(key, false).path.join(".");
        header(&table).or_else(|| after(start?, &format!("{key} "))).unwrap_or(usize::MAX)
    }

    fn title(&self) -> String {
        let path = self.path.join(".");
        match (path.as_str(), self.in_list) {
            ("", _) => "Top of the file".to_owned(),
            (path, false) => format!("`[{path}]`"),
            (path, true) => format!("`[[{path}]]`"),
        }
    }
}

/// A table's section, then those of the tables in it.
fn section(page: &mut String, table: &Json, place: &Place) {
    let description = match place.path.as_slice() {
        [] => "",
        _ => text(table, "description").unwrap_or_default(),
    };
    let restart = match fixed::restart(&place.path) {
        Some(fixed::Restart::Presence) => " Adding or taking away this table: *restart*.",
        Some(fixed::Restart::Key) | None => "",
    };
    // Writing to a String cannot fail.
    let _ = write!(page, "\n## {}\n\n", place.title());
    if !description.is_empty() {
        let _ = write!(page, "{description}{restart}\n\n");
    }
    let mut inner = Vec::new();
    let mut rows = String::new();
    let mut keys: Vec<_> = properties(table).collect();
    keys.sort_by_key(|(key, _)| place.position(key));
    for (key, schema) in keys {
        if kind(schema) == Kind::Table && schema.get("properties").is_some() {
            inner.push((place.within(key, false), with_description(schema, schema)));
        } else if kind(items(schema)) == Kind::Table {
            inner.push((place.within(key, true), with_description(items(schema), schema)));
        } else {
            row(&mut rows, key, (table, schema), place);
        }
    }
    if !rows.is_empty() {
        let variable = if place.in_list { "" } else { " Environment variable |" };
        let rule = if place.in_list { "" } else { "---|" };
        let _ = writeln!(page, "| Key | Type | Default | Meaning |{variable}");
        let _ = writeln!(page, "|---|---|---|---|{rule}\n{}", rows.trim_end());
    }
    for (place, schema) in inner {
        section(page, &schema, &place);
    }
}

/// A table's schema under the words of the key that holds it.
fn with_description(table: &Json, key: &Json) -> Json {
    let mut table = table.clone();
    if let (Some(object), Some(description)) = (table.as_object_mut(), key.get("description")) {
        object.insert("description".to_owned(), description.clone());
    }
    table
}

fn row(rows: &mut String, key: &str, (table, schema): (&Json, &Json), place: &Place) {
    let required = table
        .get("required")
        .and_then(Json::as_array)
        .is_some_and(|required| required.contains(&Json::from(key)));
    // The defaults of a table's keys stand in the table's own default where it has one.
    let default = match schema.get("default") {
        _ if required => "REQUIRED".to_owned(),
        Some(default) => format!("`{default}`"),
        None => "none".to_owned(),
    };
    let mut meaning = text(schema, "description").unwrap_or_default().replace('\n', " ");
    for choice in schema.get("oneOf").and_then(Json::as_array).into_iter().flatten() {
        let (name, description) = (text(choice, "const"), text(choice, "description"));
        let _ = write!(
            meaning,
            "<br>`{}`: {}",
            name.unwrap_or_default(),
            description.unwrap_or_default().replace('\n', " ")
        );
    }
    if !place.in_list && fixed::restart(&place.within(key, false).path).is_some() {
        meaning.push_str(" *restart*");
    }
    let kind = if schema.get("oneOf").is_some() {
        "choice".to_owned()
    } else {
        let expected = expected(schema);
        let kind = expected.split(" such as").next().unwrap_or_default();
        kind.trim_start_matches("a ").trim_end_matches(',').to_owned()
    };
    let _ = write!(rows, "| `{key}` | {kind} | {default} | {meaning} |");
    if !place.in_list {
        let path: Vec<&str> = place.path.iter().map(String::as_str).chain([key]).collect();
        let _ = write!(rows, " `{}` |", variable(&path));
    }
    rows.push('\n');
}
