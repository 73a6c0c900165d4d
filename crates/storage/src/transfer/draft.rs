//! New files and folders that appear under their names when they are whole, and not before.
//!
//! A draft is written beside its final name, as `.NAME.unfinished`, readable to its owner only. It is locked while
//! somebody writes it, so that a second writer is refused, and one that a killed writer has left is known to be waste.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::{Result, TransferError, file};

/// A file that is being written.
#[derive(Debug)]
pub struct Draft {
    target: PathBuf,
    path: PathBuf,
    /// Holds the lock as well.
    file: File,
    published: bool,
}

impl Draft {
    /// Begins a file that is to be called `target`.
    ///
    /// # Errors
    /// If there is something of that name, if somebody else is writing it, or if the folder does not take it.
    pub fn create(target: &Path) -> Result<Self> {
        refuse_taken(target)?;
        let path = draft_name(target);
        let file = lock(&path, target)?;
        file.set_len(0).map_err(self::file(&path, "written"))?;
        Ok(Self { target: target.to_owned(), path, file, published: false })
    }

    /// Gives the file its name, durably.
    ///
    /// # Errors
    /// If it cannot be stored, or the name was taken in the meantime; then the draft is gone.
    pub fn publish(mut self) -> Result<()> {
        self.file.sync_all().map_err(file(&self.path, "written"))?;
        place(&self.path, &self.target)?;
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
            // If it cannot be removed, its name says what it is, and the next writer takes it over.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Refuses a name that is in use.
pub(super) fn refuse_taken(target: &Path) -> Result<()> {
    if fs::symlink_metadata(target).is_ok() {
        return Err(taken(target));
    }
    Ok(())
}

/// Opens a draft, new or left behind, for this process alone.
pub(super) fn lock(path: &Path, target: &Path) -> Result<File> {
    loop {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let opened = options.open(path).map_err(file(target, "written"))?;
        match opened.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(TransferError::Refused(format!(
                    "somebody else is writing {} at this moment: wait until that is done",
                    target.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(file(path, "locked")(error)),
        }
        // Whoever had it before may have renamed or removed it since it was opened.
        if same_file(&opened, path) {
            return Ok(opened);
        }
    }
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

/// Gives a finished file its name, unless that is taken.
pub(super) fn place(draft: &Path, target: &Path) -> Result<()> {
    match fs::hard_link(draft, target) {
        Ok(()) => fs::remove_file(draft).map_err(file(draft, "removed")),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(taken(target)),
        // Not every file system has links.
        Err(_) => {
            refuse_taken(target)?;
            fs::rename(draft, target).map_err(file(target, "written"))
        }
    }
}

/// Where something is written that is to be called `target`.
pub(super) fn draft_name(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.unfinished"))
}

/// Makes a new name in a folder durable.
pub(super) fn sync_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    #[cfg(unix)]
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(file(folder, "written"))?;
    Ok(())
}

/// Makes a folder and those above it, for its owner only.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(file(path, "made"))
}

fn taken(target: &Path) -> TransferError {
    TransferError::Refused(format!("{} exists already, and is left as it is: choose another name", target.display()))
}
