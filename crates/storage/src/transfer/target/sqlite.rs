//! Writes to a file draft, which replaces the database file when it is complete. Until then no server can start on a
//! part, and the old file is unchanged.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value as Sql, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, TransactionBehavior, params, params_from_iter};
use sotto_files::{Claim, FileError, draft_name, lock_draft, publish_draft, remove_if_there, sync_folder_of};
use tokio::runtime::Handle;

use super::indexes::{self, Index};
use super::{Plan, Target, in_use, refuse_used, search};
use crate::DatabaseUrl;
use crate::migrate::{Applied, Target as MigrationTarget};
use crate::sqlite::files::{beside, claim_without_server, clear_for_new, refuse_stale_logs};
use crate::transfer::error::{Result, TransferError, file};
use crate::transfer::layout::{Layout, Table};
use crate::transfer::snapshot::{Snapshot, snapshot};
use crate::transfer::unfinished::{VERSION, is_mark};
use crate::transfer::value::{Row, Value};

/// A draft that is being written.
pub struct SqliteTarget {
    path: PathBuf,
    draft: PathBuf,
    connection: Connection,
    /// The indexes that are created at the end.
    indexes: Vec<Index>,
    layout: Layout,
    runtime: Handle,
    /// Holds the draft for this process. Dropped after the connection.
    lock: File,
    /// Keeps servers away from the database's path.
    claim: Claim,
}

impl SqliteTarget {
    pub fn open(path: &Path, plan: &Plan<'_>) -> Result<Self> {
        refuse_stale_logs(path).map_err(TransferError::Refused)?;
        let claim = claim_without_server(path).map_err(|error| match error {
            FileError::Held { holder, .. } => in_use(&DatabaseUrl::Sqlite(path.to_owned()), &holder),
            other => other.into(),
        })?;
        let draft = draft_name(path);
        let mut lock = lock_draft(&draft, path)?;
        let prepared = prepare(path, &draft, &mut lock, plan).and_then(|mut connection| {
            let schema = plan.migrations.in_memory(plan.revision)?;
            let postponed = || {
                let indexes = indexes::deferrable(&schema)?;
                indexes::postpone(&mut connection, &indexes)?;
                search::postpone(&connection)?;
                rusqlite::Result::Ok((connection, indexes))
            };
            postponed().map_err(|error| unwritable(path, &error))
        });
        match prepared {
            Ok((connection, indexes)) => {
                let (layout, runtime) = (plan.layout.clone(), plan.runtime.clone());
                Ok(Self { path: path.to_owned(), draft, connection, indexes, layout, runtime, lock, claim })
            }
            Err(error) => {
                // A refused run leaves nothing; the unfinished part of an earlier run is kept.
                if !matches!(begun(&draft, plan), Ok(Some(_))) {
                    remove(&draft)?;
                }
                Err(error)
            }
        }
    }

    fn url(&self) -> DatabaseUrl {
        DatabaseUrl::Sqlite(self.path.clone())
    }

    fn unwritable(&self, error: &rusqlite::Error) -> TransferError {
        unwritable(&self.path, error)
    }
}

impl Target for SqliteTarget {
    fn last_key(&mut self, table: &Table) -> Result<Option<Row>> {
        last_key(&self.connection, table).map_err(|error| self.unwritable(&error))
    }

    fn store(&mut self, table: &Table, rows: Vec<Row>) -> Result<()> {
        let places: Vec<_> = (1..=table.columns.len()).map(|place| format!("?{place}")).collect();
        let sql = format!("INSERT INTO \"{}\" ({}) VALUES ({})", table.name, table.column_list(), places.join(", "));
        let mut store = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut insert = transaction.prepare_cached(&sql)?;
                for row in &rows {
                    insert.execute(params_from_iter(row))?;
                }
            }
            transaction.commit()
        };
        store().map_err(|error: rusqlite::Error| {
            let reason = format!("cannot store rows of {}: {error}. {}", table.name, CONTINUE);
            TransferError::database(&self.url(), reason)
        })
    }

    fn snapshot(&mut self) -> Result<Box<dyn Snapshot>> {
        snapshot(&DatabaseUrl::Sqlite(self.draft.clone()), &self.layout, &self.runtime)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let filled = search::fill(&mut self.connection);
        let indexed = filled.and_then(|()| indexes::create_missing(&mut self.connection, &self.indexes));
        indexed.map_err(|error| self.unwritable(&error))?;
        refuse_damage(&self.connection, &self.path)?;
        let unmark = self.connection.execute("DELETE FROM schema_migrations WHERE version = ?1", [VERSION]);
        unmark.map_err(|error| self.unwritable(&error))?;
        let Self { path, draft, connection, lock, claim, .. } = *self;
        drop(connection);
        lock.sync_all().map_err(file(&path, "written"))?;
        if path.exists() {
            // It had no rows at the start; now no other process may use it.
            let guard = alone(&path)?;
            guard.execute_batch("BEGIN EXCLUSIVE").map_err(|error| unwritable(&path, &error))?;
            refuse_rows(&guard, &path)?;
            fs::rename(&draft, &path).map_err(file(&path, "written"))?;
        } else {
            clear_for_new(&path).map_err(TransferError::Refused)?;
            publish_draft(&draft, &path)?;
        }
        sync_folder_of(&path)?;
        drop(claim);
        Ok(())
    }
}

/// Prepares the draft for rows, unless a part of the same run is in it. `lock` holds the draft before and after.
fn prepare(path: &Path, draft: &Path, lock: &mut File, plan: &Plan<'_>) -> Result<Connection> {
    let url = DatabaseUrl::Sqlite(path.to_owned());
    refuse_used(&url, plan)?;
    if path.exists() {
        drop(alone(path)?);
    }
    if let Some(mark) = begun(draft, plan)?
        && !plan.restart
    {
        plan.mark.refuse_other(&url, &mark)?;
        return open(draft).map_err(|error| unwritable(path, &error));
    }
    // A draft without a mark contains no rows.
    remove(draft)?;
    *lock = lock_draft(draft, path)?;
    let migrator = plan.migrations.migrator(&DatabaseUrl::Sqlite(draft.to_owned()))?;
    plan.runtime.block_on(migrator.upgrade(&MigrationTarget::Revision(plan.revision.to_owned())))?;
    let connection = open(draft).map_err(|error| unwritable(path, &error))?;
    let mark = params![VERSION, plan.mark.name(), plan.mark.identity, plan.mark.source];
    let sql = "INSERT INTO schema_migrations (version, name, up_checksum, down_checksum) VALUES (?1, ?2, ?3, ?4)";
    connection.execute(sql, mark).map_err(|error| unwritable(path, &error))?;
    Ok(connection)
}

/// The mark of the unfinished run in the draft.
fn begun(draft: &Path, plan: &Plan<'_>) -> Result<Option<Applied>> {
    let migrator = plan.migrations.migrator(&DatabaseUrl::Sqlite(draft.to_owned()))?;
    Ok(plan.runtime.block_on(migrator.current())?.filter(is_mark))
}

/// Advice after a failure in the middle.
const CONTINUE: &str = "The rows stored so far are kept: run the same command again to continue";

/// Opens the only connection to a file that is about to be replaced. A running server keeps the file in WAL mode, which
/// only the last connection can leave.
fn alone(path: &Path) -> Result<Connection> {
    let connect = || {
        let connection = open(path)?;
        connection.busy_timeout(Duration::from_secs(1))?;
        connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
        Ok(connection)
    };
    connect().map_err(|error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => TransferError::Refused(format!(
            "{} is in use by a running server or another command: stop it first",
            DatabaseUrl::Sqlite(path.to_owned())
        )),
        _ => unwritable(path, &error),
    })
}

/// Checks the pages, the indexes and the references of the draft.
fn refuse_damage(connection: &Connection, path: &Path) -> Result<()> {
    let check = || {
        let pages: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        let orphans: i64 =
            connection.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
        rusqlite::Result::Ok((pages, orphans))
    };
    let reason = match check().map_err(|error| unwritable(path, &error))? {
        (pages, 0) if pages == "ok" => return Ok(()),
        (pages, 0) => pages,
        (_, orphans) => format!("{orphans} rows refer to rows that are missing"),
    };
    Err(TransferError::Unequal(format!(
        "the database written for {} is damaged: {reason}. Check the disk, and start again with --restart",
        path.display()
    )))
}

/// Checks again for rows, now that no other process can add any.
fn refuse_rows(guard: &Connection, path: &Path) -> Result<()> {
    let schema = crate::schema::read_connection(guard).map_err(|error| unwritable(path, &error))?;
    for table in Layout::from_schema(schema)?.tables {
        if last_key(guard, &table).map_err(|error| unwritable(path, &error))?.is_some() {
            let sentence =
                format!("another program has written to {} in the meantime: it was not replaced", path.display());
            return Err(TransferError::Refused(sentence));
        }
    }
    Ok(())
}

fn last_key(connection: &Connection, table: &Table) -> rusqlite::Result<Option<Row>> {
    let key = table.key_order("", "");
    let sql = format!("SELECT {key} FROM \"{}\" ORDER BY {} LIMIT 1", table.name, table.key_order("", " DESC"));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let places = table.key_places();
    let key = places.iter().enumerate().map(|(at, place)| {
        let value = row.get_ref(at)?;
        let kind = table.columns[*place].kind;
        crate::transfer::snapshot::sqlite_value(value, kind).ok_or(rusqlite::Error::InvalidQuery)
    });
    key.collect::<rusqlite::Result<_>>().map(Some)
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    // All references are checked together at the end, which takes a fraction of the time.
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "cache_size", -16384)?;
    Ok(connection)
}

fn remove(draft: &Path) -> Result<()> {
    for end in ["-journal", "-wal", "-shm", ""] {
        remove_if_there(&beside(draft, end))?;
    }
    Ok(())
}

fn unwritable(path: &Path, error: &rusqlite::Error) -> TransferError {
    TransferError::database(&DatabaseUrl::Sqlite(path.to_owned()), format!("cannot be written: {error}"))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Sql::Null),
            Self::Uuid(uuid) => ToSqlOutput::Borrowed(ValueRef::Blob(uuid.as_bytes())),
            Self::Text(text) | Self::Day(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Integer(number) => ToSqlOutput::Owned(Sql::Integer(*number)),
            Self::Boolean(truth) => ToSqlOutput::Owned(Sql::Integer((*truth).into())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}
