//! Renders a schema diff as PostgreSQL statements. Indexes of existing tables get separate files.

use super::constraints::{is_validated_later, takes_over_an_index};
use super::decisions::add_column;
use super::diff::{Direction, SchemaDiff, constraint, create_index};
use crate::schema::{Column, Difference, SchemaPart, Table};

/// The statements in a working order.
pub(super) fn statements(diff: &SchemaDiff<'_>) -> Vec<String> {
    let mut sql = Vec::new();
    sql.extend(
        diff.in_part(SchemaPart::View).filter(|one| one.found.is_some()).map(|one| format!("DROP VIEW {};", one.name)),
    );
    let triggers = diff.in_part(SchemaPart::Trigger).filter(|one| one.found.is_some());
    sql.extend(triggers.map(|one| format!("DROP TRIGGER {} ON {};", one.name, one.table)));
    for part in [SchemaPart::ForeignKey, SchemaPart::Check, SchemaPart::Unique, SchemaPart::PrimaryKey] {
        let old = diff.in_part(part).filter(|one| one.found.is_some() && !is_in_another_migration(diff, part, one));
        sql.extend(old.map(|one| format!("ALTER TABLE {} DROP CONSTRAINT {};", one.table, one.name)));
    }
    create_tables(diff, &mut sql);
    change_columns(diff, &mut sql);
    for part in [SchemaPart::PrimaryKey, SchemaPart::Unique, SchemaPart::Check, SchemaPart::ForeignKey] {
        let new = diff.in_part(part).filter(|one| one.expected.is_some() && !is_in_another_migration(diff, part, one));
        sql.extend(new.filter_map(|one| {
            let constraint = constraint(diff.to.tables.get(&one.table)?, part, &one.name)?;
            let later = is_validated_later(diff, &one.table, part, &one.name);
            Some(format!("ALTER TABLE {} ADD {constraint}{};", one.table, if later { " NOT VALID" } else { "" }))
        }));
    }
    drop_tables(diff, &mut sql);
    sql.extend(
        diff.in_part(SchemaPart::Trigger).filter_map(|one| one.expected.as_ref()).map(|trigger| format!("{trigger};")),
    );
    for one in diff.in_part(SchemaPart::View) {
        let view = one.expected.as_ref().map(|query| query.trim_end_matches(';'));
        sql.extend(view.map(|query| format!("CREATE VIEW {} AS\n{query};", one.name)));
    }
    sql
}

/// Whether another migration adds or drops this constraint.
fn is_in_another_migration(diff: &SchemaDiff<'_>, part: SchemaPart, one: &Difference) -> bool {
    part == SchemaPart::Unique && takes_over_an_index(diff, &one.table, &one.name)
}

/// Creates new tables with their indexes. Foreign keys that form a circle are added after all tables exist.
fn create_tables(diff: &SchemaDiff<'_>, sql: &mut Vec<String>) {
    let tables = diff.new_tables();
    let mut late = Vec::new();
    for (place, (name, table)) in tables.iter().enumerate() {
        let later: Vec<&str> = tables[place + 1..].iter().map(|(name, _)| name.as_str()).collect();
        let mut items: Vec<String> =
            table.columns.iter().map(|column| format!("{} {}", column.name, column.definition)).collect();
        for (part, constraint_name) in constraints(table) {
            let Some(text) = constraint(table, part, constraint_name) else { continue };
            let key =
                table.foreign_keys.iter().find(|key| part == SchemaPart::ForeignKey && key.name == constraint_name);
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

fn constraints(table: &Table) -> Vec<(SchemaPart, &str)> {
    let primary = table.primary_key.iter().map(|key| (SchemaPart::PrimaryKey, key.name.as_str()));
    let uniques = table.uniques.iter().map(|key| (SchemaPart::Unique, key.name.as_str()));
    let keys = table.foreign_keys.iter().map(|key| (SchemaPart::ForeignKey, key.name.as_str()));
    let checks = table.checks.iter().map(|check| (SchemaPart::Check, check.name.as_str()));
    primary.chain(uniques).chain(keys).chain(checks).collect()
}

fn change_columns(diff: &SchemaDiff<'_>, sql: &mut Vec<String>) {
    sql.extend(diff.questions());
    sql.extend(diff.new_columns().map(|(table, column)| add_column(table, column)));
    for (table, from, to) in diff.changed_columns() {
        sql.extend(alterations(from, to).map(|what| format!("ALTER TABLE {table} ALTER COLUMN {} {what};", to.name)));
    }
    if diff.direction == Direction::Down {
        sql.extend(diff.old_columns().map(|(table, column)| format!("ALTER TABLE {table} DROP COLUMN {column};")));
    }
}

fn alterations(from: &Column, to: &Column) -> impl Iterator<Item = String> {
    let default = match &to.default {
        Some(default) => format!("SET DEFAULT {default}"),
        None => "DROP DEFAULT".to_owned(),
    };
    let null = if to.nullable { "DROP NOT NULL" } else { "SET NOT NULL" };
    let changes = [(from.default != to.default, default), (from.nullable != to.nullable, null.to_owned())];
    changes.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what)
}

fn drop_tables(diff: &SchemaDiff<'_>, sql: &mut Vec<String>) {
    let tables = diff.old_tables();
    for (place, (name, table)) in tables.iter().enumerate() {
        let earlier = |key: &&crate::schema::ForeignKey| tables[..place].iter().any(|(other, _)| **other == key.table);
        let circle = table.foreign_keys.iter().filter(earlier);
        // Before all tables, because a table cannot be dropped before the key that refers to it.
        for key in circle {
            sql.insert(0, format!("ALTER TABLE {name} DROP CONSTRAINT {};", key.name));
        }
    }
    sql.extend(tables.iter().map(|(name, _)| format!("DROP TABLE {name};")));
}
