//! The server's secret keys, kept in a file outside of the database.
//!
//! The file is JSON: `{"version": 1, "token_signing": "…", "opaque": ["…", …], "session_sealing": "…"}`, in base64url
//! without padding (RFC 4648, section 5): 32 bytes, 128 bytes each (`docs/protocol.md`, section 7), 32 bytes. The first
//! start creates it with mode 0600. All nodes need the same file, or its contents in the variable `SOTTO_KEYS`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sotto_crypto::Fingerprint;
use sotto_crypto::server::{SealingKey, ServerKeys};
use sotto_domain::Random;
use sotto_files::{Draft, folder_of, remove_abandoned, remove_if_there};

/// The secret keys. They have no `Debug`, so they cannot be logged.
#[derive(Clone)]
pub struct Keys {
    /// Signs access and refresh tokens, and cursors.
    pub token_signing: [u8; 32],
    pub secret_tags: Arc<SecretTagKeys>,
}

/// The keys of secret tags. A registration record is useless without the OPAQUE keys that it was made with, so replaced
/// keys are kept.
#[derive(Clone)]
pub struct SecretTagKeys {
    /// For new registrations.
    pub current: ServerKeys,
    /// For older registration records, newest first.
    pub former: Vec<ServerKeys>,
    /// Encrypts the state of a login between its two requests.
    pub session_sealing: SealingKey,
}

#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or created.
    #[error("the key file {} cannot be used: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// The contents are not a set of keys.
    #[error(
        "{origin} does not hold a set of keys of this version: {reason}. Restore it from a backup. If there is none, \
         delete it to get new keys: that signs everybody out, and secret tags can only be unlocked after a recovery with their recovery keys"
    )]
    Malformed {
        /// The file or the variable.
        origin: String,
        /// The reason, without the keys.
        reason: String,
    },
    /// The file is from before secret tags.
    #[error(
        "{origin} has no keys for secret tags yet: `sotto keys init` adds them to a key file, `sotto keys export` prints it"
    )]
    Incomplete {
        /// The file or the variable.
        origin: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    version: u32,
    token_signing: String,
    #[serde(default)]
    opaque: Vec<String>,
    session_sealing: Option<String>,
}

impl Keys {
    pub fn generate(random: &dyn Random) -> Self {
        let mut token_signing = [0; 32];
        random.fill(&mut token_signing);
        Self { token_signing, secret_tags: Arc::new(SecretTagKeys::generate(random)) }
    }

    /// These keys with new OPAQUE keys in front. Records made with the old ones keep working.
    #[must_use]
    pub fn rotated(&self, random: &dyn Random) -> Self {
        let old = &self.secret_tags;
        let secret_tags = SecretTagKeys {
            current: ServerKeys::generate(random),
            former: old.all().cloned().collect(),
            session_sealing: old.session_sealing.clone(),
        };
        Self { token_signing: self.token_signing, secret_tags: Arc::new(secret_tags) }
    }

    /// Reads the file, creates it if it is missing, or adds the keys that an older file lacks. Several servers may
    /// start at once: one of them writes, the others read. Drafts of a killed process are deleted.
    ///
    /// # Errors
    /// If the file cannot be read or written, or does not contain keys.
    pub fn load_or_create(path: &Path, random: &dyn Random) -> Result<Self, KeysError> {
        let file = |source| KeysError::File { path: path.to_owned(), source };
        if let Ok(keys) = Self::load(path) {
            // The folder may be read-only, such as a mounted secret.
            let _ = lock(path).and_then(|_lock| remove_drafts(path));
            return Ok(keys);
        }
        let _lock = lock(path).map_err(file)?;
        remove_drafts(path).map_err(file)?;
        match Self::load(path) {
            Err(KeysError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let keys = Self::generate(random);
                keys.write(path).map_err(file)?;
                Ok(keys)
            }
            Err(KeysError::Incomplete { .. }) => {
                let text = fs::read_to_string(path).map_err(file)?;
                let keys = KeyFile::read(&text, &origin(path))?.complete(&origin(path), Some(random))?;
                keys.write(path).map_err(file)?;
                Ok(keys)
            }
            other => other,
        }
    }

    pub fn load(path: &Path) -> Result<Self, KeysError> {
        let text = fs::read_to_string(path).map_err(|source| KeysError::File { path: path.to_owned(), source })?;
        Self::parse(&text, &origin(path))
    }

    /// Reads the contents of a key file. Errors name `origin` as the source.
    pub fn parse(text: &str, origin: &str) -> Result<Self, KeysError> {
        KeyFile::read(text, origin)?.complete(origin, None)
    }

    /// Puts new OPAQUE keys in front of those in the file, and returns all keys.
    ///
    /// # Errors
    /// If the file cannot be read or written, or does not contain keys.
    pub fn rotate(path: &Path, random: &dyn Random) -> Result<Self, KeysError> {
        let file = |source| KeysError::File { path: path.to_owned(), source };
        let _lock = lock(path).map_err(file)?;
        let keys = Self::load(path)?.rotated(random);
        keys.write(path).map_err(file)?;
        Ok(keys)
    }

    /// Writes these keys to the file, and replaces what it contains.
    pub fn store(&self, path: &Path) -> Result<(), KeysError> {
        let written = lock(path).and_then(|_lock| self.write(path));
        written.map_err(|source| KeysError::File { path: path.to_owned(), source })
    }

    /// The contents of a key file, in one line. Secret.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&KeyFile::from_keys(self))
    }

    /// The caller holds the lock of the folder.
    fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(&KeyFile::from_keys(self))?;
        text.push('\n');
        let mut draft = Draft::replacing(path)?;
        draft.write_all(text.as_bytes())?;
        Ok(draft.publish()?)
    }
}

impl SecretTagKeys {
    pub fn generate(random: &dyn Random) -> Self {
        let session_sealing = SealingKey::generate(random);
        Self { current: ServerKeys::generate(random), former: Vec::new(), session_sealing }
    }

    /// The current OPAQUE keys, then the former ones.
    pub fn all(&self) -> impl Iterator<Item = &ServerKeys> {
        std::iter::once(&self.current).chain(&self.former)
    }

    pub fn find(&self, fingerprint: Fingerprint) -> Option<&ServerKeys> {
        self.all().find(|keys| keys.fingerprint() == fingerprint)
    }

    /// The fingerprints that none of these keys has.
    pub fn missing(&self, used: &[[u8; 16]]) -> Vec<Fingerprint> {
        used.iter().map(|bytes| Fingerprint::from(*bytes)).filter(|keys| self.find(*keys).is_none()).collect()
    }
}

impl KeyFile {
    fn read(text: &str, origin: &str) -> Result<Self, KeysError> {
        // serde's messages may quote a value, and the values are secret. So only the position is reported.
        let file: Self = serde_json::from_str(text)
            .map_err(|error| malformed(origin, format!("line {}, column {}", error.line(), error.column())))?;
        if file.version != 1 {
            return Err(malformed(origin, format!("it has version {}", file.version)));
        }
        Ok(file)
    }

    /// The keys. With `random`, keys that an older file lacks are generated.
    fn complete(self, origin: &str, random: Option<&dyn Random>) -> Result<Keys, KeysError> {
        let bytes = |name: &str, text: &str| {
            URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed(origin, format!("{name} is not base64url")))
        };
        let token_signing = bytes("token_signing", &self.token_signing)?
            .try_into()
            .map_err(|_| malformed(origin, "token_signing is not 32 bytes".into()))?;
        let mut opaque = Vec::new();
        for text in &self.opaque {
            let keys = ServerKeys::from_bytes(&bytes("opaque", text)?);
            opaque.push(keys.map_err(|error| malformed(origin, error.to_string()))?);
        }
        let sealing = self.session_sealing.as_deref().map(|text| {
            SealingKey::from_bytes(&bytes("session_sealing", text)?)
                .map_err(|error| malformed(origin, error.to_string()))
        });
        let sealing = sealing.transpose()?;
        let secret_tags = match (opaque.is_empty(), sealing, random) {
            (false, Some(session_sealing), _) => {
                let former = opaque.split_off(1);
                let current = opaque.into_iter().next();
                current.map(|current| SecretTagKeys { current, former, session_sealing })
            }
            (true, None, random) => random.map(SecretTagKeys::generate),
            _ => return Err(malformed(origin, "it has only some of the keys for secret tags".into())),
        };
        let secret_tags = secret_tags.ok_or_else(|| KeysError::Incomplete { origin: origin.to_owned() })?;
        Ok(Keys { token_signing, secret_tags: Arc::new(secret_tags) })
    }

    fn from_keys(keys: &Keys) -> Self {
        Self {
            version: 1,
            token_signing: URL_SAFE_NO_PAD.encode(keys.token_signing),
            opaque: keys.secret_tags.all().map(|keys| URL_SAFE_NO_PAD.encode(*keys.to_bytes())).collect(),
            session_sealing: Some(URL_SAFE_NO_PAD.encode(keys.secret_tags.session_sealing.as_bytes())),
        }
    }
}

fn origin(path: &Path) -> String {
    format!("the key file {}", path.display())
}

fn malformed(origin: &str, reason: String) -> KeysError {
    KeysError::Malformed { origin: origin.to_owned(), reason }
}

/// Locks the folder, since the file itself is replaced by each write.
fn lock(path: &Path) -> io::Result<File> {
    let folder = File::open(folder_of(path))?;
    folder.lock()?;
    Ok(folder)
}

/// Deletes incomplete key files. The caller holds the lock of the folder, so no process is writing one.
fn remove_drafts(path: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    remove_abandoned(folder_of(path), |target| target == name)?;
    // Older versions named drafts keys.PID.new.
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    for item in fs::read_dir(folder_of(path))? {
        let item = item?;
        let name = item.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(&stem).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".new"));
        if number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())) {
            remove_if_there(&item.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemRandom;

    #[test]
    fn keys_are_created_once_with_private_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let first = Keys::load_or_create(&path, &SystemRandom).unwrap();
        let second = Keys::load_or_create(&path, &SystemRandom).unwrap();
        assert_eq!(first.to_text().unwrap(), second.to_text().unwrap());
        assert_private(&path);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn drafts_of_a_killed_process_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        for left in [".keys.json.unfinished", "keys.4711.new"] {
            fs::write(folder.path().join(left), "half of a ke").unwrap();
        }
        for other in [".letter.unfinished", "keys.mine.new"] {
            fs::write(folder.path().join(other), "another file's").unwrap();
        }
        let created = Keys::load_or_create(&path, &SystemRandom).unwrap();
        fs::write(folder.path().join(".keys.json.unfinished"), "half of a ke").unwrap();
        assert_eq!(Keys::load_or_create(&path, &SystemRandom).unwrap().to_text().unwrap(), created.to_text().unwrap());
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|item| item.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".letter.unfinished", "keys.json", "keys.mine.new"]);
    }

    #[test]
    fn a_file_without_secret_tag_keys_gets_them_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let old = format!(r#"{{"version":1,"token_signing":"{}"}}"#, URL_SAFE_NO_PAD.encode([7; 32]));
        fs::write(&path, &old).unwrap();
        assert!(matches!(Keys::parse(&old, "the variable"), Err(KeysError::Incomplete { .. })));
        let created: Vec<String> = std::thread::scope(|scope| {
            let start = || Keys::load_or_create(&path, &SystemRandom).unwrap();
            let servers: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
            servers.into_iter().map(|server| server.join().unwrap().to_text().unwrap()).collect()
        });
        assert!(created.iter().all(|keys| *keys == created[0]));
        let keys = Keys::load(&path).unwrap();
        assert_eq!((keys.token_signing, keys.to_text().unwrap()), ([7; 32], created[0].clone()));
        assert_private(&path);
    }

    #[test]
    fn rotation_keeps_the_former_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let old = Keys::load_or_create(&path, &SystemRandom).unwrap();
        let new = Keys::rotate(&path, &SystemRandom).unwrap();
        let was = old.secret_tags.current.fingerprint();
        assert!(new.secret_tags.current.fingerprint() != was && new.secret_tags.find(was).is_some());
        assert_eq!(new.token_signing, old.token_signing);
        assert_eq!(Keys::load(&path).unwrap().to_text().unwrap(), new.to_text().unwrap());
        assert_eq!(old.secret_tags.missing(&[*new.secret_tags.current.fingerprint().as_bytes()]).len(), 1);
        assert!(new.secret_tags.missing(&[*was.as_bytes()]).is_empty());
    }

    #[test]
    fn a_damaged_file_is_rejected_without_showing_its_content() {
        let good = Keys::generate(&SystemRandom).to_text().unwrap();
        let part = good.replace("session_sealing", "other");
        for bad in [
            "",
            "{}",
            r#"{"version":2,"token_signing":"c2VjcmV0"}"#,
            r#"{"version":1,"token_signing":"c2VjcmV0"}"#,
            r#"{"version":1,"token_signing":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","opaque":["c2VjcmV0"]}"#,
            r#"{"version":1,"token_signing":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","session_sealing":"c2VjcmV0"}"#,
            &part,
        ] {
            let error = Keys::parse(bad, "the file").err().unwrap();
            assert!(matches!(error, KeysError::Malformed { .. }), "{error}");
            assert!(!error.to_string().contains("c2VjcmV0"), "{error}");
        }
    }

    fn assert_private(path: &Path) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
