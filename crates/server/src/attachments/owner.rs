//! The identity of the store. A database and its store share a random identity, and a store with another identity is
//! refused. So a server with a restored, copied or wrong database cannot change another database's store.

use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use sotto_domain::attachment_store::{MARK, Store, StoreMark};
use sotto_domain::storage::{Storage, StorageError};
use sotto_domain::{Clock, Random, StoreId, Timestamp};
use sotto_files::Draft;

use super::store::AttachmentStore;
use super::sweep::{Census, is_too_much};

/// Seconds before the first sweep of a new store: one day.
pub const FIRST_SWEEP_AFTER: i64 = 24 * 3600;

/// Interval and number of attempts while another server writes the mark.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const MAX_POLLS: u32 = 100;

#[derive(Debug, thiserror::Error)]
pub enum AttachmentStoreError {
    /// The store cannot be read or written.
    #[error("the store of recordings cannot be used: {0}")]
    Store(#[from] Error),
    /// The folder of the store cannot be read or written.
    #[error("the folder of recordings cannot be used: {0}")]
    Folder(#[from] std::io::Error),
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The store belongs to another database, or may do so. The text is a sentence.
    #[error("{0}")]
    Refused(String),
}

/// What an operator can do about a store of another database.
const REMEDY: &str = "Nothing in it was changed. If this is the wrong store, set SOTTO_ATTACHMENTS (--attachments) \
    to the right one. If this database should own the store from now on, and no other database uses it, run `sotto attachments adopt`";

impl AttachmentStore {
    /// Checks that the store belongs to the database. A store without a mark is claimed if it fits: if both are empty,
    /// or if the database knows almost all of its objects (a store of an older version).
    ///
    /// # Errors
    /// [`AttachmentStoreError::Refused`] if the store belongs to another database, or does not fit.
    pub async fn claim(
        &self,
        storage: &dyn Storage,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Result<(), AttachmentStoreError> {
        let known = storage.attachment_store().get().await?;
        if let Some(mark) = self.mark().await? {
            return match known {
                Some(store) if store.id == mark.id => Ok(()),
                _ => Err(another_databases_store()),
            };
        }
        let census = Census::count(self, storage, Timestamp::MAX).await?;
        if census.total == 0 && !storage.attachment_store().recordings(None, 1).await?.is_empty() {
            let reason = "the store of recordings is empty, although the database names recordings: is it the right place, \
                          and is its disk mounted?";
            return Err(AttachmentStoreError::Refused(format!("{reason} {REMEDY}.")));
        }
        let unknown = census.unknown.len() as u64;
        if is_too_much(unknown, census.total) {
            return Err(AttachmentStoreError::Refused(format!(
                "of the {} recordings in the store, this database does not know {unknown}: they may belong to \
                 another database. {REMEDY}.",
                census.total
            )));
        }
        let now = clock.now();
        let fresh = StoreId::new(clock, random);
        let store = storage.attachment_store().identify(fresh, now.plus_seconds(FIRST_SWEEP_AFTER), now).await?;
        let mark = StoreMark::new(store.id, store.sweeps);
        match self.put_mark(mark, PutMode::Create).await {
            // Another server writes the mark at the same time.
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => self.wait_for_mark().await?,
            // Not every store supports conditional writes.
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                self.put_mark(mark, PutMode::Overwrite).await?;
            }
            written => written?,
        }
        // If two databases claim the store at once, one of them wins.
        self.check_owner(&store).await.map(drop)
    }

    /// Gives the store a new identity that only this database knows. Any other database, and any copy of this one,
    /// loses the store.
    ///
    /// # Errors
    /// If the store or the database cannot be reached.
    pub async fn adopt(
        &self,
        storage: &dyn Storage,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Result<StoreId, AttachmentStoreError> {
        let (now, fresh) = (clock.now(), StoreId::new(clock, random));
        // In this order an interruption leaves a store without an owner, and the command can be repeated.
        let store = storage.attachment_store().replace(fresh, now.plus_seconds(FIRST_SWEEP_AFTER), now).await?;
        self.put_mark(StoreMark::new(store.id, store.sweeps), PutMode::Overwrite).await?;
        Ok(store.id)
    }

    /// Refuses a store of another database, and one that a newer copy of this database has swept.
    pub(super) async fn check_owner(&self, store: &Store) -> Result<StoreMark, AttachmentStoreError> {
        match self.mark().await? {
            Some(mark) if mark.id != store.id => Err(another_databases_store()),
            Some(mark) if mark.sweeps > store.sweeps => Err(AttachmentStoreError::Refused(format!(
                "another copy of this database has swept the store of recordings {} times, this one {} times: this \
                 one may be an older copy that does not know recordings that are still needed. {REMEDY}.",
                mark.sweeps, store.sweeps
            ))),
            Some(mark) => Ok(mark),
            None => Err(AttachmentStoreError::Refused(format!(
                "the store of recordings does not name its database. {REMEDY}."
            ))),
        }
    }

    /// The mark in the store, if it has one.
    ///
    /// # Errors
    /// If the mark cannot be read or is damaged.
    pub async fn mark(&self) -> Result<Option<StoreMark>, AttachmentStoreError> {
        let text = match self.objects.get(&Key::from(MARK)).await {
            Ok(object) => object.bytes().await?,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mark = StoreMark::parse(&text);
        mark.map(Some)
            .map_err(|clause| AttachmentStoreError::Refused(format!("{MARK} in the store of recordings {clause}")))
    }

    async fn wait_for_mark(&self) -> Result<(), AttachmentStoreError> {
        for _ in 0..MAX_POLLS {
            if self.mark().await?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    pub(super) async fn put_mark(&self, mark: StoreMark, mode: PutMode) -> Result<(), Error> {
        if let Some(folder) = &self.folder {
            return write_mark(&folder.join(MARK), mark, &mode).map_err(|error| folder_error(error.into()));
        }
        let options = PutOptions { mode, ..PutOptions::default() };
        self.objects.put_opts(&Key::from(MARK), PutPayload::from(mark.to_text()), options).await.map(drop)
    }

    /// Sends one request to the store, to detect a wrong address or wrong credentials.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn check(&self) -> Result<(), Error> {
        self.objects.list(None).try_next().await.map(drop)
    }
}

/// The file belongs to the owner of the folder even if root runs the program.
fn write_mark(path: &Path, mark: StoreMark, mode: &PutMode) -> sotto_files::Result<()> {
    let draft = if *mode == PutMode::Create { Draft::create(path)? } else { Draft::replacing(path)? };
    draft.publish_with(mark.to_text().as_bytes())
}

/// An error of the file system as an error of a store.
pub(super) fn folder_error(error: io::Error) -> Error {
    let (store, path) = ("folder", MARK.to_owned());
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::ResourceBusy => {
            Error::AlreadyExists { path, source: Box::new(error) }
        }
        _ => Error::Generic { store, source: Box::new(error) },
    }
}

fn another_databases_store() -> AttachmentStoreError {
    AttachmentStoreError::Refused(format!("the store of recordings belongs to another database. {REMEDY}."))
}
