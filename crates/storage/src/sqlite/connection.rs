//! Opens and configures connections.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use sotto_domain::storage::{self, StorageError};
use sotto_files::create_private;

use super::error::storage_error;
use super::files::{refuse_stale_logs, share_mode};
use super::health::StatementTimer;

/// How long to wait for another process that writes to the same file, such as `sotto user create`.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// More than the number of different statements, so that each is prepared only once.
const CACHED_STATEMENTS: usize = 128;

/// Opens the one connection that writes. Creates the file if it does not exist.
pub fn writer(path: &Path, timer: &StatementTimer) -> storage::Result<Connection> {
    make_private(path)?;
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, timer)?;
    set_up_writer(&connection).map_err(|error| storage_error(&error))?;
    Ok(connection)
}

/// Opens a connection for reading.
pub fn reader(path: &Path, timer: &StatementTimer) -> storage::Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, timer)
}

fn open(path: &Path, access: OpenFlags, timer: &StatementTimer) -> storage::Result<Connection> {
    // Each connection stays on one thread, so it needs no mutex. A path is never interpreted as a URI.
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|mut connection| {
        set_up(&connection)?;
        timer.attach(&mut connection)?;
        Ok(connection)
    });
    opened.map_err(|error| match storage_error(&error) {
        StorageError::Unavailable(why) => StorageError::Unavailable(format!("{}: {why}", path.display())),
        other => other,
    })
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // The schema of a file from elsewhere can only declare tables, and a mistyped name in Sotto's SQL cannot become a
    // string literal.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A query plan is independent of the values. Without this, binding another value would prepare the statement again.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // In KiB. A memory map would gain little, count as memory, and turn a failing disk into a crash.
    connection.pragma_update(None, "cache_size", -16384)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // With FULL, a commit waits until the WAL is on the disk. Otherwise it would not survive a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Overwrites deleted content with zeros.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // In pages: 16 MiB. Each entry changes a leaf of every index, and a long log copies a frequently changed leaf into
    // the file once instead of each time. Quiet moments truncate the log long before this limit.
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    connection.pragma_update(None, "cache_size", -16384)
}

/// Creates a missing file that only its owner can read. SQLite gives the files next to it the same mode and owner.
fn make_private(path: &Path) -> storage::Result<()> {
    refuse_stale_logs(path).map_err(StorageError::Unavailable)?;
    share_mode(path);
    let created = create_private(path).map(drop);
    created.map_err(|error| StorageError::Unavailable(format!("{} cannot be opened: {error}", path.display())))
}
