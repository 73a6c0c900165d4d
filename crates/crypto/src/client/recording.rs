//! The recording of an entry under a secret tag, encrypted in chunks, so that it can be streamed and played from any
//! position.
//!
//! The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
//! Misuse-Resistance, CRYPTO 2015): the iv of a chunk consists of its number and whether it is the last.

use sotto_domain::{EntryId, Random, UserId};
use zeroize::Zeroizing;

use crate::cipher::{IV, Key};
use crate::client::AudioKey;
use crate::error::Error;
use crate::recording::{CHUNK, HEAD, HEAD_TEXT, MEDIA_TYPE, SEALED_CHUNK, VERSION, chunks};

/// The last byte of an iv.
mod kind {
    pub const CHUNK: u8 = 0;
    pub const LAST_CHUNK: u8 = 1;
    pub const HEAD: u8 = 2;
}

/// Encrypts and decrypts one recording. A key must not be used for a second recording, because its ivs count from zero.
pub struct Recording {
    key: Key,
    /// `recording` ‖ user ‖ entry.
    place: Vec<u8>,
    media_type: String,
    byte_length: u64,
}

impl Recording {
    /// Starts a recording of `byte_length` bytes with a separate key, to be stored in
    /// [`super::EntryText::audio_key`].
    ///
    /// # Errors
    /// [`Error::TooLong`] for a media type of more than 56 bytes.
    pub fn create(
        user: UserId,
        entry: EntryId,
        media_type: &str,
        byte_length: u64,
        random: &dyn Random,
    ) -> Result<(Self, AudioKey), Error> {
        if media_type.len() > MEDIA_TYPE {
            return Err(Error::TooLong { name: "media type", max: MEDIA_TYPE });
        }
        let key = AudioKey::generate(random);
        let recording = Self { media_type: media_type.to_owned(), byte_length, ..Self::new(user, entry, &key)? };
        Ok((recording, key))
    }

    /// Opens a recording by its first [`HEAD`] bytes.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Layout`].
    pub fn open(user: UserId, entry: EntryId, key: &AudioKey, head: &[u8]) -> Result<Self, Error> {
        const NEWER: Error = Error::Layout("recording");
        let recording = Self::new(user, entry, key)?;
        let (version, sealed) = head.split_first().filter(|_| head.len() == HEAD).ok_or(REFUSED)?;
        if *version != VERSION {
            return Err(NEWER);
        }
        let text = recording.key.open(iv(0, kind::HEAD), &recording.head_aad(), sealed).ok_or(REFUSED)?;
        let (length, media_type) = text.split_first_chunk().ok_or(NEWER)?;
        let end = media_type.iter().position(|byte| *byte == 0).unwrap_or(MEDIA_TYPE);
        let (media_type, rest) = media_type.split_at(end);
        let media_type = std::str::from_utf8(media_type).ok().filter(|_| rest.iter().all(|byte| *byte == 0));
        let media_type = media_type.ok_or(NEWER)?.to_owned();
        Ok(Self { byte_length: u64::from_be_bytes(*length), media_type, ..recording })
    }

    /// The first [`HEAD`] bytes of the encrypted recording.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn head(&self) -> Result<Vec<u8>, Error> {
        let mut text = Zeroizing::new([0; HEAD_TEXT]);
        text[..8].copy_from_slice(&self.byte_length.to_be_bytes());
        text[8..][..self.media_type.len()].copy_from_slice(self.media_type.as_bytes());
        self.key.seal(iv(0, kind::HEAD), &self.head_aad(), &[VERSION], &*text)
    }

    /// Seals a chunk. All chunks but the last have [`CHUNK`] bytes.
    ///
    /// # Errors
    /// [`Error::Length`] if the chunk of this number has another length.
    pub fn seal_chunk(&self, number: u32, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let length = self.chunk_length(number).filter(|length| *length == plaintext.len());
        length.ok_or(Error::Length { name: "chunk", min: 0, max: CHUNK })?;
        self.key.seal(self.chunk_iv(number), &self.chunk_aad(), &[], plaintext)
    }

    /// Opens a chunk. All chunks but the last have [`SEALED_CHUNK`] bytes.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn open_chunk(&self, number: u32, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let length = self.chunk_length(number).ok_or(REFUSED)?;
        let opened = self.key.open(self.chunk_iv(number), &self.chunk_aad(), sealed);
        opened.filter(|plaintext| plaintext.len() == length).ok_or(REFUSED)
    }

    /// Seals a whole recording in memory.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn seal_all(
        user: UserId,
        entry: EntryId,
        media_type: &str,
        plaintext: &[u8],
        random: &dyn Random,
    ) -> Result<(Vec<u8>, AudioKey), Error> {
        let (recording, key) = Self::create(user, entry, media_type, plaintext.len() as u64, random)?;
        let mut sealed = recording.head()?;
        for number in 0..recording.chunks() {
            let start = number as usize * CHUNK;
            let end = plaintext.len().min(start + CHUNK);
            sealed.extend(recording.seal_chunk(number, &plaintext[start..end])?);
        }
        Ok((sealed, key))
    }

    /// Opens a whole recording in memory.
    ///
    /// # Errors
    /// [`Error::Refused`], also if the recording is too short or too long; [`Error::Layout`].
    pub fn open_all(
        user: UserId,
        entry: EntryId,
        key: &AudioKey,
        sealed: &[u8],
    ) -> Result<(Self, Zeroizing<Vec<u8>>), Error> {
        let (head, body) = sealed.split_at_checked(HEAD).ok_or(REFUSED)?;
        let recording = Self::open(user, entry, key, head)?;
        let pieces: Vec<_> = body.chunks(SEALED_CHUNK).collect();
        if pieces.len() as u64 != u64::from(recording.chunks()) {
            return Err(REFUSED);
        }
        let mut plaintext = Zeroizing::new(Vec::with_capacity(body.len()));
        for (number, piece) in (0..).zip(pieces) {
            plaintext.extend_from_slice(&recording.open_chunk(number, piece)?);
        }
        Ok((recording, plaintext))
    }

    /// The media type, such as `audio/webm;codecs=opus`.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The length in bytes, before encryption.
    pub fn byte_length(&self) -> u64 {
        self.byte_length
    }

    /// The number of chunks, at least one.
    pub fn chunks(&self) -> u32 {
        u32::try_from(chunks(self.byte_length)).unwrap_or(u32::MAX)
    }

    fn new(user: UserId, entry: EntryId, key: &AudioKey) -> Result<Self, Error> {
        let place = [b"recording".as_slice(), user.0.as_bytes(), entry.0.as_bytes()].concat();
        let key = Key::from_bytes(&key.0).ok_or(Error::Library)?;
        Ok(Self { key, place, media_type: String::new(), byte_length: 0 })
    }

    /// The plaintext length of a chunk; `None` if there is no chunk of this number.
    fn chunk_length(&self, number: u32) -> Option<usize> {
        let left = self.byte_length.checked_sub(u64::from(number) * CHUNK as u64)?;
        (number < self.chunks()).then_some(usize::try_from(left).unwrap_or(CHUNK).min(CHUNK))
    }

    fn chunk_iv(&self, number: u32) -> [u8; IV] {
        iv(number, if number + 1 == self.chunks() { kind::LAST_CHUNK } else { kind::CHUNK })
    }

    /// `recording` ‖ user ‖ entry ‖ version.
    fn head_aad(&self) -> Vec<u8> {
        [self.place.as_slice(), &[VERSION]].concat()
    }

    /// `recording` ‖ user ‖ entry ‖ length ‖ version.
    fn chunk_aad(&self) -> Vec<u8> {
        [self.place.as_slice(), &self.byte_length.to_be_bytes(), &[VERSION]].concat()
    }
}

const REFUSED: Error = Error::Refused("recording");

/// Seven zeros ‖ number ‖ kind.
fn iv(number: u32, kind: u8) -> [u8; IV] {
    let mut iv = [0; IV];
    iv[7..11].copy_from_slice(&number.to_be_bytes());
    iv[11] = kind;
    iv
}
