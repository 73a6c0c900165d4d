//! Entries under a secret tag, and the outcomes of storing and moving them.

use crate::clock::Timestamp;
use crate::entry::{Entry, EntryBody, check_id};
use crate::entry_date::EntryDate;
use crate::ids::{AttachmentId, EntryId, SecretTagId, TagId, UserId};
use crate::tag::TagChoice;
use crate::text::{Check, Violations};
use crate::zone::Zone;

/// The encrypted columns of a sealed entry. `sotto-crypto` has checked their lengths.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Version ‖ ciphertext ‖ tag.
    pub encrypted_content: Vec<u8>,
    /// The IV of `encrypted_content`, 12 bytes.
    pub encryption_iv: Vec<u8>,
    /// The key that encrypts this save, wrapped, 48 bytes.
    pub wrapped_key: Vec<u8>,
    /// The IV of `wrapped_key`, 12 bytes.
    pub wrap_iv: Vec<u8>,
}

/// An entry under a secret tag.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedEntry {
    /// The id.
    pub id: EntryId,
    /// The owner.
    pub user_id: UserId,
    /// The secret tag of the entry.
    pub tag: SecretTagId,
    /// The sealed title and text.
    pub sealed: Sealed,
    /// The date of the entry.
    pub date: EntryDate,
    /// 1 at first; each change raises it by one. The revision is authenticated data of `sealed`, so every change
    /// encrypts the text again.
    pub revision: u32,
    /// When the entry was created.
    pub created_at: Timestamp,
    /// When the entry was last changed.
    pub updated_at: Timestamp,
}

/// All stored fields of a sealed entry.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedBody {
    /// The secret tag of the entry.
    pub tag: SecretTagId,
    /// The title and text, sealed for the entry's next revision.
    pub sealed: Sealed,
    /// The date of the entry.
    pub date: EntryDate,
}

/// A plain or sealed entry.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyEntry {
    /// A plain entry.
    Plain(Entry),
    /// An entry under a secret tag.
    Sealed(SealedEntry),
}

/// A plain body that replaces a sealed one.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainBody {
    /// The fields that the user sets.
    pub body: EntryBody,
    /// The tags of the entry.
    pub tags: Vec<TagChoice>,
}

/// An entry that was moved into or out of a secret tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved<T> {
    /// The entry after the move.
    pub entry: T,
    /// The freed attachments.
    pub freed: Vec<AttachmentId>,
}

/// The outcome of storing a sealed entry, or of moving an entry into or out of a secret tag.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored<T> {
    /// The change is stored.
    Stored(T),
    /// For a create: the user already has an entry with this id. Nothing was changed.
    Exists(AnyEntry),
    /// For a create: another user has an entry with this id. Nothing was changed.
    IdTaken,
    /// For a change: the user has no such entry.
    Missing,
    /// For a change: the entry is at another revision than the caller expected, or of the other kind. Contains the
    /// current entry.
    Stale(AnyEntry),
    /// The user has no such secret tag. Nothing was changed.
    UnknownSecretTag,
    /// The request names a tag by an id that is not one of the user's tags. Nothing was changed.
    UnknownTag(TagId),
}

impl SealedBody {
    /// Checks the id and the date of a sealed entry; `zone` is the result of [`Zone::chosen`].
    ///
    /// # Errors
    /// The flaws of both.
    pub fn check(id: EntryId, moment: &str, zone: Result<Zone, &str>) -> Result<(EntryId, EntryDate), Violations> {
        let mut check = Check::default();
        check_id(&mut check, id);
        let date = EntryDate::check(&mut check, moment, zone);
        check.finish(date.map(|date| (id, date)))
    }

    /// The sealed entry that results from storing this body.
    pub fn stored(
        self,
        user_id: UserId,
        id: EntryId,
        revision: u32,
        created_at: Timestamp,
        updated_at: Timestamp,
    ) -> SealedEntry {
        let Self { tag, sealed, date } = self;
        SealedEntry { id, user_id, tag, sealed, date, revision, created_at, updated_at }
    }
}

impl<T> Stored<T> {
    /// Maps the stored value, like [`Option::map`].
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Stored<U> {
        match self {
            Self::Stored(stored) => Stored::Stored(change(stored)),
            Self::Exists(entry) => Stored::Exists(entry),
            Self::IdTaken => Stored::IdTaken,
            Self::Missing => Stored::Missing,
            Self::Stale(entry) => Stored::Stale(entry),
            Self::UnknownSecretTag => Stored::UnknownSecretTag,
            Self::UnknownTag(tag) => Stored::UnknownTag(tag),
        }
    }
}

impl AnyEntry {
    /// The date, which is never sealed.
    pub fn date(&self) -> &EntryDate {
        match self {
            Self::Plain(entry) => &entry.body.date,
            Self::Sealed(entry) => &entry.date,
        }
    }

    /// The revision; each change raises it by one.
    pub fn revision(&self) -> u32 {
        match self {
            Self::Plain(entry) => entry.revision,
            Self::Sealed(entry) => entry.revision,
        }
    }
}
