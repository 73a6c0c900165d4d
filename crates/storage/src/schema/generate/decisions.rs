//! Questions that a comparison of two schemas cannot answer: whether something was renamed, and what happens to data.

use std::collections::BTreeMap;

use super::types::{self, Cuts};
use crate::schema::{Column, Engine, Schema, Table};

/// Open questions by table and column; for a table, both names are the same. A question about two names has two
/// entries.
pub(super) type Decisions = BTreeMap<(String, String), Decision>;

/// A question, and SQL statements to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) question: String,
    pub(super) choices: Vec<String>,
}

impl Decision {
    /// Lines for the up file: a `-- decide:` line, with which the file is refused, and the choices as comments.
    pub(super) fn block(&self) -> String {
        let choices = self.choices.iter().flat_map(|sql| sql.lines()).map(|line| format!("-- {line}"));
        std::iter::once(format!("-- decide: {}", self.line())).chain(choices).collect::<Vec<_>>().join("\n")
    }

    /// The line for the down file.
    pub(super) fn back(&self) -> String {
        format!("-- decide: how to go back, and what that loses (see the first line): {}", self.line())
    }

    /// The question on one line, so that all of it is a comment.
    fn line(&self) -> String {
        self.question.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The open questions between `current` and `desired`.
///
/// `cuts` has the number of values of the connected database that changes of type would cut.
pub(super) fn decisions(engine: Engine, current: &Schema, desired: &Schema, cuts: &Cuts) -> Decisions {
    let mut found = Decisions::new();
    let appears = |name: &String| !current.tables.contains_key(name);
    for (name, table) in current.tables.iter().filter(|(name, _)| !is_shadow(current, name)) {
        if let Some(desired) = desired.tables.get(name) {
            columns(engine, name, table, desired, cuts, &mut found);
            continue;
        }
        let alike = |(other, wanted): &(&String, &Table)| appears(other) && wanted.columns == table.columns;
        gone_table(name, desired.tables.iter().find(alike).map(|(other, _)| other.as_str()), &mut found);
    }
    found
}

/// FTS5 stores its data in tables that are named after the virtual table.
pub(super) fn is_shadow(schema: &Schema, table: &str) -> bool {
    let of = |owner: &str| table.strip_prefix(owner).is_some_and(|rest| rest.starts_with('_'));
    schema.tables.iter().any(|(owner, one)| one.module.is_some() && of(owner))
}

fn gone_table(name: &str, twin: Option<&str>, found: &mut Decisions) {
    let drop = format!("DROP TABLE {name};");
    let key = |name: &str| (name.to_owned(), name.to_owned());
    let decision = if let Some(twin) = twin {
        let question = format!("{name} is dropped and {twin}, which has the same columns, is new: is it renamed?");
        Decision { question, choices: vec![format!("ALTER TABLE {name} RENAME TO {twin};"), drop] }
    } else {
        let question = format!("the table {name} is dropped: is it renamed, or are all its rows to be deleted?");
        Decision { question, choices: vec![drop] }
    };
    found.extend(twin.map(|twin| (key(twin), decision.clone())));
    found.insert(key(name), decision);
}

fn columns(engine: Engine, name: &str, current: &Table, desired: &Table, cuts: &Cuts, found: &mut Decisions) {
    if current.module != desired.module {
        let question = format!("the virtual table {name} has a new definition: how is it filled again?");
        found.insert((name.to_owned(), name.to_owned()), Decision { question, choices: Vec::new() });
        return;
    }
    let key = |column: &Column| (name.to_owned(), column.name.clone());
    for column in &current.columns {
        if let Some(wanted) = desired.column(&column.name) {
            let cut = cuts.get(&key(column)).copied();
            found.extend(changed(engine, name, column, wanted, cut).map(|decision| (key(column), decision)));
            continue;
        }
        let twin = desired.columns.iter().find(|one| {
            current.column(&one.name).is_none() && one.kind == column.kind && one.nullable == column.nullable
        });
        let drop = format!("ALTER TABLE {name} DROP COLUMN {};", column.name);
        let decision = if let Some(twin) = twin {
            let question = format!("{name}.{} is dropped and {name}.{} is new: is it renamed?", column.name, twin.name);
            let rename = format!("ALTER TABLE {name} RENAME COLUMN {} TO {};", column.name, twin.name);
            Decision { question, choices: vec![rename, format!("{drop} {}", add_column(name, twin))] }
        } else {
            let question =
                format!("{name}.{} is dropped: is it renamed, or are its values to be deleted?", column.name);
            Decision { question, choices: vec![drop] }
        };
        found.extend(twin.map(|twin| (key(twin), decision.clone())));
        found.insert(key(column), decision);
    }
    for column in desired.columns.iter().filter(|column| current.column(&column.name).is_none()) {
        if !column.nullable && column.default.is_none() && column.generated.is_none() {
            let question =
                format!("{name}.{} is NOT NULL without a default: which values do existing rows get?", column.name);
            let choices = vec![add_column(name, column)];
            found.entry(key(column)).or_insert(Decision { question, choices });
        }
    }
}

fn changed(engine: Engine, table: &str, from: &Column, to: &Column, cut: Option<u64>) -> Option<Decision> {
    let name = &from.name;
    let alter = format!("ALTER TABLE {table} ALTER COLUMN {name}");
    let on_postgres = |sql: String| if engine == Engine::Postgres { vec![sql] } else { Vec::new() };
    if from.kind != to.kind || from.generated != to.generated {
        let question = format!(
            "{table}.{name} changes from {} to {}: how are its values converted?",
            from.definition, to.definition
        );
        // The expression of a generated column cannot be altered, and its values may be needed.
        let altered = from.generated.is_none() && to.generated.is_none();
        let choices = if altered { on_postgres(types::change(table, from, to, cut)) } else { Vec::new() };
        return Some(Decision { question, choices });
    }
    if from.nullable && !to.nullable {
        let question = format!("{table}.{name} may no longer be NULL: which values do rows with NULL get?");
        let fill = format!("UPDATE {table} SET {name} = … WHERE {name} IS NULL;");
        let choices = std::iter::once(fill).chain(on_postgres(format!("{alter} SET NOT NULL;")));
        return Some(Decision { question, choices: choices.collect() });
    }
    // Besides NULL and the default, PostgreSQL's definitions contain collation and identity.
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

pub(super) fn add_column(table: &str, column: &Column) -> String {
    format!("ALTER TABLE {table} ADD COLUMN {} {};", column.name, column.definition)
}
