//! Access to sealed entries. An entry under a locked secret tag is treated like an entry that does not exist.

use axum::http::StatusCode;
use sotto_domain::entry::{EntryBody, EntryPatch};
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::secret_tag::{AnyEntry, Moved, PlainBody, SealedBody, SealedEntry, Stored};
use sotto_domain::{AttachmentId, EntryId, Flaw, SecretTagId, Timestamp, Zone};

use super::request::SealedChange;
use super::response::EntryResponse;
use super::{ID_TAKEN, NOT_FOUND, current_entry, id_conflict};
use crate::app::App;
use crate::auth::Caller;
use crate::auth::unlock_tokens::{LOCKED, Unlocks};
use crate::http::error::{ApiError, Code};

/// A caller, with the secret tags that the request shows to be unlocked.
pub struct EntryAccess<'a> {
    pub app: &'a App,
    pub caller: &'a Caller,
    pub unlocks: &'a Unlocks,
}

impl EntryAccess<'_> {
    /// A sealed entry, if its secret tag is unlocked.
    pub async fn find(&self, id: EntryId) -> Result<Option<SealedEntry>, ApiError> {
        let open = self.unlocked_tags().await?;
        // Without an unlocked secret tag nothing is read, so that the response time reveals nothing.
        if open.is_empty() {
            return Ok(None);
        }
        let entry = self.app.storage.sealed_entries().get(self.caller.id(), id).await?;
        Ok(entry.filter(|entry| open.contains(&entry.tag)))
    }

    /// Whether an entry is sealed. `None` if it does not exist, or its secret tag is locked.
    pub async fn is_sealed(&self, id: EntryId) -> Result<Option<bool>, ApiError> {
        if self.app.storage.entries().get(self.caller.id(), id).await?.is_some() {
            return Ok(Some(false));
        }
        Ok(self.find(id).await?.map(|_| true))
    }

    /// A page of the entries under a secret tag.
    pub async fn list(
        &self,
        tag: SecretTagId,
        after: Option<(Timestamp, EntryId)>,
        limit: u32,
    ) -> Result<Vec<SealedEntry>, ApiError> {
        const NONE: ApiError =
            ApiError::NotFound(Code::SecretTagLocked, "This secret tag is locked, or you have none with this id.");
        self.unlocks.session(self.app, self.caller, tag).await?.ok_or(NONE)?;
        Ok(self.app.storage.sealed_entries().list(self.caller.id(), tag, after, limit).await?)
    }

    /// Stores a new entry. Status 200 if it was already stored.
    pub async fn create(
        &self,
        id: EntryId,
        body: &SealedBody,
        key: Option<KeyedCreate>,
    ) -> Result<(StatusCode, EntryResponse), ApiError> {
        self.unlocks.require(self.app, self.caller, body.tag).await?;
        match self.app.storage.sealed_entries().create(self.caller.id(), id, body, key, self.app.now()).await? {
            Stored::Stored(entry) => Ok((StatusCode::CREATED, entry.into())),
            Stored::Exists(entry) if !self.can_read(&entry).await? => Err(ID_TAKEN),
            Stored::Exists(AnyEntry::Sealed(entry)) if is_retry(&entry, body) => Ok((StatusCode::OK, entry.into())),
            Stored::Exists(entry) => Err(id_conflict(entry)?),
            Stored::IdTaken => Err(ID_TAKEN),
            Stored::UnknownSecretTag => Err(LOCKED),
            other => Err(self.refusal(other).await?),
        }
    }

    /// The time zone of an entry that the caller may read, sealed or not.
    pub async fn zone(&self, id: EntryId) -> Result<Option<Zone>, ApiError> {
        if let Some(entry) = self.app.storage.entries().get(self.caller.id(), id).await? {
            return Ok(Some(entry.body.date.zone));
        }
        Ok(self.find(id).await?.map(|entry| entry.date.zone))
    }

    /// Seals an entry as a whole, whether it was sealed before or not.
    pub async fn seal(
        &self,
        id: EntryId,
        change: SealedChange,
        expected: Option<u32>,
    ) -> Result<EntryResponse, ApiError> {
        let expected = expected.ok_or(UNCONDITIONAL)?;
        let (user, now) = (self.caller.id(), self.app.now());
        self.unlocks.require(self.app, self.caller, change.tag).await?;
        let entry = match self.app.storage.entries().get(user, id).await? {
            Some(entry) => AnyEntry::Plain(entry),
            None => AnyEntry::Sealed(self.find(id).await?.ok_or(NOT_FOUND)?),
        };
        if entry.revision() != expected {
            return Err(ApiError::PreconditionFailed(current_entry(entry)?));
        }
        let date = change.date.apply(entry.date().clone());
        let body = SealedBody { tag: change.tag, sealed: change.sealed, date };
        let sealed = self.app.storage.sealed_entries();
        let stored = match entry {
            AnyEntry::Plain(_) => self.delete_moved_recording(sealed.seal(user, id, &body, expected, now).await?).await,
            AnyEntry::Sealed(_) => sealed.replace(user, id, &body, expected, now).await?,
        };
        match stored {
            Stored::Stored(entry) => Ok(entry.into()),
            other => Err(self.refusal(other).await?),
        }
    }

    /// Removes an entry from its secret tag.
    pub async fn unseal(
        &self,
        id: EntryId,
        patch: EntryPatch,
        expected: Option<u32>,
    ) -> Result<EntryResponse, ApiError> {
        let entry = self.find(id).await?.ok_or(NOT_FOUND)?;
        let expected = expected.ok_or(UNCONDITIONAL)?;
        if patch.content.is_none() {
            let flaw = Flaw::Missing("must be given: an entry without a secret tag needs a plain text");
            return Err(ApiError::invalid("body", "content", &flaw));
        }
        let empty = EntryBody { title: None, content: String::new(), audio_url: None, date: entry.date };
        let body = PlainBody { body: patch.apply(empty), tags: patch.tags.unwrap_or_default() };
        let (sealed, now) = (self.app.storage.sealed_entries(), self.app.now());
        match self.delete_moved_recording(sealed.unseal(self.caller.id(), id, &body, expected, now).await?).await {
            Stored::Stored(entry) => Ok(entry.into()),
            other => Err(self.refusal(other).await?),
        }
    }

    /// The error for fields of a plain entry that were sent for a sealed one.
    pub async fn refuse_patch(&self, id: EntryId) -> Result<ApiError, ApiError> {
        let flaw = Flaw::Missing(
            "must be given: this entry is sealed, so send secret_tag_id with the four sealed fields, or null to \
             remove it from its secret tag",
        );
        let entry = self.find(id).await?;
        Ok(entry.map_or(NOT_FOUND, |_| ApiError::invalid("body", "secret_tag_id", &flaw)))
    }

    /// Deletes an entry. Returns the attachments that are freed.
    pub async fn delete(&self, id: EntryId, expected: Option<u32>) -> Result<Vec<AttachmentId>, ApiError> {
        self.find(id).await?.ok_or(NOT_FOUND)?;
        match self.app.storage.sealed_entries().delete(self.caller.id(), id, expected).await? {
            Stored::Stored(freed) => Ok(freed),
            other => Err(self.refusal(other).await?),
        }
    }

    /// Deletes the objects of the attachments that an entry had before it was sealed or unsealed.
    async fn delete_moved_recording<T>(&self, stored: Stored<Moved<T>>) -> Stored<T> {
        if let Stored::Stored(Moved { freed, .. }) = &stored {
            self.app.attachments.free(self.caller.id(), freed).await;
        }
        stored.map(|moved| moved.entry)
    }

    /// The error for a refused change. The stored entry is included only if the caller may read it.
    async fn refusal<T>(&self, stored: Stored<T>) -> Result<ApiError, ApiError> {
        Ok(match stored {
            Stored::Stale(entry) if self.can_read(&entry).await? => ApiError::PreconditionFailed(current_entry(entry)?),
            Stored::UnknownSecretTag => LOCKED,
            Stored::UnknownTag(tag) => ApiError::unknown_tag(tag),
            _ => NOT_FOUND,
        })
    }

    async fn can_read(&self, entry: &AnyEntry) -> Result<bool, ApiError> {
        match entry {
            AnyEntry::Plain(_) => Ok(true),
            AnyEntry::Sealed(entry) => Ok(self.unlocked_tags().await?.contains(&entry.tag)),
        }
    }

    async fn unlocked_tags(&self) -> Result<Vec<SecretTagId>, ApiError> {
        self.unlocks.tags(self.app, self.caller).await
    }
}

const UNCONDITIONAL: ApiError =
    ApiError::PreconditionRequired("Send If-Match with the entry's ETag: an entry is sealed for its next revision.");

/// Whether a repeated create is the request that created this entry.
fn is_retry(entry: &SealedEntry, body: &SealedBody) -> bool {
    (entry.tag, &entry.sealed, &entry.date) == (body.tag, &body.sealed, &body.date)
}
