//! The store itself: objects in a folder or a bucket, named by the id of their owner and the id of the attachment.
//!
//! An object is written before its row and deleted after its row, so a row never names an incomplete object. A crash
//! can leave an object without a row: [`AttachmentStore::sweep`] finds it and moves it to the quarantine.
//! [`AttachmentStore::claim`] checks that the store belongs to the database.

use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::Context;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, WriteMultipart};
use sotto_domain::{AttachmentId, UserId};
use uuid::Uuid;

use crate::sha256;

/// Part size of an upload to a bucket, the minimum that S3 accepts. Two parts are in memory at a time.
const BUCKET_PART: usize = 5 << 20;
/// Part size of an upload to a folder, which has no minimum.
const FOLDER_PART: usize = 1 << 20;

#[derive(Debug, Clone)]
pub struct AttachmentStore {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// The folder, if the store is one.
    pub(super) folder: Option<PathBuf>,
    trouble: Arc<Mutex<Option<String>>>,
}

impl AttachmentStore {
    /// Opens a folder and creates it with private permissions if it is missing. Writes are synced to the disk.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn in_folder(folder: &Path) -> Result<Self, Error> {
        sotto_files::make_folder(folder)
            .map_err(|source| Error::Generic { store: "folder", source: Box::new(source) })?;
        let objects = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self { objects: Arc::new(objects), folder: Some(folder.to_owned()), trouble: Arc::default() })
    }

    /// Opens any other store, such as a bucket.
    pub fn in_store(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, folder: None, trouble: Arc::default() }
    }

    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Problems that an operator has to know about, in sentences. [`Self::maintain`] updates them.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Checks that a folder accepts about 1 MiB, by writing an unnamed file. A bucket is not checked: it has no size
    /// limit.
    ///
    /// # Errors
    /// If the folder does not accept it.
    pub async fn probe_room(&self) -> Result<(), Error> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let probe = move || {
            let mut file = tempfile::tempfile_in(folder)?;
            file.write_all(&vec![0xa5; 1 << 20])?;
            file.sync_all()
        };
        let probed = tokio::task::spawn_blocking(probe).await.map_err(io::Error::other).and_then(|outcome| outcome);
        probed.map_err(|error| Error::Generic { store: "folder", source: Box::new(error) })
    }

    /// Starts to write an object. The object appears, complete, when [`Upload::finish`] returns.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn upload(&self, user: UserId, id: AttachmentId) -> Result<Upload, Error> {
        let upload = self.objects.put_multipart(&object_key(user, id)).await?;
        let part = if self.folder.is_some() { FOLDER_PART } else { BUCKET_PART };
        Ok(Upload {
            writer: Some(WriteMultipart::new_with_chunk_size(upload, part)),
            hash: sha256::new_context(),
            length: 0,
        })
    }

    /// Streams a range of an object, or returns `None` if it does not exist. A quarantined object is restored first.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn read(
        &self,
        user: UserId,
        id: AttachmentId,
        range: Range<u64>,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, Error>>>, Error> {
        if let Some(found) = self.read_in_place(user, id, range.clone()).await? {
            return Ok(Some(found));
        }
        // Retried in any case, because another reader may have restored it at the same moment.
        self.restore(user, id).await?;
        self.read_in_place(user, id, range).await
    }

    async fn read_in_place(
        &self,
        user: UserId,
        id: AttachmentId,
        range: Range<u64>,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, Error>>>, Error> {
        // Stores reject empty ranges.
        let range = (!range.is_empty()).then_some(GetRange::Bounded(range));
        let nothing = range.is_none();
        let options = GetOptions { range, ..GetOptions::default() };
        match self.objects.get_opts(&object_key(user, id), options).await {
            Ok(_) if nothing => Ok(Some(futures_util::stream::empty().boxed())),
            Ok(object) => Ok(Some(object.into_stream())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object, also from the quarantine. A missing object is no error.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn delete(&self, user: UserId, id: AttachmentId) -> Result<(), Error> {
        self.delete_object(&object_key(user, id)).await?;
        self.delete_quarantined(user, id).await
    }

    pub(super) async fn delete_object(&self, key: &Key) -> Result<(), Error> {
        match self.objects.delete(key).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes all objects of a deleted user. A failure is logged and left to [`Self::delete_freed`].
    pub async fn delete_all(&self, user: UserId) {
        let objects = self.objects.list(Some(&Key::from(user.to_string())));
        let keys = objects.map_ok(|object| object.location).boxed();
        let deleted: Result<Vec<_>, _> = self.objects.delete_stream(keys).try_collect().await;
        if let Err(error) = deleted.map(drop).and(self.delete_all_quarantined(user).await) {
            tracing::warn!(%user, %error, "recordings of a deleted account could not be deleted yet");
        }
    }

    async fn delete_all_quarantined(&self, user: UserId) -> Result<(), Error> {
        for one in self.quarantined(Some(user)).await? {
            self.delete_object(&one.key()).await?;
        }
        Ok(())
    }
}

/// An object that is being written. Dropping it before [`Self::finish`] leaves nothing behind.
pub struct Upload {
    /// `None` once the upload has been finished or aborted.
    writer: Option<WriteMultipart>,
    hash: Context,
    length: u64,
}

impl Upload {
    /// Appends bytes, and waits while the store is slower than the client.
    ///
    /// # Errors
    /// If the store does not accept them.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.hash.update(&bytes);
        self.length += bytes.len() as u64;
        if let Some(writer) = &mut self.writer {
            writer.wait_for_capacity(1).await?;
            writer.put(bytes);
        }
        Ok(())
    }

    /// Bytes appended so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Completes the object durably and returns its SHA-256.
    ///
    /// # Errors
    /// If the store does not accept it; then nothing is left behind.
    pub async fn finish(mut self) -> Result<[u8; 32], Error> {
        if let Some(writer) = self.writer.take() {
            writer.finish().await?;
        }
        Ok(sha256::finish(self.hash.clone()))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        // A folder deletes the draft by itself, but a bucket would keep the parts.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = writer.abort().await {
                    tracing::warn!(%error, "an incomplete recording could not be deleted");
                }
            });
        }
    }
}

pub(super) fn object_key(user: UserId, id: AttachmentId) -> Key {
    Key::from_iter([user.to_string(), id.to_string()])
}

/// The user and attachment that an object belongs to, or `None` if it is no attachment.
pub(super) fn parse_key(key: &Key) -> Option<(UserId, AttachmentId)> {
    let (user, id) = key.as_ref().split_once('/')?;
    let uuid = |text: &str| Uuid::try_parse(text).ok().filter(|uuid| uuid.to_string() == text);
    Some((UserId(uuid(user)?), AttachmentId(uuid(id)?)))
}
