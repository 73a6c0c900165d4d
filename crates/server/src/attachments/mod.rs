//! The attachment store: the folder or bucket that holds the bytes of recordings, and what keeps it in step with the database.

mod freed;
mod owner;
mod quarantine;
mod store;
mod sweep;

pub use owner::{AttachmentStoreError, FIRST_SWEEP_AFTER};
pub use quarantine::{QUARANTINE_DAYS, Quarantined};
pub use store::{AttachmentStore, Upload};
pub use sweep::{SweepOptions, SweepReport};
