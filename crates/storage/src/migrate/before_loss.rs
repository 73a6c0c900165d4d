//! The backup that is taken just before a downgrade destroys data on a server.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

/// The path of the backup, or the reason why there is none.
type BackupResult = std::result::Result<PathBuf, String>;

/// Takes a backup after the losses have been counted and allowed, and before the first step. The migrator holds its
/// lock during the backup, so no other migrator can interfere. If the backup fails, nothing is changed.
#[derive(Clone)]
pub struct BeforeLoss(Arc<dyn Fn() -> Pin<Box<dyn Future<Output = BackupResult> + Send>> + Send + Sync>);

impl BeforeLoss {
    /// Wraps a function that takes the backup and returns its path, or the reason why there is none.
    pub fn new<F, B>(back_up: F) -> Self
    where
        F: Fn() -> B + Send + Sync + 'static,
        B: Future<Output = BackupResult> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(back_up())))
    }

    pub(super) async fn run(&self) -> BackupResult {
        (self.0)().await
    }
}

impl fmt::Debug for BeforeLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BeforeLoss")
    }
}
