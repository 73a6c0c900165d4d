//! The files of the web app: those of the binary, or of a folder while somebody works on them.
//!
//! Vite builds them into `web/dist`, and puts a compressed copy beside each that is worth it: `index.html.br`,
//! `index.html.gz`. A build of Sotto takes in what lies there; without the folder, it takes in nothing.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::path::Path;

use axum::body::Bytes;
use rust_embed::RustEmbed;

use crate::sha256;

/// The page that starts the app.
pub const INDEX: &str = "index.html";

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Embedded;

/// One file.
pub(crate) struct File {
    /// What is in it.
    pub bytes: Bytes,
    /// SHA-256 of it.
    pub hash: [u8; 32],
}

/// Whether there is an app in this binary.
pub fn is_embedded() -> bool {
    Embedded::get(INDEX).is_some()
}

/// The file with this name, such as `assets/app.js`: from the folder if there is one, else from the binary. A name that
/// leads out of the folder, or to a hidden file, names no file.
pub(crate) async fn get(folder: Option<&Path>, name: &str) -> io::Result<Option<File>> {
    if name.split('/').any(|part| part.is_empty() || part.starts_with('.') || part.contains(['\\', '\0'])) {
        return Ok(None);
    }
    let Some(folder) = folder else { return Ok(embedded(name)) };
    let path = folder.join(name);
    match tokio::task::spawn_blocking(move || std::fs::read(path)).await.map_err(io::Error::other)? {
        Ok(bytes) => {
            let hash = sha256::of(&[&bytes]);
            Ok(Some(File { bytes: bytes.into(), hash }))
        }
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::InvalidFilename => {
                Ok(None)
            }
            _ => Err(error),
        },
    }
}

fn embedded(name: &str) -> Option<File> {
    let file = Embedded::get(name)?;
    let hash = file.metadata.sha256_hash();
    let bytes = match file.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Some(File { bytes, hash })
}
