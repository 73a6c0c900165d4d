//! Names of backups in a folder, and how the older ones go.

use std::fs::{self, File};
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use sotto_domain::Timestamp;
use sotto_storage::transfer::TransferError;

use super::compact;
use crate::error::Result;

/// The name of a backup that was made then. In the order of the names, the oldest comes first.
pub fn name(moment: Timestamp, folder: bool, encrypted: bool) -> String {
    let ending = match (folder, encrypted) {
        (true, _) => "",
        (_, true) => ".tar.age",
        _ => ".tar",
    };
    format!("sotto-{}{ending}", compact(moment))
}

/// Deletes all but the newest `keep` backups of the folder. What has another name, or is no backup, stays.
pub fn prune(folder: &Path, keep: NonZeroUsize) -> Result<Vec<PathBuf>> {
    let failed = |path: &Path, doing, source| TransferError::File { path: path.to_owned(), doing, source };
    let mut backups = Vec::new();
    for item in fs::read_dir(folder).map_err(|error| failed(folder, "read", error))? {
        let item = item.map_err(|error| failed(folder, "read", error))?;
        let name = item.file_name().to_string_lossy().into_owned();
        if is_name(&name) && is_backup(&item.path()) {
            backups.push((name, item.path()));
        }
    }
    backups.sort();
    let surplus = backups.len().saturating_sub(keep.get());
    let mut deleted = Vec::new();
    for (_, path) in backups.into_iter().take(surplus) {
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|error| failed(&path, "deleted", error))?;
        deleted.push(path);
    }
    Ok(deleted)
}

/// Whether [`name`] gives such names.
fn is_name(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("sotto-") else { return false };
    let Some((time, ending)) = rest.split_at_checked(16) else { return false };
    let shape = |place: usize, byte: u8| match place {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    time.bytes().enumerate().all(|(place, byte)| shape(place, byte)) && ["", ".tar", ".tar.age"].contains(&ending)
}

/// Whether it begins like one. A link to one is somebody's own doing.
fn is_backup(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => is_backup_folder(path),
        Ok(metadata) if metadata.is_file() => {
            let mut beginning = [0; 21];
            let read = File::open(path).and_then(|mut file| file.read_exact(&mut beginning));
            read.is_ok() && (beginning.starts_with(b"sotto-backup.json\0") || &beginning == b"age-encryption.org/v1")
        }
        _ => false,
    }
}

/// Whether it is a folder that holds the files of a backup.
pub fn is_backup_folder(path: &Path) -> bool {
    path.join("sotto-backup.json").is_file() && path.join("manifest.json.sha256").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_named_here_is_a_name() {
        let moment = Timestamp::parse("2025-01-22T10:00:00.5Z").unwrap();
        for (folder, encrypted) in [(true, false), (false, true), (false, false)] {
            assert!(is_name(&name(moment, folder, encrypted)));
        }
        assert_eq!(name(moment, false, true), "sotto-20250122T100000Z.tar.age");
        for other in [
            "sotto-20250122T100000Z.tar.gz",
            "sotto-20250122T100000Z.tar.age.old",
            "sotto-2025-01-22.tar",
            "sotto-20250122T10000éZ.tar",
            "sotto-",
            "my-sotto-20250122T100000Z.tar",
            "journal.db",
        ] {
            assert!(!is_name(other), "{other}");
        }
    }
}
