//! Names backups in a folder, and deletes old ones.

use std::fs::{self, File};
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use sotto_domain::Timestamp;
use sotto_storage::migrate::{COPIES_KEPT, COPIES_KEPT_DAYS};
use sotto_storage::transfer::TransferError;

use super::compact_time;
use crate::error::Result;

const BEFORE_DOWNGRADE: &str = "before-downgrade-";

/// The name of a backup. Sorting by name sorts by time.
pub fn name(moment: Timestamp, folder: bool, encrypted: bool) -> String {
    let ending = match (folder, encrypted) {
        (true, _) => "",
        (_, true) => ".tar.age",
        _ => ".tar",
    };
    format!("sotto-{}{ending}", compact_time(moment))
}

/// Deletes all but the newest `keep` backups in the folder. Keeps files with other names or contents.
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

/// Deletes drafts in the folder that killed backups have left. Keeps those that are still being written.
pub fn remove_unfinished(folder: &Path) -> Result<()> {
    sotto_storage::transfer::remove_unfinished(folder, is_name)?;
    Ok(())
}

/// The name of the backup that a downgrade takes before it deletes rows.
pub fn before_downgrade(moment: Timestamp) -> String {
    format!("{BEFORE_DOWNGRADE}{}.tar", compact_time(moment))
}

/// Whether the name has the form of [`before_downgrade`].
pub fn is_before_downgrade(name: &str) -> bool {
    split(name, BEFORE_DOWNGRADE).is_some_and(|(_, ending)| ending == ".tar")
}

/// Deletes backups of downgrades that are neither among the newest nor young, by the rule for copies of a SQLite
/// database.
pub fn prune_before_downgrade(folder: &Path, now: Timestamp) -> Vec<PathBuf> {
    let Ok(items) = fs::read_dir(folder) else { return Vec::new() };
    let oldest = before_downgrade(now.plus_seconds(-COPIES_KEPT_DAYS * 24 * 3600));
    let backups = items.flatten().map(|item| (item.file_name().to_string_lossy().into_owned(), item.path()));
    let mut backups: Vec<_> = backups.filter(|(name, path)| is_before_downgrade(name) && is_backup(path)).collect();
    backups.sort_by(|a, b| b.cmp(a));
    let surplus = backups.into_iter().skip(COPIES_KEPT).filter(|(name, _)| *name < oldest);
    surplus.map(|(_, path)| path).filter(|path| fs::remove_file(path).is_ok()).collect()
}

/// Whether the name has the form of [`name`].
fn is_name(name: &str) -> bool {
    split(name, "sotto-").is_some_and(|(_, ending)| ["", ".tar", ".tar.age"].contains(&ending))
}

/// The time in a name with this prefix, and the text after the time.
fn split<'a>(name: &'a str, beginning: &str) -> Option<(&'a str, &'a str)> {
    let (time, ending) = name.strip_prefix(beginning)?.split_at_checked(16)?;
    let shape = |target: usize, byte: u8| match target {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    time.bytes().enumerate().all(|(target, byte)| shape(target, byte)).then_some((time, ending))
}

/// Whether the file starts like a backup. A link is not followed, because Sotto creates none.
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

/// Whether the folder contains the files of a backup.
pub fn is_backup_folder(path: &Path) -> bool {
    path.join("sotto-backup.json").is_file() && path.join("manifest.json.sha256").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_of_downgrades_are_kept_while_recent_or_few() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::parse("2025-03-31T10:00:00Z").unwrap();
        let day = 24 * 3600;
        let backup = |age: i64| {
            let path = folder.path().join(before_downgrade(now.plus_seconds(-age * day)));
            fs::write(&path, [b"sotto-backup.json\0", [0; 100].as_slice()].concat()).unwrap();
            path
        };
        let (old, oldest) = (backup(40), backup(400));
        assert_eq!(prune_before_downgrade(folder.path(), now), [] as [PathBuf; 0], "there are few");
        let others = [backup(31), backup(29), backup(1), backup(0)];
        // A foreign file with such a name, and a backup with another name.
        let foreign = folder.path().join("before-downgrade-20200101T000000Z.tar");
        let kept_by_hand = folder.path().join("before-downgrade-20200101T000000Z-mine.tar");
        fs::write(&foreign, "letters").unwrap();
        fs::copy(&oldest, &kept_by_hand).unwrap();
        assert_eq!(prune_before_downgrade(folder.path(), now), [others[0].clone(), old, oldest]);
        assert!(others[1..].iter().chain([&foreign, &kept_by_hand]).all(|path| path.exists()));
    }

    #[test]
    fn only_generated_names_are_recognised() {
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
