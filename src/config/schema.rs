//! The JSON Schema of `gateway.toml`, made from the types in [`file`](super::file).

use std::collections::HashSet;
use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use serde_json::Value;

use super::file::File;

/// The schema (JSON Schema 2020-12).
pub(super) fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
        SchemaSettings::draft2020_12()
            .with(|settings| settings.inline_subschemas = true)
            .with_transform(without_null)
            .into_generator()
            .into_root_schema_for::<File>()
            .to_value()
    });
    &SCHEMA
}

/// The schema as `gateway.schema.json` has it.
#[must_use]
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

/// Every key that an environment variable can set, as its path in the file and its schema.
pub(super) fn settable() -> Vec<(Vec<&'static str>, &'static Value)> {
    fn collect(
        schema: &'static Value,
        path: &[&'static str],
        found: &mut Vec<(Vec<&'static str>, &'static Value)>,
    ) {
        for (key, schema) in properties(schema) {
            let path = [path, &[key]].concat();
            match kind(schema) {
                Kind::Table => collect(schema, &path, found),
                Kind::List if kind(items(schema)) == Kind::Table => {}
                Kind::List | Kind::String | Kind::Integer | Kind::Boolean => {
                    found.push((path, schema));
                }
            }
        }
    }
    let mut found = Vec::new();
    collect(schema(), &[], &mut found);
    found
}

/// Whether some table has a key of this name.
pub(super) fn is_key(name: &str) -> bool {
    fn collect(schema: &'static Value, found: &mut HashSet<&'static str>) {
        for (key, schema) in properties(schema) {
            found.insert(key);
            collect(schema, found);
            collect(items(schema), found);
        }
    }
    static KEYS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
        let mut keys = HashSet::new();
        collect(schema(), &mut keys);
        keys
    });
    KEYS.contains(name)
}

/// The variable that sets the key at `path`.
pub(super) fn variable(path: &[&str]) -> String {
    format!("{VARIABLE_PREFIX}{}", path.join("__").to_ascii_uppercase())
}

/// Every variable that sets a key begins so.
pub(super) const VARIABLE_PREFIX: &str = "PARAPET__";

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Table,
    List,
    String,
    Integer,
    Boolean,
}

/// The kind that `schema` asks for.
pub(super) fn kind(schema: &Value) -> Kind {
    match text(schema, "type") {
        Some("object") => Kind::Table,
        Some("array") => Kind::List,
        Some("integer") => Kind::Integer,
        Some("boolean") => Kind::Boolean,
        _ => Kind::String,
    }
}

/// The keys of a table and their schemas.
pub(super) fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(key, schema)| (key.as_str(), schema))
}

/// The schema of one key of a table.
pub(super) fn property<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(key)
}

/// The schema of a list's items.
pub(super) fn items(schema: &Value) -> &Value {
    schema.get("items").unwrap_or(&Value::Null)
}

/// A keyword of `schema` that is a text.
pub(super) fn text<'a>(schema: &'a Value, keyword: &str) -> Option<&'a str> {
    schema.get(keyword).and_then(Value::as_str)
}

/// A keyword of `schema` that is a whole number.
pub(super) fn number(schema: &Value, keyword: &str) -> Option<i64> {
    schema.get(keyword).and_then(Value::as_i64)
}

/// The values that a text is limited to; empty where it is free.
pub(super) fn choices(schema: &Value) -> Vec<&str> {
    let listed = schema.get("enum").and_then(Value::as_array);
    let described = schema.get("oneOf").and_then(Value::as_array);
    listed
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .chain(described.into_iter().flatten().filter_map(|choice| text(choice, "const")))
        .collect()
}

/// TOML has no null: an optional key is absent. Also drops the size marks of Rust's integers.
fn without_null(schema: &mut Schema) {
    transform_subschemas(&mut without_null, schema);
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(mut choices)) = schema.remove("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&"null".into()));
        match choices.pop() {
            Some(Value::Object(only)) if choices.is_empty() => {
                for (keyword, value) in only {
                    schema.ensure_object().entry(keyword).or_insert(value);
                }
            }
            Some(last) => {
                choices.push(last);
                schema.insert("anyOf".to_owned(), Value::Array(choices));
            }
            None => {}
        }
    }
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
    if schema
        .get("format")
        .is_some_and(|format| format.as_str().is_some_and(|format| format.starts_with("uint")))
    {
        schema.remove("format");
    }
}
