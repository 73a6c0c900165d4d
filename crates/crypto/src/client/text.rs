//! The plaintexts that are sealed: the text of an entry, and the metadata of a secret tag.

use sotto_domain::Random;
use sotto_domain::entry::{MAX_CONTENT, MAX_TITLE};
use sotto_domain::tag::MAX_TAGS_PER_ENTRY;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::cipher::{KEY, VERSION};
use crate::client::fields::{Reader, Writer};
use crate::error::Error;
use crate::sealed::{COLOR, MAX_TAG_NAME};
use crate::wire::hidden;

/// The layout version of an entry whose recording is being replaced.
pub(super) const REPLACING: u8 = 2;

/// Field types of an entry, in their order.
mod entry {
    pub const TITLE: u8 = 1;
    pub const CONTENT: u8 = 2;
    pub const TAG: u8 = 3;
    pub const AUDIO_KEY: u8 = 4;
    pub const FORMER_AUDIO_KEY: u8 = 5;
}

/// Field types of metadata, in their order.
mod metadata {
    pub const NAME: u8 = 1;
    pub const COLOR: u8 = 2;
}

/// The text of an entry under a secret tag, with all that is sealed with it.
#[derive(Clone, PartialEq, Eq, Default, Zeroize, ZeroizeOnDrop)]
pub struct EntryText {
    /// An optional title, at most [`MAX_TITLE`] bytes.
    pub title: Option<String>,
    /// The text, in Markdown, at most [`MAX_CONTENT`] bytes.
    pub content: String,
    /// Names of tags, at most [`MAX_TAGS_PER_ENTRY`], each at most 100 bytes.
    pub tags: Vec<String>,
    /// The key of the entry's recording.
    pub audio_key: Option<AudioKey>,
    /// The key of the recording that is being replaced, from before the new recording is sent until the server is known
    /// to have it: until then the server may have either. Never set without `audio_key`.
    pub former_audio_key: Option<AudioKey>,
}

/// The key of an entry's recording.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct AudioKey(pub [u8; KEY]);

/// The metadata of a secret tag.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Metadata {
    /// The name, at most 100 bytes.
    pub name: String,
    /// The colour, `#rrggbb`.
    pub color: Option<String>,
}

impl EntryText {
    /// The layout version: 2 with a `former_audio_key`, otherwise 1.
    pub fn version(&self) -> u8 {
        if self.former_audio_key.is_some() { REPLACING } else { VERSION }
    }

    /// Returns the padded layout.
    ///
    /// # Errors
    /// [`Error::TooLong`]; [`Error::Layout`] for a former audio key without an audio key.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.check()?;
        let title = self.title.as_deref();
        let tags: usize = self.tags.iter().map(String::len).sum();
        let texts = title.map_or(0, str::len) + self.content.len() + tags;
        let mut fields = Writer::new(4 + self.tags.len(), texts + 2 * KEY);
        if let Some(title) = title {
            fields.field(entry::TITLE, title.as_bytes())?;
        }
        fields.field(entry::CONTENT, self.content.as_bytes())?;
        for tag in &self.tags {
            fields.field(entry::TAG, tag.as_bytes())?;
        }
        if let Some(key) = &self.audio_key {
            fields.field(entry::AUDIO_KEY, &key.0)?;
        }
        if let Some(key) = &self.former_audio_key {
            fields.field(entry::FORMER_AUDIO_KEY, &key.0)?;
        }
        Ok(fields.finish())
    }

    /// Reads the layout of [`Self::to_bytes`], and accepts no other.
    ///
    /// # Errors
    /// [`Error::Layout`], [`Error::TooLong`].
    pub fn from_bytes(plaintext: &[u8]) -> Result<Self, Error> {
        let text = Self::read(plaintext).ok_or(Error::Layout("entry"))?;
        text.check()?;
        Ok(text)
    }

    fn read(plaintext: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(plaintext)?;
        let mut text = Self {
            title: fields.text(entry::TITLE),
            content: fields.text(entry::CONTENT)?,
            tags: Vec::new(),
            audio_key: None,
            former_audio_key: None,
        };
        while let Some(tag) = fields.text(entry::TAG) {
            text.tags.push(tag);
        }
        if let Some(key) = fields.next(entry::AUDIO_KEY) {
            text.audio_key = Some(AudioKey(key.try_into().ok()?));
        }
        if let Some(key) = fields.next(entry::FORMER_AUDIO_KEY) {
            text.former_audio_key = Some(AudioKey(key.try_into().ok()?));
        }
        fields.is_at_end().then_some(text)
    }

    fn check(&self) -> Result<(), Error> {
        if self.former_audio_key.is_some() && self.audio_key.is_none() {
            return Err(Error::Layout("entry"));
        }
        at_most("title", self.title.as_deref().map_or(0, str::len), MAX_TITLE)?;
        at_most("content", self.content.len(), MAX_CONTENT)?;
        at_most("list of tags", self.tags.len(), MAX_TAGS_PER_ENTRY)?;
        self.tags.iter().try_for_each(|tag| at_most("name of a tag", tag.len(), MAX_TAG_NAME))
    }
}

impl AudioKey {
    /// Generates a random key.
    pub fn generate(random: &dyn Random) -> Self {
        let mut key = Self([0; KEY]);
        random.fill(&mut key.0);
        key
    }
}

impl Metadata {
    /// Returns the padded layout.
    ///
    /// # Errors
    /// [`Error::TooLong`].
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.check()?;
        let mut fields = Writer::new(2, self.name.len() + COLOR);
        fields.field(metadata::NAME, self.name.as_bytes())?;
        if let Some(color) = &self.color {
            fields.field(metadata::COLOR, color.as_bytes())?;
        }
        Ok(fields.finish())
    }

    /// Reads the layout of [`Self::to_bytes`], and accepts no other.
    ///
    /// # Errors
    /// [`Error::Layout`], [`Error::TooLong`].
    pub fn from_bytes(plaintext: &[u8]) -> Result<Self, Error> {
        let metadata = Self::read(plaintext).ok_or(Error::Layout("metadata"))?;
        metadata.check()?;
        Ok(metadata)
    }

    fn read(plaintext: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(plaintext)?;
        let metadata = Self { name: fields.text(metadata::NAME)?, color: fields.text(metadata::COLOR) };
        fields.is_at_end().then_some(metadata)
    }

    fn check(&self) -> Result<(), Error> {
        at_most("name", self.name.len(), MAX_TAG_NAME)?;
        at_most("color", self.color.as_deref().map_or(0, str::len), COLOR)
    }
}

fn at_most(name: &'static str, length: usize, max: usize) -> Result<(), Error> {
    if length > max { Err(Error::TooLong { name, max }) } else { Ok(()) }
}

hidden!(EntryText, AudioKey, Metadata);
