//! The server's secret keys, which live in a file outside of the database.
//!
//! The file is JSON: `{"version": 1, "token_signing": "…"}`, each key 32 bytes in base64url without padding
//! (RFC 4648, section 5). It is made on first run with mode 0600. For several nodes, give each the same file, or its
//! contents in the variable `SOTTO_KEYS`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sotto_domain::Random;

/// The server's secret keys. They never print.
pub struct Keys {
    /// Signs access and refresh tokens, and cursors.
    pub token_signing: [u8; 32],
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
        "{origin} does not hold a set of keys of this version: {reason}. Restore it from a backup; if there is none, remove it to have new keys made, which signs everybody out"
    )]
    Malformed {
        /// The file or the variable.
        origin: String,
        /// What is wrong, without the keys.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    version: u32,
    token_signing: String,
}

impl Keys {
    /// New keys.
    pub fn generate(random: &dyn Random) -> Self {
        let mut token_signing = [0; 32];
        random.fill(&mut token_signing);
        Self { token_signing }
    }

    /// Reads the file, or makes it if it is missing. Of several servers that start at once, one makes it and the others
    /// read it.
    ///
    /// # Errors
    /// If the file cannot be read or made, or does not hold keys.
    pub fn load_or_create(path: &Path, random: &dyn Random) -> Result<Self, KeysError> {
        let file = |source| KeysError::File { path: path.to_owned(), source };
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &format!("the key file {}", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = Self::generate(random);
                match keys.create(path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::load_or_create(path, random),
                    Err(error) => Err(file(error)),
                    Ok(()) => Ok(keys),
                }
            }
            Err(error) => Err(file(error)),
        }
    }

    /// Reads the contents of a key file; `origin` is how an error names where they came from.
    ///
    /// # Errors
    /// If the text does not hold keys.
    pub fn parse(text: &str, origin: &str) -> Result<Self, KeysError> {
        let malformed = |reason: String| KeysError::Malformed { origin: origin.to_owned(), reason };
        // serde's messages may quote a value, and the values are secret: only the position is told.
        let file: KeyFile = serde_json::from_str(text)
            .map_err(|error| malformed(format!("line {}, column {}", error.line(), error.column())))?;
        if file.version != 1 {
            return Err(malformed(format!("it is of version {}", file.version)));
        }
        let bytes = URL_SAFE_NO_PAD.decode(&file.token_signing).ok();
        let token_signing = bytes.and_then(|bytes| bytes.try_into().ok());
        token_signing
            .map(|token_signing| Self { token_signing })
            .ok_or_else(|| malformed("token_signing is not 32 bytes in base64url".into()))
    }

    /// Writes beside the final name first, so that nobody ever reads half a file, then links it there, which fails if
    /// another server was faster.
    fn create(&self, path: &Path) -> io::Result<()> {
        let file = KeyFile { version: 1, token_signing: URL_SAFE_NO_PAD.encode(self.token_signing) };
        let mut text = serde_json::to_string_pretty(&file)?;
        text.push('\n');
        let draft = path.with_extension(format!("{}.new", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut handle = options.open(&draft)?;
        handle.write_all(text.as_bytes())?;
        handle.sync_all()?;
        let linked = fs::hard_link(&draft, path);
        fs::remove_file(&draft)?;
        linked
    }
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
        assert_eq!(first.token_signing, second.token_signing);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_refused_without_showing_it() {
        for bad in
            ["", "{}", r#"{"version":2,"token_signing":"c2VjcmV0"}"#, r#"{"version":1,"token_signing":"c2VjcmV0"}"#]
        {
            let error = Keys::parse(bad, "the file").err().unwrap().to_string();
            assert!(!error.contains("c2VjcmV0"), "{error}");
        }
    }
}
