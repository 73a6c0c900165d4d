//! A backup as a folder: the files of an archive as plain files.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sotto_files::{
    FileError, create_new, draft_name, lock_draft, make_folder, refuse_taken, remove_if_there, sync_folder_of,
};

use super::{HEADER, KEYS, MANIFEST, MANIFEST_SUM, Members, Source};
use crate::transfer::error::{Result, TransferError, file};

/// A folder that is being filled. It gets its final name when it is complete.
pub struct FolderWriter {
    target: PathBuf,
    draft: PathBuf,
    /// The lock file next to the folder. Only its holder may write.
    lock: (PathBuf, File),
    open: Option<File>,
    published: bool,
}

impl FolderWriter {
    pub fn create(target: &Path) -> Result<Self> {
        refuse_taken(target)?;
        let draft = draft_name(target);
        let lock_path = lock_name(&draft);
        let lock = (lock_path.clone(), lock_draft(&lock_path, target)?);
        // From here on, dropping the writer cleans up after an error.
        let writer = Self { target: target.to_owned(), draft, lock, open: None, published: false };
        if fs::symlink_metadata(&writer.draft).is_ok() {
            fs::remove_dir_all(&writer.draft).map_err(file(&writer.draft, "removed"))?;
        }
        make_folder(&writer.draft)?;
        Ok(writer)
    }

    /// Gives the folder its final name, durably.
    pub fn publish(mut self) -> Result<()> {
        sync_tree(&self.draft)?;
        refuse_taken(&self.target)?;
        fs::rename(&self.draft, &self.target).map_err(file(&self.target, "written"))?;
        self.published = true;
        Ok(sync_folder_of(&self.target)?)
    }
}

/// Deletes drafts in `folder` that killed processes have left, if their final name is `wanted`, and their lock files.
pub fn remove_abandoned(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<()> {
    for item in fs::read_dir(folder).map_err(file(folder, "read"))? {
        let item = item.map_err(file(folder, "read"))?;
        let name = item.file_name().to_string_lossy().into_owned();
        let ending = if item.file_type().is_ok_and(|kind| kind.is_dir()) { ".unfinished" } else { ".lock" };
        let target = name.strip_prefix('.').and_then(|name| name.strip_suffix(ending));
        let Some(target) = target.filter(|target| wanted(target)).map(|target| folder.join(target)) else { continue };
        let draft = draft_name(&target);
        let lock_path = lock_name(&draft);
        match lock_draft(&lock_path, &target) {
            Ok(_held) => {
                if fs::symlink_metadata(&draft).is_ok_and(|metadata| metadata.is_dir()) {
                    fs::remove_dir_all(&draft).map_err(file(&draft, "removed"))?;
                }
                remove_if_there(&lock_path)?;
            }
            Err(FileError::BeingWritten(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn lock_name(draft: &Path) -> PathBuf {
    draft.with_extension("lock")
}

impl Drop for FolderWriter {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_dir_all(&self.draft);
        }
        let _ = fs::remove_file(&self.lock.0);
    }
}

impl Members for FolderWriter {
    fn begin(&mut self, name: &str, _: u64) -> io::Result<()> {
        let path = self.draft.join(name);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        self.open = Some(create_new(&path)?);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    fn end(&mut self) -> io::Result<()> {
        self.open.take().map_or(Ok(()), |file| file.sync_all())
    }
}

/// Reads the files of a folder in the order of an archive.
pub struct FolderReader {
    folder: PathBuf,
    names: VecDeque<String>,
    open: Option<File>,
}

impl FolderReader {
    pub fn open(folder: &Path) -> std::result::Result<Self, String> {
        let mut names = Vec::new();
        list(folder, folder, &mut names).map_err(|error| error.to_string())?;
        names.sort_by_key(|name| (position(name), name.clone()));
        Ok(Self { folder: folder.to_owned(), names: names.into(), open: None })
    }
}

impl Source for FolderReader {
    fn next(&mut self) -> std::result::Result<Option<(String, u64)>, String> {
        let Some(name) = self.names.pop_front() else { return Ok(None) };
        let open = || {
            let file = File::open(self.folder.join(&name))?;
            let size = file.metadata()?.len();
            Ok((file, size))
        };
        let (file, size) = open().map_err(|error: io::Error| format!("the file {name} cannot be read: {error}"))?;
        self.open = Some(file);
        Ok(Some((name, size)))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.open.as_mut().map_or(Ok(0), |file| file.read(buffer))
    }
}

/// Lists the files below `folder`, with `/` between the parts of a name. Anything but files and folders is an error,
/// because a link would lead out of the folder.
pub fn list(root: &Path, folder: &Path, names: &mut Vec<String>) -> Result<()> {
    for item in fs::read_dir(folder).map_err(file(folder, "read"))? {
        let path = item.map_err(file(folder, "read"))?.path();
        let metadata = fs::symlink_metadata(&path).map_err(file(&path, "read"))?;
        if metadata.is_dir() {
            list(root, &path, names)?;
        } else if metadata.is_file() {
            let name = path.strip_prefix(root).ok().and_then(Path::to_str);
            names.push(name.map(str::to_owned).ok_or_else(|| refused(&path, "has a name that is not UTF-8"))?);
        } else {
            return Err(refused(&path, "is neither a file nor a folder"));
        }
    }
    Ok(())
}

fn refused(path: &Path, why: &str) -> TransferError {
    TransferError::Refused(format!("{} {why}, which a backup cannot hold", path.display()))
}

fn position(name: &str) -> u8 {
    match name {
        HEADER => 0,
        KEYS => 3,
        MANIFEST => 4,
        MANIFEST_SUM => 5,
        _ if name.starts_with("tables/") => 1,
        _ => 2,
    }
}

fn sync_tree(folder: &Path) -> Result<()> {
    for item in fs::read_dir(folder).map_err(file(folder, "read"))? {
        let path = item.map_err(file(folder, "read"))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        }
    }
    #[cfg(unix)]
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(file(folder, "written"))?;
    Ok(())
}
