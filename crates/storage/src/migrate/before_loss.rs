//! What is done just before a downgrade destroys data on a server: a backup.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

/// Where the backup is, or why there is none.
type Taken = std::result::Result<PathBuf, String>;

/// Takes a backup, after what would be lost has been counted and allowed, and before the first step. The lock of the
/// migrator is held meanwhile, so no other migrator comes between; if it fails, nothing is changed.
#[derive(Clone)]
pub struct BeforeLoss(Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Taken> + Send>> + Send + Sync>);

impl BeforeLoss {
    /// From a function that takes the backup, and answers with where it is, or with the reason that there is none.
    pub fn new<F, B>(back_up: F) -> Self
    where
        F: Fn() -> B + Send + Sync + 'static,
        B: Future<Output = Taken> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(back_up())))
    }

    pub(super) async fn run(&self) -> Taken {
        (self.0)().await
    }
}

impl fmt::Debug for BeforeLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BeforeLoss")
    }
}
