//! The files of the web app, embedded in the binary or read from a folder during development.
//!
//! Vite builds them into `web/dist`, with compressed copies such as `index.html.br` and `index.html.gz`. Without that
//! folder, a build embeds no files.

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

pub(crate) struct File {
    pub bytes: Bytes,
    pub hash: [u8; 32],
}

/// Whether the binary contains a web app.
pub fn is_embedded() -> bool {
    Embedded::get(INDEX).is_some()
}

/// The file with this name, such as `assets/app.js`, from the folder if there is one, otherwise from the binary. Names
/// outside of the folder and of hidden files are not found.
pub(crate) async fn get(folder: Option<&Path>, name: &str) -> io::Result<Option<File>> {
    if name.split('/').any(|part| part.is_empty() || part.starts_with('.') || part.contains(['\\', '\0'])) {
        return Ok(None);
    }
    let Some(folder) = folder else { return Ok(embedded_file(name)) };
    let path = folder.join(name);
    match tokio::task::spawn_blocking(move || std::fs::read(path)).await.map_err(io::Error::other)? {
        Ok(bytes) => {
            let hash = sha256::digest(&[&bytes]);
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

fn embedded_file(name: &str) -> Option<File> {
    let file = Embedded::get(name)?;
    let hash = file.metadata.sha256_hash();
    let bytes = match file.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Some(File { bytes, hash })
}
