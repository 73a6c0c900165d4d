//! Generates the statements that turn a schema into the expected one.

mod postgres;
mod sqlite;

use super::{Difference, Engine, Schema};

/// The repair of one or more differences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The differences, a line each.
    pub differences: Vec<String>,
    /// The statements in a working order. Empty if no statement repairs the differences.
    pub statements: Vec<String>,
    /// The data that the statements delete, as a clause: "the values of tags.note". Such statements are not run
    /// automatically.
    pub loses: Option<String>,
    /// A sentence about what else to do, or to do first.
    pub note: Option<String>,
}

/// The repairs that turn `found` into `expected`, in a working order.
pub(super) fn repairs(engine: Engine, expected: &Schema, found: &Schema) -> Vec<Repair> {
    let differences = expected.differences(found);
    match engine {
        Engine::Sqlite => sqlite::repairs(expected, found, &differences),
        Engine::Postgres => postgres::repairs(expected, found, &differences),
    }
}

/// A script of all repairs. Statements that delete data are commented out.
pub fn script(engine: Engine, repairs: &[Repair]) -> String {
    let mut lines = Vec::new();
    let statements = repairs.iter().any(|repair| !repair.statements.is_empty());
    // Tables are rebuilt as <https://www.sqlite.org/lang_altertable.html#otheralter> recommends.
    if engine == Engine::Sqlite && statements {
        lines.push("-- Stop the server and make a backup first. Run this with `sqlite3 -bail`.".to_owned());
        lines.push("PRAGMA foreign_keys = OFF;\nPRAGMA legacy_alter_table = ON;\nBEGIN IMMEDIATE;\n".to_owned());
    } else if statements {
        lines.push("-- Make a backup first. Run this with `psql --set ON_ERROR_STOP=1`.\n".to_owned());
    }
    for repair in repairs {
        lines.extend(repair.differences.iter().map(|line| format!("-- {line}")));
        lines.extend(repair.note.iter().map(|note| format!("-- {note}")));
        lines.extend(repair.loses.iter().map(|what| format!("-- This deletes {what}. Remove the `--` to run it.")));
        for line in repair.statements.iter().flat_map(|statement| statement.lines()) {
            lines.push(if repair.loses.is_some() { format!("-- {line}") } else { line.to_owned() });
        }
        lines.push(String::new());
    }
    if engine == Engine::Sqlite && statements {
        lines.push("PRAGMA foreign_key_check;\nCOMMIT;\nPRAGMA legacy_alter_table = OFF;\n".to_owned());
    }
    lines.join("\n")
}

impl Repair {
    fn new(difference: &Difference, statements: Vec<String>) -> Self {
        Self { differences: vec![line(difference)], statements, loses: None, note: None }
    }

    fn loses(self, what: impl Into<String>) -> Self {
        Self { loses: Some(what.into()), ..self }
    }

    fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

/// Puts a difference on one line, because it becomes a comment.
fn line(difference: &Difference) -> String {
    difference.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name in SQL, quoted unless it is plain.
fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
