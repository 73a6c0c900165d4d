//! The storage contract on SQLite: reads on a few threads side by side, writes on one that commits in groups.
//!
//! A call hands its work, a closure over a connection, to a bounded queue and awaits the answer:
//! [`readers`] answer at once, [`writer`] after the commit. Each repository is one file.

mod api_tokens;
mod attachments;
pub(crate) mod connection;
mod entries;
mod entry_tags;
mod error;
#[cfg(test)]
mod file_tests;
pub(crate) mod health;
mod identities;
mod listing;
mod opaque_sessions;
mod queue;
mod readers;
mod reminders;
mod sealed_entries;
mod secret_tags;
mod sessions;
mod tags;
mod upkeep;
mod users;
mod values;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;
use sotto_domain::storage::{
    self, ApiTokens, Attachments, Entries, Health, Identities, OpaqueSessions, Reminders, SealedEntries, SecretTags,
    Sessions, Storage, StorageError, Tags, Users,
};

use health::Watch;
use readers::Readers;
use writer::Writer;

/// A journal in one SQLite file, with its `-wal` and `-shm` beside it.
pub struct Sqlite {
    readers: Readers,
    writer: Writer,
    pub(crate) watch: Arc<Watch>,
}

impl Sqlite {
    /// Opens the file, or makes an empty one that only its owner may read. The schema is left as it is.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be opened, `Corrupt` if it is not a database.
    pub async fn open(path: &Path) -> storage::Result<Self> {
        let path = path.to_owned();
        let open = tokio::task::spawn_blocking(move || {
            // The writer comes first: it makes the file and switches it to WAL, which readers cannot.
            let watch = Arc::new(Watch::default());
            let writer = Writer::start(connection::writer(&path, &watch)?)?;
            Ok(Self { readers: Readers::start(|| connection::reader(&path, &watch))?, writer, watch })
        });
        open.await.map_err(|stopped| StorageError::Other(Box::new(stopped)))?
    }

    /// Runs `work` on a reader thread. Its statements see one state of the database as long as one of them is
    /// still being stepped through.
    async fn read<T, W>(&self, work: W) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.readers.run(work).await
    }

    /// Runs `work` on the writer thread: all of it is stored durably when this returns `Ok`, and nothing of it
    /// when `work` fails.
    async fn write<T, W>(&self, work: W) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.writer.run(work).await
    }

    /// Like [`Self::write`], but if `forget` says so of what came of it, the files hold nothing any more of what `work`
    /// and changes before it have replaced or deleted when this returns.
    async fn write_and_forget<T, W>(&self, work: W, forget: fn(&T) -> bool) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.writer.run_and_forget(work, forget).await
    }
}

#[async_trait]
impl Storage for Sqlite {
    fn users(&self) -> &dyn Users {
        self
    }

    fn sessions(&self) -> &dyn Sessions {
        self
    }

    fn identities(&self) -> &dyn Identities {
        self
    }

    fn api_tokens(&self) -> &dyn ApiTokens {
        self
    }

    fn entries(&self) -> &dyn Entries {
        self
    }

    fn tags(&self) -> &dyn Tags {
        self
    }

    fn reminders(&self) -> &dyn Reminders {
        self
    }

    fn secret_tags(&self) -> &dyn SecretTags {
        self
    }

    fn opaque_sessions(&self) -> &dyn OpaqueSessions {
        self
    }

    fn sealed_entries(&self) -> &dyn SealedEntries {
        self
    }

    fn attachments(&self) -> &dyn Attachments {
        self
    }

    fn health(&self) -> &dyn Health {
        self
    }

    async fn ping(&self) -> storage::Result<()> {
        // Reading the schema touches the file, which `SELECT 1` would not.
        self.read(|connection| connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))).await
    }

    fn engine(&self) -> &'static str {
        "sqlite"
    }

    async fn close(&self) {
        // The writer goes last, so that its connection is the one that folds the WAL into the file.
        self.readers.close().await;
        self.writer.close().await;
    }
}
