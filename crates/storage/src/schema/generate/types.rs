//! Statements that change the type of a PostgreSQL column, and either keep every value or change nothing.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::DatabaseUrl;
use crate::migrate::postgres::casts::would_change;
use crate::migrate::postgres::connect;
use crate::schema::{Column, ColumnKind, Schema};

/// The number of values of the connected database that would be cut, by table and column.
pub(super) type Cuts = BTreeMap<(String, String), u64>;

/// The type of a column with its length and further words, in the engine's syntax.
fn type_name(kind: &ColumnKind) -> &str {
    match kind {
        ColumnKind::Uuid => "UUID",
        ColumnKind::Text => "TEXT",
        ColumnKind::Integer => "INTEGER",
        ColumnKind::Boolean => "BOOLEAN",
        ColumnKind::Instant => "TIMESTAMPTZ",
        ColumnKind::Day => "DATE",
        ColumnKind::Bytes => "BYTEA",
        ColumnKind::Other(name) => name,
    }
}

/// The query that counts the values that the new type would change. A cast does not report that: it cuts texts and
/// bits, and rounds numbers and times.
fn count_query(table: &str, from: &Column, to: &Column) -> String {
    format!(
        "SELECT count(*) FROM {table} WHERE {}",
        would_change(&from.name, type_name(&from.kind), type_name(&to.kind))
    )
}

/// The statements. They refuse to cut a value; removing the first two allows it.
pub(super) fn change(table: &str, from: &Column, to: &Column, cut: Option<u64>) -> String {
    let (name, kind) = (&from.name, type_name(&to.kind));
    let mut actions = Vec::new();
    // A default is not cast together with the values.
    actions.extend(from.default.as_ref().map(|_| format!("ALTER COLUMN {name} DROP DEFAULT")));
    actions.push(format!("ALTER COLUMN {name} TYPE {kind} USING {name}::{kind}"));
    actions.extend(to.default.as_ref().map(|default| format!("ALTER COLUMN {name} SET DEFAULT {default}")));
    if from.nullable != to.nullable {
        actions.push(format!("ALTER COLUMN {name} {} NOT NULL", if to.nullable { "DROP" } else { "SET" }));
    }
    let count = count_query(table, from, to);
    let found = match cut {
        Some(cut) => format!("In the connected database, {cut} values would be cut: {count}"),
        None => format!("This counts the values that would be cut: {count}"),
    };
    format!(
        "-- {found}\n\
         LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;\n\
         DO $$ BEGIN IF ({count}) > 0 THEN\n\
         \x20   RAISE EXCEPTION '{table}.{name} has values that do not fit {kind}';\n\
         END IF; END $$;\n\
         ALTER TABLE {table} {};",
        actions.join(", ")
    )
}

/// Counts the values that changes of type would cut, in the existing tables of the server's database.
pub(super) async fn cuts(server: &DatabaseUrl, current: &Schema, desired: &Schema) -> Cuts {
    let mut cuts = Cuts::new();
    let Ok(client) = connect(server).await else { return cuts };
    for (name, table) in &current.tables {
        let Some(wanted) = desired.tables.get(name) else { continue };
        for from in &table.columns {
            let to = wanted.column(&from.name).filter(|to| to.kind != from.kind);
            if let Some(cut) = cut_of(&client, name, from, to).await {
                cuts.insert((name.clone(), from.name.clone()), cut);
            }
        }
    }
    cuts
}

/// `None` if the table does not exist, or a value cannot be cast.
async fn cut_of(client: &Client, table: &str, from: &Column, to: Option<&Column>) -> Option<u64> {
    let row = client.query_one(&count_query(table, from, to?), &[]).await.ok()?;
    row.try_get::<_, i64>(0).ok().map(i64::unsigned_abs)
}
