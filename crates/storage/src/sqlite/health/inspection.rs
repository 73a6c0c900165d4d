//! Inspections of a SQLite file, which read all of it: the sizes of tables and indexes, and integrity. They use a
//! separate connection, and are rare for large files and for files that have not changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, InterruptHandle, OpenFlags};
use sotto_domain::Timestamp;
use sotto_domain::storage::{self, StorageError};

use crate::integrity::SearchIndexFaults;
use crate::sqlite::connection::BUSY_TIMEOUT;
use crate::sqlite::error::storage_error;
use crate::sqlite::values::count;
use crate::statements::mark;

/// The seconds between two inspections of a changed file, for each [`BYTES_PER_HOUR`] of its size.
const HOUR: i64 = 3600;
/// 256 MiB, which a slow disk reads in a few seconds.
const BYTES_PER_HOUR: u64 = 256 << 20;
/// A file that has not changed is inspected once a day as well, because disks lose data. No file is inspected less
/// often.
const DAY: i64 = 24 * HOUR;
/// How long a snapshot waits for a new inspection. The inspection continues after that.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most faults that are listed.
const MAX_FAULTS: u32 = 10;

/// <https://www.sqlite.org/dbstat.html>
const SIZES: &str = concat!(mark!(), "SELECT name, pgsize, unused FROM dbstat WHERE aggregate = TRUE");
/// `data_version` changes when another connection commits.
const VERSIONS: &str = concat!(
    mark!(),
    "SELECT data_version, schema_version, page_count * page_size
     FROM pragma_data_version, pragma_schema_version, pragma_page_count, pragma_page_size"
);
const QUICK_CHECK: &str =
    concat!(mark!(), "SELECT quick_check FROM pragma_quick_check WHERE quick_check <> 'ok' LIMIT ?1");
const FOREIGN_KEY_CHECK: &str = concat!(
    mark!(),
    "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY \"table\", parent LIMIT ?1"
);
const HAS_SEARCH: &str = concat!(
    mark!(),
    "SELECT count(*) = 3 FROM sqlite_schema
     WHERE name IN ('journal_entries', 'journal_entries_fts', 'search_documents')"
);

/// Inspects the file when an inspection is due.
pub struct Inspector {
    worker: Arc<tokio::sync::Mutex<Worker>>,
    shared: Arc<Shared>,
}

/// Inspects the file on a separate connection.
struct Worker {
    path: PathBuf,
    connection: Option<Connection>,
    closed: bool,
    shared: Arc<Shared>,
}

/// The state that is accessible during an inspection.
#[derive(Default)]
struct Shared {
    last: Mutex<Option<Arc<Inspection>>>,
    interrupt: Mutex<Option<InterruptHandle>>,
}

/// The result of an inspection.
#[derive(Clone, Default)]
pub struct Inspection {
    /// When the inspection was made.
    pub at: Option<Timestamp>,
    versions: Versions,
    sizes: HashMap<String, Size>,
    /// The damage that was found, a sentence each.
    pub damage: Vec<String>,
    /// The parts that were left out, a sentence each.
    pub notes: Vec<String>,
}

/// The versions that show whether the file has changed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Versions {
    data: i64,
    schema: i64,
    bytes: u64,
}

/// The size of a table or an index in bytes.
#[derive(Clone, Copy, Default)]
pub struct Size {
    /// All pages.
    pub bytes: u64,
    /// The unused space in these pages.
    pub unused: u64,
}

impl Inspector {
    pub fn new(path: &Path) -> Self {
        let shared = Arc::new(Shared::default());
        let worker = Worker { path: path.to_owned(), connection: None, closed: false, shared: shared.clone() };
        Self { worker: Arc::new(tokio::sync::Mutex::new(worker)), shared }
    }

    /// Returns the last inspection while it is recent enough, or a new one. If the new one takes long, returns the last
    /// one with a note.
    pub async fn current(&self, now: Timestamp) -> storage::Result<Arc<Inspection>> {
        let worker = self.worker.clone();
        let renewed = async move {
            let mut worker = worker.lock_owned().await;
            tokio::task::spawn_blocking(move || worker.renew(now)).await
        };
        match tokio::time::timeout(SNAPSHOT_TIMEOUT, renewed).await {
            Ok(Ok(inspection)) => inspection.map_err(|error| storage_error(&error)),
            Ok(Err(stopped)) => Err(StorageError::Other(Box::new(stopped))),
            Err(_) => {
                let last = self.shared.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let mut last = last.as_deref().cloned().unwrap_or_default();
                last.notes
                    .push("The file is being inspected; the sizes of its tables are those of the time before.".into());
                Ok(Arc::new(last))
            }
        }
    }

    /// Interrupts a running inspection and closes its connection.
    pub async fn close(&self) {
        if let Some(interrupt) = &*self.shared.interrupt.lock().unwrap_or_else(PoisonError::into_inner) {
            interrupt.interrupt();
        }
        let mut worker = self.worker.lock().await;
        worker.closed = true;
        worker.connection = None;
    }
}

impl Worker {
    fn renew(&mut self, now: Timestamp) -> rusqlite::Result<Arc<Inspection>> {
        let shared = self.shared.clone();
        let last = shared.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let connection = self.connection()?;
        let versions = connection.query_row(VERSIONS, [], |row| {
            Ok(Versions { data: row.get(0)?, schema: row.get(1)?, bytes: count(row, 2)? })
        })?;
        if let Some(last) = last.filter(|last| !last.is_due(versions, now)) {
            return Ok(last);
        }
        let inspection = Arc::new(Inspection::new(connection, versions, now)?);
        // The whole file has passed through the page cache, which would otherwise stay that large.
        connection.execute_batch("PRAGMA shrink_memory")?;
        *shared.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(inspection.clone());
        Ok(inspection)
    }

    /// The connection stays open, because `data_version` is comparable only within one connection.
    fn connection(&mut self) -> rusqlite::Result<&Connection> {
        if self.closed {
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
                Some("it was closed".into()),
            ));
        }
        let connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "temp_store", "MEMORY")?;
            let interrupt = connection.get_interrupt_handle();
            *self.shared.interrupt.lock().unwrap_or_else(PoisonError::into_inner) = Some(interrupt);
            connection
        };
        Ok(self.connection.insert(connection))
    }
}

impl Inspection {
    /// The size of a table or an index; zero if unknown.
    pub fn size(&self, name: &str) -> Size {
        self.sizes.get(name).copied().unwrap_or_default()
    }

    /// Whether a new inspection is due: for a changed file after one hour per 256 MiB, for every file after a day. A
    /// clock that was set back does not postpone it.
    fn is_due(&self, versions: Versions, now: Timestamp) -> bool {
        let hours = versions.bytes.div_ceil(BYTES_PER_HOUR).clamp(1, 24);
        let wait = if versions == self.versions { DAY } else { HOUR * i64::try_from(hours).unwrap_or(24) };
        let is_good = |at: Timestamp| at <= now && now < at.plus_seconds(wait);
        versions.schema != self.versions.schema || !self.at.is_some_and(is_good)
    }

    fn new(connection: &Connection, versions: Versions, now: Timestamp) -> rusqlite::Result<Self> {
        let mut inspection = Self { at: Some(now), versions, ..Self::default() };
        for look in [Self::measure, Self::check_pages, Self::check_foreign_keys, Self::check_search] {
            match look(&mut inspection, connection) {
                Err(error) if is_damage(&error) => {
                    inspection.damage.push(format!("The file is damaged: {error}. Restore a backup."));
                }
                other => other?,
            }
        }
        Ok(inspection)
    }

    fn measure(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut sizes = connection.prepare(SIZES)?;
        let sizes =
            sizes.query_map([], |row| Ok((row.get(0)?, Size { bytes: count(row, 1)?, unused: count(row, 2)? })))?;
        self.sizes = sizes.collect::<rusqlite::Result<_>>()?;
        Ok(())
    }

    fn check_pages(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut faults = connection.prepare(QUICK_CHECK)?;
        let faults = faults.query_map([MAX_FAULTS], |row| row.get::<_, String>(0))?;
        // SQLite's message says where a damaged value is, but never contains the value.
        for fault in faults {
            self.damage.push(format!("The file is damaged: {}.", fault?.replace('\n', "; ")));
        }
        Ok(())
    }

    fn check_foreign_keys(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut orphans = connection.prepare(FOREIGN_KEY_CHECK)?;
        let orphans = orphans.query_map([MAX_FAULTS], |row| {
            let (table, parent, count): (String, String, u64) = (row.get(0)?, row.get(1)?, count(row, 2)?);
            Ok(format!("In {table}, references to rows of {parent} that do not exist: {count}."))
        })?;
        self.damage.extend(orphans.collect::<rusqlite::Result<Vec<_>>>()?);
        Ok(())
    }

    fn check_search(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if !connection.query_row(HAS_SEARCH, [], |row| row.get::<_, bool>(0))? {
            return Ok(());
        }
        let fault = match SearchIndexFaults::count(connection) {
            Ok(faults) => faults.fault(),
            Err(error) if is_damage(&error) => Some(error.to_string()),
            Err(error) => return Err(error),
        };
        self.damage
            .extend(fault.map(|fault| format!("The search index is wrong ({fault}). `sotto db reindex` rebuilds it.")));
        Ok(())
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
