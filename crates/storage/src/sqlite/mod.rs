//! The storage contract on SQLite. Several threads read in parallel; one thread writes and commits changes in groups.
//!
//! A call puts its work, a closure over a connection, into a bounded queue and awaits the result. [`readers`] respond
//! at once, [`writer`] after the commit. Each part of the contract has its own file.

mod api_tokens;
mod attachment_store;
mod attachments;
pub(crate) mod connection;
mod entries;
mod entry_list;
mod entry_row;
mod entry_tags;
mod error;
#[cfg(test)]
mod file_tests;
pub(crate) mod files;
pub(crate) mod health;
mod idempotency;
mod identities;
mod opaque_sessions;
mod queue;
mod read_deadline;
mod readers;
mod reminders;
mod room;
mod row;
mod sealed_entries;
mod secret_tags;
mod security_events;
mod sessions;
mod tags;
mod upkeep;
mod users;
mod values;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use sotto_domain::storage::{self, Storage, StorageError};

use health::{Inspector, StatementTimer};
use readers::Readers;
use writer::Writer;

/// How long a read may take, from the call to the result.
const READ_TIME: Duration = Duration::from_secs(5);
/// How long a read may take that a job of the server has asked for, and that reads more than a page of one user's rows.
const SURVEY_TIME: Duration = Duration::from_mins(1);

/// A database in one SQLite file, with the files `-wal` and `-shm` next to it.
pub struct Sqlite {
    readers: Readers,
    writer: Writer,
    path: PathBuf,
    pub(crate) timer: Arc<StatementTimer>,
    inspector: Inspector,
}

impl Sqlite {
    /// Opens the file without changing its schema. Creates an empty file, readable by its owner only, if it does not
    /// exist.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be opened, `Corrupt` if it is not a database.
    pub async fn open(path: &Path) -> storage::Result<Self> {
        let path = path.to_owned();
        let open = tokio::task::spawn_blocking(move || {
            // The writer is opened first, because it creates the file and switches it to WAL mode, which readers cannot
            // do.
            let timer = Arc::new(StatementTimer::default());
            let writer = Writer::start(connection::writer(&path, &timer)?)?;
            let readers = Readers::start(|| connection::reader(&path, &timer))?;
            let inspector = Inspector::new(&path);
            Ok(Self { readers, writer, path, timer, inspector })
        });
        open.await.map_err(|stopped| StorageError::Other(Box::new(stopped)))?
    }

    /// Runs `work` on a reader thread. Its statements see the same snapshot as long as one of them is active. After
    /// [`READ_TIME`], it is interrupted and returns `Busy`.
    async fn read<T, W>(&self, work: W) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.readers.run_within(READ_TIME, work).await
    }

    /// Like [`Self::read`], with [`SURVEY_TIME`] instead.
    async fn survey<T, W>(&self, work: W) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.readers.run_within(SURVEY_TIME, work).await
    }

    /// Runs `work` on the writer thread. When this returns `Ok`, all changes are durable; if `work` fails, nothing has
    /// changed.
    async fn write<T, W>(&self, work: W) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.writer.run(work).await
    }

    /// Like [`Self::write`], but if `forget` returns true for the result, this returns only when the files no longer
    /// contain anything that `work` or earlier changes have replaced or deleted.
    async fn write_and_erase<T, W>(&self, work: W, forget: fn(&T) -> bool) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.writer.run_and_erase(work, forget).await
    }
}

#[async_trait]
impl Storage for Sqlite {
    async fn ping(&self) -> storage::Result<()> {
        // Unlike `SELECT 1`, reading the schema accesses the file.
        self.read(|connection| connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))).await
    }

    async fn probe_room(&self) -> storage::Result<()> {
        self.write(room::commit_something).await?;
        let folder = self.path.parent().map(Path::to_owned).unwrap_or_default();
        let probed = tokio::task::spawn_blocking(move || room::fill_file(&folder)).await;
        probed.map_err(|stopped| StorageError::Other(Box::new(stopped)))?
    }

    fn engine(&self) -> &'static str {
        "sqlite"
    }

    async fn close(&self) {
        self.inspector.close().await;
        // The writer closes last, so that its connection merges the WAL into the file.
        self.readers.close().await;
        self.writer.close().await;
    }
}
