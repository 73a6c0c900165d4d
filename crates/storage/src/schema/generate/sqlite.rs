//! A way in SQLite's words. What its `ALTER TABLE` cannot do is a table made anew: see
//! <https://www.sqlite.org/lang_altertable.html#otheralter>; the migration runner sees to the rest of that recipe.

use std::collections::BTreeSet;

use super::decisions::add_column;
use super::way::{Direction, Way, create_index};
use crate::schema::{Column, Part, Schema, Table, Trigger};

/// The statements, in the order in which they work.
pub(super) fn statements(way: &Way<'_>) -> Vec<String> {
    let rebuilt = rebuilt(way);
    let mut sql = Vec::new();
    let (old_views, old_triggers) = (views_in_the_way(way, &rebuilt), triggers_in_the_way(way, &rebuilt));
    sql.extend(old_views.iter().map(|name| format!("DROP VIEW {name};")));
    sql.extend(old_triggers.iter().map(|name| format!("DROP TRIGGER {name};")));
    for (name, table) in way.new_tables() {
        sql.extend(table.statement.as_ref().map(|statement| format!("{statement};")));
        sql.extend(table.indexes.iter().map(|index| create_index(name, index, "")));
    }
    sql.extend(way.questions());
    let stays = |table: &str| !rebuilt.contains(table);
    sql.extend(way.new_columns().filter(|(table, _)| stays(table)).map(|(table, column)| add_column(table, column)));
    if way.direction == Direction::Down {
        let old = way.old_columns().filter(|(table, _)| stays(table));
        sql.extend(old.map(|(table, column)| format!("ALTER TABLE {table} DROP COLUMN {column};")));
    }
    sql.extend(rebuilt.iter().filter_map(|table| rebuild(way, table)));
    sql.extend(way.old_tables().into_iter().map(|(name, _)| format!("DROP TABLE {name};")));
    let new_triggers = triggers(way.to).filter(|(table, trigger)| {
        let was = way.from.tables.get(*table).is_some_and(|table| table.triggers.contains(trigger));
        !was || old_triggers.contains(&trigger.name)
    });
    sql.extend(new_triggers.map(|(_, trigger)| format!("{};", trigger.definition)));
    let new_views = way
        .to
        .views
        .iter()
        .filter(|(name, view)| way.from.views.get(*name) != Some(*view) || old_views.contains(*name));
    sql.extend(new_views.map(|(_, view)| format!("{view};")));
    sql
}

/// The tables that have to be made anew.
fn rebuilt(way: &Way<'_>) -> BTreeSet<String> {
    let constraints = [Part::PrimaryKey, Part::Unique, Part::ForeignKey, Part::Check].into_iter();
    let mut tables: BTreeSet<String> = constraints.flat_map(|part| way.of(part)).map(|one| one.table.clone()).collect();
    let both = way.of(Part::Table).filter(|one| one.expected.is_some() && one.found.is_some());
    tables.extend(both.map(|one| one.table.clone()));
    tables.extend(way.changed_columns().map(|(table, _, _)| table.to_owned()));
    let hard = way.new_columns().filter(|(_, column)| !can_be_added(column));
    tables.extend(hard.map(|(table, _)| table.to_owned()));
    // A change that is to be decided is made in the table that is made anew.
    let changes = way.decisions.keys().filter(|(table, column)| {
        let has = |schema: &Schema| schema.tables.get(table).is_some_and(|table| table.column(column).is_some());
        has(way.from) && has(way.to)
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

/// The table as it is to be, with the values of the columns that both have, and with the indexes that stay: others have gone
/// before, or come later.
fn rebuild(way: &Way<'_>, name: &str) -> Option<String> {
    let (from, to) = (way.from.tables.get(name)?, way.to.tables.get(name)?);
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

/// Triggers that change or go, and those that would stop a table from being made anew, because they speak of it.
fn triggers_in_the_way(way: &Way<'_>, rebuilt: &BTreeSet<String>) -> BTreeSet<String> {
    let found = triggers(way.from).filter(|(table, trigger)| {
        let stays = way.to.tables.get(*table).is_none_or(|table| table.triggers.contains(trigger));
        !stays || rebuilt.iter().any(|name| name == *table || speaks_of(&trigger.definition, name))
    });
    found.map(|(_, trigger)| trigger.name.clone()).collect()
}

/// The same for views.
fn views_in_the_way(way: &Way<'_>, rebuilt: &BTreeSet<String>) -> BTreeSet<String> {
    let found = way.from.views.iter().filter(|(name, view)| {
        way.to.views.get(*name) != Some(*view) || rebuilt.iter().any(|table| speaks_of(view, table))
    });
    found.map(|(name, _)| name.clone()).collect()
}

fn triggers(schema: &Schema) -> impl Iterator<Item = (&String, &Trigger)> {
    schema.tables.iter().flat_map(|(name, table): (&String, &Table)| table.triggers.iter().map(move |one| (name, one)))
}

fn speaks_of(sql: &str, name: &str) -> bool {
    sql.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}
