//! Reads a backup from start to end and checks it against its manifest. Memory use does not depend on the size of the
//! backup.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::archive::{ArchiveReader, read_failure};
use super::folder::FolderReader;
use super::limits::{self, LONGEST_HEADER, LONGEST_KEYS, LONGEST_SUM};
use super::{ATTACHMENTS, HEADER, KEYS, MANIFEST, MANIFEST_SUM, Source, rows_file};
use crate::hex::hex;
use crate::transfer::comparison::NamedAttachments;
use crate::transfer::error::{Result, TransferError};
use crate::transfer::layout::Table;
use crate::transfer::manifest::{FORMAT, FileSum, Header, Manifest, RowDigest, TableSum};
use crate::transfer::value::{LONGEST_LINE, Row, read_line};

type Open = Arc<dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync>;

/// A backup that can be read.
#[derive(Clone)]
pub struct Package {
    name: String,
    form: Form,
}

#[derive(Clone)]
enum Form {
    Archive(Open),
    Folder(PathBuf),
}

/// Receives the contents of a backup in their order.
pub trait Visitor {
    /// The header, before the first row.
    fn header(&mut self, header: &Header) -> Result<()>;
    /// A row, and its line in the backup.
    fn row(&mut self, table: &Table, row: Row, line: &[u8]) -> Result<()>;
    /// An attachment, named without `attachments/`.
    fn attachment(&mut self, name: &str, content: &mut Content<'_>) -> Result<()>;
    fn keys(&mut self, keys: &[u8]) -> Result<()>;
}

/// The file that is being read.
pub struct Content<'s> {
    backup: &'s str,
    source: &'s mut dyn Source,
    hash: Sha256,
    size: u64,
}

impl Package {
    /// The backup at `path`: a folder or an archive.
    pub fn from_path(path: &Path) -> Self {
        let name = path.display().to_string();
        let path = path.to_owned();
        let form = if path.is_dir() {
            Form::Folder(path)
        } else {
            Form::Archive(Arc::new(move || Ok(Box::new(BufReader::new(File::open(&path)?)))))
        };
        Self { name, form }
    }

    /// An archive from a function that opens it. It is read twice, so `open` is called twice.
    pub fn archive(name: String, open: impl Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync + 'static) -> Self {
        Self { name, form: Form::Archive(Arc::new(open)) }
    }

    /// The name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Passes all contents to `visitor` and then checks them against the manifest. Any difference from what was written
    /// is an error; the visitor may have received a part of the contents by then.
    pub(in crate::transfer) fn read(&self, visitor: &mut dyn Visitor) -> Result<Manifest> {
        let damaged = |reason: String| TransferError::damaged(&self.name, reason);
        let mut source: Box<dyn Source> = match &self.form {
            Form::Archive(open) => {
                let input = open().map_err(|error| damaged(format!("it cannot be opened: {error}")))?;
                Box::new(ArchiveReader::new(input))
            }
            Form::Folder(folder) => Box::new(FolderReader::open(folder).map_err(damaged)?),
        };
        let mut reading =
            Reading { package: self, source: source.as_mut(), visitor, named: NamedAttachments::default() };
        reading.run()
    }
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Package").field(&self.name).finish()
    }
}

struct Reading<'r> {
    package: &'r Package,
    source: &'r mut dyn Source,
    visitor: &'r mut dyn Visitor,
    named: NamedAttachments,
}

impl Reading<'_> {
    fn run(&mut self) -> Result<Manifest> {
        let header = self.header()?;
        let mut found = Manifest::new(header);
        let mut next = self.next()?;
        let tables = found.header.layout.tables.clone();
        for (place, table) in tables.iter().enumerate() {
            let (mut digest, mut files) = (RowDigest::default(), Vec::new());
            while let Some(name) = next.take_if(|name| *name == rows_file(place, &table.name, files.len() + 1)) {
                files.push(self.rows(name, table, &mut digest)?);
                next = self.next()?;
            }
            found.tables.push(TableSum { name: table.name.clone(), sum: digest.sum(), files });
        }
        while let Some(name) = next.take_if(|name| name.starts_with(ATTACHMENTS)) {
            found.attachments.push(self.attachment(name)?);
            next = self.next()?;
        }
        if next.as_deref() == Some(KEYS) {
            let (keys, sum) = self.whole(KEYS, LONGEST_KEYS)?;
            found.keys = Some(sum);
            self.visitor.keys(&keys)?;
            next = self.next()?;
        }
        match next {
            Some(name) if name == MANIFEST => {}
            Some(name) => {
                return Err(self.damaged(format!("the file {name} is in the wrong place: another is missing")));
            }
            None => return Err(self.damaged("its manifest is missing: it was cut off before its end".into())),
        }
        let mut manifest = self.manifest(limits::longest_manifest(&found))?;
        if let Some(reason) = manifest.contradiction(&found) {
            return Err(self.damaged(reason));
        }
        manifest.gaps = self.named.gaps(&manifest.attachments);
        manifest.gaps.retain(|gap| !manifest.deleted_meanwhile.contains(&gap.name));
        Ok(manifest)
    }

    fn header(&mut self) -> Result<Header> {
        if self.next()?.as_deref() != Some(HEADER) {
            return Err(self.damaged("it does not begin like a backup of Sotto".into()));
        }
        let (bytes, _) = self.whole(HEADER, LONGEST_HEADER)?;
        // Other formats may have other headers, but always this field.
        let any: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| self.damaged(format!("{HEADER} is damaged: {error}")))?;
        if any["format"].as_u64().is_some_and(|format| format > FORMAT.into()) {
            return Err(self.damaged(format!(
                "it is of format {}, and this version of Sotto reads formats up to {FORMAT}: use a newer version",
                any["format"]
            )));
        }
        let header: Header =
            serde_json::from_value(any).map_err(|error| self.damaged(format!("{HEADER} is damaged: {error}")))?;
        limits::check_header(&header).map_err(|reason| self.damaged(format!("{HEADER} is damaged: {reason}")))?;
        self.visitor.header(&header)?;
        Ok(header)
    }

    fn rows(&mut self, name: String, table: &Table, digest: &mut RowDigest) -> Result<FileSum> {
        let damaged =
            |name: &str, reason: &str| TransferError::damaged(&self.package.name, format!("the file {name}: {reason}"));
        let mut content = Content::new(&self.package.name, self.source);
        {
            let mut lines = BufReader::with_capacity(64 << 10, GzDecoder::new(&mut content));
            let mut line = Vec::new();
            loop {
                line.clear();
                let longest = LONGEST_LINE as u64 + 1;
                let read = lines.by_ref().take(longest).read_until(b'\n', &mut line);
                if read.map_err(|error| damaged(&name, &read_failure(&error)))? == 0 {
                    break;
                }
                if line.last() != Some(&b'\n') {
                    let is_too_long = line.len() > LONGEST_LINE;
                    let longer = format!("a row is longer than {} MiB", LONGEST_LINE >> 20);
                    return Err(damaged(&name, if is_too_long { &longer } else { "its last row has no end" }));
                }
                digest.add(&line);
                let row = read_line(&line, table).map_err(|reason| damaged(&name, &reason))?;
                limits::check_row(table, &row).map_err(|reason| damaged(&name, &reason))?;
                self.named.note(table, &row);
                self.visitor.row(table, row, &line)?;
            }
        }
        content.finish(name)
    }

    fn attachment(&mut self, name: String) -> Result<FileSum> {
        let inner = name.strip_prefix(ATTACHMENTS).unwrap_or_default();
        let harmless = Path::new(inner).components().all(|part| matches!(part, Component::Normal(_)))
            && !inner.is_empty()
            && Path::new(inner).to_str() == Some(inner)
            && !inner.contains("//")
            && !inner.ends_with('/');
        if !harmless {
            return Err(self.damaged(format!("the name {name} would lead out of the folder of attachments")));
        }
        let mut content = Content::new(&self.package.name, self.source);
        self.visitor.attachment(inner, &mut content)?;
        content.finish(name)
    }

    /// Reads a file of at most `longest` bytes into memory.
    fn whole(&mut self, name: &str, longest: u64) -> Result<(Vec<u8>, FileSum)> {
        let mut content = Content::new(&self.package.name, self.source);
        let mut bytes = Vec::new();
        let read = content.by_ref().take(longest + 1).read_to_end(&mut bytes);
        read.map_err(|error| TransferError::damaged(&self.package.name, read_failure(&error)))?;
        if bytes.len() as u64 > longest {
            return Err(
                self.damaged(format!("the file {name} is longer than {longest} bytes, the most that it can be"))
            );
        }
        Ok((bytes, content.finish(name.to_owned())?))
    }

    fn manifest(&mut self, longest: u64) -> Result<Manifest> {
        let (bytes, sum) = self.whole(MANIFEST, longest)?;
        if self.next()?.as_deref() != Some(MANIFEST_SUM) {
            return Err(self.damaged("its last file is missing: it was cut off before its end".into()));
        }
        let (checksum, _) = self.whole(MANIFEST_SUM, LONGEST_SUM)?;
        if checksum != format!("{}  {MANIFEST}\n", sum.sha256).as_bytes() {
            return Err(self.damaged("its manifest is not what was written".into()));
        }
        if let Some(name) = self.next()? {
            return Err(self.damaged(format!("the file {name} is after its end")));
        }
        serde_json::from_slice(&bytes).map_err(|error| self.damaged(format!("{MANIFEST} is damaged: {error}")))
    }

    fn next(&mut self) -> Result<Option<String>> {
        let next = self.source.next().map_err(|reason| self.damaged(reason))?;
        let Some((name, _)) = next else { return Ok(None) };
        limits::check_file_name(&name).map_err(|reason| self.damaged(reason))?;
        Ok(Some(name))
    }

    fn damaged(&self, reason: String) -> TransferError {
        TransferError::damaged(&self.package.name, reason)
    }
}

impl<'s> Content<'s> {
    fn new(backup: &'s str, source: &'s mut dyn Source) -> Self {
        Self { backup, source, hash: Sha256::new(), size: 0 }
    }

    /// Reads the next bytes; 0 at the end.
    pub fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.read(buffer).map_err(|error| TransferError::damaged(self.backup, read_failure(&error)))
    }

    /// Reads the rest of the file.
    fn finish(mut self, name: String) -> Result<FileSum> {
        let mut buffer = [0; 8 << 10];
        while self.read_some(&mut buffer)? > 0 {}
        Ok(FileSum { name, size: self.size, sha256: hex(&self.hash.finalize()) })
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}
