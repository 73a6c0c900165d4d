//! Repairs of a PostgreSQL schema.

use super::{Repair, quoted};
use crate::schema::{Clause, Column, Difference, Index, Schema, SchemaPart, Table};

pub(super) fn repairs(expected: &Schema, found: &Schema, differences: &[Difference]) -> Vec<Repair> {
    let mut differences: Vec<&Difference> = differences.iter().collect();
    differences.sort_by_key(|one| rank(one));
    differences.into_iter().map(|one| repair(expected, found, one)).collect()
}

/// The order of repairs: types and functions before their users, and keys before the references to them.
fn rank(one: &Difference) -> u8 {
    match one.part {
        SchemaPart::Type | SchemaPart::Function | SchemaPart::Sequence if one.expected.is_some() => 0,
        SchemaPart::Rule | SchemaPart::Policy | SchemaPart::View | SchemaPart::MaterializedView
            if one.expected.is_none() =>
        {
            1
        }
        SchemaPart::Table if one.expected.is_some() => 2,
        SchemaPart::Column | SchemaPart::Order => 3,
        SchemaPart::PrimaryKey | SchemaPart::Unique => 4,
        SchemaPart::Check | SchemaPart::Exclusion | SchemaPart::ForeignKey => 5,
        SchemaPart::Index | SchemaPart::Trigger | SchemaPart::Rule | SchemaPart::Policy => 6,
        SchemaPart::Table | SchemaPart::View | SchemaPart::MaterializedView | SchemaPart::ForeignTable => 7,
        SchemaPart::Type | SchemaPart::Function | SchemaPart::Sequence => 8,
    }
}

fn repair(expected: &Schema, found: &Schema, one: &Difference) -> Repair {
    let (table, name) = (quoted(&one.table), quoted(&one.name));
    let sides = (expected.tables.get(&one.table), found.tables.get(&one.table));
    match one.part {
        SchemaPart::Table => repair_table(sides, one),
        SchemaPart::Column => repair_column(sides, one),
        SchemaPart::Order => Repair::new(one, Vec::new()).note(
            "PostgreSQL cannot move a column, and the program names its columns, so their order makes no difference to \
             it.",
        ),
        SchemaPart::PrimaryKey
        | SchemaPart::Unique
        | SchemaPart::ForeignKey
        | SchemaPart::Check
        | SchemaPart::Exclusion => repair_constraint(sides, one),
        SchemaPart::Index => repair_index(sides, one),
        SchemaPart::Trigger => repair_trigger(sides, one),
        SchemaPart::Rule => {
            let create = |to: &Clause| format!("{};", to.definition);
            let drop = one.found.is_some().then(|| format!("DROP RULE {name} ON {table};"));
            let to = sides.0.and_then(|to| to.rules.iter().find(|rule| rule.name == one.name));
            Repair::new(one, drop.into_iter().chain(to.map(create)).collect())
        }
        SchemaPart::Policy => {
            let create = |to: &Clause| format!("CREATE POLICY {name} ON {table} {};", to.definition);
            let drop = one.found.is_some().then(|| format!("DROP POLICY {name} ON {table};"));
            let to = sides.0.and_then(|to| to.policies.iter().find(|policy| policy.name == one.name));
            Repair::new(one, drop.into_iter().chain(to.map(create)).collect())
        }
        SchemaPart::View => repair_object(one, "VIEW"),
        SchemaPart::MaterializedView => repair_object(one, "MATERIALIZED VIEW"),
        SchemaPart::ForeignTable => repair_object(one, "FOREIGN TABLE"),
        SchemaPart::Sequence => repair_object(one, "SEQUENCE"),
        SchemaPart::Type if one.found.as_ref().is_some_and(|found| found.starts_with("DOMAIN")) => {
            repair_object(one, "DOMAIN")
        }
        SchemaPart::Type => repair_object(one, "TYPE"),
        SchemaPart::Function => match &one.expected {
            Some(definition) => Repair::new(one, vec![format!("{definition};")]),
            // The name already includes the arguments.
            None => Repair::new(one, vec![format!("DROP ROUTINE {};", one.name)]),
        },
    }
}

/// Repairs an object outside of tables, which holds no rows of the journal.
fn repair_object(one: &Difference, kind: &str) -> Repair {
    let name = quoted(&one.name);
    let drop = one.found.is_some().then(|| format!("DROP {kind} {name};"));
    let create = one.expected.as_ref().map(|definition| {
        let definition = definition.trim_end_matches(';');
        match kind {
            "VIEW" | "MATERIALIZED VIEW" => format!("CREATE {kind} {name} AS {definition};"),
            "DOMAIN" => format!("CREATE DOMAIN {name} AS {};", definition.trim_start_matches("DOMAIN ")),
            _ => format!("CREATE {kind} {name} {definition};"),
        }
    });
    let repair = Repair::new(one, drop.into_iter().chain(create).collect());
    if kind == "FOREIGN TABLE" && one.expected.is_none() {
        return repair.loses(format!("the foreign table {}, and not the rows behind it", one.name));
    }
    repair
}

fn repair_table((to, from): (Option<&Table>, Option<&Table>), one: &Difference) -> Repair {
    let name = quoted(&one.table);
    let (to, from) = match (to, from) {
        (Some(to), None) => return Repair::new(one, create_table(&one.table, to)),
        (Some(to), Some(from)) => (to, from),
        _ => return Repair::new(one, vec![format!("DROP TABLE {name};")]).loses(format!("all rows of {}", one.table)),
    };
    let mut note = None;
    let alter = |what: &str| Some(format!("ALTER TABLE {name} {what};"));
    let mut statement = |mark: &str, add: bool| match (mark, add) {
        ("UNLOGGED", true) => alter("SET UNLOGGED"),
        ("UNLOGGED", false) => alter("SET LOGGED"),
        ("ROW LEVEL SECURITY", true) => alter("ENABLE ROW LEVEL SECURITY"),
        ("ROW LEVEL SECURITY", false) => alter("DISABLE ROW LEVEL SECURITY"),
        ("FORCE ROW LEVEL SECURITY", true) => alter("FORCE ROW LEVEL SECURITY"),
        ("FORCE ROW LEVEL SECURITY", false) => alter("NO FORCE ROW LEVEL SECURITY"),
        (mark, add) => {
            let parents = mark.strip_prefix("INHERITS (").and_then(|rest| rest.strip_suffix(')'));
            if parents.is_none() {
                note = Some(
                    "No statement turns a partitioned table into a plain one: restore a backup into a new database.",
                );
            }
            parents.and_then(|parent| alter(&format!("{}INHERIT {parent}", if add { "" } else { "NO " })))
        }
    };
    let dropped = from.marks.iter().filter(|mark| !to.marks.contains(mark));
    let mut statements: Vec<String> = dropped.filter_map(|mark| statement(mark, false)).collect();
    let new = to.marks.iter().filter(|mark| !from.marks.contains(mark));
    statements.extend(new.filter_map(|mark| statement(mark, true)));
    Repair { note: note.map(str::to_owned), ..Repair::new(one, statements) }
}

fn create_table(name: &str, table: &Table) -> Vec<String> {
    let columns = table.columns.iter().map(|column| format!("{} {}", quoted(&column.name), column.definition));
    let constraints = constraint_clauses(table).map(|(name, clause)| format!("CONSTRAINT {} {clause}", quoted(&name)));
    let items: Vec<String> = columns.chain(constraints).collect();
    let name = quoted(name);
    let mut statements = vec![format!("CREATE TABLE {name} (\n    {}\n);", items.join(",\n    "))];
    statements.extend(table.indexes.iter().map(|index| create_index(&name, index, "")));
    statements.extend(table.triggers.iter().map(|trigger| format!("{};", trigger.definition)));
    statements
}

/// All constraints, each with its clause.
fn constraint_clauses(table: &Table) -> impl Iterator<Item = (String, String)> {
    let primary = table.primary_key.iter().map(|key| (key.name.clone(), format!("PRIMARY KEY {key}")));
    let uniques = table.uniques.iter().map(|key| (key.name.clone(), format!("UNIQUE {key}")));
    let foreign = table.foreign_keys.iter().map(|key| (key.name.clone(), format!("FOREIGN KEY {key}")));
    let checks = table.checks.iter().map(|check| (check.name.clone(), format!("CHECK {}", check.definition)));
    let exclusions = table.exclusions.iter().map(|one| (one.name.clone(), format!("EXCLUDE {}", one.definition)));
    primary.chain(uniques).chain(foreign).chain(checks).chain(exclusions)
}

fn repair_column((to, from): (Option<&Table>, Option<&Table>), one: &Difference) -> Repair {
    let (table, name) = (quoted(&one.table), quoted(&one.name));
    let (to, from) = (to.and_then(|to| to.column(&one.name)), from.and_then(|from| from.column(&one.name)));
    let alter = |what: String| format!("ALTER TABLE {table} ALTER COLUMN {name} {what};");
    match (to, from) {
        (Some(to), None) => {
            let repair = Repair::new(one, vec![format!("ALTER TABLE {table} ADD COLUMN {name} {};", to.definition)]);
            if to.nullable || to.default.is_some() {
                return repair;
            }
            repair.note("This fails if there are rows: then restore the values from a backup.")
        }
        (Some(to), Some(from)) => {
            let (kind, definition) = (type_with_collation(to), &one.expected);
            let mut statements = Vec::new();
            let mut note = None;
            if from.generated != to.generated || generated_clause(from) != generated_clause(to) {
                note = Some(format!("The column has to be created as {}.", definition.clone().unwrap_or_default()));
            } else if kind != type_with_collation(from) {
                // A default of the old type would make the change fail.
                statements.extend(from.default.as_ref().map(|_| alter("DROP DEFAULT".to_owned())));
                statements.push(alter(format!(
                    "TYPE {kind} USING {name}::{}",
                    kind.split(" COLLATE").next().unwrap_or_default()
                )));
                note = Some(
                    "This fails for a value that is not of this type, and cuts off a value that is too long."
                        .to_owned(),
                );
            }
            let changed = !statements.is_empty();
            if to.default != from.default || (changed && to.default.is_some()) {
                statements.push(alter(match &to.default {
                    Some(default) => format!("SET DEFAULT {default}"),
                    None => "DROP DEFAULT".to_owned(),
                }));
            }
            if to.nullable != from.nullable {
                statements.push(alter(format!("{} NOT NULL", if to.nullable { "DROP" } else { "SET" })));
            }
            Repair { note, ..Repair::new(one, statements) }
        }
        _ => Repair::new(one, vec![format!("ALTER TABLE {table} DROP COLUMN {name};")])
            .loses(format!("the values of {}.{}", one.table, one.name)),
    }
}

/// The type of a column with its collation.
fn type_with_collation(column: &Column) -> &str {
    let end = [" NOT NULL", " DEFAULT ", " GENERATED "].iter().filter_map(|word| column.definition.find(word)).min();
    &column.definition[..end.unwrap_or(column.definition.len())]
}

fn generated_clause(column: &Column) -> Option<&str> {
    column.definition.find(" GENERATED ").map(|at| &column.definition[at..])
}

fn repair_constraint((to, from_table): (Option<&Table>, Option<&Table>), one: &Difference) -> Repair {
    let (table, name) = (quoted(&one.table), quoted(&one.name));
    let clause =
        |table: Option<&Table>| table.and_then(|table| constraint_clauses(table).find(|(name, _)| *name == one.name));
    let (to_clause, from_clause) = (clause(to), clause(from_table));
    if let Some((_, to)) = &to_clause
        && let Some((_, from)) = &from_clause
    {
        if to == from {
            let key = from_table.and_then(|from| from.foreign_keys.iter().find(|key| key.name == one.name));
            let tables = std::iter::once(table.clone()).chain(key.map(|key| quoted(&key.table)));
            return Repair::new(one, tables.map(|table| format!("ALTER TABLE {table} ENABLE TRIGGER ALL;")).collect())
                .note(
                    "Only a superuser may do this. `sotto db check --rows` finds the rows that have violated it \
                     since then.",
                );
        }
        if format!("{to} NOT VALID") == *from {
            return Repair::new(one, vec![format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name};")]);
        }
    }
    let drop = from_clause.map(|_| format!("ALTER TABLE {table} DROP CONSTRAINT {name};"));
    let add = to_clause.map(|(_, clause)| format!("ALTER TABLE {table} ADD CONSTRAINT {name} {clause};"));
    let repair = Repair::new(one, drop.into_iter().chain(add).collect());
    match one.part {
        SchemaPart::PrimaryKey | SchemaPart::Unique if one.found.is_some() && one.expected.is_some() => {
            repair.note("Foreign keys that refer to it have to be dropped first and added again.")
        }
        _ => repair,
    }
}

fn repair_index((to, from): (Option<&Table>, Option<&Table>), one: &Difference) -> Repair {
    let (table, name) = (quoted(&one.table), quoted(&one.name));
    let of = |table: Option<&Table>| {
        table.and_then(|table| table.indexes.iter().find(|index| index.name == one.name)).cloned()
    };
    let (to, from) = (of(to), of(from));
    if let Some(from) = &from
        && !from.valid
        && to.as_ref().is_some_and(|to| to.definition == from.definition && to.unique == from.unique)
    {
        return Repair::new(one, vec![format!("REINDEX INDEX CONCURRENTLY {name};")]);
    }
    let drop = from.map(|_| format!("DROP INDEX CONCURRENTLY {name};"));
    Repair::new(one, drop.into_iter().chain(to.map(|to| create_index(&table, &to, "CONCURRENTLY "))).collect())
}

/// `how` is empty or `CONCURRENTLY `, which does not block writers.
fn create_index(table: &str, index: &Index, how: &str) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    format!("CREATE {unique}INDEX {how}{} ON {table} {};", quoted(&index.name), index.definition)
}

fn repair_trigger((to, from): (Option<&Table>, Option<&Table>), one: &Difference) -> Repair {
    let (table, name) = (quoted(&one.table), quoted(&one.name));
    let of = |table: Option<&Table>| {
        table.and_then(|table| table.triggers.iter().find(|trigger| trigger.name == one.name)).cloned()
    };
    let (to, from) = (of(to), of(from));
    if let (Some(to), Some(from)) = (&to, &from)
        && to.meaning == from.meaning
    {
        let state = match to.state {
            "DISABLED" => "DISABLE",
            "ENABLED REPLICA" => "ENABLE REPLICA",
            "ENABLED ALWAYS" => "ENABLE ALWAYS",
            _ => "ENABLE",
        };
        return Repair::new(one, vec![format!("ALTER TABLE {table} {state} TRIGGER {name};")]);
    }
    let drop = from.map(|_| format!("DROP TRIGGER {name} ON {table};"));
    Repair::new(one, drop.into_iter().chain(to.map(|to| format!("{};", to.definition))).collect())
}
