//! Measures how much of the schema the tests validate. The founding document requires more than 95 %.
//!
//! A schema makes promises: that a column is never NULL or holds one kind of value, that a key is unique, that a
//! reference has a target, that a check holds, and that an index serves some statement. A promise is validated on an
//! engine if the engine rejects a violation here, or, for an index that rejects nothing, if a statement of the storage
//! contract or of a foreign key uses it.

use std::collections::{BTreeMap, BTreeSet};

use super::constraints::{checks, keys, references};
use super::{Database, SEALED};
use crate::plans;
use crate::schema::{ColumnKind, Schema};

/// The share that the founding document requires.
const MIN_SHARE: f64 = 0.95;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_95_per_cent_of_the_schema_is_validated() {
    let used = plans::indexes_used().await;
    for (database, used) in Database::both().await.into_iter().zip(used) {
        let engine = if database.is_sqlite() { "SQLite" } else { "PostgreSQL" };
        database.accept(SEALED).await;
        let promises = promises(&database.schema, database.is_sqlite());
        let mut validated = BTreeSet::new();
        for (promise, kind) in &promises {
            if kind.is_kept(&database, promise, &used).await {
                validated.insert(promise);
            }
        }
        let missing: Vec<_> = promises.keys().filter(|promise| !validated.contains(promise)).collect();
        #[expect(clippy::cast_precision_loss, reason = "there are a few hundred")]
        let share = validated.len() as f64 / promises.len() as f64;
        assert!(promises.len() > 200, "{engine}: {} promises", promises.len());
        assert!(
            share > MIN_SHARE,
            "{engine}: {} of {} promises of the schema are validated; no test validates {missing:#?}",
            validated.len(),
            promises.len()
        );
    }
}

/// How a promise is validated.
enum Kept {
    /// The constraint of this name must reject the statement.
    Refused(String),
    /// The engine must reject the statement with this text in its message.
    RefusedWith(String, String),
    /// A statement must use the index.
    Used,
}

impl Kept {
    async fn is_kept(&self, database: &Database, promise: &str, used: &BTreeSet<String>) -> bool {
        match self {
            Self::Used => used.contains(promise),
            Self::RefusedWith(statement, word) => database
                .execute(statement)
                .await
                .is_err_and(|error| error.to_lowercase().contains(&word.to_lowercase())),
            Self::Refused(statement) => {
                let unnamed = "FOREIGN KEY";
                // A key of owner and id contains the primary key, which rejects the row first.
                database.execute(statement).await.is_err_and(|by| {
                    by == promise || (by == unnamed && promise.starts_with("fk_")) || by.starts_with("pk_")
                })
            }
        }
    }
}

/// Every promise of the tables that both engines have, by a descriptive name.
fn promises(schema: &Schema, sqlite: bool) -> BTreeMap<String, Kept> {
    let mut statements: BTreeMap<_, _> = BTreeMap::new();
    statements.extend([keys(), references(), checks()].into_iter().flatten());
    let named = |name: &str| Kept::Refused(statements.get(name).cloned().unwrap_or_default());
    let mut promises = BTreeMap::new();
    for (name, neutral) in schema.clone().neutral().tables {
        let table = &schema.tables[&name];
        for column in &table.columns {
            let set = |value: &str| format!("UPDATE {name} SET {} = {value}", column.name);
            if !column.nullable {
                let error = if sqlite { format!("{name}.{}", column.name) } else { format!("\"{}\"", column.name) };
                promises.insert(format!("{name}.{} is never NULL", column.name), Kept::RefusedWith(set("NULL"), error));
            }
            if let Some((value, error)) = of_another_kind(&column.kind, sqlite) {
                let promise = format!("{name}.{} holds {}", column.name, column.kind);
                promises.insert(promise, Kept::RefusedWith(set(value), error.to_owned()));
            }
        }
        let unique = table.indexes.iter().filter(|index| index.unique).map(|index| &index.name);
        let constraints = table.primary_key.iter().chain(&table.uniques).map(|key| &key.name);
        let constraints = constraints.chain(table.foreign_keys.iter().map(|key| &key.name));
        let constraints = constraints.chain(table.checks.iter().map(|check| &check.name)).chain(unique);
        promises.extend(constraints.map(|constraint| (constraint.clone(), named(constraint))));
        let others = neutral.indexes.into_iter().filter(|index| !index.unique);
        promises.extend(others.map(|index| (index.name, Kept::Used)));
    }
    promises
}

/// A value that a column of this kind must reject, and a part of the engine's message. PostgreSQL converts every value
/// for a text column.
fn of_another_kind(kind: &ColumnKind, sqlite: bool) -> Option<(&'static str, &'static str)> {
    Some(match (kind, sqlite) {
        (ColumnKind::Uuid, true) => ("x'00'", "length("),
        (ColumnKind::Day, true) => ("'someday'", "length("),
        (ColumnKind::Boolean, true) => ("2", " in (0, 1)"),
        (ColumnKind::Text, true) => ("x'00'", "cannot store"),
        (ColumnKind::Integer | ColumnKind::Instant | ColumnKind::Bytes, true) => ("'text'", "cannot store"),
        (
            ColumnKind::Uuid | ColumnKind::Integer | ColumnKind::Boolean | ColumnKind::Instant | ColumnKind::Day,
            false,
        ) => ("'text'", "invalid input syntax"),
        (ColumnKind::Bytes, false) => ("TRUE", "is of type bytea but expression is of type boolean"),
        (ColumnKind::Text, false) | (ColumnKind::Other(_), _) => return None,
    })
}
