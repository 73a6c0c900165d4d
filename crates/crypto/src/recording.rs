//! The form of an encrypted recording, as far as a server can tell: version ‖ head ‖ chunks. `docs/protocol.md` has every byte.

use crate::cipher::TAG;

/// The first byte.
pub const VERSION: u8 = 1;
/// Bytes of plaintext in a chunk; in the last one, at most.
pub const CHUNK: usize = 64 << 10;
/// Bytes of a chunk that is full.
pub const SEALED_CHUNK: usize = CHUNK + TAG;
/// Bytes before the first chunk: version, and the head with its tag.
pub const HEAD: usize = 1 + HEAD_TEXT + TAG;

/// Bytes of the head's plaintext: the length of the recording, and its media type, filled up with zeros.
pub(crate) const HEAD_TEXT: usize = 8 + MEDIA_TYPE;
/// Bytes of a media type, at most.
pub(crate) const MEDIA_TYPE: usize = 56;

/// How many chunks a recording of so many bytes has; an empty one has one.
pub const fn chunks(plain: u64) -> u64 {
    if plain == 0 { 1 } else { plain.div_ceil(CHUNK as u64) }
}

/// How long a recording of so many bytes is when it is encrypted.
pub const fn sealed_length(plain: u64) -> u64 {
    HEAD as u64 + plain + chunks(plain) * TAG as u64
}

/// How long a recording is that is so long when it is encrypted; `None` if none is.
pub const fn plain_length(sealed: u64) -> Option<u64> {
    let Some(body) = sealed.checked_sub(HEAD as u64) else { return None };
    let Some(plain) = body.checked_sub(body.div_ceil(SEALED_CHUNK as u64) * TAG as u64) else { return None };
    if sealed_length(plain) == sealed { Some(plain) } else { None }
}
