//! What is laid over the main file: environment variables and the client files of `clients_dir`.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::diagnostic::{Origin, Problem, Problems, nearest};
use super::environment::Environment;
use super::schema::{Kind, VARIABLE_PREFIX, kind, settable, variable};
use super::sources::Sources;
use super::tree::{Entry, Node, Table, Value};

/// Sets every key that a `PARAPET__…` variable names.
pub(super) fn variables(root: &mut Node, environment: &Environment, problems: &mut Problems) {
    let settable: Vec<_> =
        settable().into_iter().map(|(path, schema)| (variable(&path), path, schema)).collect();
    for (name, text) in environment.beginning_with(VARIABLE_PREFIX) {
        let origin = Origin::Variable(name.to_owned());
        let known = settable.iter().find(|(known, _, _)| known == name);
        if let Some((_, path, schema)) = known {
            if let Some(table) = root.table_mut() {
                set(table, path, &Node { value: value(text, schema, &origin), origin });
            }
            continue;
        }
        let problem = if name.starts_with("PARAPET__CLIENTS__") {
            Problem::new(origin, "clients cannot be set by environment variables")
                .with_note(Some("name a folder of client files in PARAPET__CLIENTS_DIR".to_owned()))
        } else {
            let meant = nearest(name, settable.iter().map(|(known, _, _)| known.as_str()));
            Problem::new(origin, "this variable sets no known key")
                .with_note(meant.map(|meant| format!("did you mean {meant}?")))
        };
        problems.add(problem);
    }
}

/// Reads a variable's text as what `schema` takes. What cannot be read so stays a text, which the
/// check of shapes then refuses.
fn value(text: &str, schema: &Json, origin: &Origin) -> Value {
    let unread = || Value::String(text.to_owned());
    match kind(schema) {
        Kind::Boolean => text.parse().map_or_else(|_| unread(), Value::Boolean),
        Kind::Integer => text.parse().map_or_else(|_| unread(), Value::Integer),
        Kind::List => Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Node { origin: origin.clone(), value: Value::String(item.to_owned()) })
                .collect(),
        ),
        Kind::String | Kind::Table => unread(),
    }
}

fn set(table: &mut Table, path: &[&str], node: &Node) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        let key_origin = node.origin.clone();
        table.insert((*key).to_owned(), Entry { key: key_origin, node: node.clone() });
        return;
    }
    let entry = table.entry((*key).to_owned()).or_insert_with(|| Entry {
        key: node.origin.clone(),
        node: Node { origin: node.origin.clone(), value: Value::Table(Table::new()) },
    });
    if let Some(table) = entry.node.table_mut() {
        set(table, rest, node);
    }
}

/// Appends the `[[clients]]` tables of every `*.toml` in `clients_dir`, in the order of the names.
pub(super) fn client_files(
    root: &mut Node,
    main_folder: &Path,
    (problems, sources): (&mut Problems, &mut Sources),
) {
    let Some(named) = root.find("clients_dir") else {
        return;
    };
    let Some(folder) = named.as_str().map(|text| main_folder.join(text)) else {
        return;
    };
    let paths = match toml_files(&folder, sources) {
        Ok(paths) => paths,
        Err(error) => {
            let message = format!("`clients_dir`: cannot read {}: {error}", folder.display());
            problems.add(Problem::new(named.origin.clone(), message));
            return;
        }
    };
    for (index, path) in paths.iter().enumerate() {
        match Node::read(path, index + 1, sources) {
            Ok(file) => append_clients(root, file, problems),
            Err(problem) => problems.add(problem),
        }
    }
}

fn toml_files(folder: &Path, sources: &mut Sources) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = sources.list(folder)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    Ok(paths)
}

fn append_clients(root: &mut Node, file: Node, problems: &mut Problems) {
    let (Value::Table(table), Some(root)) = (file.value, root.table_mut()) else {
        return;
    };
    for (key, entry) in table {
        if key != "clients" {
            let message =
                format!("unknown key `{}` in a file of `clients_dir`", key.escape_debug());
            let note = "such a file holds [[clients]] tables only".to_owned();
            problems.add(Problem::new(entry.key, message).with_note(Some(note)));
            continue;
        }
        let Value::Array(mut added) = entry.node.value else {
            let message = "`clients`: expected a list of tables, written as [[clients]]";
            problems.add(Problem::new(entry.key, message));
            continue;
        };
        match root.get_mut("clients").map(|entry| &mut entry.node.value) {
            Some(Value::Array(clients)) => clients.append(&mut added),
            Some(_) => {}
            None => {
                let node = Node { origin: entry.node.origin, value: Value::Array(added) };
                let key = entry.key;
                root.insert("clients".to_owned(), Entry { key, node });
            }
        }
    }
}
