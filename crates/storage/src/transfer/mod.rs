//! Backup, restore and copy of a database.
//!
//! All three use one neutral form of rows (`value`) in the tables of a revision ([`Layout`]). A `snapshot` reads the
//! rows of one moment, table by table and in the order of their keys. A `target` stores rows in batches. A `package` is
//! the format of a backup. `docs/backup.md` is the guide for operators.
//!
//! The work runs on one blocking thread from start to end and needs a few megabytes of memory for a database of any
//! size.

mod attachments;
mod backup;
mod batches;
mod comparison;
mod copy;
mod error;
mod layout;
mod manifest;
mod package;
mod progress;
mod restore;
mod snapshot;
mod target;
#[cfg(test)]
mod tests;
mod unfinished;
mod value;
mod verify;

use tokio::runtime::Handle;

pub use sotto_files::Draft;

pub use attachments::Attachments;
pub use backup::{BackupOptions, backup, backup_into, backup_to_folder};
pub use comparison::{Comparison, Gap, Problem, compare};
pub use copy::{Copied, copy};
pub use error::{Result, TransferError};
pub use layout::{Column, Layout, Table, ValueKind};
pub use manifest::{FORMAT, FileSum, Header, Manifest, Sum, TableSum};
pub use package::{Package, remove_unfinished};
pub use progress::{Observer, Progress, Stage};
pub use restore::{Destination, KeyCheck, KeysOutcome, Restored, restore, verify};
pub use snapshot::Migrations;
pub use unfinished::explain_unfinished;
pub(crate) use unfinished::purpose_and_source;

/// Runs blocking work on a separate thread.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce(&Handle) -> Result<T> + Send + 'static) -> Result<T> {
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || work(&runtime)).await;
    done.unwrap_or_else(|error| Err(TransferError::Refused(format!("the task ended unexpectedly: {error}"))))
}
