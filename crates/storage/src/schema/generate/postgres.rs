//! A way in PostgreSQL's words. Indexes of tables that are there already have files of their own.

use super::decisions::add_column;
use super::way::{Direction, Way, constraint, create_index};
use crate::schema::{Column, Part, Table};

/// The statements, in the order in which they work.
pub(super) fn statements(way: &Way<'_>) -> Vec<String> {
    let mut sql = Vec::new();
    sql.extend(way.of(Part::View).filter(|one| one.found.is_some()).map(|one| format!("DROP VIEW {};", one.name)));
    let triggers = way.of(Part::Trigger).filter(|one| one.found.is_some());
    sql.extend(triggers.map(|one| format!("DROP TRIGGER {} ON {};", one.name, one.table)));
    for part in [Part::ForeignKey, Part::Check, Part::Unique, Part::PrimaryKey] {
        let old = way.of(part).filter(|one| one.found.is_some());
        sql.extend(old.map(|one| format!("ALTER TABLE {} DROP CONSTRAINT {};", one.table, one.name)));
    }
    create_tables(way, &mut sql);
    columns(way, &mut sql);
    for part in [Part::PrimaryKey, Part::Unique, Part::Check, Part::ForeignKey] {
        let new = way.of(part).filter(|one| one.expected.is_some());
        sql.extend(new.filter_map(|one| {
            let constraint = constraint(way.to.tables.get(&one.table)?, part, &one.name)?;
            Some(format!("ALTER TABLE {} ADD {constraint};", one.table))
        }));
    }
    drop_tables(way, &mut sql);
    sql.extend(way.of(Part::Trigger).filter_map(|one| one.expected.as_ref()).map(|trigger| format!("{trigger};")));
    for one in way.of(Part::View) {
        let view = one.expected.as_ref().map(|query| query.trim_end_matches(';'));
        sql.extend(view.map(|query| format!("CREATE VIEW {} AS\n{query};", one.name)));
    }
    sql
}

/// New tables with their indexes; foreign keys that go round in a circle come when all tables are there.
fn create_tables(way: &Way<'_>, sql: &mut Vec<String>) {
    let tables = way.new_tables();
    let mut late = Vec::new();
    for (place, (name, table)) in tables.iter().enumerate() {
        let later: Vec<&str> = tables[place + 1..].iter().map(|(name, _)| name.as_str()).collect();
        let mut items: Vec<String> =
            table.columns.iter().map(|column| format!("{} {}", column.name, column.definition)).collect();
        for (part, constraint_name) in constraints(table) {
            let Some(text) = constraint(table, part, constraint_name) else { continue };
            let key = table.foreign_keys.iter().find(|key| part == Part::ForeignKey && key.name == constraint_name);
            if key.is_some_and(|key| later.contains(&key.table.as_str())) {
                late.push(format!("ALTER TABLE {name} ADD {text};"));
            } else {
                items.push(text);
            }
        }
        sql.push(format!("CREATE TABLE {name} (\n    {}\n);", items.join(",\n    ")));
        sql.extend(table.indexes.iter().map(|index| create_index(name, index, "")));
        sql.extend(table.triggers.iter().map(|trigger| format!("{};", trigger.definition)));
    }
    sql.extend(late);
}

fn constraints(table: &Table) -> Vec<(Part, &str)> {
    let primary = table.primary_key.iter().map(|key| (Part::PrimaryKey, key.name.as_str()));
    let uniques = table.uniques.iter().map(|key| (Part::Unique, key.name.as_str()));
    let keys = table.foreign_keys.iter().map(|key| (Part::ForeignKey, key.name.as_str()));
    let checks = table.checks.iter().map(|check| (Part::Check, check.name.as_str()));
    primary.chain(uniques).chain(keys).chain(checks).collect()
}

fn columns(way: &Way<'_>, sql: &mut Vec<String>) {
    sql.extend(way.questions());
    sql.extend(way.new_columns().map(|(table, column)| add_column(table, column)));
    for (table, from, to) in way.changed_columns() {
        sql.extend(alter(from, to).map(|what| format!("ALTER TABLE {table} ALTER COLUMN {} {what};", to.name)));
    }
    if way.direction == Direction::Down {
        sql.extend(way.old_columns().map(|(table, column)| format!("ALTER TABLE {table} DROP COLUMN {column};")));
    }
}

fn alter(from: &Column, to: &Column) -> impl Iterator<Item = String> {
    let default = match &to.default {
        Some(default) => format!("SET DEFAULT {default}"),
        None => "DROP DEFAULT".to_owned(),
    };
    let null = if to.nullable { "DROP NOT NULL" } else { "SET NOT NULL" };
    let changes = [(from.default != to.default, default), (from.nullable != to.nullable, null.to_owned())];
    changes.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what)
}

fn drop_tables(way: &Way<'_>, sql: &mut Vec<String>) {
    let tables = way.old_tables();
    for (place, (name, table)) in tables.iter().enumerate() {
        let earlier = |key: &&crate::schema::ForeignKey| tables[..place].iter().any(|(other, _)| **other == key.table);
        let circle = table.foreign_keys.iter().filter(earlier);
        // In front of all tables, since one of these would have to go before the key that refers to it.
        for key in circle {
            sql.insert(0, format!("ALTER TABLE {name} DROP CONSTRAINT {};", key.name));
        }
    }
    sql.extend(tables.iter().map(|(name, _)| format!("DROP TABLE {name};")));
}
