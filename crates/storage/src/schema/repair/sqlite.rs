//! Repairs of a SQLite schema. Where `ALTER TABLE` cannot make a change, the table is rebuilt:
//! <https://www.sqlite.org/lang_altertable.html#otheralter>.

use super::{Repair, line, quoted};
use crate::schema::{Column, Difference, Index, Schema, SchemaPart, Table};

pub(super) fn repairs(expected: &Schema, found: &Schema, differences: &[Difference]) -> Vec<Repair> {
    let mut repairs = Vec::new();
    let mut rebuilt: Vec<&str> = Vec::new();
    for one in differences {
        let table = one.table.as_str();
        if rebuilt.contains(&table) {
            continue;
        }
        let both = expected.tables.get(table).zip(found.tables.get(table));
        let of_table = |other: &&Difference| other.table == table && other.part != SchemaPart::View;
        if let Some((to, from)) = both
            && to.module.is_none()
            && differences.iter().filter(of_table).any(|one| needs_rebuild(one, to))
        {
            rebuilt.push(table);
            repairs.push(rebuild_table(table, from, to, differences.iter().filter(of_table)));
        } else {
            repairs.push(repair(expected, found, one));
        }
    }
    repairs
}

/// Indexes, triggers and views can be created and dropped alone, and a column can be appended or dropped.
fn needs_rebuild(one: &Difference, to: &Table) -> bool {
    match one.part {
        SchemaPart::Index | SchemaPart::Trigger | SchemaPart::View => false,
        SchemaPart::Column => match to.column(&one.name) {
            Some(column) => one.found.is_some() || !can_be_added(column) || to.columns.last() != Some(column),
            None => false,
        },
        _ => true,
    }
}

/// The rules of `ALTER TABLE … ADD COLUMN`.
fn can_be_added(column: &Column) -> bool {
    let constant = column.default.as_ref().is_none_or(|default| !default.contains('('));
    let words = ["PRIMARY KEY", "UNIQUE", "STORED", "CURRENT_", "REFERENCES"];
    let plain = !words.iter().any(|word| column.definition.contains(word));
    constant && plain && (column.nullable || column.default.is_some())
}

fn repair(expected: &Schema, found: &Schema, one: &Difference) -> Repair {
    let (table, name) = (quoted(&one.table), quoted(&one.name));
    let to = expected.tables.get(&one.table);
    match one.part {
        SchemaPart::Table => match (to, found.tables.get(&one.table)) {
            (Some(to), None) if !is_shadow(expected, &one.table) => Repair::new(one, create_table(&one.table, to)),
            (Some(to), Some(_)) if to.module.is_some() => {
                let statements = std::iter::once(format!("DROP TABLE {table};")).chain(create_table(&one.table, to));
                Repair::new(one, statements.collect()).note("`sotto db reindex` fills it afterwards.")
            }
            (None, Some(_)) if !is_shadow(found, &one.table) => {
                Repair::new(one, vec![format!("DROP TABLE {table};")]).loses(format!("all rows of {}", one.table))
            }
            _ => Repair::new(one, Vec::new()).note("The virtual table that it belongs to creates and drops it."),
        },
        SchemaPart::View => {
            let drop = one.found.is_some().then(|| format!("DROP VIEW {name};"));
            let create = expected.views.get(&one.name).map(|view| format!("{view};"));
            Repair::new(one, drop.into_iter().chain(create).collect())
        }
        SchemaPart::Column => match to.and_then(|to| to.column(&one.name)) {
            Some(column) => {
                Repair::new(one, vec![format!("ALTER TABLE {table} ADD COLUMN {name} {};", column.definition)])
            }
            None => Repair::new(one, vec![format!("ALTER TABLE {table} DROP COLUMN {name};")])
                .loses(format!("the values of {}.{}", one.table, one.name)),
        },
        SchemaPart::Index => {
            let index = to.and_then(|to| to.indexes.iter().find(|index| index.name == one.name));
            let drop = one.found.is_some().then(|| format!("DROP INDEX {name};"));
            Repair::new(one, drop.into_iter().chain(index.map(|index| create_index(&table, index))).collect())
        }
        SchemaPart::Trigger => {
            let trigger = to.and_then(|to| to.triggers.iter().find(|trigger| trigger.name == one.name));
            let drop = one.found.is_some().then(|| format!("DROP TRIGGER {name};"));
            let create = trigger.map(|trigger| format!("{};", trigger.definition));
            Repair::new(one, drop.into_iter().chain(create).collect())
        }
        _ => Repair::new(one, Vec::new()).note("No statement repairs this: restore a backup."),
    }
}

/// Creates the expected table and copies the rows of the existing one.
fn rebuild_table<'d>(
    name: &str,
    from: &Table,
    to: &Table,
    differences: impl Iterator<Item = &'d Difference>,
) -> Repair {
    let (new, old) = (quoted(&format!("new_{name}")), quoted(name));
    let kept = |column: &&Column| {
        column.generated.is_none() && from.column(&column.name).is_some_and(|one| one.generated.is_none())
    };
    let columns: Vec<_> = to.columns.iter().filter(kept).map(|column| quoted(&column.name)).collect();
    let columns = columns.join(", ");
    let mut statements: Vec<String> =
        from.triggers.iter().map(|trigger| format!("DROP TRIGGER {};", quoted(&trigger.name))).collect();
    let body = to.statement.as_ref().and_then(|statement| statement.find('(').map(|at| statement[at..].to_owned()));
    statements.push(format!("CREATE TABLE {new} {};", body.unwrap_or_default()));
    statements.push(format!("INSERT INTO {new} ({columns}) SELECT {columns} FROM {old};"));
    statements.push(format!("DROP TABLE {old};"));
    statements.push(format!("ALTER TABLE {new} RENAME TO {old};"));
    statements.extend(to.indexes.iter().map(|index| create_index(&old, index)));
    statements.extend(to.triggers.iter().map(|trigger| format!("{};", trigger.definition)));
    let lost: Vec<_> = from.columns.iter().filter(|column| to.column(&column.name).is_none()).collect();
    let lost: Vec<_> = lost.into_iter().map(|column| format!("{name}.{}", column.name)).collect();
    Repair {
        differences: differences.map(line).collect(),
        statements,
        loses: (!lost.is_empty()).then(|| format!("the values of {}", lost.join(", "))),
        note: Some("This fails, and changes nothing, if rows violate the new definition of the table.".to_owned()),
    }
}

fn create_table(name: &str, table: &Table) -> Vec<String> {
    let statement = table.statement.iter().map(|statement| format!("{statement};"));
    let indexes = table.indexes.iter().map(|index| create_index(&quoted(name), index));
    statement.chain(indexes).chain(table.triggers.iter().map(|trigger| format!("{};", trigger.definition))).collect()
}

fn create_index(table: &str, index: &Index) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    format!("CREATE {unique}INDEX {} ON {table} {};", quoted(&index.name), index.definition)
}

/// FTS5 stores its data in tables that are named after the virtual table.
fn is_shadow(schema: &Schema, table: &str) -> bool {
    let of = |owner: &str| table.strip_prefix(owner).is_some_and(|rest| rest.starts_with('_'));
    schema.tables.iter().any(|(owner, one)| one.module.is_some() && of(owner))
}
