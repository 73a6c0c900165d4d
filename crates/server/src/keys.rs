//! The server's secret keys, which live in a file outside of the database.
//!
//! The file is JSON: `{"version": 1, "token_signing": "…", "opaque": ["…", …], "session_sealing": "…"}`, in base64url without
//! padding (RFC 4648, section 5): 32 bytes, 128 bytes each (`docs/protocol.md`, section 7), 32 bytes. It is made on first
//! run with mode 0600. For several nodes, give each the same file, or its contents in the variable `SOTTO_KEYS`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sotto_crypto::Fingerprint;
use sotto_crypto::server::{SealingKey, ServerKeys};
use sotto_domain::Random;

/// The server's secret keys. They never print.
#[derive(Clone)]
pub struct Keys {
    /// Signs access and refresh tokens, and cursors.
    pub token_signing: [u8; 32],
    /// What secret tags need.
    pub secret_tags: Arc<SecretTagKeys>,
}

/// What secret tags need. A registration record is worthless without the OPAQUE keys that it was made with, so those that
/// were replaced are kept.
#[derive(Clone)]
pub struct SecretTagKeys {
    /// What registrations are made with.
    pub current: ServerKeys,
    /// What older records were made with, newest first.
    pub former: Vec<ServerKeys>,
    /// Seals what the server keeps between the halves of a login.
    pub session_sealing: SealingKey,
}

/// Why there are no keys to work with.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or made.
    #[error("the key file {} cannot be used: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// What is in it is no set of keys.
    #[error(
        "{origin} does not hold a set of keys of this version: {reason}. Restore it from a backup; if there is none, remove it to have new keys made, which signs everybody out and leaves secret tags to be opened by their recovery keys"
    )]
    Malformed {
        /// The file or the variable.
        origin: String,
        /// What is wrong, without the keys.
        reason: String,
    },
    /// It was made before there were secret tags.
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
    /// New keys.
    pub fn generate(random: &dyn Random) -> Self {
        let mut token_signing = [0; 32];
        random.fill(&mut token_signing);
        Self { token_signing, secret_tags: Arc::new(SecretTagKeys::generate(random)) }
    }

    /// The same keys with new OPAQUE keys in front. Records made with the ones before keep working.
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

    /// Reads the file, or makes it if it is missing, or adds what an older one lacks. Of several servers that start at
    /// once, one does it and the others read what it did.
    ///
    /// # Errors
    /// If the file cannot be read or written, or does not hold keys.
    pub fn load_or_create(path: &Path, random: &dyn Random) -> Result<Self, KeysError> {
        let file = |source| KeysError::File { path: path.to_owned(), source };
        match Self::load(path) {
            Err(KeysError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let keys = Self::generate(random);
                match keys.create(path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::load_or_create(path, random),
                    Err(error) => Err(file(error)),
                    Ok(()) => Ok(keys),
                }
            }
            Err(KeysError::Incomplete { .. }) => {
                let _lock = lock(path).map_err(file)?;
                let text = fs::read_to_string(path).map_err(file)?;
                match Self::parse(&text, &origin(path)) {
                    Err(KeysError::Incomplete { .. }) => {
                        let keys = KeyFile::read(&text, &origin(path))?.complete(&origin(path), Some(random))?;
                        keys.replace(path).map_err(file)?;
                        Ok(keys)
                    }
                    other => other,
                }
            }
            other => other,
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, or does not hold keys.
    pub fn load(path: &Path) -> Result<Self, KeysError> {
        let text = fs::read_to_string(path).map_err(|source| KeysError::File { path: path.to_owned(), source })?;
        Self::parse(&text, &origin(path))
    }

    /// Reads the contents of a key file; `origin` is how an error names where they came from.
    ///
    /// # Errors
    /// If the text does not hold keys.
    pub fn parse(text: &str, origin: &str) -> Result<Self, KeysError> {
        KeyFile::read(text, origin)?.complete(origin, None)
    }

    /// Puts new OPAQUE keys in front of those in the file, and returns all of them.
    ///
    /// # Errors
    /// If the file cannot be read or written, or does not hold keys.
    pub fn rotate(path: &Path, random: &dyn Random) -> Result<Self, KeysError> {
        let file = |source| KeysError::File { path: path.to_owned(), source };
        let _lock = lock(path).map_err(file)?;
        let keys = Self::load(path)?.rotated(random);
        keys.replace(path).map_err(file)?;
        Ok(keys)
    }

    /// Makes these the keys in the file, whatever it holds.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn store(&self, path: &Path) -> Result<(), KeysError> {
        self.replace(path).map_err(|source| KeysError::File { path: path.to_owned(), source })
    }

    /// The contents of a key file, in one line. Secret.
    ///
    /// # Errors
    /// If they cannot be written as JSON, which would be a fault of the library.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&KeyFile::of(self))
    }

    /// Links the file there, which fails if another server was faster.
    fn create(&self, path: &Path) -> io::Result<()> {
        let draft = self.draft(path)?;
        let linked = fs::hard_link(&draft, path);
        fs::remove_file(&draft)?;
        linked.and_then(|()| sync_folder(path))
    }

    fn replace(&self, path: &Path) -> io::Result<()> {
        fs::rename(self.draft(path)?, path)?;
        sync_folder(path)
    }

    /// Writes beside the final name first, so that nobody ever reads half a file.
    fn draft(&self, path: &Path) -> io::Result<PathBuf> {
        let mut text = serde_json::to_string_pretty(&KeyFile::of(self))?;
        text.push('\n');
        let draft = path.with_extension(format!("{}.new", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut handle = options.open(&draft)?;
        handle.write_all(text.as_bytes())?;
        handle.sync_all()?;
        Ok(draft)
    }
}

impl SecretTagKeys {
    /// New keys.
    pub fn generate(random: &dyn Random) -> Self {
        let session_sealing = SealingKey::generate(random);
        Self { current: ServerKeys::generate(random), former: Vec::new(), session_sealing }
    }

    /// The current OPAQUE keys, then the former ones.
    pub fn all(&self) -> impl Iterator<Item = &ServerKeys> {
        std::iter::once(&self.current).chain(&self.former)
    }

    /// The OPAQUE keys with this fingerprint.
    pub fn find(&self, fingerprint: Fingerprint) -> Option<&ServerKeys> {
        self.all().find(|keys| keys.fingerprint() == fingerprint)
    }

    /// Which of these are not here.
    pub fn missing(&self, used: &[[u8; 16]]) -> Vec<Fingerprint> {
        used.iter().map(|bytes| Fingerprint::from(*bytes)).filter(|keys| self.find(*keys).is_none()).collect()
    }
}

impl KeyFile {
    fn read(text: &str, origin: &str) -> Result<Self, KeysError> {
        // serde's messages may quote a value, and the values are secret: only the position is told.
        let file: Self = serde_json::from_str(text)
            .map_err(|error| malformed(origin, format!("line {}, column {}", error.line(), error.column())))?;
        if file.version != 1 {
            return Err(malformed(origin, format!("it is of version {}", file.version)));
        }
        Ok(file)
    }

    /// The keys; what an older file lacks is made with `random`, if that is given.
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
            _ => return Err(malformed(origin, "it has a part of the keys for secret tags only".into())),
        };
        let secret_tags = secret_tags.ok_or_else(|| KeysError::Incomplete { origin: origin.to_owned() })?;
        Ok(Keys { token_signing, secret_tags: Arc::new(secret_tags) })
    }

    fn of(keys: &Keys) -> Self {
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

/// Held while a file is changed. The file itself is replaced by that, so its folder is what is locked.
fn lock(path: &Path) -> io::Result<File> {
    let folder = open_folder(path)?;
    folder.lock()?;
    Ok(folder)
}

/// After a crash, the name leads to the new contents.
fn sync_folder(path: &Path) -> io::Result<()> {
    open_folder(path)?.sync_all()
}

fn open_folder(path: &Path) -> io::Result<File> {
    File::open(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemRandom;

    #[test]
    fn keys_are_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let first = Keys::load_or_create(&path, &SystemRandom).unwrap();
        let second = Keys::load_or_create(&path, &SystemRandom).unwrap();
        assert_eq!(first.to_text().unwrap(), second.to_text().unwrap());
        assert_private(&path);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_from_before_secret_tags_gets_their_keys_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let old = format!(r#"{{"version":1,"token_signing":"{}"}}"#, URL_SAFE_NO_PAD.encode([7; 32]));
        fs::write(&path, &old).unwrap();
        assert!(matches!(Keys::parse(&old, "the variable"), Err(KeysError::Incomplete { .. })));
        let made: Vec<String> = std::thread::scope(|scope| {
            let start = || Keys::load_or_create(&path, &SystemRandom).unwrap();
            let servers: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
            servers.into_iter().map(|server| server.join().unwrap().to_text().unwrap()).collect()
        });
        assert!(made.iter().all(|keys| *keys == made[0]));
        let keys = Keys::load(&path).unwrap();
        assert_eq!((keys.token_signing, keys.to_text().unwrap()), ([7; 32], made[0].clone()));
        assert_private(&path);
    }

    #[test]
    fn rotation_keeps_the_former_ones() {
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
    fn a_damaged_file_is_refused_without_showing_it() {
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
