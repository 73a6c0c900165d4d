//! Recordings of entries: what is known of each. What was recorded is in a store of objects, under the ids of its owner and
//! of the recording: an id names one recording for ever, and one that replaces it has another.

use crate::clock::Timestamp;
use crate::ids::{AttachmentId, EntryId, UserId};

/// The longest recording that can be kept, in bytes: 2 GiB less one, as much as the schema's numbers hold.
pub const MAX_BYTES: u32 = i32::MAX.unsigned_abs();

/// The recording of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The id.
    pub id: AttachmentId,
    /// Whose it is.
    pub user_id: UserId,
    /// The entry that it belongs to.
    pub entry_id: EntryId,
    /// What it is, such as `audio/webm`; of one that is sealed, `application/octet-stream`.
    pub media_type: String,
    /// How long it is, in bytes.
    pub byte_length: u32,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Whether it was encrypted by the client, as its entry is.
    pub sealed: bool,
    /// When the entry got its first recording, of those without a gap between them.
    pub created_at: Timestamp,
    /// When this recording was stored.
    pub updated_at: Timestamp,
}

/// A recording that is in the store of objects, and is to become its entry's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttachment {
    /// The id, which no other recording has had.
    pub id: AttachmentId,
    /// The entry.
    pub entry_id: EntryId,
    /// What it is, such as `audio/webm`.
    pub media_type: String,
    /// How long it is, in bytes, at most [`MAX_BYTES`].
    pub byte_length: u32,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// For a recording in plain, where its entry says that it is; `None` for one that the client has encrypted.
    pub audio_url: Option<String>,
}

/// What came of attaching a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attached {
    /// It is the entry's, in place of this one, if there was one.
    Attached(Attachment, Option<AttachmentId>),
    /// The user has no such entry, or it is sealed and the recording is not, or the other way round; nothing was changed.
    Missing,
    /// The user's other recordings are so many bytes, which leaves too little room; nothing was changed.
    OverQuota(u64),
}

impl NewAttachment {
    /// The recording as it is kept.
    pub fn of(self, user_id: UserId, created_at: Timestamp, updated_at: Timestamp) -> Attachment {
        let Self { id, entry_id, media_type, byte_length, sha256, audio_url } = self;
        let sealed = audio_url.is_none();
        Attachment { id, user_id, entry_id, media_type, byte_length, sha256, sealed, created_at, updated_at }
    }
}
