//! Writes to a PostgreSQL database, which is marked as unfinished until all rows are stored.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::runtime::Handle;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Error};

use super::sessions::{Failure, Sessions};
use super::{Plan, Target, in_use, refuse_used};
use crate::DatabaseUrl;
use crate::migrate::Target as MigrationTarget;
use crate::postgres::connect::without_servers;
use crate::postgres::error::sentence;
use crate::postgres::values::{Day, EPOCH_MICROS};
use crate::transfer::error::{Result, TransferError};
use crate::transfer::layout::{Layout, Table};
use crate::transfer::snapshot::{Snapshot, postgres_session, snapshot};
use crate::transfer::unfinished::{VERSION, is_mark};
use crate::transfer::value::{Row, Value};

/// The advisory lock of a restore or copy into a database (`Sott` and `tran` in ASCII).
const LOCK: i64 = 0x536F_7474_7472_616E;
/// How long to wait for the session of a process that was just killed, or of a command that is about to end.
const SESSION_EXIT_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause between two attempts to get the lock.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How many batches are stored in parallel. Each takes a few megabytes of memory, and a database server rarely has more
/// idle cores.
const MAX_SESSIONS: usize = 4;
/// Connections that are left for the comparison at the end and for other programs.
const RESERVED_CONNECTIONS: usize = 3;
const SESSION_SETTINGS: &str =
    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET synchronous_commit = on";

/// A PostgreSQL database that is being written. `client` holds the lock.
pub struct PostgresTarget {
    url: DatabaseUrl,
    client: Client,
    sessions: Sessions,
    layout: Layout,
    runtime: Handle,
}

impl PostgresTarget {
    pub fn open(url: &DatabaseUrl, plan: &Plan<'_>) -> Result<Self> {
        let client = postgres_session(url, plan.runtime)?;
        let (layout, runtime) = (plan.layout.clone(), plan.runtime.clone());
        let mut target = Self { url: url.clone(), client, sessions: Sessions::new(Vec::new()), layout, runtime };
        target.take_lock()?;
        target.run(SESSION_SETTINGS)?;
        target.prepare(plan)?;
        target.sessions = Sessions::new(target.open_sessions()?);
        Ok(target)
    }

    /// Prepares the database for rows, unless an interrupted run with the same source has already done so.
    fn prepare(&self, plan: &Plan<'_>) -> Result<()> {
        let url = &self.url;
        let migrator = plan.migrations.migrator(url)?;
        let mut current = plan.runtime.block_on(migrator.current())?;
        if let Some(mark) = current.clone().filter(is_mark) {
            if !plan.restart {
                plan.mark.refuse_other(url, &mark)?;
                return Ok(());
            }
            self.run(&format!("DELETE FROM schema_migrations WHERE version = {VERSION}"))?;
            plan.runtime.block_on(migrator.downgrade(&MigrationTarget::Base, true))?;
            current = None;
        }
        self.refuse_servers()?;
        refuse_used(url, plan)?;
        // The tables are empty, but may be those of another revision.
        if current.is_some_and(|applied| applied.revision() != plan.revision) {
            plan.runtime.block_on(migrator.downgrade(&MigrationTarget::Base, false))?;
        }
        plan.runtime.block_on(migrator.upgrade(&MigrationTarget::Revision(plan.revision.to_owned())))?;
        self.insert_mark(plan)
    }

    /// Sessions that write rows: as many as the server accepts, and at least one.
    fn open_sessions(&self) -> Result<Vec<Client>> {
        let mut sessions = vec![self.open_session()?];
        while sessions.len() < MAX_SESSIONS + RESERVED_CONNECTIONS {
            match self.open_session() {
                Ok(session) => sessions.push(session),
                Err(error) => {
                    tracing::debug!(%error, "the server accepts no more sessions");
                    break;
                }
            }
        }
        sessions.truncate(sessions.len().saturating_sub(RESERVED_CONNECTIONS).max(1));
        Ok(sessions)
    }

    fn open_session(&self) -> Result<Client> {
        let client = postgres_session(&self.url, &self.runtime)?;
        self.runtime.block_on(client.batch_execute(SESSION_SETTINGS)).map_err(|error| self.unwritable(&error))?;
        Ok(client)
    }

    fn insert_mark(&self, plan: &Plan<'_>) -> Result<()> {
        let sql = "INSERT INTO schema_migrations (version, name, up_checksum, down_checksum) VALUES ($1, $2, $3, $4)";
        let version = i32::try_from(VERSION).unwrap_or(i32::MAX);
        let (name, mark) = (plan.mark.name(), &plan.mark);
        let inserted =
            self.runtime.block_on(self.client.execute(sql, &[&version, &name, &mark.identity, &mark.source]));
        inserted.map(drop).map_err(|error| self.unwritable(&error))
    }

    fn take_lock(&self) -> Result<()> {
        self.wait_until("SELECT pg_try_advisory_lock($1)", &[&LOCK], || {
            format!("another restore or copy into {} is running: wait until it is done", self.url)
        })
    }

    fn refuse_servers(&self) -> Result<()> {
        let connected =
            self.runtime.block_on(without_servers(&self.client)).map_err(|error| self.unwritable(&error))?;
        connected.map_or(Ok(()), |by| Err(in_use(&self.url, &by)))
    }

    /// Repeats a query until it returns true, or until [`SESSION_EXIT_TIMEOUT`] has passed.
    fn wait_until(&self, query: &str, values: &[&(dyn ToSql + Sync)], refusal: impl Fn() -> String) -> Result<()> {
        let start = Instant::now();
        self.runtime.block_on(async {
            loop {
                let row = self.client.query_one(query, values).await;
                let row = row.and_then(|row| row.try_get(0)).map_err(|error| self.unwritable(&error))?;
                if row {
                    return Ok(());
                }
                if start.elapsed() >= SESSION_EXIT_TIMEOUT {
                    return Err(TransferError::Refused(refusal()));
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        })
    }

    fn run(&self, sql: &str) -> Result<()> {
        self.runtime.block_on(self.client.batch_execute(sql)).map_err(|error| self.unwritable(&error))
    }

    fn unwritable(&self, error: &Error) -> TransferError {
        TransferError::database(&self.url, format!("cannot be written: {}", sentence(error)))
    }

    fn cannot_store(&self, (table, error): Failure) -> TransferError {
        let reason = error.map_or_else(|| "the task ended unexpectedly".into(), |error| sentence(&error));
        let reason = format!(
            "cannot store rows of {table}: {reason}. The rows stored so far are kept: run the same command again to \
             continue"
        );
        TransferError::database(&self.url, reason)
    }

    /// Waits until all batches are stored.
    fn wait_for_sessions(&mut self) -> Result<()> {
        self.sessions.finish(&self.runtime).map_err(|failure| self.cannot_store(failure))
    }
}

impl Target for PostgresTarget {
    fn last_key(&mut self, table: &Table) -> Result<Option<Row>> {
        // Rows of this table may refer to rows of batches that are still being stored.
        self.wait_for_sessions()?;
        let key = table.key_order("", "");
        let order = table.key_order(" COLLATE \"C\"", " DESC");
        let sql = format!("SELECT {key} FROM \"{}\" ORDER BY {order} LIMIT 1", table.name);
        let row = self.runtime.block_on(self.client.query_opt(&sql, &[]));
        let key = row.and_then(|row| {
            let key = row.map(|row| (0..table.key.len()).map(|index| row.try_get(index)).collect());
            key.transpose()
        });
        key.map_err(|error| self.unwritable(&error))
    }

    fn store(&mut self, table: &Table, rows: Vec<Row>) -> Result<()> {
        self.sessions.store(table, rows, &self.runtime).map_err(|failure| self.cannot_store(failure))
    }

    fn snapshot(&mut self) -> Result<Box<dyn Snapshot>> {
        self.wait_for_sessions()?;
        snapshot(&self.url, &self.layout, &self.runtime)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.wait_for_sessions()?;
        // The planner has no statistics of the new rows yet. A list of columns makes PostgreSQL skip the expression of
        // the search index, which it would otherwise compute again for up to 30,000 entries. Autovacuum analyses the
        // expression within minutes, because an ANALYZE of a list of columns does not reset its counter.
        for table in &self.layout.tables {
            self.run(&format!("ANALYZE \"{}\" ({})", table.name, table.column_list()))?;
        }
        self.run(&format!("DELETE FROM schema_migrations WHERE version = {VERSION}"))
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self, kind.clone()) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Uuid(uuid), Type::UUID) => uuid.to_sql(kind, out),
            (Self::Text(text), Type::TEXT | Type::VARCHAR) if text.contains('\0') => {
                Err("a text with a NUL character, which PostgreSQL cannot store".into())
            }
            (Self::Text(text), Type::TEXT | Type::VARCHAR) => text.to_sql(kind, out),
            (Self::Integer(number), Type::INT2) => i16::try_from(*number)?.to_sql(kind, out),
            (Self::Integer(number), Type::INT4) => i32::try_from(*number)?.to_sql(kind, out),
            (Self::Integer(number), Type::INT8) => number.to_sql(kind, out),
            (Self::Integer(micros), Type::TIMESTAMPTZ) => {
                let micros = micros.checked_sub(EPOCH_MICROS).ok_or("an instant out of range")?;
                micros.to_sql(&Type::INT8, out)
            }
            (Self::Boolean(value), Type::BOOL) => value.to_sql(kind, out),
            (Self::Day(day), Type::DATE) => Day(day.parse()?).to_sql(kind, out),
            (Self::Bytes(bytes), Type::BYTEA) => bytes.to_sql(kind, out),
            (_, kind) => Err(format!("a value that does not fit the type {kind}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
