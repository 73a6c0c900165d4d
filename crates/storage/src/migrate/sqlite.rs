//! Runs migrations on a SQLite file: all steps of a run in one transaction.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use sotto_domain::Timestamp;

use super::error::{Counted, Losses, MigrateError, Result};
use super::plan::{self, Applied, at};
use super::source::{Loss, Migration, Script, Source};
use super::{Order, Report, sql};
use crate::DatabaseUrl;

pub(super) mod rehearsal;
pub(super) mod script;

/// Marks a file as Sotto's (`Sott` in ASCII). See <https://www.sqlite.org/pragma.html#pragma_application_id>.
const APPLICATION_ID: i64 = 0x536F_7474;
/// How long a reader waits for a writer that is just about to commit.
const READ_PATIENCE: Duration = Duration::from_secs(10);
/// To somebody whose downgrade was refused.
const ADVICE: &str = "If that is meant, add --allow-data-loss: a copy of the database is kept beside it";
pub(crate) const BOOKKEEPING: &str = "
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version       INTEGER NOT NULL,
        name          TEXT    NOT NULL,
        up_checksum   TEXT    NOT NULL,
        down_checksum TEXT    NOT NULL,
        applied_at    INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
        CONSTRAINT pk_schema_migrations PRIMARY KEY (version)
    ) STRICT;";

/// The revisions that the file has been brought to, oldest first. A file that is missing has none, and is not made.
pub(super) fn read(path: &Path) -> Result<Vec<Applied>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let connection = open(path, READ_PATIENCE)?;
    refuse_foreign(path, &connection)?;
    applied(&connection).map_err(|error| unusable(path, &error))
}

/// Carries out `order`. The write lock is held from the first look to the commit, so of several runs at once each
/// sees what the one before it has done; the snapshot is what the steps start from.
pub(super) fn run(path: &Path, source: &Source, order: &Order, patience: Duration) -> Result<Report> {
    if matches!(order, Order::Upgrade(_)) {
        create(path).map_err(|error| unusable(path, &error))?;
    } else if !path.exists() && matches!(order, Order::Stamp(_)) {
        return Err(MigrateError::NothingToStamp);
    }
    let mut connection = open(path, patience)?;
    // Not possible inside of a transaction, and without it a table that is rebuilt would cascade.
    connection.pragma_update(None, "foreign_keys", false).map_err(|error| unusable(path, &error))?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|error| {
            match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => MigrateError::Locked(patience),
                _ => unusable(path, &error),
            }
        })?;
    let mut snapshot = None;
    let done = carry_out(path, transaction, source, order, &mut snapshot);
    if let (Err(_), Some(copy)) = (&done, &snapshot) {
        // Nothing has changed, so the copy is of no use; if it cannot be removed, it does no harm either.
        let _ = fs::remove_file(copy);
    }
    done.map(|report| Report { snapshot, ..report })
}

fn carry_out(
    path: &Path,
    transaction: Transaction<'_>,
    source: &Source,
    order: &Order,
    snapshot: &mut Option<PathBuf>,
) -> Result<Report> {
    refuse_foreign(path, &transaction)?;
    let before = applied(&transaction).map_err(|error| unusable(path, &error))?;
    let steps: Vec<String> = match order {
        Order::Upgrade(target) => {
            let steps = plan::upgrade(source, &before, target)?;
            up(path, &transaction, &steps, &before, snapshot)?;
            steps.iter().map(|step| step.revision()).collect()
        }
        Order::Downgrade(target, allowed) => {
            let steps = plan::downgrade(source, &before, target)?;
            down(path, &transaction, &steps, &before, *allowed, snapshot)?;
            steps.iter().map(|step| step.revision()).collect()
        }
        Order::Stamp(target) => {
            stamp(path, &transaction, plan::stamp(source, &before, target)?)?;
            Vec::new()
        }
    };
    if !steps.is_empty() {
        refuse_broken_references(path, &transaction)?;
    }
    let after = applied(&transaction).map_err(|error| unusable(path, &error))?;
    transaction.commit().map_err(|error| unusable(path, &error))?;
    Ok(Report { steps, from: at(&before), to: at(&after), snapshot: None })
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
        *snapshot = Some(self::snapshot(path, before)?);
    }
    transaction.execute_batch(BOOKKEEPING).map_err(|error| unusable(path, &error))?;
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
    allowed: bool,
    snapshot: &mut Option<PathBuf>,
) -> Result<()> {
    // All of it is counted before the first step, so that a refusal lists everything, and again before each step,
    // because one may have made the table that the next one drops.
    let all = Losses::of(&count(path, transaction, steps)?);
    all.clone().refuse_unless(allowed, ADVICE)?;
    for step in steps {
        let losses = Losses::of(&count(path, transaction, &[step])?);
        losses.clone().refuse_unless(allowed, ADVICE)?;
        if snapshot.is_none() && !(all.0.is_empty() && losses.0.is_empty()) {
            *snapshot = Some(self::snapshot(path, before)?);
        }
        execute(transaction, &step.down, before)?;
        transaction
            .execute("DELETE FROM schema_migrations WHERE version = ?1", [step.version])
            .map_err(|error| unusable(path, &error))?;
    }
    Ok(())
}

fn stamp(path: &Path, transaction: &Transaction<'_>, migrations: &[Migration]) -> Result<()> {
    let work = || -> rusqlite::Result<bool> {
        let tables: u32 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 {
            return Ok(false);
        }
        transaction.execute_batch(BOOKKEEPING)?;
        transaction.execute("DELETE FROM schema_migrations", [])?;
        migrations.iter().try_for_each(|migration| record(transaction, migration))?;
        Ok(true)
    };
    if work().map_err(|error| unusable(path, &error))? { Ok(()) } else { Err(MigrateError::NothingToStamp) }
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

/// Runs a file inside of the transaction; an error undoes all steps when the transaction is dropped.
fn execute(transaction: &Transaction<'_>, script: &Script, before: &[Applied]) -> Result<()> {
    script.refuse_concurrent()?;
    transaction.execute_batch(&script.sql).map_err(|error| {
        // For SQL that it cannot compile, the driver repeats the rest of the file; its line says as much.
        let (reason, line) = match &error {
            rusqlite::Error::SqlInputError { msg, sql: rest, offset, .. } => {
                let start = script.sql.len().checked_sub(rest.len()).filter(|_| script.sql.ends_with(rest.as_str()));
                let offset = usize::try_from(*offset).unwrap_or(0);
                (msg.clone(), start.map(|start| sql::line_at(&script.sql, start + offset)))
            }
            _ => (sentence(&error), None),
        };
        MigrateError::Step { file: script.file.clone(), line, reason, at: at(before) }
    })
}

/// How much there is of what the down files of `steps` destroy: rows of tables, values of columns.
fn count(path: &Path, connection: &Connection, steps: &[&Migration]) -> Result<Counted> {
    let losses = steps.iter().flat_map(|step| &step.loses);
    let counted = losses.map(|loss| Ok((loss.clone(), count_one(connection, loss)?)));
    counted.collect::<rusqlite::Result<_>>().map_err(|error| unusable(path, &error))
}

fn count_one(connection: &Connection, loss: &Loss) -> rusqlite::Result<Option<u64>> {
    let column = loss.column.as_deref();
    let exists: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?1) WHERE ?2 IS NULL OR name = ?2)",
        params![loss.table, column],
        |row| row.get(0),
    )?;
    if !exists {
        return Ok(None);
    }
    let what = column.map_or_else(|| "*".to_owned(), |column| format!("\"{column}\""));
    let count = format!("SELECT count({what}) FROM \"{}\"", loss.table);
    connection.query_row(&count, [], |row| row.get(0)).map(|count: i64| Some(count.unsigned_abs()))
}

fn refuse_broken_references(path: &Path, connection: &Connection) -> Result<()> {
    let broken = connection
        .query_row(
            "SELECT \"table\", count(*) FROM pragma_foreign_key_check GROUP BY \"table\" ORDER BY \"table\" LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())),
        )
        .optional()
        .map_err(|error| unusable(path, &error))?;
    broken.map_or(Ok(()), |(table, rows)| Err(MigrateError::BrokenReferences { table, rows }))
}

/// Accepts a file without content and a file of Sotto's.
fn refuse_foreign(path: &Path, connection: &Connection) -> Result<()> {
    let look = || -> rusqlite::Result<(i64, Vec<String>)> {
        let id = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let mut tables =
            connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name LIMIT 3")?;
        let tables = tables.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok((id, tables))
    };
    match look().map_err(|error| unusable(path, &error))? {
        (APPLICATION_ID, _) => Ok(()),
        (0, tables) if tables.is_empty() => Ok(()),
        (_, tables) => Err(MigrateError::Foreign {
            database: DatabaseUrl::Sqlite(path.to_owned()).to_string(),
            tables: if tables.is_empty() { "none yet".into() } else { tables.join(", ") },
        }),
    }
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

/// Copies the database as it is to a new file beside it, durably. The write lock is held by the caller's connection;
/// reading on another one is possible all the same.
fn snapshot(path: &Path, before: &[Applied]) -> Result<PathBuf> {
    let failed = |target: &Path, reason: String| MigrateError::Snapshot { path: target.to_owned(), reason };
    let connection = open(path, READ_PATIENCE)?;
    let stamp: String = connection
        .query_row("SELECT strftime('%Y%m%dT%H%M%SZ', 'now')", [], |row| row.get(0))
        .map_err(|error| unusable(path, &error))?;
    let version = before.last().map_or(0, |row| row.version);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut number = 1_u32;
    let target = loop {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let target = path.with_file_name(format!("{stem}-at-{version:04}-{stamp}{suffix}.db"));
        match create_private(&target) {
            Ok(()) => break target,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(failed(&target, error.to_string())),
        }
    };
    // VACUUM INTO accepts an empty file, and does not wait for the disk.
    let copied = connection
        .execute("VACUUM INTO ?1", [target.to_string_lossy()])
        .map_err(|error| sentence(&error))
        .and_then(|_| sync(&target).map_err(|error| error.to_string()));
    if let Err(reason) = copied {
        let left = fs::remove_file(&target).err().map(|error| format!(" (and it cannot be removed: {error})"));
        return Err(failed(&target, reason + &left.unwrap_or_default()));
    }
    Ok(target)
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    // On Unix, a new name is durable once its folder is.
    #[cfg(unix)]
    File::open(folder_of(path))?.sync_all()?;
    Ok(())
}

#[cfg(unix)]
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the file if it is missing. SQLite gives the files beside it the same permissions.
fn create(path: &Path) -> io::Result<()> {
    match create_private(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// A new file that only its owner can read: it is a diary.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}

fn open(path: &Path, patience: Duration) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| unusable(path, &error))?;
    connection
        .busy_timeout(patience)
        // What a step deletes is overwritten with zeros, as it is by the engine.
        .and_then(|()| connection.pragma_update(None, "secure_delete", true))
        .map_err(|error| unusable(path, &error))?;
    Ok(connection)
}

fn unusable(path: &Path, error: &(impl std::error::Error + 'static)) -> MigrateError {
    let error: &(dyn std::error::Error + 'static) = error;
    let reason = error.downcast_ref().map_or_else(|| error.to_string(), sentence);
    MigrateError::Database { database: DatabaseUrl::Sqlite(path.to_owned()).to_string(), reason }
}

/// What SQLite says, and what helps where that is known.
fn sentence(error: &rusqlite::Error) -> String {
    let help = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ": make room, then try again",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            ": this process must be able to write to the file and to its folder"
        }
        Some(ErrorCode::SystemIoFailure) => ": the disk may be full, over its quota, or failing",
        _ => "",
    };
    format!("{error}{help}")
}
