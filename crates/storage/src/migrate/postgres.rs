//! Runs migrations on a PostgreSQL server: each step in a transaction of its own, with its row of bookkeeping.
//!
//! The lock and the time limits belong to the session, so the address must be the server's own, not that of a
//! `PgBouncer` in transaction mode.

use std::time::{Duration, Instant};

use sotto_domain::Timestamp;
use sotto_domain::storage::StorageError;
use tokio_postgres::error::{ErrorPosition, SqlState};
use tokio_postgres::{Client, GenericClient};

use super::error::{Losses, MigrateError, Result};
use super::plan::{self, Applied, at};
use super::source::{Migration, Script, Source};
use super::{BeforeLoss, Order, Report, sql};
use crate::DatabaseUrl;
use crate::postgres::connect;
use crate::postgres::error::sentence;

mod losses;
pub(super) mod rehearsal;
pub(super) mod script;

use losses::{count, lock_tables};

/// Names the advisory lock that a migrator holds (`Sotto` and `migr` in ASCII); locks are per database.
pub(super) const LOCK: i64 = 0x536F_7474_6D69_6772;
/// How often a waiting migrator looks again. It does not wait inside of the server: a statement that waits holds a
/// snapshot, for which `CREATE INDEX CONCURRENTLY` of the one that works would wait in turn.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(15);
/// A step that waits for a table makes everybody who comes later wait as well, so it gives up after 10 seconds. The
/// server itself notices within a second when the migrator is gone, and lets go of what it held. What it has to remark on
/// `IF EXISTS` helps nobody.
const SESSION: &str = "SET lock_timeout = '10s'; SET statement_timeout = 0; \
    SET idle_in_transaction_session_timeout = 0; SET client_min_messages = warning";
const NOTICE_A_DEAD_CLIENT: &str = "SET client_connection_check_interval = '1s'";
/// The tables of the schema, but those of extensions.
const FOREIGN: &str = "SELECT relname::text FROM pg_class c \
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT EXISTS \
    (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e')";
pub(crate) const BOOKKEEPING: &str = "
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version       INTEGER     NOT NULL,
        name          TEXT        NOT NULL,
        up_checksum   TEXT        NOT NULL,
        down_checksum TEXT        NOT NULL,
        applied_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
        CONSTRAINT pk_schema_migrations PRIMARY KEY (version)
    )";

/// A connection to the database that is migrated, and what errors need to know about it.
struct Target<'u> {
    url: &'u DatabaseUrl,
    client: Client,
}

/// The revisions that the database has been brought to, oldest first.
pub(super) async fn read(url: &DatabaseUrl) -> Result<Vec<Applied>> {
    let target = Target::connect(url).await?;
    target.refuse_foreign().await?;
    target.applied().await
}

/// Carries out `order`, holding the lock on a connection of its own.
pub(super) async fn run(
    url: &DatabaseUrl,
    source: &Source,
    order: &Order,
    patience: Duration,
    before_loss: Option<&BeforeLoss>,
) -> Result<Report> {
    let lock = Target::connect(url).await?;
    lock.take_lock(patience).await?;
    let mut target = Target::connect(url).await?;
    target.prepare().await?;
    if !matches!(order, Order::Stamp(_)) {
        target.refuse_foreign().await?;
    }
    let before = target.applied().await?;
    let mut snapshot = None;
    let steps = match order {
        Order::Upgrade(goal) => target.up(source, &plan::upgrade(source, &before, goal)?).await?,
        Order::Downgrade(goal, allowed) => {
            let steps = plan::downgrade(source, &before, goal)?;
            let advice;
            (snapshot, advice) = target.guard(&steps, *allowed, before_loss).await?;
            target.down(source, &steps, advice).await?
        }
        Order::Stamp(goal) => {
            target.stamp(plan::stamp(source, &before, goal)?).await?;
            Vec::new()
        }
    };
    let after = target.applied().await?;
    // The lock goes with its connection.
    drop(lock);
    Ok(Report { steps, from: at(&before), to: at(&after), snapshot })
}

impl<'u> Target<'u> {
    async fn connect(url: &'u DatabaseUrl) -> Result<Self> {
        let failed = |reason: String| MigrateError::Database { database: url.to_string(), reason };
        let client = connect(url).await.map_err(failed)?;
        Ok(Self { url, client })
    }

    async fn prepare(&self) -> Result<()> {
        self.client.batch_execute(SESSION).await.map_err(|error| self.unusable(&error))?;
        match self.client.batch_execute(NOTICE_A_DEAD_CLIENT).await {
            // Servers on systems without the means for it say so; they notice later.
            Err(error) if error.code() != Some(&SqlState::INVALID_PARAMETER_VALUE) => Err(self.unusable(&error)),
            _ => Ok(()),
        }
    }

    async fn take_lock(&self, patience: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            let row = self.client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await;
            if row.map_err(|error| self.unusable(&error))?.get(0) {
                return Ok(());
            }
            if start.elapsed() >= patience {
                return Err(MigrateError::Locked(patience));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Accepts a schema without tables (but those of extensions) and one with the bookkeeping of Sotto's migrations.
    async fn refuse_foreign(&self) -> Result<()> {
        let rows = self
            .client
            .query(&format!("{FOREIGN} AND to_regclass('schema_migrations') IS NULL ORDER BY relname LIMIT 3"), &[])
            .await
            .map_err(|error| self.unusable(&error))?;
        let tables: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        if tables.is_empty() { Ok(()) } else { Err(self.foreign(tables.join(", "))) }
    }

    async fn applied(&self) -> Result<Vec<Applied>> {
        let exists = self.client.query_one("SELECT to_regclass('schema_migrations') IS NOT NULL", &[]).await;
        if !exists.map_err(|error| self.unusable(&error))?.get::<_, bool>(0) {
            return Ok(Vec::new());
        }
        let rows = self
            .client
            .query(
                "SELECT version, name, up_checksum, down_checksum, (extract(epoch FROM applied_at) * 1000000)::bigint \
                 FROM schema_migrations ORDER BY version",
                &[],
            )
            .await
            .map_err(|error| match error.code() {
                Some(&SqlState::UNDEFINED_COLUMN) => self.foreign("schema_migrations of another program".into()),
                _ => self.unusable(&error),
            })?;
        let rows = rows.iter().map(|row| {
            Ok(Applied {
                version: u32::try_from(row.try_get::<_, i32>(0)?).unwrap_or_default(),
                name: row.try_get(1)?,
                up_checksum: row.try_get(2)?,
                down_checksum: row.try_get(3)?,
                applied_at: Timestamp::from_micros(row.try_get(4)?).unwrap_or(Timestamp::MIN),
            })
        });
        rows.collect::<std::result::Result<_, _>>().map_err(|error| self.unusable(&error))
    }

    async fn up(&mut self, source: &Source, steps: &[&Migration]) -> Result<Vec<String>> {
        if !steps.is_empty() {
            self.client.batch_execute(BOOKKEEPING).await.map_err(|error| self.unusable(&error))?;
        }
        for step in steps {
            let done = match &step.up.concurrent_index {
                Some(index) => {
                    // An index of this name is what a failed try has left, be it INVALID or merely not recorded.
                    let clear = format!("DROP INDEX CONCURRENTLY IF EXISTS {index}");
                    self.outside_of_a_transaction(&[&clear, &step.up.sql], Record::Add(step)).await
                }
                None => self.in_a_transaction(&step.up.sql, Record::Add(step)).await,
            };
            done.map_err(|error| failed(source, &step.up, step.version - 1, &error))?;
        }
        Ok(steps.iter().map(|step| step.revision()).collect())
    }

    /// With `advice`, refuses to lose what is there by the time of a step, and gives that advice.
    async fn down(
        &mut self,
        source: &Source,
        steps: &[&Migration],
        advice: Option<&'static str>,
    ) -> Result<Vec<String>> {
        for step in steps {
            let done = match &step.down.concurrent_index {
                Some(_) => {
                    self.outside_of_a_transaction(&[&step.down.sql], Record::Remove(step)).await.map_err(Stop::from)
                }
                None => self.down_in_a_transaction(step, advice).await,
            };
            done.map_err(|stop| match stop {
                Stop::Losses(error) => error,
                Stop::Database(error) => failed(source, &step.down, step.version, &error),
            })?;
        }
        Ok(steps.iter().map(|step| step.revision()).collect())
    }

    async fn in_a_transaction(
        &mut self,
        sql: &str,
        record: Record<'_>,
    ) -> std::result::Result<(), tokio_postgres::Error> {
        let transaction = self.client.transaction().await?;
        // First, so that nobody can run the same step beside this one, lock or no lock.
        record.write(&transaction).await?;
        transaction.batch_execute(sql).await?;
        transaction.commit().await
    }

    async fn down_in_a_transaction(
        &mut self,
        step: &Migration,
        advice: Option<&'static str>,
    ) -> std::result::Result<(), Stop> {
        let transaction = self.client.transaction().await?;
        Record::Remove(step).write(&transaction).await?;
        lock_tables(&transaction, step).await?;
        if let Some(advice) = advice {
            let losses = Losses::of(&count(&transaction, &[step]).await?);
            losses.refuse_unless(false, advice).map_err(Stop::Losses)?;
        }
        transaction.batch_execute(&step.down.sql).await?;
        Ok(transaction.commit().await?)
    }

    /// Killed before its row is written, the step is done again, which it stands.
    async fn outside_of_a_transaction(
        &self,
        statements: &[&str],
        record: Record<'_>,
    ) -> std::result::Result<(), tokio_postgres::Error> {
        // It waits for every transaction that is open now, and blocks nobody meanwhile.
        self.client.batch_execute("SET lock_timeout = 0").await?;
        for statement in statements {
            self.client.batch_execute(statement).await?;
        }
        record.write(&self.client).await?;
        self.client.batch_execute(SESSION).await
    }

    async fn stamp(&mut self, migrations: &[Migration]) -> Result<()> {
        let work = async {
            let transaction = self.client.transaction().await?;
            let empty = "SELECT NOT EXISTS (SELECT 1 FROM pg_class WHERE relkind IN ('r', 'p') \
                         AND relnamespace = current_schema()::regnamespace)";
            if transaction.query_one(empty, &[]).await?.get(0) {
                return Ok(false);
            }
            transaction.batch_execute(BOOKKEEPING).await?;
            transaction.execute("DELETE FROM schema_migrations", &[]).await?;
            for migration in migrations {
                Record::Add(migration).write(&transaction).await?;
            }
            transaction.commit().await?;
            Ok(true)
        };
        match work.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(MigrateError::NothingToStamp),
            Err(error) => Err(self.unusable(&error)),
        }
    }

    fn unusable(&self, error: &tokio_postgres::Error) -> MigrateError {
        MigrateError::Database { database: self.url.to_string(), reason: advised(error) }
    }

    fn foreign(&self, tables: String) -> MigrateError {
        MigrateError::Foreign { database: self.url.to_string(), tables }
    }
}

/// A connection of its own, outside of every pool; it is closed when the client is dropped.
pub(crate) async fn connect(url: &DatabaseUrl) -> std::result::Result<Client, String> {
    let DatabaseUrl::Postgres(address) = url else { return Err("it is not a PostgreSQL server".into()) };
    connect::alone(address, CONNECT).await.map_err(|error| match error {
        StorageError::Unavailable(reason) => reason,
        other => other.to_string(),
    })
}

/// Why a step down stopped.
enum Stop {
    Losses(MigrateError),
    Database(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Stop {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

/// The bookkeeping of a step.
enum Record<'m> {
    Add(&'m Migration),
    Remove(&'m Migration),
}

impl Record<'_> {
    async fn write(&self, client: &impl GenericClient) -> std::result::Result<(), tokio_postgres::Error> {
        match self {
            Self::Add(one) => {
                let insert =
                    "INSERT INTO schema_migrations (version, name, up_checksum, down_checksum) VALUES ($1, $2, $3, $4)";
                let version = i32::try_from(one.version).unwrap_or(i32::MAX);
                client.execute(insert, &[&version, &one.name, &one.up.checksum, &one.down.checksum]).await
            }
            Self::Remove(one) => {
                let version = i32::try_from(one.version).unwrap_or(i32::MAX);
                client.execute("DELETE FROM schema_migrations WHERE version = $1", &[&version]).await
            }
        }
        .map(|_| ())
    }
}

/// The error of a step. `applied` is how many revisions the database has: each step before this one is committed.
fn failed(source: &Source, script: &Script, applied: u32, error: &tokio_postgres::Error) -> MigrateError {
    let line = error.as_db_error().and_then(|refusal| match refusal.position() {
        Some(ErrorPosition::Original(position)) => {
            let before: usize = script.sql.chars().take(*position as usize - 1).map(char::len_utf8).sum();
            Some(sql::line_at(&script.sql, before))
        }
        _ => None,
    });
    let (file, reason, at) = (script.file.clone(), advised(error), plan::place(source, applied as usize));
    if script.concurrent_index.is_some() {
        return MigrateError::Concurrent { file, reason, at };
    }
    MigrateError::Step { file, line, reason, at }
}

/// What the server says, and what helps where that is known.
fn advised(error: &tokio_postgres::Error) -> String {
    let help = match error.code() {
        Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            ". Others were using the table for more than 10 seconds: stop the servers, or try again when they have less to do"
        }
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            ". Connect as the owner of the database and of Sotto's tables, or let this user be it"
        }
        Some(&SqlState::DISK_FULL | &SqlState::CONFIGURATION_LIMIT_EXCEEDED) => {
            ". Make room on the server, then try again"
        }
        _ => "",
    };
    sentence(error) + help
}
