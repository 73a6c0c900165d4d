//! Notes every statement that runs on a file, for tests about plans.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

/// Of each file that is asked for, the statements since it was last asked.
static SEEN: Mutex<BTreeMap<PathBuf, Vec<String>>> = Mutex::new(BTreeMap::new());

/// What was seen on a file since the last time; nothing the first time.
pub fn take(file: &Path) -> Vec<String> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned(), Vec::new()).unwrap_or_default()
}

/// Watches a connection to a file from now on.
pub fn watched(mut connection: Connection, file: &Path) -> rusqlite::Result<Connection> {
    let file = file.to_owned();
    let note = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, sql) = event
            && let Some(seen) = SEEN.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&file)
        {
            seen.push(sql.to_owned());
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note))?;
    Ok(connection)
}
