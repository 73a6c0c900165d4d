//! The header and the manifest of a backup.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex::hex;

use super::comparison::Gap;
use super::layout::Layout;

/// The format that this version writes and reads.
pub const FORMAT: u32 = 1;

/// The first file of a backup: what is known before the first row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format, [`FORMAT`].
    pub format: u32,
    /// The version of Sotto that made the backup.
    pub sotto: String,
    /// The engine of the database: `sqlite` or `postgres`.
    pub engine: String,
    /// The revision of the schema, such as `0001_create_standardized_schema`.
    pub revision: String,
    /// The time of the backup, in RFC 3339.
    pub created_at: String,
    /// The tables and columns.
    pub layout: Layout,
}

/// The last file of a backup but one: counts and checksums of all contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// A copy of the first file.
    #[serde(flatten)]
    pub header: Header,
    /// The tables, in the order of the layout.
    pub tables: Vec<TableSum>,
    /// The attachments, by name.
    pub attachments: Vec<FileSum>,
    /// The server's keys, if the backup contains them.
    pub keys: Option<FileSum>,
    /// Whether attachments were left out on purpose, as before a downgrade.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_attachments: bool,
    /// Attachments that rows name, and that were deleted with their rows during the backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted_meanwhile: Vec<String>,
    /// Attachments that rows name, and that are missing or different in the backup. Computed from the other fields, not
    /// stored.
    #[serde(skip)]
    pub gaps: Vec<Gap>,
}

/// The rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSum {
    /// The table's name.
    pub name: String,
    #[serde(flatten)]
    pub sum: Sum,
    /// The files that contain the rows.
    pub files: Vec<FileSum>,
}

/// Count and checksum of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// The number of rows.
    pub rows: u64,
    /// The total length of their lines in bytes.
    pub bytes: u64,
    /// SHA-256 of the concatenated lines, in lower-case hexadecimal.
    pub sha256: String,
}

/// Size and checksum of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// The name in the backup.
    pub name: String,
    /// The size in bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// Computes the [`Sum`] of rows.
#[derive(Debug, Clone, Default)]
pub(super) struct RowDigest {
    rows: u64,
    bytes: u64,
    hash: Sha256,
}

impl RowDigest {
    /// Adds the line of a row.
    pub fn add(&mut self, line: &[u8]) {
        self.rows += 1;
        self.bytes += line.len() as u64;
        self.hash.update(line);
    }

    /// The sum so far.
    pub fn sum(&self) -> Sum {
        Sum { rows: self.rows, bytes: self.bytes, sha256: hex(&self.hash.clone().finalize()) }
    }
}

impl Manifest {
    /// A manifest without contents.
    pub(super) fn new(header: Header) -> Self {
        Self {
            header,
            tables: Vec::new(),
            attachments: Vec::new(),
            keys: None,
            without_attachments: false,
            deleted_meanwhile: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// The total number of rows.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.sum.rows).sum()
    }

    /// The first contradiction between this manifest and the actual contents `found`; `None` if they agree.
    pub(super) fn contradiction(&self, found: &Self) -> Option<String> {
        if self.header != found.header {
            return Some("its beginning and its manifest are of two different backups".into());
        }
        if self.tables.len() != found.tables.len() {
            return Some("its manifest lists other tables than its beginning".into());
        }
        for (listed, actual) in self.tables.iter().zip(&found.tables) {
            if listed.name != actual.name {
                return Some(format!("its manifest lists {} where {} should be", listed.name, actual.name));
            }
            if let Some(reason) = files(&listed.files, &actual.files) {
                return Some(reason);
            }
            if listed.sum != actual.sum {
                return Some(format!("the rows of {} are {}, and should be {}", listed.name, actual.sum, listed.sum));
            }
        }
        files(&self.attachments, &found.attachments).or_else(|| files(self.keys.as_slice(), found.keys.as_slice()))
    }
}

fn files(listed: &[FileSum], found: &[FileSum]) -> Option<String> {
    let names = |files: &'_ [FileSum]| files.iter().map(|file| file.name.clone()).collect::<HashSet<_>>();
    let (names_listed, names_found) = (names(listed), names(found));
    let missing = listed.iter().find(|file| !names_found.contains(&file.name));
    if let Some(file) = missing {
        return Some(format!("the file {} is missing", file.name));
    }
    let extra = found.iter().find(|file| !names_listed.contains(&file.name));
    if let Some(file) = extra {
        return Some(format!("the file {} is not in its manifest", file.name));
    }
    let other = listed.iter().zip(found).find(|(listed, found)| listed != found);
    other.map(|(_, found)| format!("the file {} is not what was written", found.name))
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes with SHA-256 {}", self.rows, self.bytes, self.sha256)
    }
}
