//! Files that get their final names only when they are complete, and locks between processes.
//!
//! Everything that Sotto writes to disk (databases, copies of databases, keys, backups, attachments) goes through a
//! [`Draft`]: write to a temporary name in the same folder, `fsync`, rename to the final name, `fsync` the folder. A
//! file with its final name is therefore complete. New files and folders are readable by their owner only. If root
//! creates them, they belong to the owner of their folder ([`owner`]).

mod claim;
mod draft;
mod error;
mod folder;
mod owner;

pub use claim::Claim;
pub use draft::{
    Draft, create_new, create_private, draft_name, lock_draft, publish_draft, refuse_taken, remove_abandoned,
    remove_if_there,
};
pub use error::{FileError, Result};
pub use folder::{folder_of, make_folder, sync_folder_of};
