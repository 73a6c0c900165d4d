//! Renders a schema diff as SQLite statements. Where `ALTER TABLE` cannot make a change, the table is rebuilt as
//! <https://www.sqlite.org/lang_altertable.html#otheralter> recommends; the migration runner does the rest of that
//! recipe.

use std::collections::BTreeSet;

use super::decisions::add_column;
use super::diff::{Direction, SchemaDiff, create_index};
use crate::schema::{Column, Schema, SchemaPart, Table, Trigger};

/// The statements in a working order.
pub(super) fn statements(diff: &SchemaDiff<'_>) -> Vec<String> {
    let rebuilt = tables_to_rebuild(diff);
    let mut sql = Vec::new();
    let (old_views, old_triggers) = (views_in_the_way(diff, &rebuilt), triggers_in_the_way(diff, &rebuilt));
    sql.extend(old_views.iter().map(|name| format!("DROP VIEW {name};")));
    sql.extend(old_triggers.iter().map(|name| format!("DROP TRIGGER {name};")));
    for (name, table) in diff.new_tables() {
        sql.extend(table.statement.as_ref().map(|statement| format!("{statement};")));
        sql.extend(table.indexes.iter().map(|index| create_index(name, index, "")));
    }
    sql.extend(diff.questions());
    let stays = |table: &str| !rebuilt.contains(table);
    sql.extend(diff.new_columns().filter(|(table, _)| stays(table)).map(|(table, column)| add_column(table, column)));
    if diff.direction == Direction::Down {
        let old = diff.old_columns().filter(|(table, _)| stays(table));
        sql.extend(old.map(|(table, column)| format!("ALTER TABLE {table} DROP COLUMN {column};")));
    }
    sql.extend(rebuilt.iter().filter_map(|table| rebuild_table(diff, table)));
    sql.extend(diff.old_tables().into_iter().map(|(name, _)| format!("DROP TABLE {name};")));
    let new_triggers = triggers(diff.to).filter(|(table, trigger)| {
        let was = diff.from.tables.get(*table).is_some_and(|table| table.triggers.contains(trigger));
        !was || old_triggers.contains(&trigger.name)
    });
    sql.extend(new_triggers.map(|(_, trigger)| format!("{};", trigger.definition)));
    let new_views = diff
        .to
        .views
        .iter()
        .filter(|(name, view)| diff.from.views.get(*name) != Some(*view) || old_views.contains(*name));
    sql.extend(new_views.map(|(_, view)| format!("{view};")));
    sql
}

/// The tables that must be rebuilt.
fn tables_to_rebuild(diff: &SchemaDiff<'_>) -> BTreeSet<String> {
    let constraints =
        [SchemaPart::PrimaryKey, SchemaPart::Unique, SchemaPart::ForeignKey, SchemaPart::Check].into_iter();
    let mut tables: BTreeSet<String> =
        constraints.flat_map(|part| diff.in_part(part)).map(|one| one.table.clone()).collect();
    let both = diff.in_part(SchemaPart::Table).filter(|one| one.expected.is_some() && one.found.is_some());
    tables.extend(both.map(|one| one.table.clone()));
    tables.extend(diff.changed_columns().map(|(table, _, _)| table.to_owned()));
    let hard = diff.new_columns().filter(|(_, column)| !can_be_added(column));
    tables.extend(hard.map(|(table, _)| table.to_owned()));
    // A change with an open question is made by rebuilding the table.
    let changes = diff.decisions.keys().filter(|(table, column)| {
        let has = |schema: &Schema| schema.tables.get(table).is_some_and(|table| table.column(column).is_some());
        has(diff.from) && has(diff.to)
    });
    tables.extend(changes.map(|(table, _)| table.clone()));
    tables
}

/// The rules of `ALTER TABLE … ADD COLUMN`.
fn can_be_added(column: &Column) -> bool {
    let words = column.definition.to_ascii_uppercase();
    let constant = column.default.as_ref().is_none_or(|default| {
        let literal = default.starts_with('\'') || default.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        literal || ["NULL", "TRUE", "FALSE"].contains(&default.to_ascii_uppercase().as_str())
    });
    constant && !["PRIMARY KEY", "UNIQUE", "STORED"].iter().any(|word| words.contains(word))
}

/// Creates the desired table, copies the values of the columns that both have, and recreates the indexes that stay.
/// Other indexes are dropped before or created later.
fn rebuild_table(diff: &SchemaDiff<'_>, name: &str) -> Option<String> {
    let (from, to) = (diff.from.tables.get(name)?, diff.to.tables.get(name)?);
    let statement = to.statement.as_ref()?;
    let body = &statement[statement.find('(')?..];
    let kept = |column: &&Column| {
        column.generated.is_none() && from.column(&column.name).is_some_and(|one| one.generated.is_none())
    };
    let columns: Vec<&str> = to.columns.iter().filter(kept).map(|column| column.name.as_str()).collect();
    let columns = columns.join(", ");
    let mut lines = vec![
        format!("CREATE TABLE new_{name} {body};"),
        format!("INSERT INTO new_{name} ({columns})\n    SELECT {columns} FROM {name};"),
        format!("DROP TABLE {name};"),
        format!("ALTER TABLE new_{name} RENAME TO {name};"),
    ];
    let stay = from.indexes.iter().filter(|index| to.indexes.contains(index));
    lines.extend(stay.map(|index| create_index(name, index, "")));
    Some(lines.join("\n"))
}

/// Triggers that change or are dropped, and those that mention a rebuilt table and would make the rebuild fail.
fn triggers_in_the_way(diff: &SchemaDiff<'_>, rebuilt: &BTreeSet<String>) -> BTreeSet<String> {
    let found = triggers(diff.from).filter(|(table, trigger)| {
        let stays = diff.to.tables.get(*table).is_none_or(|table| table.triggers.contains(trigger));
        !stays || rebuilt.iter().any(|name| name == *table || mentions(&trigger.definition, name))
    });
    found.map(|(_, trigger)| trigger.name.clone()).collect()
}

/// Views that change or are dropped, and those that mention a rebuilt table.
fn views_in_the_way(diff: &SchemaDiff<'_>, rebuilt: &BTreeSet<String>) -> BTreeSet<String> {
    let found = diff.from.views.iter().filter(|(name, view)| {
        diff.to.views.get(*name) != Some(*view) || rebuilt.iter().any(|table| mentions(view, table))
    });
    found.map(|(name, _)| name.clone()).collect()
}

fn triggers(schema: &Schema) -> impl Iterator<Item = (&String, &Trigger)> {
    schema.tables.iter().flat_map(|(name, table): (&String, &Table)| table.triggers.iter().map(move |one| (name, one)))
}

fn mentions(sql: &str, name: &str) -> bool {
    sql.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}
