//! What comparing two schemas cannot know: whether something was renamed, and what is to become of data.

use std::collections::BTreeMap;

use crate::schema::{Column, Engine, Schema, Table};

/// What a person has to decide, by table and column; for a table, both names are the same. A question about two names is
/// there twice.
pub(super) type Decisions = BTreeMap<(String, String), Decision>;

/// What is to be decided, and SQL to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) question: String,
    pub(super) choices: Vec<String>,
}

impl Decision {
    /// Lines for a file: one that makes it refused, and the choices as comments.
    pub(super) fn block(&self) -> String {
        let choices: String =
            self.choices.iter().flat_map(|sql| sql.lines()).map(|line| format!("\n-- {line}")).collect();
        format!("-- decide: {}{choices}", self.question)
    }

    /// The same in the file that goes back.
    pub(super) fn back(&self) -> String {
        format!("-- decide: the way back, for the question of the up file: {}", self.question)
    }
}

/// What is to be decided on the way from `current` to `desired`.
pub(super) fn decisions(engine: Engine, current: &Schema, desired: &Schema) -> Decisions {
    let mut found = Decisions::new();
    let appears = |name: &String| !current.tables.contains_key(name);
    for (name, table) in current.tables.iter().filter(|(name, _)| !is_shadow(current, name)) {
        match desired.tables.get(name) {
            Some(desired) => columns(engine, name, table, desired, &mut found),
            None => {
                let alike = |(other, wanted): &(&String, &Table)| appears(other) && wanted.columns == table.columns;
                let twin = desired.tables.iter().find(alike).map(|(other, _)| other.clone());
                gone_table(name, twin, &mut found);
            }
        }
    }
    found
}

/// FTS5 keeps what it knows in tables that are named after the virtual one.
pub(super) fn is_shadow(schema: &Schema, table: &str) -> bool {
    let of = |owner: &str| table.strip_prefix(owner).is_some_and(|rest| rest.starts_with('_'));
    schema.tables.iter().any(|(owner, one)| one.module.is_some() && of(owner))
}

fn gone_table(name: &str, twin: Option<String>, found: &mut Decisions) {
    let drop = format!("DROP TABLE {name};");
    let key = |name: &str| (name.to_owned(), name.to_owned());
    match twin {
        Some(twin) => {
            let question = format!("{name} goes and {twin}, which has the same columns, appears: is it renamed?");
            let decision = Decision { question, choices: vec![format!("ALTER TABLE {name} RENAME TO {twin};"), drop] };
            found.insert(key(&twin), decision.clone());
            found.insert(key(name), decision);
        }
        None => {
            let question = format!("the table {name} goes: is it renamed, or is all that is in it to be deleted?");
            found.insert(key(name), Decision { question, choices: vec![drop] });
        }
    }
}

fn columns(engine: Engine, name: &str, current: &Table, desired: &Table, found: &mut Decisions) {
    if current.module != desired.module {
        let question = format!("the virtual table {name} is made in another way: how is it filled again?");
        found.insert((name.to_owned(), name.to_owned()), Decision { question, choices: Vec::new() });
        return;
    }
    let key = |column: &Column| (name.to_owned(), column.name.clone());
    for column in &current.columns {
        match desired.column(&column.name) {
            Some(wanted) => found.extend(changed(engine, name, column, wanted).map(|decision| (key(column), decision))),
            None => {
                let twin = desired.columns.iter().find(|one| {
                    current.column(&one.name).is_none() && one.kind == column.kind && one.nullable == column.nullable
                });
                let drop = format!("ALTER TABLE {name} DROP COLUMN {};", column.name);
                let Some(twin) = twin else {
                    let question =
                        format!("{name}.{} goes: is it renamed, or are its values to be deleted?", column.name);
                    found.insert(key(column), Decision { question, choices: vec![drop] });
                    continue;
                };
                let question = format!("{name}.{} goes and {name}.{} appears: is it renamed?", column.name, twin.name);
                let rename = format!("ALTER TABLE {name} RENAME COLUMN {} TO {};", column.name, twin.name);
                let decision =
                    Decision { question, choices: vec![rename, format!("{drop} {}", add_column(name, twin))] };
                found.insert(key(twin), decision.clone());
                found.insert(key(column), decision);
            }
        }
    }
    for column in desired.columns.iter().filter(|column| current.column(&column.name).is_none()) {
        if !column.nullable && column.default.is_none() && column.generated.is_none() {
            let question =
                format!("{name}.{} is NOT NULL without a default: what do the rows have that are there?", column.name);
            let choices = vec![add_column(name, column)];
            found.entry(key(column)).or_insert(Decision { question, choices });
        }
    }
}

fn changed(engine: Engine, table: &str, from: &Column, to: &Column) -> Option<Decision> {
    let name = &from.name;
    let alter = format!("ALTER TABLE {table} ALTER COLUMN {name}");
    let on_postgres = |sql: String| if engine == Engine::Postgres { vec![sql] } else { Vec::new() };
    if from.kind != to.kind || from.generated != to.generated {
        let question = format!(
            "{table}.{name} changes from {} to {}: what becomes of its values?",
            from.definition, to.definition
        );
        let declared = to.definition.split(' ').next().unwrap_or_default();
        return Some(Decision {
            question,
            choices: on_postgres(format!("{alter} TYPE {declared} USING {name}::{declared};")),
        });
    }
    if from.nullable && !to.nullable {
        let question = format!("{table}.{name} may no longer be NULL: what do the rows get where it is?");
        let fill = format!("UPDATE {table} SET {name} = … WHERE {name} IS NULL;");
        let choices = std::iter::once(fill).chain(on_postgres(format!("{alter} SET NOT NULL;")));
        return Some(Decision { question, choices: choices.collect() });
    }
    // Beside NULL and its default, PostgreSQL's definitions tell of collation and identity.
    if engine == Engine::Postgres && without_default(from) != without_default(to) {
        let question = format!("{table}.{name} changes from {} to {}: how?", from.definition, to.definition);
        return Some(Decision { question, choices: Vec::new() });
    }
    None
}

fn without_default(column: &Column) -> String {
    let default = column.default.as_ref().map(|sql| format!(" DEFAULT {sql}")).unwrap_or_default();
    column.definition.replacen(&default, "", 1).replacen(" NOT NULL", "", 1)
}

/// The statement that adds it.
pub(super) fn add_column(table: &str, column: &Column) -> String {
    format!("ALTER TABLE {table} ADD COLUMN {} {};", column.name, column.definition)
}
