//! The store of recordings: objects under the ids of their owner and of the recording, in a folder or in a bucket.
//!
//! An object is written before storage knows of it and deleted after storage has forgotten it. So storage never tells of one
//! that was not stored whole, and what a fault leaves over is an object that nobody knows: [`Recordings::sweep`] finds it.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

mod sweep;

/// How much of a recording is held in memory while it is written, twice: as much as S3 wants of each part.
const PART: usize = 5 << 20;

/// Where recordings are.
#[derive(Debug, Clone)]
pub struct Recordings {
    objects: Arc<dyn ObjectStore>,
    /// If it is a folder, this one.
    folder: Option<PathBuf>,
}

impl Recordings {
    /// In a folder, which is made for its owner only if it is missing. What is stored there is on the disk.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn in_folder(folder: &Path) -> Result<Self, Error> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(|source| Error::Generic { store: "folder", source: Box::new(source) })?;
        let objects = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self { objects: Arc::new(objects), folder: Some(folder.to_owned()) })
    }

    /// In any store, such as a bucket.
    pub fn in_store(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, folder: None }
    }

    /// Asks the store for anything, so that a mistake in its address or keys shows.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn check(&self) -> Result<(), Error> {
        self.objects.list(None).try_next().await.map(drop)
    }

    /// Begins to write an object. It is there when [`Upload::finish`] says so, whole, and before that not at all.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn upload(&self, user: UserId, id: AttachmentId) -> Result<Upload, Error> {
        let upload = self.objects.put_multipart(&key(user, id)).await?;
        Ok(Upload { writer: Some(WriteMultipart::new_with_chunk_size(upload, PART)), hash: sha256::begin(), length: 0 })
    }

    /// Some bytes of an object, from the first of `range` up to the last, in pieces; `None` if there is no such object.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn read(
        &self,
        user: UserId,
        id: AttachmentId,
        range: Range<u64>,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, Error>>>, Error> {
        // A store has no empty ranges.
        let range = (!range.is_empty()).then_some(GetRange::Bounded(range));
        let nothing = range.is_none();
        let options = GetOptions { range, ..GetOptions::default() };
        match self.objects.get_opts(&key(user, id), options).await {
            Ok(_) if nothing => Ok(Some(futures_util::stream::empty().boxed())),
            Ok(object) => Ok(Some(object.into_stream())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object, if it is there.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn delete(&self, user: UserId, id: AttachmentId) -> Result<(), Error> {
        match self.objects.delete(&key(user, id)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object that storage has forgotten. What fails is logged, and left to [`Self::sweep`].
    pub async fn discard(&self, user: UserId, id: AttachmentId) {
        if let Err(error) = self.delete(user, id).await {
            tracing::warn!(%error, "a recording that is not needed any more could not be deleted yet");
        }
    }

    /// Deletes all objects of a user who is gone. What fails is logged, and left to [`Self::sweep`].
    pub async fn forget(&self, user: UserId) {
        let objects = self.objects.list(Some(&Key::from(user.to_string())));
        let keys = objects.map_ok(|object| object.location).boxed();
        let deleted: Result<Vec<_>, _> = self.objects.delete_stream(keys).try_collect().await;
        if let Err(error) = deleted {
            tracing::warn!(%user, %error, "recordings of a deleted account are left to the sweep");
        }
    }
}

/// An object that is being written. Dropped before its end, it leaves nothing.
pub struct Upload {
    /// `None` once it has ended, one way or the other.
    writer: Option<WriteMultipart>,
    hash: Context,
    length: u64,
}

impl Upload {
    /// Adds bytes, and waits while the store is behind.
    ///
    /// # Errors
    /// If the store does not take them.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.hash.update(&bytes);
        self.length += bytes.len() as u64;
        if let Some(writer) = &mut self.writer {
            writer.wait_for_capacity(1).await?;
            writer.put(bytes);
        }
        Ok(())
    }

    /// How many bytes have been added.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Makes the object, durably, and says what SHA-256 it has.
    ///
    /// # Errors
    /// If the store does not take it; then nothing is left.
    pub async fn finish(mut self) -> Result<[u8; 32], Error> {
        if let Some(writer) = self.writer.take() {
            writer.finish().await?;
        }
        Ok(sha256::end(self.hash.clone()))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        // A folder would clear the draft away by itself; a bucket would keep the parts.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = writer.abort().await {
                    tracing::warn!(%error, "a recording that broke off could not be cleared away");
                }
            });
        }
    }
}

fn key(user: UserId, id: AttachmentId) -> Key {
    Key::from_iter([user.to_string(), id.to_string()])
}

/// Whose object it is, and which recording; `None` if it is not one of ours.
fn parse(key: &Key) -> Option<(UserId, AttachmentId)> {
    let (user, id) = key.as_ref().split_once('/')?;
    let uuid = |text: &str| Uuid::try_parse(text).ok().filter(|uuid| uuid.to_string() == text);
    Some((UserId(uuid(user)?), AttachmentId(uuid(id)?)))
}
