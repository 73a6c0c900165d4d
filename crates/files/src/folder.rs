//! Creates folders and makes new names in them durable.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::error::{Result, failed};
use crate::owner::adopt;

/// The folder that contains a path; `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes new names in the folder of `path` durable. On Unix, a new name survives a power cut only after `fsync` of its
/// folder.
///
/// # Errors
/// If the folder cannot be opened or the disk fails.
pub fn sync_folder_of(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    #[cfg(unix)]
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder, "written"))?;
    Ok(())
}

/// Creates a folder and its missing parents, readable by their owner only. If root creates them, each belongs to the
/// owner of its parent.
///
/// # Errors
/// If the operating system refuses, or a file has that name.
pub fn make_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = folder_of(path);
    if !above.is_dir() && above != path {
        make_folder(above)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Ok(()) => {
            adopt(&File::open(path).map_err(failed(path, "read"))?, above);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(failed(path, "made")(error)),
    }
}
