//! Writes to a draft beside the file, which takes the file's place when everything is in it. Until then nobody can start on
//! a part, and the place stays as it is.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value as Sql, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, TransactionBehavior, params, params_from_iter};
use tokio::runtime::Handle;

use super::{Plan, Target, refuse_used};
use crate::DatabaseUrl;
use crate::migrate::{Applied, Target as Goal};
use crate::transfer::draft::{draft_name, lock, place, sync_folder_of};
use crate::transfer::error::{Result, TransferError, file};
use crate::transfer::layout::{Layout, Table};
use crate::transfer::mark::{VERSION, is_mark};
use crate::transfer::snapshot::{Snapshot, snapshot};
use crate::transfer::value::{Row, Value};

/// A draft that is being written.
pub struct SqliteTarget {
    path: PathBuf,
    draft: PathBuf,
    connection: Connection,
    layout: Layout,
    runtime: Handle,
    /// Holds the draft for this process. It goes after the connection.
    lock: File,
}

impl SqliteTarget {
    pub fn open(path: &Path, plan: &Plan<'_>) -> Result<Self> {
        let draft = draft_name(path);
        let mut lock = lock(&draft, path)?;
        match prepare(path, &draft, &mut lock, plan) {
            Ok(connection) => {
                let (layout, runtime) = (plan.layout.clone(), plan.runtime.clone());
                Ok(Self { path: path.to_owned(), draft, connection, layout, runtime, lock })
            }
            Err(error) => {
                // What was refused leaves nothing; what somebody has begun stays.
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

    fn store(&mut self, table: &Table, rows: &[Row]) -> Result<()> {
        let places: Vec<_> = (1..=table.columns.len()).map(|place| format!("?{place}")).collect();
        let sql = format!("INSERT INTO \"{}\" ({}) VALUES ({})", table.name, table.column_list(), places.join(", "));
        let mut store = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut insert = transaction.prepare_cached(&sql)?;
                for row in rows {
                    insert.execute(params_from_iter(row))?;
                }
            }
            transaction.commit()
        };
        store().map_err(|error: rusqlite::Error| {
            let reason = format!("does not take rows of {}: {error}. {}", table.name, CONTINUE);
            TransferError::database(&self.url(), reason)
        })
    }

    fn snapshot(&mut self) -> Result<Box<dyn Snapshot>> {
        snapshot(&DatabaseUrl::Sqlite(self.draft.clone()), &self.layout, &self.runtime)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let unmark = self.connection.execute("DELETE FROM schema_migrations WHERE version = ?1", [VERSION]);
        unmark.map_err(|error| self.unwritable(&error))?;
        let Self { path, draft, connection, lock, .. } = *self;
        drop(connection);
        lock.sync_all().map_err(file(&path, "written"))?;
        if path.exists() {
            // It was without rows at the beginning, and nobody else may use it now.
            let guard = alone(&path)?;
            guard.execute_batch("BEGIN EXCLUSIVE").map_err(|error| unwritable(&path, &error))?;
            refuse_rows(&guard, &path)?;
            fs::rename(&draft, &path).map_err(file(&path, "written"))?;
        } else {
            place(&draft, &path)?;
        }
        sync_folder_of(&path)
    }
}

/// Makes the draft what rows can be written to, if it is not. `lock` holds it, before and after.
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
    // Without a mark there are no rows in it.
    remove(draft)?;
    *lock = self::lock(draft, path)?;
    let migrator = plan.migrations.migrator(&DatabaseUrl::Sqlite(draft.to_owned()))?;
    plan.runtime.block_on(migrator.upgrade(&Goal::Revision(plan.revision.to_owned())))?;
    let connection = open(draft).map_err(|error| unwritable(path, &error))?;
    let mark = params![VERSION, plan.mark.name(), plan.mark.identity, plan.mark.source];
    let sql = "INSERT INTO schema_migrations (version, name, up_checksum, down_checksum) VALUES (?1, ?2, ?3, ?4)";
    connection.execute(sql, mark).map_err(|error| unwritable(path, &error))?;
    Ok(connection)
}

/// What is being written to the draft.
fn begun(draft: &Path, plan: &Plan<'_>) -> Result<Option<Applied>> {
    let migrator = plan.migrations.migrator(&DatabaseUrl::Sqlite(draft.to_owned()))?;
    Ok(plan.runtime.block_on(migrator.current())?.filter(is_mark))
}

/// What to do after a failure in the middle.
const CONTINUE: &str = "What was stored so far is kept: run the same command again, and it continues there";

/// For a file that is about to be replaced: a connection that is the only one. A server that is running keeps the
/// file in the mode WAL, which only the last connection can leave.
fn alone(path: &Path) -> Result<Connection> {
    let connect = || {
        let connection = open(path)?;
        connection.busy_timeout(Duration::from_secs(1))?;
        connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
        Ok(connection)
    };
    connect().map_err(|error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => TransferError::Refused(format!(
            "{} is in use, by a running server or another command: stop that first",
            DatabaseUrl::Sqlite(path.to_owned())
        )),
        _ => unwritable(path, &error),
    })
}

/// Once more, now that nobody can add any.
fn refuse_rows(guard: &Connection, path: &Path) -> Result<()> {
    let schema = crate::schema::of_connection(guard).map_err(|error| unwritable(path, &error))?;
    for table in Layout::of(schema)?.tables {
        if last_key(guard, &table).map_err(|error| unwritable(path, &error))?.is_some() {
            let sentence = format!("somebody has written to {} meanwhile: it is left as it is", path.display());
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
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "cache_size", -16384)?;
    Ok(connection)
}

fn remove(draft: &Path) -> Result<()> {
    let mut journal = draft.as_os_str().to_owned();
    journal.push("-journal");
    for path in [Path::new(&journal), draft] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file(path, "removed")(error)),
            _ => {}
        }
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
