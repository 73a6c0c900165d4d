//! Runs migrations on a PostgreSQL server: each step in a separate transaction, together with its row in
//! `schema_migrations`.
//!
//! The lock and the time limits belong to the session, so the address must be that of the server itself, not of a
//! `PgBouncer` in transaction mode.

use std::time::Duration;

use tokio_postgres::{GenericClient, IsolationLevel};

use super::error::{Losses, MigrateError, Result};
use super::inventory::DeclarationErrors;
use super::plan::{self, Applied, revision_of};
use super::source::{Migration, Source};
use super::{Action, BeforeLoss, Report};
use crate::DatabaseUrl;

pub(crate) mod casts;
mod failure;
mod inventory;
mod losses;
pub(super) mod rehearsal;
pub(super) mod script;
mod session;

use failure::{failed, wrong_declaration};
use losses::{count, locks_of};
use session::{FOREIGN, SESSION, Session};

pub(super) use session::LOCK;
pub(crate) use session::connect;

pub(crate) const MIGRATIONS_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version       INTEGER     NOT NULL,
        name          TEXT        NOT NULL,
        up_checksum   TEXT        NOT NULL,
        down_checksum TEXT        NOT NULL,
        applied_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
        CONSTRAINT pk_schema_migrations PRIMARY KEY (version)
    )";

/// The applied migrations, oldest first; `None` if there is no database.
pub(super) async fn read(url: &DatabaseUrl) -> Result<Option<Vec<Applied>>> {
    let session = match Session::connect(url).await {
        Err(MigrateError::Missing { .. }) => return Ok(None),
        connected => connected?,
    };
    session.refuse_foreign().await?;
    session.applied().await.map(Some)
}

/// Runs an action, holding the lock on a separate connection.
pub(super) async fn run(
    url: &DatabaseUrl,
    source: &Source,
    action: &Action,
    lock_timeout: Duration,
    before_loss: Option<&BeforeLoss>,
) -> Result<Report> {
    let lock = Session::connect(url).await?;
    lock.take_lock(lock_timeout).await?;
    let mut session = Session::connect(url).await?;
    session.prepare().await?;
    if !matches!(action, Action::Stamp(_)) {
        session.refuse_foreign().await?;
    }
    if matches!(action, Action::Upgrade(_)) {
        session.refuse_other_encodings().await?;
    }
    let before = session.applied().await?;
    let mut snapshot = None;
    let steps = match action {
        Action::Upgrade(goal) => session.up(source, &plan::upgrade(source, &before, goal)?).await?,
        Action::Downgrade(goal, allowed) => {
            let steps = plan::downgrade(source, &before, goal)?;
            if !steps.is_empty() {
                session.refuse_servers().await?;
            }
            rehearsal::refuse_wrong_declarations(url, source, before.len(), &steps).await?;
            let advice;
            (snapshot, advice) = session.guard(&steps, *allowed, before_loss).await?;
            session.down(source, &steps, advice).await?
        }
        Action::Stamp(goal) => {
            session.stamp(plan::stamp(source, &before, goal)?).await?;
            Vec::new()
        }
    };
    let after = session.applied().await?;
    // Closing the connection releases the lock.
    drop(lock);
    Ok(Report { steps, from: revision_of(&before), to: revision_of(&after), snapshot, deleted: Vec::new() })
}

impl Session<'_> {
    async fn up(&mut self, source: &Source, steps: &[&Migration]) -> Result<Vec<String>> {
        if !steps.is_empty() {
            self.client.batch_execute(MIGRATIONS_TABLE).await.map_err(|error| self.unusable(&error))?;
        }
        for step in steps {
            let done = match &step.up.concurrent_index {
                Some(index) => {
                    // An existing index of this name was left by a failed attempt: INVALID, or valid and not recorded.
                    let clear = format!("DROP INDEX CONCURRENTLY IF EXISTS {index}");
                    self.outside_of_a_transaction(&[&clear, &step.up.sql], Record::Add(step)).await
                }
                None => self.in_a_transaction(&step.up.sql, Record::Add(step)).await,
            };
            done.map_err(|error| failed(source, &step.up, step.version - 1, &error))?;
        }
        Ok(steps.iter().map(|step| step.revision()).collect())
    }

    /// With `advice`, refuses to lose data that exists at the time of a step, and gives that advice.
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
                Stop::Refused(error) => error,
                Stop::WrongDeclaration(wrong) => wrong_declaration(step, step.revision(), &wrong),
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
        // The row comes first, so that no other session can run the same step in parallel, with or without the lock.
        record.write(&transaction).await?;
        transaction.batch_execute(sql).await?;
        transaction.commit().await
    }

    async fn down_in_a_transaction(
        &mut self,
        step: &Migration,
        advice: Option<&'static str>,
    ) -> std::result::Result<(), Stop> {
        // The transaction does not see concurrent changes of others, so whatever is missing afterwards was destroyed by
        // this step. The locks come first, because the transaction sees what was committed before its first query.
        let locks = locks_of(&self.client, step).await?;
        let start = self.client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
        let transaction = start.start().await?;
        transaction.batch_execute(&locks).await?;
        Record::Remove(step).write(&transaction).await?;
        if let Some(advice) = advice {
            let losses = Losses::from_counted(&count(&transaction, &[step]).await?);
            losses.refuse_unless(false, advice).map_err(Stop::Refused)?;
        }
        let held = inventory::read(&transaction).await?;
        transaction.batch_execute(&step.down.sql).await?;
        let holds = inventory::read(&transaction).await?;
        match DeclarationErrors::find(&step.loses, &held, &holds) {
            None => Ok(transaction.commit().await?),
            Some(wrong) => {
                // Releases the locks before the error is returned.
                transaction.rollback().await?;
                Err(Stop::WrongDeclaration(wrong))
            }
        }
    }

    /// If the process is killed before the row is written, the step runs again, which is harmless.
    async fn outside_of_a_transaction(
        &self,
        statements: &[&str],
        record: Record<'_>,
    ) -> std::result::Result<(), tokio_postgres::Error> {
        // The statement waits for every open transaction. While it waits, it blocks no other session.
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
            let empty = "SELECT NOT EXISTS (SELECT 1 FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = \
                         current_schema()::regnamespace)";
            if transaction.query_one(empty, &[]).await?.get(0) {
                return Ok(false);
            }
            transaction.batch_execute(MIGRATIONS_TABLE).await?;
            transaction.execute("DELETE FROM schema_migrations", &[]).await?;
            for migration in migrations {
                Record::Add(migration).write(&transaction).await?;
            }
            transaction.commit().await?;
            Ok(true)
        };
        match work.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(MigrateError::empty(self.url)),
            Err(error) => Err(self.unusable(&error)),
        }
    }
}

/// Why a down migration stopped.
enum Stop {
    Refused(MigrateError),
    WrongDeclaration(DeclarationErrors),
    Database(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Stop {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

/// The change of `schema_migrations` for a step.
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
