//! Runs migrations on a SQLite file: all steps of a run in one transaction.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use sotto_domain::Timestamp;
use sotto_files::create_private;

use super::error::{Counted, Losses, MigrateError, Result};
use super::inventory::{DeclarationErrors, Inventory};
use super::plan::{self, Applied, revision_of};
use super::source::{Loss, Migration, Script, Source};
use super::{Action, Report, sql};
use crate::DatabaseUrl;
use crate::sqlite::files::{claim_without_server, refuse_stale_logs, share_mode};

mod failure;
mod inventory;
pub(super) mod rehearsal;
mod rows;
pub(super) mod script;
mod snapshot;

use failure::{in_use, sentence, unreachable, unusable};
use inventory::{SchemaTracker, quoted};

/// The application id of Sotto's files (`Sott` in ASCII). See
/// <https://www.sqlite.org/pragma.html#pragma_application_id>.
const APPLICATION_ID: i64 = 0x536F_7474;
/// How long a read waits for another process that is about to commit.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Advice for a downgrade that was refused because it would destroy data.
const DATA_LOSS_ADVICE: &str = "If you want that, add --allow-data-loss: a copy is then kept next to the database";
/// Creates the table of applied migrations.
pub(crate) const MIGRATIONS_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version       INTEGER NOT NULL,
        name          TEXT    NOT NULL,
        up_checksum   TEXT    NOT NULL,
        down_checksum TEXT    NOT NULL,
        applied_at    INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
        CONSTRAINT pk_schema_migrations PRIMARY KEY (version)
    ) STRICT;";

/// The applied migrations, oldest first; `None` if there is no file. Does not create it.
pub(super) fn read(path: &Path) -> Result<Option<Vec<Applied>>> {
    refuse_stale_logs(path).map_err(MigrateError::Refused)?;
    if !exists(path)? {
        return Ok(None);
    }
    let connection = open(path, READ_TIMEOUT)?;
    refuse_foreign(path, &connection)?;
    applied(&connection).map(Some).map_err(|error| unusable(path, &error))
}

/// Whether the file exists. The file is not opened, because closing it would release the locks that this process holds
/// on it.
fn exists(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => Ok(false),
        Err(error) => Err(unreachable(path, &error)),
    }
}

/// Runs an action. The write lock is held from the first query to the commit, so each of several runs sees the result
/// of the previous one, and the snapshot is the state before the steps.
pub(super) fn run(path: &Path, source: &Source, action: &Action, lock_timeout: Duration) -> Result<Report> {
    refuse_stale_logs(path).map_err(MigrateError::Refused)?;
    // A downgrade drops tables that a running server uses. An upgrade only adds what older versions ignore.
    let _claim = match action {
        Action::Downgrade(..) if path.exists() => Some(claim_without_server(path).map_err(|held| in_use(path, &held))?),
        _ => None,
    };
    if matches!(action, Action::Upgrade(_)) {
        // SQLite gives the files next to the database the same permissions and owner.
        create_private(path).map_err(|error| unreachable(path, &error))?;
    } else if !exists(path)? {
        return Err(MigrateError::missing(&DatabaseUrl::Sqlite(path.to_owned())));
    }
    share_mode(path);
    let mut connection = open(path, lock_timeout)?;
    // The setting cannot change inside of a transaction, and with foreign keys on, rebuilding a table would cascade.
    connection.pragma_update(None, "foreign_keys", false).map_err(|error| unusable(path, &error))?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|error| {
            match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => MigrateError::Locked(lock_timeout),
                _ => unusable(path, &error),
            }
        })?;
    let mut snapshot = None;
    let result = run_action(path, transaction, source, action, &mut snapshot);
    if result.is_err() {
        roll_back_on_disk(&connection);
    }
    if let (Err(_), Some(copy)) = (&result, &snapshot) {
        // Nothing has changed, so the copy is useless. If it cannot be deleted, it does no harm.
        let _ = fs::remove_file(copy);
    }
    let report = result?;
    let deleted = snapshot.as_ref().map_or_else(Vec::new, |_| snapshot::prune(path, &connection));
    Ok(Report { snapshot, deleted, ..report })
}

/// Makes SQLite restore the file after a failed run. If the disk is full or fails, a transaction ends without being
/// undone in the file: SQLite keeps the rollback journal and applies it at the next read, which is the query below.
/// Before that, the file is useless without its journal.
fn roll_back_on_disk(connection: &Connection) {
    if let Err(error) = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())) {
        tracing::warn!(%error, "the failed migration will be undone when the database is next opened");
    }
}

fn run_action(
    path: &Path,
    transaction: Transaction<'_>,
    source: &Source,
    action: &Action,
    snapshot: &mut Option<PathBuf>,
) -> Result<Report> {
    refuse_foreign(path, &transaction)?;
    let before = applied(&transaction).map_err(|error| unusable(path, &error))?;
    let steps: Vec<String> = match action {
        Action::Upgrade(target) => {
            let steps = plan::upgrade(source, &before, target)?;
            up(path, &transaction, &steps, &before, snapshot)?;
            steps.iter().map(|step| step.revision()).collect()
        }
        Action::Downgrade(target, loss_allowed) => {
            let steps = plan::downgrade(source, &before, target)?;
            rehearsal::refuse_wrong_declarations(path, source, &before, &steps)?;
            down(path, &transaction, &steps, &before, *loss_allowed, snapshot)?;
            steps.iter().map(|step| step.revision()).collect()
        }
        Action::Stamp(target) => {
            stamp(path, &transaction, plan::stamp(source, &before, target)?)?;
            Vec::new()
        }
    };
    if !steps.is_empty() {
        refuse_broken_references(path, &transaction)?;
    }
    let after = applied(&transaction).map_err(|error| unusable(path, &error))?;
    transaction.commit().map_err(|error| unusable(path, &error))?;
    Ok(Report { steps, from: revision_of(&before), to: revision_of(&after), snapshot: None, deleted: Vec::new() })
}

fn up(
    path: &Path,
    transaction: &Transaction<'_>,
    steps: &[&Migration],
    before: &[Applied],
    snapshot: &mut Option<PathBuf>,
) -> Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    if !before.is_empty() {
        *snapshot = Some(snapshot::create(path, before)?);
    }
    transaction.execute_batch(MIGRATIONS_TABLE).map_err(|error| unusable(path, &error))?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(|error| unusable(path, &error))?;
    for step in steps {
        execute(transaction, &step.up, before)?;
        record(transaction, step).map_err(|error| unusable(path, &error))?;
    }
    Ok(())
}

fn down(
    path: &Path,
    transaction: &Transaction<'_>,
    steps: &[&Migration],
    before: &[Applied],
    loss_allowed: bool,
    snapshot: &mut Option<PathBuf>,
) -> Result<()> {
    // All losses are counted before the first step, so that a refusal lists everything, and again before each step,
    // because a step may create the table that the next one drops.
    let all = Losses::from_counted(&count(path, transaction, steps)?);
    all.clone().refuse_unless(loss_allowed, DATA_LOSS_ADVICE)?;
    let mut tracker = SchemaTracker::new(transaction).map_err(|error| unusable(path, &error))?;
    let mut inventory = tracker.inventory(transaction).map_err(|error| unusable(path, &error))?;
    for step in steps {
        let losses = Losses::from_counted(&count(path, transaction, &[step])?);
        losses.clone().refuse_unless(loss_allowed, DATA_LOSS_ADVICE)?;
        if snapshot.is_none() && !(all.0.is_empty() && losses.0.is_empty()) {
            *snapshot = Some(snapshot::create(path, before)?);
        }
        inventory = execute_down(path, transaction, step, before, &mut tracker, &inventory)?;
        transaction
            .execute("DELETE FROM schema_migrations WHERE version = ?1", [step.version])
            .map_err(|error| unusable(path, &error))?;
    }
    Ok(())
}

fn stamp(path: &Path, transaction: &Transaction<'_>, migrations: &[Migration]) -> Result<()> {
    let replace_rows = || -> rusqlite::Result<bool> {
        let tables: u32 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 {
            return Ok(false);
        }
        transaction.execute_batch(MIGRATIONS_TABLE)?;
        transaction.execute("DELETE FROM schema_migrations", [])?;
        migrations.iter().try_for_each(|migration| record(transaction, migration))?;
        Ok(true)
    };
    if replace_rows().map_err(|error| unusable(path, &error))? {
        return Ok(());
    }
    Err(MigrateError::empty(&DatabaseUrl::Sqlite(path.to_owned())))
}

fn record(transaction: &Transaction<'_>, migration: &Migration) -> rusqlite::Result<()> {
    let row = params![migration.version, migration.name, migration.up.checksum, migration.down.checksum];
    transaction
        .execute(
            "INSERT INTO schema_migrations (version, name, up_checksum, down_checksum) VALUES (?1, ?2, ?3, ?4)",
            row,
        )
        .map(|_| ())
}

/// Runs a down file, and compares what it has destroyed with its declaration. Returns the new inventory.
fn execute_down(
    path: &Path,
    transaction: &Transaction<'_>,
    step: &Migration,
    before: &[Applied],
    tracker: &mut SchemaTracker,
    inventory: &Inventory,
) -> Result<Inventory> {
    execute_each(transaction, &step.down, before, |connection| tracker.observe(connection))?;
    let now = tracker.inventory(transaction).map_err(|error| unusable(path, &error))?;
    match DeclarationErrors::find(&step.loses, inventory, &now) {
        None => Ok(now),
        Some(wrong) => {
            let file = step.down.file.clone();
            Err(MigrateError::WrongDeclaration { file, reason: wrong.to_string(), at: revision_of(before) })
        }
    }
}

/// Runs a file in the transaction. After an error, dropping the transaction undoes all steps.
fn execute(transaction: &Transaction<'_>, script: &Script, before: &[Applied]) -> Result<()> {
    execute_each(transaction, script, before, |_| Ok(()))
}

/// Runs a file, and calls `after` after each statement.
fn execute_each(
    transaction: &Transaction<'_>,
    script: &Script,
    before: &[Applied],
    mut after: impl FnMut(&Connection) -> rusqlite::Result<()>,
) -> Result<()> {
    script.refuse_concurrent()?;
    let mut run = || {
        let mut statements = Batch::new(transaction, &script.sql);
        while let Some(mut statement) = statements.next()? {
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            drop(rows);
            // An open statement would lock a table that the next one may change.
            drop(statement);
            after(transaction)?;
        }
        Ok(())
    };
    run().map_err(|error: rusqlite::Error| {
        // For a syntax error, the driver's message contains the rest of the file. A line number replaces it.
        let (reason, line) = match &error {
            rusqlite::Error::SqlInputError { msg, sql: rest, offset, .. } => {
                let start = script.sql.len().checked_sub(rest.len()).filter(|_| script.sql.ends_with(rest.as_str()));
                let offset = usize::try_from(*offset).unwrap_or(0);
                (msg.clone(), start.map(|start| sql::line_at(&script.sql, start + offset)))
            }
            _ => (sentence(&error), None),
        };
        let rows = rows::duplicates(transaction, &error);
        MigrateError::Step { file: script.file.clone(), line, reason, at: revision_of(before), rows }
    })
}

/// The amount of data that the down files of `steps` destroy: rows of tables, values of columns.
fn count(path: &Path, connection: &Connection, steps: &[&Migration]) -> Result<Counted> {
    let losses = steps.iter().flat_map(|step| &step.loses);
    let counted = losses.map(|loss| Ok((loss.clone(), count_one(connection, loss)?)));
    counted.collect::<rusqlite::Result<_>>().map_err(|error| unusable(path, &error))
}

/// `None` if the table or column does not exist; 0 if it is computed from others.
fn count_one(connection: &Connection, loss: &Loss) -> rusqlite::Result<Option<u64>> {
    let Some(derived) = inventory::is_derived(connection, loss)? else { return Ok(None) };
    if derived {
        return Ok(Some(0));
    }
    let counted = loss.column.as_deref().map_or_else(|| "*".to_owned(), quoted);
    let count = format!("SELECT count({counted}) FROM {}", quoted(&loss.table));
    connection.query_row(&count, [], |row| row.get(0)).map(|count: i64| Some(count.unsigned_abs()))
}

fn refuse_broken_references(path: &Path, connection: &Connection) -> Result<()> {
    let broken: Option<(String, u64)> = connection
        .query_row(
            "SELECT \"table\", count(*) FROM pragma_foreign_key_check GROUP BY \"table\" ORDER BY \"table\" LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())),
        )
        .optional()
        .map_err(|error| unusable(path, &error))?;
    let Some((table, count)) = broken else { return Ok(()) };
    let rows = rows::orphans(connection, &table).map_err(|error| unusable(path, &error))?;
    Err(MigrateError::BrokenReferences { table, count, rows })
}

/// Accepts an empty file and a file that Sotto has created.
fn refuse_foreign(path: &Path, connection: &Connection) -> Result<()> {
    let read = || -> rusqlite::Result<(i64, Vec<String>)> {
        let id = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let mut tables =
            connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name LIMIT 3")?;
        let tables = tables.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok((id, tables))
    };
    match read().map_err(|error| unusable(path, &error))? {
        (APPLICATION_ID, _) => Ok(()),
        (0, tables) if tables.is_empty() => Ok(()),
        (0, _) if is_unmarked(connection).map_err(|error| unusable(path, &error))? => Err(MigrateError::Unmarked {
            path: path.to_owned(),
            remedy: format!(
                "sqlite3 '{}' 'PRAGMA application_id = {APPLICATION_ID}'",
                path.display().to_string().replace('\'', "'\\''")
            ),
        }),
        (_, tables) => Err(MigrateError::Foreign {
            database: DatabaseUrl::Sqlite(path.to_owned()).to_string(),
            tables: if tables.is_empty() { "none yet".into() } else { tables.join(", ") },
        }),
    }
}

/// Whether a file without Sotto's application id has the table `schema_migrations` of Sotto.
fn is_unmarked(connection: &Connection) -> rusqlite::Result<bool> {
    const HAS_CHECKSUMS: &str = "SELECT count(*) = 2 FROM pragma_table_info('schema_migrations')
        WHERE name IN ('up_checksum', 'down_checksum')";
    connection.query_row(HAS_CHECKSUMS, [], |row| row.get(0))
}

fn applied(connection: &Connection) -> rusqlite::Result<Vec<Applied>> {
    if !connection.table_exists(None, "schema_migrations")? {
        return Ok(Vec::new());
    }
    let mut rows = connection.prepare(
        "SELECT version, name, up_checksum, down_checksum, applied_at FROM schema_migrations ORDER BY version",
    )?;
    let rows = rows.query_map([], |row| {
        Ok(Applied {
            version: row.get(0)?,
            name: row.get(1)?,
            up_checksum: row.get(2)?,
            down_checksum: row.get(3)?,
            applied_at: Timestamp::from_micros(row.get(4)?).unwrap_or(Timestamp::MIN),
        })
    })?;
    rows.collect()
}

fn open(path: &Path, lock_timeout: Duration) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| unusable(path, &error))?;
    connection
        .busy_timeout(lock_timeout)
        // Overwrites deleted data with zeros, as the storage does.
        .and_then(|()| connection.pragma_update(None, "secure_delete", true))
        .map_err(|error| unusable(path, &error))?;
    Ok(connection)
}
