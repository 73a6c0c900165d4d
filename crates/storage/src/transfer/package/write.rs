//! Writes a backup.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

use super::{ATTACHMENTS, HEADER, KEYS, MANIFEST, MANIFEST_SUM, Members, rows_file};
use crate::hex::hex;
use crate::transfer::comparison::{Gap, NamedAttachments};
use crate::transfer::error::{Result, TransferError, file};
use crate::transfer::manifest::{FileSum, Header, Manifest, RowDigest, TableSum};
use crate::transfer::value::{Row, write_line};

/// Approximate length of the lines in a file. A file is kept in memory until it is full.
const FILE_OF_ROWS: usize = 4 << 20;

/// Writes the files of a backup in their order.
pub struct PackageWriter<'m> {
    members: &'m mut dyn Members,
    /// The name of the backup in errors.
    target: PathBuf,
    manifest: Manifest,
    lines: Vec<u8>,
    files: Vec<FileSum>,
    digest: RowDigest,
    named: NamedAttachments,
}

impl<'m> PackageWriter<'m> {
    pub fn begin(members: &'m mut dyn Members, target: &Path, header: Header) -> Result<Self> {
        let manifest = Manifest::new(header);
        let mut writer = Self {
            members,
            target: target.to_owned(),
            manifest,
            lines: Vec::new(),
            files: Vec::new(),
            digest: RowDigest::default(),
            named: NamedAttachments::default(),
        };
        let header = pretty(&writer.manifest.header)?;
        writer.put(HEADER, &header)?;
        Ok(writer)
    }

    /// Adds a row to the current table: the first one that has not been ended.
    pub fn row(&mut self, row: &Row) -> Result<()> {
        let start = self.lines.len();
        write_line(row, &mut self.lines).map_err(|reason| {
            TransferError::Refused(format!("{reason} in the table {}, which a backup cannot hold", self.table_name()))
        })?;
        self.digest.add(&self.lines[start..]);
        if let Some(table) = self.manifest.header.layout.tables.get(self.manifest.tables.len()) {
            self.named.note(table, row);
        }
        if self.lines.len() >= FILE_OF_ROWS { self.put_lines() } else { Ok(()) }
    }

    /// Ends the current table.
    pub fn end_table(&mut self) -> Result<()> {
        if !self.lines.is_empty() {
            self.put_lines()?;
        }
        let (name, sum) = (self.table_name(), std::mem::take(&mut self.digest).sum());
        self.manifest.tables.push(TableSum { name, sum, files: std::mem::take(&mut self.files) });
        Ok(())
    }

    /// Adds an attachment of `size` bytes; `path` is its source, for errors.
    pub fn attachment(&mut self, name: &str, size: u64, content: &mut dyn Read, path: &Path) -> Result<()> {
        let name = format!("{ATTACHMENTS}{name}");
        self.members.begin(&name, size).map_err(file(&self.target.join(&name), "written"))?;
        let (mut hash, mut left, mut buffer) = (Sha256::new(), size, vec![0; 64 << 10]);
        while left > 0 {
            let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = content.read(&mut buffer[..wanted]).map_err(file(path, "read"))?;
            if count == 0 {
                return Err(TransferError::Refused(format!(
                    "{} became shorter while it was read: try again",
                    path.display()
                )));
            }
            hash.update(&buffer[..count]);
            self.members.write(&buffer[..count]).map_err(file(&self.target, "written"))?;
            left -= count as u64;
        }
        self.members.end().map_err(file(&self.target, "written"))?;
        self.manifest.attachments.push(FileSum { name, size, sha256: hex(&hash.finalize()) });
        Ok(())
    }

    /// Whether a row names this attachment.
    pub fn is_named(&self, name: &str) -> bool {
        self.named.has(name)
    }

    /// The attachments that rows name, and that are missing or different.
    pub fn gaps(&self) -> Vec<Gap> {
        self.named.gaps(&self.manifest.attachments)
    }

    /// Records that attachments were left out on purpose.
    pub fn leave_attachments_out(&mut self) {
        self.manifest.without_attachments = true;
    }

    /// Records attachments that were deleted during the backup, so that they do not count as missing.
    pub fn record_deleted(&mut self, names: Vec<String>) {
        self.manifest.deleted_meanwhile = names;
    }

    /// Adds the server's keys.
    pub fn keys(&mut self, keys: &[u8]) -> Result<()> {
        self.manifest.keys = Some(self.put(KEYS, keys)?);
        Ok(())
    }

    /// Adds the manifest and its checksum, which end the backup.
    pub fn finish(mut self) -> Result<Manifest> {
        let manifest = pretty(&self.manifest)?;
        let sum = self.put(MANIFEST, &manifest)?;
        self.put(MANIFEST_SUM, format!("{}  {MANIFEST}\n", sum.sha256).as_bytes())?;
        self.manifest.gaps = self.gaps();
        self.manifest.gaps.retain(|gap| !self.manifest.deleted_meanwhile.contains(&gap.name));
        Ok(self.manifest)
    }

    fn table_name(&self) -> String {
        let place = self.manifest.tables.len();
        self.manifest.header.layout.tables.get(place).map(|table| table.name.clone()).unwrap_or_default()
    }

    fn put_lines(&mut self) -> Result<()> {
        let name = rows_file(self.manifest.tables.len(), &self.table_name(), self.files.len() + 1);
        // Without a time, so that the same rows give the same bytes.
        let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::fast());
        let zipped = gzip.write_all(&self.lines).and_then(|()| gzip.finish());
        let zipped = zipped.map_err(file(&self.target, "written"))?;
        self.lines.clear();
        let sum = self.put(&name, &zipped)?;
        self.files.push(sum);
        Ok(())
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<FileSum> {
        let size = bytes.len() as u64;
        let mut put = || {
            self.members.begin(name, size)?;
            self.members.write(bytes)?;
            self.members.end()
        };
        put().map_err(file(&self.target, "written"))?;
        Ok(FileSum { name: name.to_owned(), size, sha256: hex(&Sha256::digest(bytes)) })
    }
}

fn pretty(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| TransferError::Refused(error.to_string()))?;
    text.push(b'\n');
    Ok(text)
}
