//! File drafts: new files that get their final names only when they are complete.
//!
//! A draft is written next to its final name, as `.NAME.unfinished`. It is locked while a process writes it, so a
//! second writer is rejected. A draft without a lock was left by a killed process ([`remove_abandoned`]).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{FileError, Result, failed};
use crate::folder::{folder_of, sync_folder_of};
use crate::owner::{adopt, model};

const ENDING: &str = ".unfinished";

/// A file that is being written. Dropping it without [`Draft::publish`] deletes the file.
#[derive(Debug)]
pub struct Draft {
    target: PathBuf,
    path: PathBuf,
    /// Also holds the lock.
    file: File,
    replaces: bool,
    published: bool,
}

impl Draft {
    /// Starts a new file with the final name `target`.
    ///
    /// # Errors
    /// If the name exists, if another process is writing the file, or if the file cannot be created.
    pub fn create(target: &Path) -> Result<Self> {
        refuse_taken(target)?;
        Self::begin(target, false)
    }

    /// Starts a file that will replace `target`, if that exists.
    ///
    /// # Errors
    /// If another process is writing the file, or if it cannot be created.
    pub fn replacing(target: &Path) -> Result<Self> {
        Self::begin(target, true)
    }

    fn begin(target: &Path, replaces: bool) -> Result<Self> {
        let path = draft_name(target);
        let file = lock_draft(&path, target)?;
        file.set_len(0).map_err(failed(&path, "written"))?;
        Ok(Self { target: target.to_owned(), path, file, replaces, published: false })
    }

    /// The temporary path, for libraries that write files by name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of the content, then publishes the file.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub fn publish_with(mut self, content: &[u8]) -> Result<()> {
        self.file.write_all(content).map_err(failed(&self.target, "written"))?;
        self.publish()
    }

    /// Gives the file its final name, durably.
    ///
    /// # Errors
    /// If the file cannot be stored, or if the name was taken in the meantime. The draft is deleted then.
    pub fn publish(mut self) -> Result<()> {
        self.file.sync_all().map_err(failed(&self.path, "written"))?;
        if self.replaces {
            fs::rename(&self.path, &self.target).map_err(failed(&self.target, "written"))?;
        } else {
            publish_draft(&self.path, &self.target)?;
        }
        self.published = true;
        sync_folder_of(&self.target)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            // If the draft cannot be deleted, its name shows what it is, and the next writer reuses it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The temporary path of a file or folder with the final name `target`.
pub fn draft_name(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}{ENDING}"))
}

/// Deletes drafts in `folder` that killed processes have left, if their final name is `wanted`, together with the files
/// that SQLite keeps next to them. Keeps drafts that a process holds. Returns the deleted drafts.
///
/// # Errors
/// If the folder cannot be read, or a draft cannot be deleted.
pub fn remove_abandoned(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for item in fs::read_dir(folder).map_err(failed(folder, "read"))? {
        let item = item.map_err(failed(folder, "read"))?;
        let name = item.file_name().to_string_lossy().into_owned();
        let target = name.strip_prefix('.').and_then(|name| name.strip_suffix(ENDING));
        if target.is_none_or(|target| !wanted(target)) {
            continue;
        }
        let path = item.path();
        let metadata = fs::symlink_metadata(&path);
        if metadata.is_ok_and(|metadata| metadata.is_file()) && abandoned(&path) {
            // The draft is deleted last: as long as it exists, the next call also finds the files next to it. Deleting
            // a large file takes time, so the process may be killed before it ends.
            for end in ["-journal", "-wal", "-shm", ""] {
                let mut name = path.clone().into_os_string();
                name.push(end);
                remove_if_there(Path::new(&name))?;
            }
            removed.push(path);
        }
    }
    Ok(removed)
}

/// Whether no process holds the draft. A draft that this user cannot open is kept.
fn abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok() && same_file(&file, path))
}

/// Deletes a file, if it exists.
///
/// # Errors
/// If the operating system refuses.
pub fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, "removed")(error)),
        _ => Ok(()),
    }
}

/// Rejects a name that exists.
///
/// # Errors
/// [`FileError::Taken`].
pub fn refuse_taken(target: &Path) -> Result<()> {
    if fs::symlink_metadata(target).is_ok() {
        return Err(FileError::Taken(target.to_owned()));
    }
    Ok(())
}

/// Opens and locks the draft of `target`: a new one, or one that a killed process has left.
///
/// # Errors
/// [`FileError::BeingWritten`] if another process holds it.
pub fn lock_draft(path: &Path, target: &Path) -> Result<File> {
    loop {
        let mut options = private();
        let opened = options.read(true).create(true).truncate(false).open(path).map_err(failed(target, "written"))?;
        match opened.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FileError::BeingWritten(target.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(path, "locked")(error)),
        }
        // The previous holder may have renamed or deleted the file after it was opened here.
        if same_file(&opened, path) {
            adopt(&opened, model(target));
            return Ok(opened);
        }
    }
}

/// Creates an empty file that only its owner can read, for libraries that open files by name. Returns false if the file
/// exists.
///
/// # Errors
/// If the operating system refuses.
pub fn create_private(path: &Path) -> io::Result<bool> {
    match create_new(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Creates and opens a file that only its owner can read, for files inside of a folder that is itself a draft.
///
/// # Errors
/// `AlreadyExists`, or another error of the operating system.
pub fn create_new(path: &Path) -> io::Result<File> {
    let file = private().create_new(true).open(path)?;
    adopt(&file, folder_of(path));
    Ok(file)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn same_file(opened: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let there = fs::symlink_metadata(path).ok().map(identity);
    there.is_some() && opened.metadata().ok().map(identity) == there
}

#[cfg(not(unix))]
fn same_file(_: &File, _: &Path) -> bool {
    true
}

/// Gives a finished draft its final name, unless the name exists.
///
/// # Errors
/// [`FileError::Taken`], or an error of the operating system.
pub fn publish_draft(draft: &Path, target: &Path) -> Result<()> {
    match fs::hard_link(draft, target) {
        Ok(()) => fs::remove_file(draft).map_err(failed(draft, "removed")),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(FileError::Taken(target.to_owned())),
        // Not every file system has hard links.
        Err(_) => {
            refuse_taken(target)?;
            fs::rename(draft, target).map_err(failed(target, "written"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder in place of the journal makes the deletion fail half-way, as if the process were killed at that point.
    #[test]
    fn a_partly_removed_folder_is_removed_by_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let (draft, journal) =
            (folder.path().join(".copy.db.unfinished"), folder.path().join(".copy.db.unfinished-journal"));
        fs::write(&draft, "a part").unwrap();
        fs::create_dir(&journal).unwrap();
        remove_abandoned(folder.path(), |name| name == "copy.db").unwrap_err();
        fs::remove_dir(&journal).unwrap();
        fs::write(&journal, "its journal").unwrap();
        assert_eq!(remove_abandoned(folder.path(), |name| name == "copy.db").unwrap(), [draft]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
