//! Holds a tree against the schema: unknown keys, wrong kinds, values outside their choices or
//! bounds. What passes becomes the JSON that [`File`](super::file::File) is made of; what does not
//! is left out, so that the rest can still be checked.

use serde_json::{Map, Value as Json};

use super::diagnostic::{Problem, Problems, is_secret, nearest};
use super::schema::{self, Kind, choices, items, kind, number, properties, property, text};
use super::tree::{Node, Table, Value};
use super::units::{RATE_FORMAT, TIME_FORMAT, Time};
use crate::config::Rate;

/// The part of `root` that has the right shape. Everything else is added to `problems`.
pub(super) fn conform(root: &Node, problems: &mut Problems) -> Json {
    let mut shape = Shape { problems };
    shape.value(root, schema::schema(), "").unwrap_or_default()
}

/// The key at `path` for people: "`lifetime` in [par]", "`secret` in [[clients]]".
pub(super) fn describe(path: &str) -> String {
    let mut steps: Vec<&str> = path.split('.').collect();
    let is_index = |step: &&str| step.bytes().all(|byte| byte.is_ascii_digit());
    while steps.last().is_some_and(is_index) {
        steps.pop();
    }
    let key = steps.pop().unwrap_or_default();
    if steps.is_empty() {
        return format!("`{key}`");
    }
    format!("`{key}` in {}", table_name(&steps.join(".")))
}

fn location(path: &str) -> String {
    match path {
        "" => "at the top of the file".to_owned(),
        _ => format!("in {}", table_name(path)),
    }
}

/// A table's path as its header: `[par]`, `[[clients]]`.
pub(super) fn table_name(path: &str) -> String {
    let mut steps: Vec<&str> = path.split('.').collect();
    let all = steps.len();
    steps.retain(|step| !step.bytes().all(|byte| byte.is_ascii_digit()));
    if steps.len() == all {
        format!("[{}]", steps.join("."))
    } else {
        format!("[[{}]]", steps.join("."))
    }
}

struct Shape<'a> {
    problems: &'a mut Problems,
}

impl Shape<'_> {
    fn value(&mut self, node: &Node, schema: &'static Json, path: &str) -> Option<Json> {
        match (kind(schema), &node.value) {
            (Kind::Table, Value::Table(table)) => Some(self.table(table, schema, path)),
            (Kind::List, Value::Array(list)) => self.list(node, list, schema, path),
            (Kind::String, Value::String(found)) => self.string(node, found, schema, path),
            (Kind::Integer, Value::Integer(found)) => {
                let fits = *found >= number(schema, "minimum").unwrap_or(i64::MIN)
                    && *found <= number(schema, "maximum").unwrap_or(i64::MAX);
                self.keep(fits, node, schema, path).then(|| Json::from(*found))
            }
            (Kind::Boolean, Value::Boolean(found)) => Some(Json::from(*found)),
            _ => {
                self.keep(false, node, schema, path);
                None
            }
        }
    }

    fn table(&mut self, table: &Table, schema: &'static Json, path: &str) -> Json {
        // A table without listed keys is free: its inside belongs to another specification.
        if schema.get("properties").is_none() {
            return Json::Object(
                table.iter().map(|(key, entry)| (key.clone(), free(&entry.node))).collect(),
            );
        }
        let mut kept = Map::new();
        for (key, entry) in table {
            let Some(schema) = property(schema, key) else {
                let message = format!("unknown key `{}` {}", key.escape_debug(), location(path));
                let problem = Problem::new(entry.key.clone(), message);
                self.problems.add(problem.with_note(Some(advice(key, schema))));
                continue;
            };
            let value = self.value(&entry.node, schema, &join(path, key));
            kept.extend(value.map(|value| (key.clone(), value)));
        }
        Json::Object(kept)
    }

    fn list(
        &mut self,
        node: &Node,
        list: &[Node],
        schema: &'static Json,
        path: &str,
    ) -> Option<Json> {
        let items = items(schema);
        let enough = number(schema, "minItems").unwrap_or(0) <= i64::try_from(list.len()).ok()?;
        if !self.keep(enough, node, schema, path) {
            return None;
        }
        let kept: Vec<Option<Json>> = list
            .iter()
            .enumerate()
            .map(|(index, item)| self.value(item, items, &join(path, &index.to_string())))
            .collect();
        // Positions must stay what they are in the file, so a list is kept whole or not at all.
        kept.into_iter().collect::<Option<Vec<_>>>().map(Json::from)
    }

    fn string(
        &mut self,
        node: &Node,
        found: &str,
        schema: &'static Json,
        path: &str,
    ) -> Option<Json> {
        let choices = choices(schema);
        let bound = |keyword| text(schema, keyword).and_then(Time::parse).map(|time| time.0);
        let fits = match text(schema, "format") {
            Some(TIME_FORMAT) => Time::parse(found).is_some_and(|time| {
                bound("x-shortest").is_none_or(|shortest| time.0 >= shortest)
                    && bound("x-longest").is_none_or(|longest| time.0 <= longest)
            }),
            Some(RATE_FORMAT) => Rate::parse(found).is_some(),
            _ => choices.is_empty() || choices.contains(&found),
        };
        self.keep(fits, node, schema, path).then(|| Json::from(found))
    }

    /// Passes `fits` on; where it is false, adds the problem.
    fn keep(&mut self, fits: bool, node: &Node, schema: &Json, path: &str) -> bool {
        if !fits {
            let message = format!(
                "{}: expected {}, found {}",
                describe(path),
                expected(schema),
                found(node, path)
            );
            let meant = node
                .as_str()
                .and_then(|found| nearest(found, choices(schema)))
                .map(|meant| format!("did you mean {meant:?}?"));
            self.problems.add(Problem::new(node.origin.clone(), message).with_note(meant));
        }
        fits
    }
}

/// The inside of a free table as JSON. Kinds that JSON has not become null, which its own reader
/// refuses.
fn free(node: &Node) -> Json {
    match &node.value {
        Value::Boolean(truth) => Json::from(*truth),
        Value::Integer(number) => Json::from(*number),
        Value::String(text) => Json::from(text.as_str()),
        Value::Array(items) => items.iter().map(free).collect(),
        Value::Table(table) => {
            table.iter().map(|(key, entry)| (key.clone(), free(&entry.node))).collect()
        }
        Value::Other(_) => Json::Null,
    }
}

/// What `schema` takes, for people.
pub(super) fn expected(schema: &Json) -> String {
    let choices = choices(schema);
    match (kind(schema), text(schema, "format")) {
        (Kind::Table, _) => "a table".to_owned(),
        (Kind::List, _) if kind(items(schema)) == Kind::Table => "a list of tables".to_owned(),
        (Kind::List, _) if schema.get("minItems").is_some() => {
            "a list of at least one string".to_owned()
        }
        (Kind::List, _) => "a list of strings".to_owned(),
        (Kind::Boolean, _) => "true or false".to_owned(),
        (Kind::Integer, _) => {
            let bounds = (number(schema, "minimum"), number(schema, "maximum"));
            match bounds {
                (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
                (Some(least), None) => format!("a whole number of at least {least}"),
                _ => "a whole number".to_owned(),
            }
        }
        (Kind::String, Some(TIME_FORMAT)) => {
            let bounds = (text(schema, "x-shortest"), text(schema, "x-longest"));
            match bounds {
                (Some(shortest), Some(longest)) => {
                    format!("a time from \"{shortest}\" to \"{longest}\"")
                }
                (Some(shortest), None) => {
                    format!("a time of at least \"{shortest}\", such as \"60s\"")
                }
                _ => "a time such as \"60s\"".to_owned(),
            }
        }
        (Kind::String, Some(RATE_FORMAT)) => "a rate such as \"100/s\" or \"20/m\"".to_owned(),
        (Kind::String, _) if choices.is_empty() => "a string".to_owned(),
        (Kind::String, _) => format!("one of {}", quoted(&choices)),
    }
}

/// What stands at a key; the value itself unless the key holds a secret.
pub(super) fn found(node: &Node, path: &str) -> String {
    let hidden = path.split('.').any(is_secret);
    match &node.value {
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(_) if hidden => "a number".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::String(_) if hidden => "a string".to_owned(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
        Value::Other(kind) => (*kind).to_owned(),
    }
}

/// What to do about an unknown key of the table that `schema` describes.
fn advice(key: &str, schema: &'static Json) -> String {
    if let Some(meant) = nearest(key, properties(schema).map(|(known, _)| known)) {
        return format!("did you mean `{meant}`?");
    }
    let homes = homes(key);
    if !homes.is_empty() {
        return format!("`{key}` belongs to {}", homes.join(" or "));
    }
    let known: Vec<&str> = properties(schema).map(|(known, _)| known).collect();
    format!("known keys: {}", known.join(", "))
}

/// The tables that know `key`.
fn homes(key: &str) -> Vec<String> {
    fn collect(key: &str, schema: &Json, path: &str, homes: &mut Vec<String>) {
        if property(schema, key).is_some() {
            homes.push(match path {
                "" => "the top of the file, before the first [table]".to_owned(),
                _ => table_name(path),
            });
        }
        for (name, schema) in properties(schema) {
            match kind(schema) {
                Kind::Table => collect(key, schema, &join(path, name), homes),
                Kind::List => collect(key, items(schema), &join(&join(path, name), "0"), homes),
                Kind::String | Kind::Integer | Kind::Boolean => {}
            }
        }
    }
    let mut homes = Vec::new();
    collect(key, schema::schema(), "", &mut homes);
    homes
}

fn join(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") }
}

fn quoted(texts: &[&str]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    texts.join(", ")
}
