//! Finds the rows that make a step fail: duplicates for a unique constraint or index, and references to missing rows.

use rusqlite::{Connection, Result, params};

use super::quoted;

/// The number of rows to report; there may be more.
const MAX_ROWS: u32 = 3;

/// The values that occur in several rows of columns that must be unique; `None` for another error, or if there are
/// none.
pub(super) fn duplicates(connection: &Connection, error: &rusqlite::Error) -> Option<String> {
    // <https://www.sqlite.org/rescode.html#constraint_unique>: `UNIQUE constraint failed: tags.user_id, tags.name`
    let message = error.to_string();
    let columns: Vec<(&str, &str)> = message
        .strip_prefix("UNIQUE constraint failed: ")?
        .split(", ")
        .map(|column| column.split_once('.'))
        .collect::<Option<_>>()?;
    let (failed, _) = columns.first()?;
    // A rebuilt table contains no duplicates: they are in the table that it replaces.
    let tables = [Some(*failed), failed.strip_prefix("new_"), failed.strip_suffix("_new")];
    let names: Vec<&str> = columns.iter().map(|(_, column)| *column).collect();
    tables.into_iter().flatten().find_map(|table| repeated(connection, table, &names).ok().flatten())
}

fn repeated(connection: &Connection, table: &str, columns: &[&str]) -> Result<Option<String>> {
    let list = columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let values = columns.iter().map(|name| format!("quote({})", quoted(name))).collect::<Vec<_>>().join(" || ', ' || ");
    let present = columns.iter().map(|name| format!("{} IS NOT NULL", quoted(name))).collect::<Vec<_>>().join(" AND ");
    let mut rows = connection.prepare(&format!(
        "SELECT {values}, count(*) FROM {} WHERE {present} GROUP BY {list} HAVING count(*) > 1 ORDER BY {list} LIMIT {MAX_ROWS}",
        quoted(table)
    ))?;
    let rows = rows.query_map([], |row| {
        Ok(format!("({})=({}) in {} rows", columns.join(", "), row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    let rows = rows.collect::<Result<Vec<_>>>()?;
    Ok((!rows.is_empty()).then(|| format!("in the table {table}: {}", rows.join("; "))))
}

/// The keys of rows that refer to missing rows.
pub(super) fn orphans(connection: &Connection, table: &str) -> Result<Option<String>> {
    let mut rows = connection.prepare("SELECT rowid, parent, fkid FROM pragma_foreign_key_check(?1) LIMIT ?2")?;
    let rows = rows.query_map(params![table, MAX_ROWS], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let rows = rows.collect::<Result<Vec<(Option<i64>, String, i64)>>>()?;
    let mut named = Vec::new();
    for (row, parent, key) in rows {
        let mut columns =
            connection.prepare("SELECT \"from\" FROM pragma_foreign_key_list(?1) WHERE id = ?2 ORDER BY seq")?;
        let columns = columns.query_map(params![table, key], |row| row.get(0))?.collect::<Result<Vec<String>>>()?;
        let values =
            columns.iter().map(|name| format!("quote({})", quoted(name))).collect::<Vec<_>>().join(" || ', ' || ");
        // A row of a WITHOUT ROWID table has no number to find it by.
        let Some(row) = row else { continue };
        let values: String = connection.query_row(
            &format!("SELECT {values} FROM {} WHERE rowid = ?1", quoted(table)),
            [row],
            |row| row.get(0),
        )?;
        named.push(format!("({})=({values}) is not in {parent}", columns.join(", ")));
    }
    Ok((!named.is_empty()).then(|| format!("in the table {table}: {}", named.join("; "))))
}
