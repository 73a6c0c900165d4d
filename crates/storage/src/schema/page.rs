//! Generates `docs/schema.md` from the schemas that the migrations create on both engines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::erd::{journal, mermaid};
use super::standards::{EXCEPTIONS, RULES};
use super::{Schema, Table, reasons};

/// A table on both engines; `None` where an engine does not have it.
type Pair<'s> = (Option<&'s Table>, Option<&'s Table>);

/// Renders the page. Where the engines agree, it shows PostgreSQL's types and SQLite's syntax, which is that of the
/// migrations.
pub fn page(sqlite: &Schema, postgres: &Schema) -> String {
    let mut tables: BTreeMap<&str, Pair<'_>> = BTreeMap::new();
    for (name, table) in journal(sqlite) {
        tables.entry(name).or_default().0 = Some(table);
    }
    for (name, table) in journal(postgres) {
        tables.entry(name).or_default().1 = Some(table);
    }
    let mut page = format!(
        "# The schema\n\n\
         Generated from the migrations by `make schema-docs`; a test fails when it is stale. `sotto db check` compares a database \
         with it, and `sotto db erd` draws a database as it is.\n\n\
         ```mermaid\n{}```\n",
        mermaid(postgres)
    );
    for (name, pair) in &tables {
        write_table(&mut page, name, *pair);
    }
    write_standards(&mut page);
    page
}

fn write_table(page: &mut String, name: &str, (sqlite, postgres): Pair<'_>) {
    let _ = write!(page, "\n## {name}\n\n{}\n\n", reasons::find(&reasons::TABLES, name));
    page.push_str("| column | holds | PostgreSQL | SQLite |\n|---|---|---|---|\n");
    let Some(either) = postgres.or(sqlite) else { return };
    for column in &either.columns {
        let on = |table: Option<&Table>| {
            table
                .and_then(|table| table.column(&column.name))
                .map_or("–".to_owned(), |column| inline_code(&column.definition))
        };
        let _ = writeln!(page, "| `{}` | {} | {} | {} |", column.name, column.kind, on(postgres), on(sqlite));
    }
    let words = sqlite.unwrap_or(either);
    if words.primary_key.iter().any(|key| !key.name.is_empty()) {
        page.push('\n');
    }
    for key in words.primary_key.iter().filter(|key| !key.name.is_empty()) {
        let _ = writeln!(page, "* `{}`: `PRIMARY KEY {key}`", key.name);
    }
    for key in &words.foreign_keys {
        let _ = writeln!(page, "* `{}`: `FOREIGN KEY {key}`", key.name);
    }
    for check in &words.checks {
        let _ = writeln!(page, "* `{}`: `CHECK ({})`", check.name, check.expression);
    }
    write_indexes(page, (sqlite, postgres));
}

fn write_indexes(page: &mut String, (sqlite, postgres): Pair<'_>) {
    let mut rows: BTreeMap<&str, (String, Vec<&str>)> = BTreeMap::new();
    for (engine, table) in [("SQLite", sqlite), ("PostgreSQL", postgres)] {
        for (name, what) in table.into_iter().flat_map(named_indexes) {
            rows.entry(name).or_insert((what, Vec::new())).1.push(engine);
        }
    }
    if rows.is_empty() {
        return;
    }
    page.push_str("\n| index | on | for |\n|---|---|---|\n");
    let both = sqlite.is_some() && postgres.is_some();
    for (name, (what, engines)) in rows {
        let only = if both && engines.len() == 1 { format!(" ({} only)", engines.join("")) } else { String::new() };
        let _ =
            writeln!(page, "| `{name}`{only} | {} | {} |", inline_code(&what), reasons::find(&reasons::INDEXES, name));
    }
}

/// Indexes and unique constraints, which have an index as well.
pub(super) fn named_indexes(table: &Table) -> impl Iterator<Item = (&str, String)> {
    let uniques = table.uniques.iter().map(|key| (key.name.as_str(), format!("UNIQUE {key}")));
    let indexes = table.indexes.iter().map(|index| {
        let unique = if index.unique { "UNIQUE " } else { "" };
        (index.name.as_str(), format!("{unique}{}", index.definition))
    });
    uniques.chain(indexes)
}

fn write_standards(page: &mut String) {
    page.push_str("\n## The standards\n\n");
    for rule in &RULES {
        let _ = writeln!(page, "* **{}**: {}", rule.id, rule.sentence);
    }
    page.push_str("\nWhat need not keep them:\n\n| table | rules | why |\n|---|---|---|\n");
    for one in &EXCEPTIONS {
        let rules = if one.rule == "*" { "all".to_owned() } else { one.rule.replace(' ', ", ") };
        let _ = writeln!(page, "| `{}` | {rules} | {} |", one.table, one.reason);
    }
}

/// Code in a table cell, with vertical bars escaped.
fn inline_code(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let fence = if text.contains('`') { "``" } else { "`" };
    format!("{fence}{text}{fence}")
}
