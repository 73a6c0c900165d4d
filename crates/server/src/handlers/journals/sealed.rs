//! Entries under secret tags. What is under a locked one is not there: it is answered like an entry that does not exist.

use axum::http::StatusCode;
use sotto_domain::entry::{EntryBody, EntryPatch};
use sotto_domain::secret_tag::{AnyEntry, Moved, PlainBody, SealedBody, SealedEntry, Stored};
use sotto_domain::{AttachmentId, EntryId, Flaw, SecretTagId, Timestamp};

use super::body::EntryResponse;
use super::request::SealedChange;
use super::{ID_TAKEN, NOT_FOUND, clash, current};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, Code};
use crate::unlocks::{LOCKED, Unlocks};

/// Somebody, and the secret tags that they show to be open.
pub struct Holder<'a> {
    /// The server.
    pub app: &'a App,
    /// Who.
    pub caller: &'a Caller,
    /// What they show.
    pub unlocks: &'a Unlocks,
}

impl Holder<'_> {
    /// A sealed entry whose secret tag is open.
    pub async fn find(&self, id: EntryId) -> Result<Option<SealedEntry>, ApiError> {
        let open = self.open().await?;
        // Without an open secret tag nothing is read, so that there is nothing to tell from the time that it takes.
        if open.is_empty() {
            return Ok(None);
        }
        let entry = self.app.storage.sealed_entries().get(self.caller.id(), id).await?;
        Ok(entry.filter(|entry| open.contains(&entry.tag)))
    }

    /// Whether an entry is sealed; `None` if there is none, or its secret tag is locked.
    pub async fn is_sealed(&self, id: EntryId) -> Result<Option<bool>, ApiError> {
        if self.app.storage.entries().get(self.caller.id(), id).await?.is_some() {
            return Ok(Some(false));
        }
        Ok(self.find(id).await?.map(|_| true))
    }

    /// A page of the entries under one secret tag.
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

    /// Stores a new entry; OK if it had been stored already.
    pub async fn create(&self, id: EntryId, body: &SealedBody) -> Result<(StatusCode, EntryResponse), ApiError> {
        self.unlocks.require(self.app, self.caller, body.tag).await?;
        match self.app.storage.sealed_entries().create(self.caller.id(), id, body, self.app.now()).await? {
            Stored::Stored(entry) => Ok((StatusCode::CREATED, entry.into())),
            Stored::Exists(entry) if !self.shows(&entry).await? => Err(ID_TAKEN),
            Stored::Exists(AnyEntry::Sealed(entry)) if is_retry(&entry, body) => Ok((StatusCode::OK, entry.into())),
            Stored::Exists(entry) => Err(clash(entry)?),
            Stored::IdTaken => Err(ID_TAKEN),
            Stored::UnknownSecretTag => Err(LOCKED),
            other => Err(self.refusal(other).await?),
        }
    }

    /// Seals an entry as a whole, whether it was sealed or in plain.
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
            return Err(ApiError::PreconditionFailed(current(entry)?));
        }
        let (date, zone) = match &entry {
            AnyEntry::Plain(entry) => (entry.entry_date, &entry.entry_zone),
            AnyEntry::Sealed(entry) => (entry.entry_date, &entry.entry_zone),
        };
        let body = SealedBody {
            tag: change.tag,
            sealed: change.sealed,
            entry_date: change.entry_date.unwrap_or(date),
            entry_zone: change.entry_zone.unwrap_or_else(|| zone.clone()),
        };
        let sealed = self.app.storage.sealed_entries();
        let stored = match entry {
            AnyEntry::Plain(_) => self.moved(sealed.seal(user, id, &body, expected, now).await?).await,
            AnyEntry::Sealed(_) => sealed.replace(user, id, &body, expected, now).await?,
        };
        match stored {
            Stored::Stored(entry) => Ok(entry.into()),
            other => Err(self.refusal(other).await?),
        }
    }

    /// Takes an entry out of its secret tag.
    pub async fn unseal(
        &self,
        id: EntryId,
        patch: EntryPatch,
        expected: Option<u32>,
    ) -> Result<EntryResponse, ApiError> {
        let entry = self.find(id).await?.ok_or(NOT_FOUND)?;
        let expected = expected.ok_or(UNCONDITIONAL)?;
        if patch.content.is_none() {
            let flaw = Flaw::Missing("must be given: the entry leaves its secret tag, and needs a text in plain");
            return Err(ApiError::invalid("body", "content", &flaw));
        }
        let empty = EntryBody {
            title: None,
            content: String::new(),
            audio_url: None,
            entry_date: entry.entry_date,
            entry_zone: entry.entry_zone,
        };
        let body = PlainBody { body: patch.apply(empty), tags: patch.tags.unwrap_or_default() };
        let (sealed, now) = (self.app.storage.sealed_entries(), self.app.now());
        match self.moved(sealed.unseal(self.caller.id(), id, &body, expected, now).await?).await {
            Stored::Stored(entry) => Ok(entry.into()),
            other => Err(self.refusal(other).await?),
        }
    }

    /// Fields of an entry in plain were sent for one that is not.
    pub async fn refuse_patch(&self, id: EntryId) -> Result<ApiError, ApiError> {
        let flaw = Flaw::Missing(
            "must be given: this entry is under a secret tag, so seal it anew with secret_tag_id and the four sealed fields, \
             or take it out with null",
        );
        let entry = self.find(id).await?;
        Ok(entry.map_or(NOT_FOUND, |_| ApiError::invalid("body", "secret_tag_id", &flaw)))
    }

    /// Deletes an entry. Returns the recording that it had.
    pub async fn delete(&self, id: EntryId, expected: Option<u32>) -> Result<Option<AttachmentId>, ApiError> {
        self.find(id).await?.ok_or(NOT_FOUND)?;
        match self.app.storage.sealed_entries().delete(self.caller.id(), id, expected).await? {
            Stored::Stored(recording) => Ok(recording),
            other => Err(self.refusal(other).await?),
        }
    }

    /// Deletes the object of the recording that an entry had before it was moved.
    async fn moved<T>(&self, stored: Stored<Moved<T>>) -> Stored<T> {
        if let Stored::Stored(Moved { recording: Some(recording), .. }) = stored {
            self.app.recordings.discard(self.caller.id(), recording).await;
        }
        stored.map(|moved| moved.entry)
    }

    /// Why nothing was stored. An entry is shown only if its secret tag is open.
    async fn refusal<T>(&self, stored: Stored<T>) -> Result<ApiError, ApiError> {
        Ok(match stored {
            Stored::Stale(entry) if self.shows(&entry).await? => ApiError::PreconditionFailed(current(entry)?),
            Stored::UnknownSecretTag => LOCKED,
            Stored::UnknownTag(tag) => ApiError::unknown_tag(tag),
            _ => NOT_FOUND,
        })
    }

    async fn shows(&self, entry: &AnyEntry) -> Result<bool, ApiError> {
        match entry {
            AnyEntry::Plain(_) => Ok(true),
            AnyEntry::Sealed(entry) => Ok(self.open().await?.contains(&entry.tag)),
        }
    }

    async fn open(&self) -> Result<Vec<SecretTagId>, ApiError> {
        self.unlocks.tags(self.app, self.caller).await
    }
}

const UNCONDITIONAL: ApiError = ApiError::PreconditionRequired(
    "Send If-Match with the entry's ETag: what is sealed is sealed for the revision that follows.",
);

/// Whether a repeated create is the same request as the one that made this entry.
fn is_retry(entry: &SealedEntry, body: &SealedBody) -> bool {
    (entry.tag, &entry.sealed, entry.entry_date, &entry.entry_zone)
        == (body.tag, &body.sealed, body.entry_date, &body.entry_zone)
}
