//! Where attachments are: the files of a folder, or the objects of a store such as a bucket.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStore, ObjectStoreExt, WriteMultipart};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::draft::{Draft, make_folder};
use super::error::{Result, TransferError, file};
use super::manifest::FileSum;
use super::package::Content;
use super::package::folder::list;
use crate::hex::hex;

/// Where attachments are.
#[derive(Debug, Clone)]
pub enum Attachments {
    /// A folder, which may be missing.
    Folder(PathBuf),
    /// A store, and what messages call it.
    Store(Arc<dyn ObjectStore>, String),
}

/// As S3 wants the parts of an object to be, at least.
const PART: usize = 5 << 20;

impl From<PathBuf> for Attachments {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }
}

impl Attachments {
    /// The names of all, in order. Those that somebody is still writing are left out.
    pub(super) fn names(&self, runtime: &Handle) -> Result<Vec<String>> {
        let mut names = Vec::new();
        match self {
            Self::Folder(folder) if !folder.exists() => {}
            Self::Folder(folder) => list(folder, folder, &mut names)?,
            Self::Store(store, _) => {
                let keys = store.list(None).map_ok(|object| object.location.to_string());
                names = runtime.block_on(keys.try_collect()).map_err(self.failed("", "read"))?;
            }
        }
        names.retain(|name| !is_draft(name));
        names.sort();
        Ok(names)
    }

    /// How long one is, and what it holds; `None` if it was deleted.
    pub(super) fn open(&self, name: &str, runtime: &Handle) -> Result<Option<(u64, Box<dyn Read>)>> {
        let path = self.path(name);
        match self {
            Self::Folder(_) => match File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file))) {
                Ok((size, file)) => Ok(Some((size, Box::new(file)))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(TransferError::File { path, doing: "read", source: error }),
            },
            Self::Store(store, _) => match runtime.block_on(store.get(&key(name))) {
                Ok(object) => {
                    let (size, stream) = (object.meta.size, object.into_stream());
                    Ok(Some((size, Box::new(Object { stream, piece: Bytes::new(), runtime: runtime.clone() }))))
                }
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(self.failed(name, "read")(error)),
            },
        }
    }

    /// Whether there is one of this name.
    pub(super) fn has(&self, name: &str, runtime: &Handle) -> Result<bool> {
        match self {
            Self::Folder(_) => Ok(self.path(name).exists()),
            Self::Store(store, _) => match runtime.block_on(store.head(&key(name))) {
                Ok(_) => Ok(true),
                Err(Error::NotFound { .. }) => Ok(false),
                Err(error) => Err(self.failed(name, "read")(error)),
            },
        }
    }

    /// Whether the one of this name is what a backup holds; `None` if there is none.
    pub(super) fn holds(&self, name: &str, sum: &FileSum, runtime: &Handle) -> Result<Option<bool>> {
        if !self.has(name, runtime)? {
            return Ok(None);
        }
        let Some((_, mut content)) = self.open(name, runtime)? else { return Ok(None) };
        let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 64 << 10]);
        loop {
            let count = content.read(&mut buffer).map_err(file(&self.path(name), "read"))?;
            if count == 0 {
                return Ok(Some(size == sum.size && hex(&hash.finalize()) == sum.sha256));
            }
            hash.update(&buffer[..count]);
            size += count as u64;
        }
    }

    /// Stores one that is not there. It appears under its name when it is whole.
    pub(super) fn put(&self, name: &str, content: &mut Content<'_>, runtime: &Handle) -> Result<()> {
        let mut buffer = vec![0; 64 << 10];
        match self {
            Self::Folder(_) => {
                let path = self.path(name);
                if let Some(folder) = path.parent() {
                    make_folder(folder)?;
                }
                let mut draft = Draft::create(&path)?;
                loop {
                    let count = content.read_some(&mut buffer)?;
                    if count == 0 {
                        return draft.publish();
                    }
                    draft.write_all(&buffer[..count]).map_err(file(&path, "written"))?;
                }
            }
            Self::Store(store, _) => {
                let failed = |error| self.failed(name, "written")(error);
                let upload = runtime.block_on(store.put_multipart(&key(name))).map_err(failed)?;
                let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
                let _inside = runtime.enter();
                loop {
                    let count = match content.read_some(&mut buffer) {
                        Ok(count) => count,
                        Err(error) => {
                            let _ = runtime.block_on(upload.abort());
                            return Err(error);
                        }
                    };
                    if count == 0 {
                        return runtime.block_on(upload.finish()).map(drop).map_err(failed);
                    }
                    runtime.block_on(upload.wait_for_capacity(1)).map_err(failed)?;
                    upload.write(&buffer[..count]);
                }
            }
        }
    }

    /// What messages call the one of this name.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Store(_, place) => Path::new(place).join(name),
        }
    }

    fn failed(&self, name: &str, doing: &'static str) -> impl FnOnce(Error) -> TransferError {
        let path = self.path(name);
        move |error| TransferError::File { path, doing, source: io::Error::other(error) }
    }
}

/// `….unfinished` is what a restore writes, `ID#1` what the server does.
fn is_draft(name: &str) -> bool {
    let numbered = name.rsplit_once('#').is_some_and(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
    numbered || name.ends_with(".unfinished")
}

fn key(name: &str) -> Key {
    Key::from(name)
}

/// An object that is read piece by piece.
struct Object {
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    piece: Bytes,
    runtime: Handle,
}

impl Read for Object {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.runtime.block_on(self.stream.try_next()).map_err(io::Error::other)? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}
