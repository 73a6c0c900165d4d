//! The keys of an unlocked secret tag, which seal and open its entries and metadata.

use std::fmt;

use sotto_domain::{EntryId, Random};

use crate::cipher::{IV, Key, VERSION};
use crate::client::text::REPLACING;
use crate::client::{EntryText, ExportKey, Metadata, RecoveryKey};
use crate::error::Error;
use crate::scope::Scope;
use crate::sealed::{RecoveryWrap, SealedEntry, SealedMetadata, WrappedMasterKey};

/// The keys of an unlocked secret tag. They never change: a new phrase only wraps the same master key again.
pub struct Vault {
    scope: Scope,
    master: Key,
    entry_wrap: Key,
    metadata: Key,
}

impl Vault {
    /// Creates a secret tag with a new master key.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn create(scope: Scope, random: &dyn Random) -> Result<Self, Error> {
        Self::with_master(scope, Key::generate(random))
    }

    /// Opens a secret tag with the export key of a login.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn unlock(scope: Scope, export_key: &ExportKey, wrapped: &WrappedMasterKey) -> Result<Self, Error> {
        let key = Self::phrase_key(export_key)?;
        Self::unwrap(scope, &key, "tmk", wrapped.as_bytes())
    }

    /// Opens a secret tag with its recovery key.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn recover(scope: Scope, key: &RecoveryKey, wrap: &RecoveryWrap) -> Result<Self, Error> {
        Self::unwrap(scope, &key.wrapping()?, "recovery", wrap.as_bytes())
    }

    /// Wraps the master key for the export key of a registration: when the secret tag is created and when its phrase
    /// changes.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn wrap(&self, export_key: &ExportKey, random: &dyn Random) -> Result<WrappedMasterKey, Error> {
        let key = Self::phrase_key(export_key)?;
        WrappedMasterKey::from_bytes(&self.wrap_with(&key, "tmk", random)?)
    }

    /// Wraps the master key for a recovery key.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn wrap_for_recovery(&self, key: &RecoveryKey, random: &dyn Random) -> Result<RecoveryWrap, Error> {
        RecoveryWrap::from_bytes(&self.wrap_with(&key.wrapping()?, "recovery", random)?)
    }

    /// Seals an entry. `revision` is the revision that this save will give to the entry; 1 for a new entry.
    ///
    /// # Errors
    /// [`Error::TooLong`].
    pub fn seal_entry(
        &self,
        entry: EntryId,
        revision: u32,
        text: &EntryText,
        random: &dyn Random,
    ) -> Result<SealedEntry, Error> {
        let plaintext = text.to_bytes()?;
        let key = Key::generate(random);
        let (mut wrap_iv, mut encryption_iv) = ([0; IV], [0; IV]);
        random.fill(&mut wrap_iv);
        random.fill(&mut encryption_iv);
        let wrapped_key = self.entry_wrap.seal(wrap_iv, &self.key_aad(entry, revision), &[], key.as_bytes())?;
        let version = text.version();
        let aad = self.text_aad(entry, revision, version);
        let encrypted_content = key.seal(encryption_iv, &aad, &[version], &plaintext)?;
        SealedEntry::from_parts(encrypted_content, &encryption_iv, &wrapped_key, &wrap_iv)
    }

    /// Opens a stored entry.
    ///
    /// # Errors
    /// [`Error::Refused`] if anything was changed, or belongs to another user, secret tag, entry or revision;
    /// [`Error::Layout`] if a newer version wrote the entry.
    pub fn open_entry(&self, entry: EntryId, revision: u32, sealed: &SealedEntry) -> Result<EntryText, Error> {
        const REFUSED: Error = Error::Refused("entry");
        let (version, ciphertext) = sealed.encrypted_content.split_first().ok_or(REFUSED)?;
        if ![VERSION, REPLACING].contains(version) {
            return Err(Error::Layout("entry"));
        }
        let key = self
            .entry_wrap
            .open(sealed.wrap_iv, &self.key_aad(entry, revision), &sealed.wrapped_key)
            .and_then(|key| Key::from_bytes(&key))
            .ok_or(REFUSED)?;
        let aad = self.text_aad(entry, revision, *version);
        let text = EntryText::from_bytes(&key.open(sealed.encryption_iv, &aad, ciphertext).ok_or(REFUSED)?)?;
        if text.version() == *version { Ok(text) } else { Err(Error::Layout("entry")) }
    }

    /// Seals the secret tag's name and colour.
    ///
    /// # Errors
    /// [`Error::TooLong`].
    pub fn seal_metadata(&self, metadata: &Metadata, random: &dyn Random) -> Result<SealedMetadata, Error> {
        let plaintext = metadata.to_bytes()?;
        SealedMetadata::from_bytes(self.metadata.seal_box(&self.aad("meta"), &plaintext, random)?)
    }

    /// Opens the secret tag's name and colour.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Layout`].
    pub fn open_metadata(&self, sealed: &SealedMetadata) -> Result<Metadata, Error> {
        let plaintext =
            self.metadata.open_box(&self.aad("meta"), sealed.as_bytes()).ok_or(Error::Refused("metadata"))?;
        Metadata::from_bytes(&plaintext)
    }

    /// The same keys under another scope, which no client would create.
    #[cfg(test)]
    pub(crate) fn under(&self, scope: Scope) -> Self {
        Self {
            scope,
            master: self.master.clone(),
            entry_wrap: self.entry_wrap.clone(),
            metadata: self.metadata.clone(),
        }
    }

    fn with_master(scope: Scope, master: Key) -> Result<Self, Error> {
        let entry_wrap = Key::derive(master.as_bytes(), "sotto/v1/secret-tag/entry-wrap")?;
        let metadata = Key::derive(master.as_bytes(), "sotto/v1/secret-tag/metadata")?;
        Ok(Self { scope, master, entry_wrap, metadata })
    }

    fn phrase_key(export_key: &ExportKey) -> Result<Key, Error> {
        Key::derive(export_key.as_bytes(), "sotto/v1/secret-tag/kek")
    }

    fn wrap_with(&self, key: &Key, label: &str, random: &dyn Random) -> Result<Vec<u8>, Error> {
        key.seal_box(&self.aad(label), self.master.as_bytes(), random)
    }

    fn unwrap(scope: Scope, key: &Key, label: &str, wrapped: &[u8]) -> Result<Self, Error> {
        let master = key
            .open_box(&[label.as_bytes(), &scope.to_bytes()].concat(), wrapped)
            .and_then(|master| Key::from_bytes(&master))
            .ok_or(Error::Refused("master key"))?;
        Self::with_master(scope, master)
    }

    /// label ‖ user ‖ tag.
    fn aad(&self, label: &str) -> Vec<u8> {
        [label.as_bytes(), &self.scope.to_bytes()].concat()
    }

    /// `dek` ‖ user ‖ tag ‖ entry ‖ revision.
    fn key_aad(&self, entry: EntryId, revision: u32) -> Vec<u8> {
        [&self.aad("dek"), entry.0.as_bytes().as_slice(), &revision.to_be_bytes()].concat()
    }

    /// `entry` ‖ user ‖ tag ‖ entry ‖ revision ‖ version.
    fn text_aad(&self, entry: EntryId, revision: u32, version: u8) -> Vec<u8> {
        [&self.aad("entry"), entry.0.as_bytes().as_slice(), &revision.to_be_bytes(), &[version]].concat()
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({}, …)", self.scope.tag)
    }
}
