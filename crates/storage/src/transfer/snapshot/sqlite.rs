//! A read transaction on a separate connection. Writers are not blocked; the write-ahead log grows until the
//! transaction ends.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::Snapshot;
use crate::DatabaseUrl;
use crate::sqlite::connection;
use crate::sqlite::health::StatementTimer;
use crate::transfer::error::{Result, TransferError};
use crate::transfer::layout::{Table, ValueKind};
use crate::transfer::value::{Row, Value};

/// A SQLite file as of the moment when the snapshot was opened.
pub struct SqliteSnapshot {
    path: PathBuf,
    connection: Connection,
}

impl SqliteSnapshot {
    pub fn open(path: &Path) -> Result<Self> {
        let connection = connection::reader(path, &StatementTimer::default()).map_err(|error| {
            TransferError::database(&DatabaseUrl::Sqlite(path.to_owned()), format!("cannot be read: {error}"))
        })?;
        let snapshot = Self { path: path.to_owned(), connection };
        // The transaction starts with its first query.
        snapshot
            .connection
            .execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")
            .map_err(|error| snapshot.unreadable(&error))?;
        Ok(snapshot)
    }

    fn unreadable(&self, error: &impl ToString) -> TransferError {
        TransferError::database(
            &DatabaseUrl::Sqlite(self.path.clone()),
            format!("cannot be read: {}", error.to_string()),
        )
    }
}

impl Snapshot for SqliteSnapshot {
    fn versions(&mut self) -> Result<Vec<u32>> {
        let read = || -> rusqlite::Result<Vec<u32>> {
            let mut rows = self.connection.prepare("SELECT version FROM schema_migrations ORDER BY version")?;
            let rows = rows.query_map([], |row| row.get(0))?;
            rows.collect()
        };
        read().map_err(|error| self.unreadable(&error))
    }

    fn count(&mut self, table: &Table) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM \"{}\"", table.name);
        let count: i64 =
            self.connection.query_row(&sql, [], |row| row.get(0)).map_err(|error| self.unreadable(&error))?;
        Ok(count.unsigned_abs())
    }

    fn rows(&mut self, table: &Table, each: &mut dyn FnMut(Row) -> Result<()>) -> Result<()> {
        let sql =
            format!("SELECT {} FROM \"{}\" ORDER BY {}", table.column_list(), table.name, table.key_order("", ""));
        let mut statement = self.connection.prepare(&sql).map_err(|error| self.unreadable(&error))?;
        let mut rows = statement.query([]).map_err(|error| self.unreadable(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.unreadable(&error))? {
            let values = table.columns.iter().enumerate().map(|(place, column)| {
                let value = row.get_ref(place).map_err(|error| self.unreadable(&error))?;
                value_of(value, column.kind)
                    .ok_or_else(|| self.unreadable(&format!("a value of {}.{} is damaged", table.name, column.name)))
            });
            each(values.collect::<Result<_>>()?)?;
        }
        Ok(())
    }
}

/// Converts a value for a column of this kind; `None` if it does not fit.
pub fn value_of(value: ValueRef<'_>, kind: ValueKind) -> Option<Value> {
    Some(match (value, kind) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Blob(bytes), ValueKind::Uuid) => Value::Uuid(uuid::Uuid::from_slice(bytes).ok()?),
        (ValueRef::Blob(bytes), ValueKind::Bytes) => Value::Bytes(bytes.to_vec()),
        (ValueRef::Text(text), ValueKind::Text) => Value::Text(std::str::from_utf8(text).ok()?.to_owned()),
        (ValueRef::Text(text), ValueKind::Day) => Value::Day(std::str::from_utf8(text).ok()?.to_owned()),
        (ValueRef::Integer(number), ValueKind::Integer) => Value::Integer(number),
        (ValueRef::Integer(number @ (0 | 1)), ValueKind::Boolean) => Value::Boolean(number == 1),
        _ => return None,
    })
}
