//! A configuration file as a tree in which every key and value knows where it stands.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Origin, Problem, Source};
use super::sources::{Sources, text};

/// A value and its place.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// The values of TOML that the configuration uses.
#[derive(Clone)]
pub(super) enum Value {
    Boolean(bool),
    Integer(i64),
    String(String),
    Array(Vec<Node>),
    Table(Table),
    /// A value of a kind that no key takes: what it is, with its article.
    Other(&'static str),
}

/// A table.
pub(super) type Table = BTreeMap<String, Entry>;

/// Said where lines were put at the end of a file that has their table already.
const TWICE: &str = "a table stands in a file once, and `upstream.url = …` begins `[upstream]` too; put \
                     the lines beside those that are there, written in the same way";

/// A key's place and its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: Origin,
    pub(super) node: Node,
}

impl Node {
    /// Reads and parses the file at `path`.
    pub(super) fn read(path: &Path, rank: usize, sources: &mut Sources) -> Result<Self, Problem> {
        let text = sources.read(path).and_then(text).map_err(|error| {
            Problem::new(Origin::unreadable(path), format!("cannot be read: {error}"))
        })?;
        let source = Arc::new(Source { rank, path: path.to_owned(), text });
        match DeTable::parse(&source.text) {
            Ok(table) => Ok(Self {
                origin: Origin::whole(&source),
                value: Value::Table(entries(table.into_inner(), &source)),
            }),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                // An empty span stands for a place between two characters; one caret marks it.
                let span = span.start..span.end.max(span.start + 1);
                let message = format!("not TOML: {}", error.message().replace('\n', ", "));
                let before = source.text.get(..span.start).unwrap_or_default();
                let is_header = before.lines().last().is_some_and(|line| line.trim() == "[");
                let is_twice = is_header && error.message().contains("duplicate key");
                let note = is_twice.then(|| TWICE.to_owned());
                let origin = Origin::File(Arc::clone(&source), span);
                Err(Problem::of_damage(origin, message).with_note(note))
            }
        }
    }

    /// The node at a path such as `par.lifetime` or `clients.0.secret`.
    pub(super) fn find(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, step| match &node.value {
            Value::Table(table) => table.get(step).map(|entry| &entry.node),
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            Value::Boolean(_) | Value::Integer(_) | Value::String(_) | Value::Other(_) => None,
        })
    }

    /// The place of the node at `path`, or of the nearest table around it. A table that a variable
    /// brought about is no place to look for what is missing.
    pub(super) fn place(&self, path: &str) -> Origin {
        if let Some(node) = self.find(path) {
            return node.origin.clone();
        }
        let mut path = path;
        while let Some((parent, _)) = path.rsplit_once('.') {
            match self.find(parent).map(|node| &node.origin) {
                Some(origin @ Origin::File(..)) => return origin.clone(),
                Some(Origin::Variable(_)) | None => path = parent,
            }
        }
        self.origin.clone()
    }

    /// The entries of a table; `None` of anything else.
    pub(super) fn table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.value {
            Value::Table(table) => Some(table),
            Value::Boolean(_)
            | Value::Integer(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Other(_) => None,
        }
    }

    /// The text of a string; `None` of anything else.
    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            Value::Boolean(_)
            | Value::Integer(_)
            | Value::Array(_)
            | Value::Table(_)
            | Value::Other(_) => None,
        }
    }
}

fn entries(table: DeTable<'_>, source: &Arc<Source>) -> Table {
    table
        .into_iter()
        .map(|(key, value)| {
            let entry = Entry {
                key: Origin::File(Arc::clone(source), key.span()),
                node: node(value, source),
            };
            (key.into_inner().into_owned(), entry)
        })
        .collect()
}

fn node(value: Spanned<DeValue<'_>>, source: &Arc<Source>) -> Node {
    let origin = Origin::File(Arc::clone(source), value.span());
    let value = match value.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number that is too large"), Value::Integer),
        DeValue::Boolean(truth) => Value::Boolean(truth),
        DeValue::Float(_) => Value::Other("a broken number"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => {
            Value::Array(items.into_iter().map(|item| node(item, source)).collect())
        }
        DeValue::Table(table) => Value::Table(entries(table, source)),
    };
    Node { origin, value }
}
