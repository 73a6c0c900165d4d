//! The files next to a SQLite database, and stray files that look like them.
//!
//! SQLite treats `NAME-wal` and `NAME-journal` as the database's own, regardless of their content. Next to a database
//! that they do not belong to, they damage it. Next to a missing database, SQLite deletes them, and they may hold the
//! only copy of the last changes. See <https://www.sqlite.org/howtocorrupt.html>, section 1.4.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use sotto_files::{Claim, FileError, remove_if_there};

/// The endings of the write-ahead log and the rollback journal.
const LOG_ENDINGS: [&str; 2] = ["-wal", "-journal"];

/// How long to wait for a process that is about to end.
const PROCESS_EXIT_TIMEOUT: Duration = Duration::from_secs(3);

/// Rejects logs next to `path` that do not belong to the database there. The error is a sentence.
///
/// The check looks up three names. A process makes it at least before its first connection to a file.
pub fn refuse_stale_logs(path: &Path) -> Result<(), String> {
    let path = &resolved(path);
    let without_log = keeps_no_log(path);
    let length = fs::metadata(path).map(|metadata| metadata.len()).ok();
    for log in LOG_ENDINGS.map(|end| beside(path, end)) {
        let holds_something = fs::metadata(&log).is_ok_and(|metadata| metadata.len() > 0);
        // While a database is being created, its rollback journal is next to an empty file.
        let is_log = log.to_string_lossy().ends_with("-wal");
        let alone = length.is_none() || (length == Some(0) && is_log);
        if holds_something && alone {
            return Err(format!(
                "{} is {}, but {} is there: the last changes may be in it alone, and a new database would destroy it. \
                 If the database was moved or deleted, put it back first. If not, move {} away, and try again",
                path.display(),
                if length.is_none() { "missing" } else { "empty" },
                log.display(),
                log.display()
            ));
        }
        if holds_something && is_log && without_log {
            return Err(format!(
                "{} keeps no write-ahead log, so {} is another database's: {} was put in the place of another one. SQLite \
                 would damage the database with that log. Move the log and {} away, and try again",
                path.display(),
                log.display(),
                path.display(),
                beside(path, "-shm").display()
            ));
        }
    }
    Ok(())
}

/// Gives the files next to a database its mode. SQLite creates them with the database's mode, so files from a time in
/// which the database was read-only would stay read-only and prevent writing later.
///
/// A failure is ignored here, because SQLite reports it.
pub fn share_mode(path: &Path) {
    let path = &resolved(path);
    let Ok(mode) = fs::metadata(path).map(|metadata| metadata.permissions()) else { return };
    for file in ["-wal", "-shm"].map(|end| beside(path, end)) {
        if fs::metadata(&file).is_ok_and(|metadata| metadata.permissions() != mode) {
            let _ = fs::set_permissions(&file, mode.clone());
        }
    }
}

/// Prepares `path` for a new database: rejects logs that are not empty, and deletes empty ones.
pub fn clear_for_new(path: &Path) -> Result<(), String> {
    refuse_stale_logs(path)?;
    let path = &resolved(path);
    for end in ["-shm", "-wal", "-journal"] {
        remove_if_there(&beside(path, end)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Claims the file for a server, until the claim is dropped.
///
/// # Errors
/// [`FileError::Held`] if a server, or a command that must run without a server, holds the claim.
pub fn claim_for_server(path: &Path) -> Result<Claim, FileError> {
    Claim::alone(&lock_file(path), "`sotto serve`", PROCESS_EXIT_TIMEOUT)
}

/// Claims the file for a command that must run without a server. Several commands can share the claim, because SQLite's
/// own locks coordinate them.
///
/// # Errors
/// [`FileError::Held`] if a server holds the claim.
pub fn claim_without_server(path: &Path) -> Result<Claim, FileError> {
    Claim::shared(&lock_file(path), PROCESS_EXIT_TIMEOUT)
}

/// The path of a database with this ending added.
pub fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The claim does not lock the database file itself, because a restore replaces that file and SQLite has its own locks
/// on it.
fn lock_file(path: &Path) -> PathBuf {
    let path = resolved(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.lock"))
}

/// SQLite follows symbolic links, and keeps its files next to the target.
fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Whether the header says that the database is not in WAL mode (<https://www.sqlite.org/fileformat.html>, bytes 18 and
/// 19). SQLite writes the header before it creates the log, and deletes the log before it restores the header.
///
/// Only the first call for a file reads it: when a process closes any descriptor of a file, POSIX drops all locks of
/// the process on that file, including those of SQLite's connections.
fn keeps_no_log(path: &Path) -> bool {
    static SEEN: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if !seen.insert(path.to_owned()) {
        return false;
    }
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header.starts_with(b"SQLite format 3\0") && header[18..] == [1, 1]
}
