//! Takes an inventory of the tables of a PostgreSQL schema.

use std::collections::BTreeMap;
use std::fmt::Write;

use tokio_postgres::{Error, GenericClient};

use super::super::inventory::{Column, ForeignKey, Inventory, Retyped, Table};
use super::casts::{text_of, would_change};
use crate::schema;

/// Columns of the tables of the current schema that belong to no extension.
const COLUMNS: &str = "
    SELECT c.oid, c.relname::text, a.attnum::bigint, a.attname::text, format_type(a.atttypid, a.atttypmod),
        a.attgenerated <> ''
    FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = current_schema()::regnamespace
    AND c.relname <> 'schema_migrations' AND NOT EXISTS
        (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY c.oid, a.attnum";
const KEYS: &str = "
    SELECT k.conrelid, t.relname::text,
        ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))
    FROM pg_constraint k JOIN pg_class t ON t.oid = k.confrelid
    WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace";

/// Reads the tables of the current schema with their counts and digests. They are consistent only in a transaction with
/// the isolation level REPEATABLE READ.
pub(super) async fn read(client: &impl GenericClient) -> Result<Inventory, Error> {
    let mut tables: BTreeMap<u32, Table> = BTreeMap::new();
    for row in client.query(COLUMNS, &[]).await? {
        let (oid, name): (u32, String) = (row.try_get(0)?, row.try_get(1)?);
        let derived = schema::is_derived(&name);
        let empty = || Table { id: oid.into(), name, derived, columns: Vec::new(), keys: Vec::new(), rows: 0 };
        let table = tables.entry(oid).or_insert_with(empty);
        // A table may have no columns.
        let Some(id) = row.try_get(2)? else { continue };
        table.columns.push(Column {
            id,
            name: row.try_get(3)?,
            kind: row.try_get(4)?,
            derived: row.try_get(5)?,
            values: 0,
            digest: String::new(),
        });
    }
    for row in client.query(KEYS, &[]).await? {
        if let Some(table) = tables.get_mut(&row.try_get(0)?) {
            table.keys.push(ForeignKey { table: row.try_get(1)?, columns: row.try_get(2)? });
        }
    }
    for table in tables.values_mut().filter(|table| !table.derived) {
        fill(client, table).await?;
    }
    // Sorted by name, so that both engines report tables in the same order.
    let mut tables: Vec<Table> = tables.into_values().collect();
    tables.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Inventory(tables))
}

/// Counts the rows and values of a table in one pass. Values are compared as text, so that a number that becomes text
/// is not lost; zeros at the end of a fraction do not matter.
async fn fill(client: &impl GenericClient, table: &mut Table) -> Result<(), Error> {
    let mut sql = String::from("SELECT count(*)");
    for column in &table.columns {
        let name = quoted(&column.name);
        let text = text_of(&name, &column.kind);
        let _ = write!(sql, ", count({name}), coalesce(sum(hashtextextended({text}, 0)::numeric), 0)::text");
    }
    let _ = write!(sql, " FROM {}", quoted(&table.name));
    let row = client.query_one(&sql, &[]).await?;
    let count = |at: usize| row.try_get::<_, i64>(at).map(i64::unsigned_abs);
    table.rows = count(0)?;
    for (at, column) in table.columns.iter_mut().enumerate() {
        (column.values, column.digest) = (count(1 + 2 * at)?, row.try_get(2 + 2 * at)?);
    }
    Ok(())
}

/// The number of values that would change as another type; `None` if the column does not exist, or its values cannot be
/// cast.
pub(super) async fn cut(client: &impl GenericClient, retyped: &Retyped) -> Result<Option<u64>, Error> {
    let Some(column) = &retyped.what.column else { return Ok(None) };
    let kind = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname \
                = $2 AND attnum > 0 AND NOT attisdropped";
    let Some(row) = client.query_opt(kind, &[&quoted(&retyped.what.table), column]).await? else { return Ok(None) };
    let (from, name): (String, _) = (row.try_get(0)?, quoted(column));
    let changes = would_change(&name, &from, &retyped.kind);
    let sql = format!("SELECT count(*) FROM {} WHERE {changes}", quoted(&retyped.what.table));
    match client.query_one(&sql, &[]).await {
        Ok(row) => Ok(Some(row.try_get::<_, i64>(0)?.unsigned_abs())),
        Err(error) if error.as_db_error().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
