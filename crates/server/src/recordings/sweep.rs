//! Clears away what faults have left: objects without a row, and drafts of uploads that a crash cut off.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use futures_util::TryStreamExt;
use sotto_domain::storage::{Storage, StorageError};
use sotto_domain::{AttachmentId, Timestamp, UserId};

use super::{Recordings, parse};

/// Whatever is younger may be an upload whose row is about to be written: longer than any upload takes.
pub const AGE: Duration = Duration::from_hours(1);

/// Objects that storage is asked about at once.
const BATCH: usize = 1000;

/// Why a sweep was not finished.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The store.
    #[error("the store of recordings cannot be read: {0}")]
    Store(#[from] object_store::Error),
    /// The folder.
    #[error("the folder of recordings cannot be read: {0}")]
    Folder(#[from] io::Error),
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Recordings {
    /// Deletes objects without a row that are older than [`AGE`] by `now`, and says how many.
    ///
    /// An object of a user whom the database does not know goes only if the database knows some other object: a server that
    /// was started on the wrong database shall not empty the store. Objects with other names than ours are left alone.
    ///
    /// # Errors
    /// If the store or the database cannot be reached; the next sweep goes on.
    pub async fn sweep(&self, storage: &dyn Storage, now: Timestamp) -> Result<u64, SweepError> {
        let mut found = Found::default();
        let mut waiting: BTreeMap<UserId, Vec<AttachmentId>> = BTreeMap::new();
        let (mut count, mut objects) = (0, self.objects.list(None));
        while let Some(object) = objects.try_next().await? {
            let Some((user, id)) = parse(&object.location) else { continue };
            let age = now.as_micros().saturating_sub(object.last_modified.timestamp_micros());
            if age < i64::try_from(AGE.as_micros()).unwrap_or(i64::MAX) {
                continue;
            }
            waiting.entry(user).or_default().push(id);
            count += 1;
            if count == BATCH {
                found.look(storage, std::mem::take(&mut waiting)).await?;
                count = 0;
            }
        }
        found.look(storage, waiting).await?;
        if found.any_known {
            found.unknown.append(&mut found.of_strangers);
        } else if !found.of_strangers.is_empty() {
            let count = found.of_strangers.len();
            tracing::warn!(count, "recordings of people whom this database does not know stay: is it the right one?");
        }
        let mut deleted = found.unknown.len() as u64;
        for (user, id) in found.unknown {
            self.delete(user, id).await?;
        }
        if let Some(folder) = self.folder.clone() {
            let drafts = tokio::task::spawn_blocking(move || delete_drafts(&folder, now)).await;
            deleted += drafts.map_err(io::Error::from)??;
        }
        Ok(deleted)
    }
}

/// What storage says of objects.
#[derive(Default)]
struct Found {
    any_known: bool,
    unknown: Vec<(UserId, AttachmentId)>,
    of_strangers: Vec<(UserId, AttachmentId)>,
}

impl Found {
    async fn look(
        &mut self,
        storage: &dyn Storage,
        objects: BTreeMap<UserId, Vec<AttachmentId>>,
    ) -> Result<(), StorageError> {
        for (user, ids) in objects {
            let known = storage.attachments().known(user, &ids).await?;
            self.any_known |= !known.is_empty();
            let unknown: Vec<_> = ids.into_iter().filter(|id| !known.contains(id)).map(|id| (user, id)).collect();
            if unknown.is_empty() {
                continue;
            }
            let is_stranger = known.is_empty() && storage.users().get(user).await?.is_none();
            let list = if is_stranger { &mut self.of_strangers } else { &mut self.unknown };
            list.extend(unknown);
        }
        Ok(())
    }
}

/// Deletes the drafts of a folder that are older than [`AGE`], which are called `ID#1`, `ID#2`, …, and says how many.
fn delete_drafts(folder: &Path, now: Timestamp) -> io::Result<u64> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(now.as_micros()).unwrap_or_default());
    let mut deleted = 0;
    for user in fs::read_dir(folder)? {
        let user = user?;
        if !user.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(user.path())? {
            let file = file?;
            let is_draft = file.file_name().to_string_lossy().contains('#');
            if is_draft && now.duration_since(file.metadata()?.modified()?).unwrap_or_default() >= AGE {
                fs::remove_file(file.path())?;
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}
