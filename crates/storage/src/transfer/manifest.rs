//! What a backup says about itself.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex::hex;

use super::layout::Layout;

/// The format that this version writes and reads.
pub const FORMAT: u32 = 1;

/// What is known before the first row: the first file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format, [`FORMAT`].
    pub format: u32,
    /// The version of Sotto that made it.
    pub sotto: String,
    /// Where the rows come from: `sqlite` or `postgres`.
    pub engine: String,
    /// The revision of the schema, such as `0001_create_standardized_schema`.
    pub revision: String,
    /// When, in RFC 3339.
    pub created_at: String,
    /// The tables and columns.
    pub layout: Layout,
}

/// All that a backup holds: its last file but one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// As at the beginning.
    #[serde(flatten)]
    pub header: Header,
    /// The rows of each table, in the order of the layout.
    pub tables: Vec<TableSum>,
    /// The attachments, by name.
    pub attachments: Vec<FileSum>,
    /// The server's keys, if they are in it.
    pub keys: Option<FileSum>,
}

/// The rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSum {
    /// The table.
    pub name: String,
    /// What its rows add up to.
    #[serde(flatten)]
    pub sum: Sum,
    /// The files that they are in.
    pub files: Vec<FileSum>,
}

/// What rows add up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// How many there are.
    pub rows: u64,
    /// The length of their lines together.
    pub bytes: u64,
    /// SHA-256 of their lines one after another, in lower-case hexadecimal.
    pub sha256: String,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// Its name in the backup.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of it, in lower-case hexadecimal.
    pub sha256: String,
}

/// Adds up rows.
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
    /// How many rows there are in all.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.sum.rows).sum()
    }

    /// The first thing in which a backup is not what its manifest says; `None` if it is all of it.
    pub(super) fn contradiction(&self, found: &Self) -> Option<String> {
        if self.header != found.header {
            return Some("its beginning and its manifest are of two different backups".into());
        }
        if self.tables.len() != found.tables.len() {
            return Some("its manifest lists other tables than its beginning".into());
        }
        for (said, is) in self.tables.iter().zip(&found.tables) {
            if said.name != is.name {
                return Some(format!("its manifest lists {} where {} should be", said.name, is.name));
            }
            if let Some(reason) = files(&said.files, &is.files) {
                return Some(reason);
            }
            if said.sum != is.sum {
                return Some(format!("the rows of {} are {}, and should be {}", said.name, is.sum, said.sum));
            }
        }
        files(&self.attachments, &found.attachments).or_else(|| files(self.keys.as_slice(), found.keys.as_slice()))
    }
}

fn files(said: &[FileSum], found: &[FileSum]) -> Option<String> {
    let missing = said.iter().find(|file| found.iter().all(|one| one.name != file.name));
    if let Some(file) = missing {
        return Some(format!("the file {} is missing", file.name));
    }
    let extra = found.iter().find(|file| said.iter().all(|one| one.name != file.name));
    if let Some(file) = extra {
        return Some(format!("the file {} is not in its manifest", file.name));
    }
    let other = said.iter().zip(found).find(|(said, found)| said != found);
    other.map(|(_, found)| format!("the file {} is not what was written", found.name))
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes with SHA-256 {}", self.rows, self.bytes, self.sha256)
    }
}
