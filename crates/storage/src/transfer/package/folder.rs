//! A backup as a folder: the same files as in an archive, as they are.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{HEADER, KEYS, MANIFEST, MANIFEST_SUM, Members, Source};
use crate::transfer::draft::{draft_name, lock, make_folder, refuse_taken, sync_folder_of};
use crate::transfer::error::{Result, TransferError, file};

/// A folder that is being filled. It gets its name when it is whole.
pub struct FolderWriter {
    target: PathBuf,
    draft: PathBuf,
    /// Beside the folder; whoever holds it may write.
    lock: (PathBuf, File),
    open: Option<File>,
    published: bool,
}

impl FolderWriter {
    pub fn create(target: &Path) -> Result<Self> {
        refuse_taken(target)?;
        let draft = draft_name(target);
        let lock_path = draft.with_extension("lock");
        let lock = (lock_path.clone(), lock(&lock_path, target)?);
        // From here on, what goes wrong is cleared away.
        let writer = Self { target: target.to_owned(), draft, lock, open: None, published: false };
        if fs::symlink_metadata(&writer.draft).is_ok() {
            fs::remove_dir_all(&writer.draft).map_err(file(&writer.draft, "removed"))?;
        }
        make_folder(&writer.draft)?;
        Ok(writer)
    }

    /// Gives the folder its name, durably.
    pub fn publish(mut self) -> Result<()> {
        sync_tree(&self.draft)?;
        refuse_taken(&self.target)?;
        fs::rename(&self.draft, &self.target).map_err(file(&self.target, "written"))?;
        self.published = true;
        sync_folder_of(&self.target)
    }
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
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(folder)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        self.open = Some(options.open(path)?);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    fn end(&mut self) -> io::Result<()> {
        self.open.take().map_or(Ok(()), |file| file.sync_all())
    }
}

/// Reads the files of a folder in the order in which an archive has them.
pub struct FolderReader {
    folder: PathBuf,
    names: VecDeque<String>,
    open: Option<File>,
}

impl FolderReader {
    pub fn open(folder: &Path) -> std::result::Result<Self, String> {
        let mut names = Vec::new();
        list(folder, folder, &mut names).map_err(|error| error.to_string())?;
        names.sort_by_key(|name| (place(name), name.clone()));
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

/// Lists the files below `folder`, with `/` between the parts of a name. Anything but files and folders is an error: a
/// link would lead out of it.
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

fn place(name: &str) -> u8 {
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
