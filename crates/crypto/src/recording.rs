//! The layout of an encrypted recording, as far as a server can see it: version ‖ head ‖ chunks. `docs/protocol.md`
//! specifies every byte.

use crate::cipher::TAG;

/// The first byte.
pub const VERSION: u8 = 1;
/// Plaintext bytes of every chunk but the last, which may be shorter.
pub const CHUNK: usize = 64 << 10;
/// Encrypted bytes of a full chunk.
pub const SEALED_CHUNK: usize = CHUNK + TAG;
/// Bytes before the first chunk: the version, and the head with its tag.
pub const HEAD: usize = 1 + HEAD_TEXT + TAG;

/// Plaintext bytes of the head: the length of the recording and its media type, padded with zeros.
pub(crate) const HEAD_TEXT: usize = 8 + MEDIA_TYPE;
/// Longest media type in bytes.
pub(crate) const MEDIA_TYPE: usize = 56;

/// Number of chunks of a recording with `plain` bytes. An empty recording has one.
pub const fn chunks(plain: u64) -> u64 {
    if plain == 0 { 1 } else { plain.div_ceil(CHUNK as u64) }
}

/// Encrypted length of a recording with `plain` bytes.
pub const fn sealed_length(plain: u64) -> u64 {
    HEAD as u64 + plain + chunks(plain) * TAG as u64
}

/// Plaintext length of a recording with `sealed` encrypted bytes; `None` if no recording has that length.
pub const fn plain_length(sealed: u64) -> Option<u64> {
    let Some(body) = sealed.checked_sub(HEAD as u64) else { return None };
    let Some(plain) = body.checked_sub(body.div_ceil(SEALED_CHUNK as u64) * TAG as u64) else { return None };
    if sealed_length(plain) == sealed { Some(plain) } else { None }
}
