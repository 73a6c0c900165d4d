//! Backup, restore and copy: the rows of a database on their way to a file, from it, and to another database.
//!
//! All three use one neutral form of rows (`value`) in the tables of a revision ([`Layout`]). A `snapshot` gives the rows
//! of one moment, table by table and in the order of their keys; a `target` stores them in pieces. `package` is the
//! form of a backup. `docs/backup.md` describes all of it for those who use it.
//!
//! The work is done on one thread that may block, from end to end, and holds a few megabytes however large the
//! database is.

mod attachments;
mod backup;
mod copy;
mod draft;
mod error;
mod fill;
mod layout;
mod manifest;
mod mark;
mod package;
mod restore;
mod snapshot;
mod target;
#[cfg(test)]
mod tests;
mod value;
mod watch;

use tokio::runtime::Handle;

pub use attachments::Attachments;
pub use backup::{Contents, backup, backup_into, backup_to_folder};
pub use copy::{Copied, copy};
pub use draft::Draft;
pub use error::{Result, TransferError};
pub use layout::{Column, Kind, Layout, Table};
pub use manifest::{FORMAT, FileSum, Header, Manifest, Sum, TableSum};
pub use mark::explain;
pub use package::Package;
pub use restore::{Destination, Keys, Restored, restore, verify};
pub use snapshot::Migrations;
pub use watch::{Progress, Stage, Watch};

/// Runs work that blocks on a thread of its own.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce(&Handle) -> Result<T> + Send + 'static) -> Result<T> {
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || work(&runtime)).await;
    done.unwrap_or_else(|error| Err(TransferError::Refused(format!("the work ended without an answer: {error}"))))
}
