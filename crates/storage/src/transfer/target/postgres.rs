//! Writes to a server's database, which is marked as long as it holds a part.

use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::runtime::Handle;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Error};

use super::{Plan, Target, refuse_used};
use crate::DatabaseUrl;
use crate::migrate::Target as Goal;
use crate::postgres::error::sentence;
use crate::postgres::values::{Day, EPOCH_MICROS};
use crate::transfer::error::{Result, TransferError};
use crate::transfer::layout::{Layout, Table};
use crate::transfer::mark::{VERSION, is_mark};
use crate::transfer::snapshot::{Snapshot, postgres_session, snapshot};
use crate::transfer::value::{Row, Value};

/// Names the advisory lock of whoever restores or copies into a database (`Sotto` and `trans` in ASCII, shortened).
const LOCK: i64 = 0x536F_7474_7472_616E;
/// How long to wait for a session of a process that has just been killed, or of a command that is about to end.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const SESSION: &str =
    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET synchronous_commit = on";

/// A server's database that is being written. The session holds the lock.
pub struct PostgresTarget {
    url: DatabaseUrl,
    client: Client,
    layout: Layout,
    runtime: Handle,
}

impl PostgresTarget {
    pub fn open(url: &DatabaseUrl, plan: &Plan<'_>) -> Result<Self> {
        let client = postgres_session(url, plan.runtime)?;
        let target = Self { url: url.clone(), client, layout: plan.layout.clone(), runtime: plan.runtime.clone() };
        target.take_lock()?;
        target.run(SESSION)?;
        let migrator = plan.migrations.migrator(url)?;
        let mut current = plan.runtime.block_on(migrator.current())?;
        if let Some(mark) = current.clone().filter(is_mark) {
            if !plan.restart {
                plan.mark.refuse_other(url, &mark)?;
                return Ok(target);
            }
            target.run(&format!("DELETE FROM schema_migrations WHERE version = {VERSION}"))?;
            plan.runtime.block_on(migrator.downgrade(&Goal::Base, true))?;
            current = None;
        }
        target.refuse_servers()?;
        refuse_used(url, plan)?;
        // Tables without rows, but perhaps not those of this revision.
        if current.is_some_and(|applied| applied.revision() != plan.revision) {
            plan.runtime.block_on(migrator.downgrade(&Goal::Base, false))?;
        }
        plan.runtime.block_on(migrator.upgrade(&Goal::Revision(plan.revision.to_owned())))?;
        target.put_mark(plan)?;
        Ok(target)
    }

    fn put_mark(&self, plan: &Plan<'_>) -> Result<()> {
        let sql = "INSERT INTO schema_migrations (version, name, up_checksum, down_checksum) VALUES ($1, $2, $3, $4)";
        let version = i32::try_from(VERSION).unwrap_or(i32::MAX);
        let (name, mark) = (plan.mark.name(), &plan.mark);
        let done = self.runtime.block_on(self.client.execute(sql, &[&version, &name, &mark.identity, &mark.source]));
        done.map(drop).map_err(|error| self.unwritable(&error))
    }

    fn take_lock(&self) -> Result<()> {
        self.wait_until("SELECT pg_try_advisory_lock($1)", &[&LOCK], || {
            format!("another restore or copy into {} is under way: wait until it is done", self.url)
        })
    }

    fn refuse_servers(&self) -> Result<()> {
        let none = "SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'sotto')";
        self.wait_until(none, &[], || {
            format!("{} is in use, by a running server or another command: stop that first", self.url)
        })
    }

    /// Asks until the answer is true, or it is time to refuse.
    fn wait_until(&self, question: &str, values: &[&(dyn ToSql + Sync)], refusal: impl Fn() -> String) -> Result<()> {
        let start = Instant::now();
        self.runtime.block_on(async {
            loop {
                let row = self.client.query_one(question, values).await;
                let row = row.and_then(|row| row.try_get(0)).map_err(|error| self.unwritable(&error))?;
                if row {
                    return Ok(());
                }
                if start.elapsed() >= PATIENCE {
                    return Err(TransferError::Refused(refusal()));
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
    }

    fn run(&self, sql: &str) -> Result<()> {
        self.runtime.block_on(self.client.batch_execute(sql)).map_err(|error| self.unwritable(&error))
    }

    fn unwritable(&self, error: &Error) -> TransferError {
        TransferError::database(&self.url, format!("cannot be written: {}", sentence(error)))
    }

    async fn copy_in(&self, table: &Table, rows: &[Row]) -> std::result::Result<(), Error> {
        let columns = table.column_list();
        let shape = self.client.prepare(&format!("SELECT {columns} FROM \"{}\"", table.name)).await?;
        let types: Vec<Type> = shape.columns().iter().map(|column| column.type_().clone()).collect();
        let sink = self.client.copy_in(&format!("COPY \"{}\" ({columns}) FROM STDIN BINARY", table.name)).await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        for row in rows {
            writer.as_mut().write_raw(row).await?;
        }
        writer.finish().await.map(drop)
    }
}

impl Target for PostgresTarget {
    fn last_key(&mut self, table: &Table) -> Result<Option<Row>> {
        let key = table.key_order("", "");
        let order = table.key_order(" COLLATE \"C\"", " DESC");
        let sql = format!("SELECT {key} FROM \"{}\" ORDER BY {order} LIMIT 1", table.name);
        let row = self.runtime.block_on(self.client.query_opt(&sql, &[]));
        let key = row.and_then(|row| {
            let key = row.map(|row| (0..table.key.len()).map(|place| row.try_get(place)).collect());
            key.transpose()
        });
        key.map_err(|error| self.unwritable(&error))
    }

    fn store(&mut self, table: &Table, rows: &[Row]) -> Result<()> {
        self.runtime.block_on(self.copy_in(table, rows)).map_err(|error| {
            let reason = format!(
                "does not take rows of {}: {}. What was stored so far is kept: run the same command again, and it \
                 continues there",
                table.name,
                sentence(&error)
            );
            TransferError::database(&self.url, reason)
        })
    }

    fn snapshot(&mut self) -> Result<Box<dyn Snapshot>> {
        snapshot(&self.url, &self.layout, &self.runtime)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        // The planner knows nothing yet of what was written.
        for table in &self.layout.tables {
            self.run(&format!("ANALYZE \"{}\"", table.name))?;
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
                Err("a text with a NUL character, which PostgreSQL cannot keep".into())
            }
            (Self::Text(text), Type::TEXT | Type::VARCHAR) => text.to_sql(kind, out),
            (Self::Integer(number), Type::INT2) => i16::try_from(*number)?.to_sql(kind, out),
            (Self::Integer(number), Type::INT4) => i32::try_from(*number)?.to_sql(kind, out),
            (Self::Integer(number), Type::INT8) => number.to_sql(kind, out),
            (Self::Integer(micros), Type::TIMESTAMPTZ) => {
                let micros = micros.checked_sub(EPOCH_MICROS).ok_or("an instant out of range")?;
                micros.to_sql(&Type::INT8, out)
            }
            (Self::Boolean(truth), Type::BOOL) => truth.to_sql(kind, out),
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
