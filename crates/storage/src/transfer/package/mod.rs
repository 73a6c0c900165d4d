//! The format of a backup. It consists of these files, in this order:
//!
//! | file | contents |
//! |---|---|
//! | `sotto-backup.json` | the [`Header`](super::manifest::Header) |
//! | `tables/002-users/000001.jsonl.gz`, … | rows: tables in the order of the layout, rows by primary key, about 4 MiB a file |
//! | `attachments/…` | each file below the folder of attachments, by name |
//! | `keys.json` | the server's keys, if requested |
//! | `manifest.json` | the [`Manifest`](super::manifest::Manifest): counts and checksums of all of the above |
//! | `manifest.json.sha256` | the manifest's own checksum, in the format of `sha256sum` |
//!
//! The files are the members of a tar archive, or the files of a folder. Without the last file, a backup is invalid.

pub(super) mod archive;
pub(super) mod folder;
pub(super) mod limits;
mod read;
mod write;

use std::io;
use std::path::Path;

use super::error::Result;

pub use read::Package;
pub(super) use read::{Content, Visitor};
pub(super) use write::PackageWriter;

/// The first file.
pub(super) const HEADER: &str = "sotto-backup.json";
pub(super) const KEYS: &str = "keys.json";
/// The last file but one.
pub(super) const MANIFEST: &str = "manifest.json";
/// The last file.
pub(super) const MANIFEST_SUM: &str = "manifest.json.sha256";
/// The prefix of the names of attachments.
pub(super) const ATTACHMENTS: &str = "attachments/";

/// Writes files one after another.
pub(super) trait Members {
    /// Starts a file of `size` bytes.
    fn begin(&mut self, name: &str, size: u64) -> io::Result<()>;
    /// Appends to the current file.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Ends the current file.
    fn end(&mut self) -> io::Result<()>;
}

/// Reads files one after another.
pub(super) trait Source {
    /// The name and the size of the next file; `None` at the end. Errors are clauses.
    fn next(&mut self) -> std::result::Result<Option<(String, u64)>, String>;
    /// Reads from the current file; 0 at its end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
}

/// Deletes unfinished backups of killed processes in `folder`, if `matches` accepts the name that they would have got.
/// Keeps backups that are still being written.
///
/// # Errors
/// If the folder cannot be read, or a file cannot be deleted.
pub fn remove_unfinished(folder: &Path, matches: impl Fn(&str) -> bool) -> Result<()> {
    sotto_files::remove_abandoned(folder, &matches)?;
    folder::remove_abandoned(folder, matches)
}

/// The name of file `number` (from 1) of the table at index `table_index` (from 0).
fn rows_file(table_index: usize, table: &str, number: usize) -> String {
    format!("tables/{:03}-{table}/{number:06}.jsonl.gz", table_index + 1)
}
