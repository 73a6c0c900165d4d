//! Connections, and how each is set up.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use sotto_domain::storage::{self, StorageError};

use super::error::storage_error;
use super::health::Watch;

/// How long to wait for another process that writes to the same file, such as `sotto user create`.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// More than there are statements, so that each is prepared once.
const CACHED_STATEMENTS: usize = 128;

/// The one connection that writes. Makes the file if it is missing.
pub fn writer(path: &Path, watch: &Watch) -> storage::Result<Connection> {
    make_private(path)?;
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, watch)?;
    set_up_writer(&connection).map_err(|error| storage_error(&error))?;
    Ok(connection)
}

/// A connection that reads.
pub fn reader(path: &Path, watch: &Watch) -> storage::Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, watch)
}

fn open(path: &Path, access: OpenFlags, watch: &Watch) -> storage::Result<Connection> {
    // A connection stays on its thread, so it needs no mutex; and a path is a path, never a URI.
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|mut connection| {
        set_up(&connection)?;
        watch.attach(&mut connection)?;
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
    // A file from somewhere else cannot make its schema do more than declare tables, and a slip in our
    // SQL cannot become a string literal.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A plan holds for all values. Without this, binding another value to a prepared statement prepares it anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // In KiB, and no memory map beside it: that gains little, counts as memory, and makes a failing disk a crash.
    connection.pragma_update(None, "cache_size", -16384)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: the commit waits until the WAL is on the disk, or it would not survive a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // What is deleted is overwritten with zeros.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // In pages: 16 MiB. Each entry touches a leaf of every index, and one that is touched often is then copied into the
    // file once instead of each time; quiet moments cut the log off long before.
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    connection.pragma_update(None, "cache_size", -16384)
}

/// Makes a missing file readable to its owner only; SQLite gives the files beside it the same mode.
fn make_private(path: &Path) -> storage::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(StorageError::Unavailable(format!("{} cannot be opened: {error}", path.display()))),
    }
}
