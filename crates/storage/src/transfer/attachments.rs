//! Reads and writes attachments in a folder, or in an object store such as a bucket.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt, WriteMultipart};
use sha2::{Digest, Sha256};
use sotto_domain::attachment_store::{MARK, QUARANTINE, StoreMark, is_bookkeeping};
use sotto_files::{Draft, make_folder};
use tokio::runtime::Handle;

use super::error::{Result, TransferError, file};
use super::manifest::FileSum;
use super::package::Content;
use super::package::folder::list;
use crate::hex::hex;

/// The location of attachments.
#[derive(Debug, Clone)]
pub enum Attachments {
    /// A folder, which may not exist.
    Folder(PathBuf),
    /// An object store, and its name in messages.
    Store(Arc<dyn ObjectStore>, String),
}

/// More bytes than any store mark has.
const LONGEST_MARK: u64 = 4096;

/// The smallest part of a multipart upload that S3 accepts.
const UPLOAD_PART: usize = 5 << 20;

impl From<PathBuf> for Attachments {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }
}

impl Attachments {
    /// The names of all attachments, sorted, without unfinished drafts and the store's own files.
    pub(super) fn names(&self, runtime: &Handle) -> Result<Vec<String>> {
        let mut names = self.list(None, runtime)?;
        names.retain(|name| !is_draft(name) && !is_bookkeeping(name));
        Ok(names)
    }

    /// The location of each attachment for a backup, by name: all attachments in place, and those in quarantine that
    /// are `wanted`.
    pub(super) fn places(&self, wanted: impl Fn(&str) -> bool, runtime: &Handle) -> Result<BTreeMap<String, String>> {
        let mut places = BTreeMap::new();
        for place in self.list(Some(QUARANTINE), runtime)? {
            if let Some((_, name)) = place.trim_start_matches(QUARANTINE).trim_start_matches('/').split_once('/')
                && wanted(name)
            {
                places.insert(name.to_owned(), place);
            }
        }
        places.extend(self.names(runtime)?.into_iter().map(|name| (name.clone(), name)));
        Ok(places)
    }

    /// All names that start with `first`, sorted.
    fn list(&self, first: Option<&str>, runtime: &Handle) -> Result<Vec<String>> {
        let mut names = Vec::new();
        match self {
            Self::Folder(root) => {
                let folder = first.map_or_else(|| root.clone(), |first| root.join(first));
                if folder.exists() {
                    list(root, &folder, &mut names)?;
                }
            }
            Self::Store(store, _) => {
                let keys = store.list(first.map(object_path).as_ref()).map_ok(|object| object.location.to_string());
                names = runtime.block_on(keys.try_collect()).map_err(self.failed("", "read"))?;
            }
        }
        names.sort();
        Ok(names)
    }

    /// The mark that identifies the database of this store; `None` if the store has none yet.
    pub(super) fn read_mark(&self, runtime: &Handle) -> Result<Option<StoreMark>> {
        let Some((_, mut content)) = self.open(MARK, runtime)? else { return Ok(None) };
        let mut text = Vec::new();
        let path = self.path(MARK);
        content.by_ref().take(LONGEST_MARK).read_to_end(&mut text).map_err(file(&path, "read"))?;
        let mark = StoreMark::parse(&text);
        mark.map(Some).map_err(|clause| TransferError::Refused(format!("{} {clause}", path.display())))
    }

    /// The size and content of an attachment; `None` if it was deleted.
    pub(super) fn open(&self, name: &str, runtime: &Handle) -> Result<Option<(u64, Box<dyn Read>)>> {
        let path = self.path(name);
        match self {
            Self::Folder(_) => match File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file))) {
                Ok((size, file)) => Ok(Some((size, Box::new(file)))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(TransferError::File { path, doing: "read", source: error }),
            },
            Self::Store(store, _) => match runtime.block_on(store.get(&object_path(name))) {
                Ok(object) => {
                    let (size, stream) = (object.meta.size, object.into_stream());
                    Ok(Some((size, Box::new(Object { stream, piece: Bytes::new(), runtime: runtime.clone() }))))
                }
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(self.failed(name, "read")(error)),
            },
        }
    }

    /// The size of an attachment in bytes; `None` if it does not exist. Does not read its content.
    pub(super) fn length(&self, name: &str, runtime: &Handle) -> Result<Option<u64>> {
        match self {
            Self::Folder(_) => match fs::metadata(self.path(name)) {
                Ok(metadata) => Ok(Some(metadata.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(file(&self.path(name), "read")(error)),
            },
            Self::Store(store, _) => match runtime.block_on(store.head(&object_path(name))) {
                Ok(object) => Ok(Some(object.size)),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(self.failed(name, "read")(error)),
            },
        }
    }

    /// The size and SHA-256 of an attachment; `None` if it does not exist. Reads all of its content.
    pub(super) fn sum(&self, name: &str, runtime: &Handle) -> Result<Option<FileSum>> {
        let Some((_, mut content)) = self.open(name, runtime)? else { return Ok(None) };
        let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 64 << 10]);
        loop {
            let count = content.read(&mut buffer).map_err(file(&self.path(name), "read"))?;
            if count == 0 {
                return Ok(Some(FileSum { name: name.to_owned(), size, sha256: hex(&hash.finalize()) }));
            }
            hash.update(&buffer[..count]);
            size += count as u64;
        }
    }

    /// Stores a new attachment. It appears under its name when it is complete.
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
                        return Ok(draft.publish()?);
                    }
                    draft.write_all(&buffer[..count]).map_err(file(&path, "written"))?;
                }
            }
            Self::Store(store, _) => {
                let failed = |error| self.failed(name, "written")(error);
                let upload = runtime.block_on(store.put_multipart(&object_path(name))).map_err(failed)?;
                let mut upload = WriteMultipart::new_with_chunk_size(upload, UPLOAD_PART);
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

    /// The path or key of an attachment in messages.
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

/// A restore writes drafts as `….unfinished`, the server as `ID#1`.
fn is_draft(name: &str) -> bool {
    let numbered = name.rsplit_once('#').is_some_and(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
    numbered || name.ends_with(".unfinished")
}

fn object_path(name: &str) -> ObjectPath {
    ObjectPath::from(name)
}

/// An object that is read in chunks.
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
