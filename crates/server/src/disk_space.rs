//! Whether the disk accepts writes. After a write that failed for lack of space the server reports that it is not
//! ready, until a probe succeeds: a load balancer that sends no requests would otherwise never notice that there is
//! space again.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::app::App;
use crate::http::error::ApiError;

/// Time between two probes of a full disk. Each one writes about 1 MiB.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// How long a probe may take. Other callers wait for its result, so a disk that hangs must not hold them up.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Default)]
pub struct DiskSpace {
    is_full: AtomicBool,
    /// Changes that were refused since the start.
    refusals: AtomicU64,
    /// Of these, how many the monitor knows.
    reported: AtomicU64,
    /// When a probe last failed. The lock keeps probes from running at the same time.
    probed: Mutex<Option<Instant>>,
}

impl DiskSpace {
    /// Notes a change that was refused for lack of space.
    pub fn note_refusal(&self) {
        self.refusals.fetch_add(1, SeqCst);
        self.is_full.store(true, SeqCst);
    }

    /// Refusals since the last call.
    pub fn take_refusals(&self) -> u64 {
        let refusals = self.refusals.load(SeqCst);
        refusals - self.reported.swap(refusals, SeqCst)
    }

    /// Probes the disk if the last write failed for lack of space.
    ///
    /// # Errors
    /// [`ApiError::DiskFull`] if there is no space yet; other errors if the probe fails.
    pub async fn check(&self, app: &App) -> Result<(), ApiError> {
        self.check_with(PROBE_TIMEOUT, async || probe(app).await).await
    }

    async fn check_with(
        &self,
        time_limit: Duration,
        probe: impl AsyncFnOnce() -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        if !self.is_full.load(SeqCst) {
            return Ok(());
        }
        // While one probe runs, other calls wait here for its result.
        let mut probed = self.probed.lock().await;
        if !self.is_full.load(SeqCst) {
            return Ok(());
        }
        if probed.is_some_and(|at| at.elapsed() < PROBE_EVERY) {
            return Err(ApiError::DiskFull(Arc::new(io::Error::from(ErrorKind::StorageFull))));
        }
        let before = self.refusals.load(SeqCst);
        let outcome = timeout(time_limit, probe()).await;
        let outcome =
            outcome.unwrap_or_else(|_| Err(ApiError::Unavailable(Arc::new(io::Error::from(ErrorKind::TimedOut)))));
        *probed = outcome.is_err().then(Instant::now);
        if outcome.is_ok() {
            self.is_full.store(false, SeqCst);
            // A refusal during the probe is newer than its result.
            if self.refusals.load(SeqCst) != before {
                self.is_full.store(true, SeqCst);
            }
        }
        outcome
    }
}

async fn probe(app: &App) -> Result<(), ApiError> {
    app.storage.probe_room().await?;
    app.attachments.probe_room().await?;
    Ok(())
}

/// Bytes that this program may use on the file system of a folder.
#[cfg(unix)]
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
pub fn free_bytes(_: &Path) -> io::Result<u64> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_full_disk_has_no_space_until_a_probe_has_succeeded() {
        let disk = DiskSpace::default();
        disk.note_refusal();
        let probe_ends = Notify::new();
        let mut first = pin!(disk.check_with(PROBE_TIMEOUT, async || {
            probe_ends.notified().await;
            Ok(())
        }));
        let mut second = pin!(disk.check_with(PROBE_TIMEOUT, async || unreachable!("the first probe is enough")));
        let mut context = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending(), "the second call does not know more than the first");
        probe_ends.notify_one();
        assert!(first.await.is_ok());
        assert!(second.await.is_ok());
        assert_eq!((disk.take_refusals(), disk.take_refusals()), (1, 0));
    }

    #[tokio::test]
    async fn a_hanging_probe_times_out() {
        let disk = DiskSpace::default();
        disk.note_refusal();
        assert!(disk.check_with(Duration::from_millis(10), async || std::future::pending().await).await.is_err());
        assert!(disk.check_with(PROBE_TIMEOUT, async || unreachable!("the disk was probed just now")).await.is_err());
    }

    #[tokio::test]
    async fn a_refusal_during_a_probe_is_newer_than_its_result() {
        let disk = DiskSpace::default();
        disk.note_refusal();
        let probe = async || {
            disk.note_refusal();
            Ok(())
        };
        assert!(disk.check_with(PROBE_TIMEOUT, probe).await.is_ok());
        assert!(
            disk.check_with(PROBE_TIMEOUT, async || Err(ApiError::Busy)).await.is_err(),
            "the disk is probed again"
        );
    }
}
