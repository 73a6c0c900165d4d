//! A diagram of a schema for Mermaid: tables, columns and references
//! (<https://mermaid.js.org/syntax/entityRelationshipDiagram.html>).

use std::fmt::Write as _;

use super::{ForeignKey, Schema, Table, standards};

/// The diagram of the journal's tables.
pub fn mermaid(schema: &Schema) -> String {
    let mut text = "erDiagram\n".to_owned();
    for (name, table) in journal(schema) {
        for key in &table.foreign_keys {
            let (parent, child) = cardinalities(table, key);
            let _ = writeln!(text, "    {} {parent}--{child} {name} : {}", key.table, label(key));
        }
    }
    for (name, table) in journal(schema) {
        let _ = writeln!(text, "    {name} {{");
        for column in &table.columns {
            let marks = key_marks(table, &column.name).join(", ");
            let line = format!("        {} {} {marks}", single_word(&column.kind.to_string()), column.name);
            let _ = writeln!(text, "{}", line.trim_end());
        }
        let _ = writeln!(text, "    }}");
    }
    text
}

/// The tables with users' data, without those of the migration runner and of the engine.
pub(super) fn journal(schema: &Schema) -> impl Iterator<Item = (&String, &Table)> {
    schema.tables.iter().filter(|(name, _)| !standards::is_exempt("*", name))
}

/// The cardinality of both ends of a reference.
fn cardinalities(table: &Table, key: &ForeignKey) -> (&'static str, &'static str) {
    let optional = key.columns.iter().any(|name| table.column(name).is_some_and(|column| column.nullable));
    let unique_indexes = table.indexes.iter().filter(|index| index.unique).map(|index| &index.columns);
    let keys = table.primary_key.iter().chain(&table.uniques).map(|one| &one.columns);
    let single = keys.chain(unique_indexes).any(|columns| *columns == key.columns);
    (if optional { "|o" } else { "||" }, if single { "o|" } else { "o{" })
}

fn label(key: &ForeignKey) -> &str {
    if key.name.is_empty() { "refers" } else { &key.name }
}

fn key_marks(table: &Table, column: &str) -> Vec<&'static str> {
    let within = |columns: &[String]| columns.iter().any(|one| one == column);
    let primary = table.primary_key.as_ref().is_some_and(|key| within(&key.columns));
    let foreign = table.foreign_keys.iter().any(|key| within(&key.columns));
    let alone = |columns: &[String]| columns.len() == 1 && within(columns);
    let unique = table.uniques.iter().any(|key| alone(&key.columns))
        || table.indexes.iter().any(|index| index.unique && alone(&index.columns));
    let all = [(primary, "PK"), (foreign, "FK"), (unique, "UK")];
    all.into_iter().filter_map(|(holds, mark)| holds.then_some(mark)).collect()
}

/// Replaces blanks and symbols, because the syntax allows only one word.
fn single_word(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}
