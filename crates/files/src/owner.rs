//! Sets the owner of new files.
//!
//! Operators run commands as root, while the server runs as another user. The server could not read a file that
//! root creates in its folder, so the new file gets the owner of the file that it replaces, or of the folder.

use std::fs::{self, File};
use std::path::Path;

use crate::folder::folder_of;

/// The path that a file with the final name `target` takes its owner from.
pub(crate) fn model(target: &Path) -> &Path {
    if target.exists() { target } else { folder_of(target) }
}

/// Sets the owner and group of a new file or folder to those of `model`, if the program runs as root. If the file
/// system refuses, only logs a warning, because the file itself is complete.
#[cfg(unix)]
pub(crate) fn adopt(new: &File, model: &Path) {
    use std::os::unix::fs::{MetadataExt, fchown};

    let (Ok(own), Ok(wanted)) = (new.metadata(), fs::metadata(model)) else { return };
    if own.uid() != 0 || (own.uid(), own.gid()) == (wanted.uid(), wanted.gid()) {
        return;
    }
    if let Err(error) = fchown(new, Some(wanted.uid()), Some(wanted.gid())) {
        let folder = folder_of(model).display();
        tracing::warn!(%error, %folder, "a new file belongs to root: the server may be unable to read it");
    }
}

#[cfg(not(unix))]
pub(crate) fn adopt(_: &File, _: &Path) {}
