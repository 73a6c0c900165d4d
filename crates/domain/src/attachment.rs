//! Attachments: the rows that describe them. The bytes of an attachment are an object in the attachment store, named by
//! the ids of its owner and of the attachment. An id is never reused, so an attachment that replaces another one has
//! a new id.
//!
//! A change that deletes the rows of attachments returns the *freed* ones as a list. The caller deletes their objects.

use crate::clock::Timestamp;
use crate::ids::{AttachmentId, EntryId, UserId};

/// The longest recording in bytes: 2 GiB minus one, the largest number of the schema's column.
pub const MAX_BYTES: u32 = i32::MAX.unsigned_abs();

/// Whether a text may be the media type of a recording: a kind of audio, or `application/octet-stream`. A browser runs
/// none of these as a page or a script.
pub fn is_media_type(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".+-".contains(c);
    let kind = text.strip_prefix("audio/");
    text == "application/octet-stream"
        || kind.is_some_and(|kind| (1..=64).contains(&kind.len()) && kind.chars().all(is_plain))
}

/// The recording of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The id.
    pub id: AttachmentId,
    /// The owner.
    pub user_id: UserId,
    /// The entry that it belongs to.
    pub entry_id: EntryId,
    /// The media type, such as `audio/webm`; `application/octet-stream` for a sealed recording.
    pub media_type: String,
    /// The length in bytes.
    pub byte_length: u32,
    /// The SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// Whether the client has encrypted the recording, as it has its entry.
    pub sealed: bool,
    /// When the entry got the first recording of an unbroken series of replacements.
    pub created_at: Timestamp,
    /// When this recording was stored.
    pub updated_at: Timestamp,
}

/// A recording that is in the attachment store and is about to be attached to its entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttachment {
    /// The id, which no other recording has ever had.
    pub id: AttachmentId,
    /// The entry.
    pub entry_id: EntryId,
    /// The media type, such as `audio/webm`.
    pub media_type: String,
    /// The length in bytes, at most [`MAX_BYTES`].
    pub byte_length: u32,
    /// The SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// The `audio_url` of the entry, for a plain recording; `None` for one that the client has encrypted.
    pub audio_url: Option<String>,
}

/// The outcome of attaching a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attached {
    /// The recording is attached. The list holds the freed attachment that it replaced, if there was one.
    Attached(Attachment, Vec<AttachmentId>),
    /// The user has no such entry, or only one of the entry and the recording is sealed. Nothing was changed.
    Missing,
    /// The user's other recordings have this many bytes, which leaves too little of the quota. Nothing was changed.
    OverQuota(u64),
}

impl NewAttachment {
    /// The attachment as it is stored.
    pub fn attached_to(self, user_id: UserId, created_at: Timestamp, updated_at: Timestamp) -> Attachment {
        let Self { id, entry_id, media_type, byte_length, sha256, audio_url } = self;
        let sealed = audio_url.is_none();
        Attachment { id, user_id, entry_id, media_type, byte_length, sha256, sealed, created_at, updated_at }
    }
}
