//! The files that a backup consists of, in this order:
//!
//! | file | holds |
//! |---|---|
//! | `sotto-backup.json` | the [`Header`](super::manifest::Header) |
//! | `tables/001-users/000001.jsonl.gz`, … | rows: tables in the order of the layout, rows by primary key, about 4 MiB a file |
//! | `attachments/…` | each file below the folder of attachments, by name |
//! | `keys.json` | the server's keys, if asked for |
//! | `manifest.json` | the [`Manifest`](super::manifest::Manifest): counts and checksums of all of the above |
//! | `manifest.json.sha256` | the manifest's own checksum, as `sha256sum` writes it |
//!
//! They are the members of a tar archive or the files of a folder. What ends before the last of them is no backup.

pub(super) mod archive;
pub(super) mod folder;
mod read;
mod write;

use std::io;

pub use read::Package;
pub(super) use read::{Content, Visitor};
pub(super) use write::PackageWriter;

/// The first file.
pub(super) const HEADER: &str = "sotto-backup.json";
/// The server's keys.
pub(super) const KEYS: &str = "keys.json";
/// The last file but one.
pub(super) const MANIFEST: &str = "manifest.json";
/// The last file.
pub(super) const MANIFEST_SUM: &str = "manifest.json.sha256";
/// What the names of attachments begin with.
pub(super) const ATTACHMENTS: &str = "attachments/";

/// Takes files one after another.
pub(super) trait Members {
    /// Begins a file of `size` bytes.
    fn begin(&mut self, name: &str, size: u64) -> io::Result<()>;
    /// Adds to it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Ends it.
    fn end(&mut self) -> io::Result<()>;
}

/// Gives files one after another.
pub(super) trait Source {
    /// The name and the size of the next file; `None` at the end. Errors are clauses.
    fn next(&mut self) -> Result<Option<(String, u64)>, String>;
    /// Reads from the present file; 0 at its end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
}

/// The name of the file number `number`, from 1, of the table at `place`, from 0.
fn rows_file(place: usize, table: &str, number: usize) -> String {
    format!("tables/{:03}-{table}/{number:06}.jsonl.gz", place + 1)
}
