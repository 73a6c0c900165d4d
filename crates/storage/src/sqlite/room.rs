//! Finds out whether there is space on the disk, by using some.

use std::io::Write;
use std::path::Path;

use rusqlite::Connection;
use sotto_domain::storage::{Result, StorageError};

/// The number of bytes to write. A change can need as many, because an entry's text can be that long.
const PROBE_BYTES: usize = 1 << 20;

/// Writes a page without changing anything. This detects a log that cannot grow, and a file that is at its limit.
pub fn commit_something(connection: &Connection) -> rusqlite::Result<()> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    connection.pragma_update(None, "user_version", version)
}

/// Writes a file without a name next to the database. The operating system deletes the file when this process ends.
pub fn fill_file(folder: &Path) -> Result<()> {
    // For a relative path without a folder.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let fill = || {
        let mut file = tempfile::tempfile_in(folder)?;
        file.write_all(&vec![0xa5; PROBE_BYTES])?;
        file.sync_all()
    };
    fill().map_err(|error: std::io::Error| StorageError::Full(error.to_string()))
}
