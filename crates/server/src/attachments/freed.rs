//! Deletes the objects of deleted recordings. Storage lists them in the transaction that deletes their rows, so an
//! object that could not be deleted at once is deleted later.

use std::collections::BTreeMap;

use sotto_domain::storage::Storage;
use sotto_domain::{AttachmentId, UserId};

use super::owner::AttachmentStoreError;
use super::store::AttachmentStore;

/// Rows read at a time.
const ROWS_PER_BATCH: u32 = 1000;

impl AttachmentStore {
    /// Deletes the objects of freed attachments, whose rows are deleted or were never stored. A failure is logged and left
    /// to [`Self::delete_freed`] or [`Self::sweep`].
    pub async fn free(&self, user: UserId, freed: &[AttachmentId]) {
        for id in freed {
            if let Err(error) = self.delete(user, *id).await {
                tracing::warn!(%error, "a recording without an entry could not be deleted yet");
            }
        }
    }

    /// Deletes the listed objects and returns how many. An object that has a row again is kept.
    ///
    /// # Errors
    /// If the store belongs to another database, or if the store or the database cannot be reached. The next call
    /// continues.
    pub async fn delete_freed(&self, storage: &dyn Storage) -> Result<u64, AttachmentStoreError> {
        let (mut deleted, mut after) = (0, None);
        loop {
            let page = storage.attachment_store().freed(after, ROWS_PER_BATCH).await?;
            let Some((_, last)) = page.last() else { return Ok(deleted) };
            if after.is_none() {
                let Some(store) = storage.attachment_store().get().await? else { return Ok(deleted) };
                self.check_owner(&store).await?;
            }
            after = Some(*last);
            let mut by_user: BTreeMap<UserId, Vec<AttachmentId>> = BTreeMap::new();
            for (user, id) in page {
                by_user.entry(user).or_default().push(id);
            }
            for (user, ids) in by_user {
                let kept = storage.attachments().known(user, &ids).await?;
                for id in ids.iter().filter(|id| !kept.contains(id)) {
                    self.delete(user, *id).await?;
                    deleted += 1;
                }
                storage.attachment_store().remove_freed(user, &ids).await?;
            }
        }
    }
}
