//! A read-only transaction at the isolation level REPEATABLE READ (PostgreSQL manual, section 13.2.2), which sees the
//! database as of its start.

use futures_util::TryStreamExt;
use tokio::runtime::Handle;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Error};
use uuid::Uuid;

use super::Snapshot;
use crate::DatabaseUrl;
use crate::migrate::postgres::connect;
use crate::postgres::error::sentence;
use crate::postgres::values::{Day, EPOCH_MICROS};
use crate::transfer::error::{Result, TransferError};
use crate::transfer::layout::{Layout, Table};
use crate::transfer::value::{Row, Value};

/// Distinguishes this session from a server's.
pub const APPLICATION: &str = "sotto transfer";
/// Waits for a migration that locks a table, but not forever.
const SESSION: &str =
    "SET lock_timeout = '30s'; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0";

/// A PostgreSQL database as of the moment when the snapshot was opened.
pub struct PostgresSnapshot {
    url: DatabaseUrl,
    runtime: Handle,
    client: Client,
}

impl PostgresSnapshot {
    pub fn open(url: &DatabaseUrl, layout: &Layout, runtime: &Handle) -> Result<Self> {
        let client = session(url, runtime)?;
        let tables: Vec<_> = layout.tables.iter().map(|table| format!("\"{}\"", table.name)).collect();
        // The locks come before the first query, so no table changes its columns afterwards.
        let begin = format!(
            "{SESSION}; BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE {} IN ACCESS SHARE \
             MODE; SELECT 1",
            tables.join(", ")
        );
        let snapshot = Self { url: url.clone(), runtime: runtime.clone(), client };
        runtime.block_on(snapshot.client.batch_execute(&begin)).map_err(|error| snapshot.unreadable(&error))?;
        Ok(snapshot)
    }

    fn unreadable(&self, error: &Error) -> TransferError {
        TransferError::database(&self.url, format!("cannot be read: {}", sentence(error)))
    }
}

/// Opens a separate connection.
pub fn session(url: &DatabaseUrl, runtime: &Handle) -> Result<Client> {
    let unusable = |reason: String| TransferError::database(url, format!("cannot be used: {reason}"));
    runtime.block_on(async {
        let client = connect(url).await.map_err(unusable)?;
        // Suppresses notices, such as that a word is too long for an index.
        let session = format!("SET application_name = '{APPLICATION}'; SET client_min_messages = warning");
        client.batch_execute(&session).await.map_err(|error| unusable(sentence(&error)))?;
        Ok(client)
    })
}

impl Snapshot for PostgresSnapshot {
    fn versions(&mut self) -> Result<Vec<u32>> {
        let read = self.client.query("SELECT version FROM schema_migrations ORDER BY version", &[]);
        let rows = self.runtime.block_on(read).map_err(|error| self.unreadable(&error))?;
        let versions = rows.iter().map(|row| row.try_get::<_, i32>(0));
        versions
            .map(|version| Ok(u32::try_from(version.map_err(|error| self.unreadable(&error))?).unwrap_or_default()))
            .collect()
    }

    fn count(&mut self, table: &Table) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM \"{}\"", table.name);
        let row = self.runtime.block_on(self.client.query_one(&sql, &[])).map_err(|error| self.unreadable(&error))?;
        let count: i64 = row.try_get(0).map_err(|error| self.unreadable(&error))?;
        Ok(count.unsigned_abs())
    }

    fn rows(&mut self, table: &Table, each: &mut dyn FnMut(Row) -> Result<()>) -> Result<()> {
        let order = table.key_order(" COLLATE \"C\"", "");
        let sql = format!("SELECT {} FROM \"{}\" ORDER BY {order}", table.column_list(), table.name);
        let none: [i32; 0] = [];
        let rows = self.runtime.block_on(self.client.query_raw(&sql, none)).map_err(|error| self.unreadable(&error))?;
        let mut rows = std::pin::pin!(rows);
        // The driver reads no more rows than are requested.
        while let Some(row) = self.runtime.block_on(rows.try_next()).map_err(|error| self.unreadable(&error))? {
            let values = table.columns.iter().enumerate().map(|(place, column)| {
                let value = row.try_get::<_, Option<Value>>(place).map_err(|error| {
                    let reason = format!("cannot be read: {}.{}: {}", table.name, column.name, sentence(&error));
                    TransferError::database(&self.url, reason)
                })?;
                Ok(value.unwrap_or(Value::Null))
            });
            each(values.collect::<Result<_>>()?)?;
        }
        Ok(())
    }
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match *kind {
            Type::UUID => Self::Uuid(Uuid::from_sql(kind, raw)?),
            Type::TEXT | Type::VARCHAR => Self::Text(String::from_sql(kind, raw)?),
            Type::INT2 => Self::Integer(i16::from_sql(kind, raw)?.into()),
            Type::INT4 => Self::Integer(i32::from_sql(kind, raw)?.into()),
            Type::INT8 => Self::Integer(i64::from_sql(kind, raw)?),
            Type::BOOL => Self::Boolean(bool::from_sql(kind, raw)?),
            Type::TIMESTAMPTZ => {
                let micros = i64::from_sql(&Type::INT8, raw)?;
                // The two infinities are the ends of the range.
                let finite = ![i64::MIN, i64::MAX].contains(&micros);
                let micros = micros.checked_add(EPOCH_MICROS).filter(|_| finite);
                Self::Integer(micros.ok_or("an infinite instant, which only PostgreSQL can keep")?)
            }
            Type::DATE => Self::Day(Day::from_sql(kind, raw)?.0.to_string()),
            Type::BYTEA => Self::Bytes(raw.to_vec()),
            _ => return Err(format!("a value of type {kind}, which only PostgreSQL can keep").into()),
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
