//! Waits for a server that cannot be reached yet, such as one that starts at the same time as this program.

use std::time::Duration;

use sotto_domain::storage::{Result, StorageError};
use tokio::time::{Instant, sleep, timeout};

use super::connect::Servers;
use super::error;

/// How long one attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause after the first attempt. Each further pause is twice as long, up to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Waits until a server at `url` accepts a connection and writes.
///
/// # Errors
/// `Unavailable` with the last error if no server does within `max_wait`, or at once if waiting cannot help.
pub async fn wait_until_reachable(url: &str, max_wait: Duration) -> Result<()> {
    let servers = Servers::parse(url, CONNECT_TIMEOUT)?;
    let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        let reason = match timeout(CONNECT_TIMEOUT, servers.connect_to_any()).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if !may_pass(&error) => return Err(StorageError::Unavailable(error::sentence(&error))),
            Ok(Err(error)) => error::sentence(&error),
            Err(_) => "the server did not answer in time".to_owned(),
        };
        let left = max_wait.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(StorageError::Unavailable(reason));
        }
        let next = pause.min(left);
        tracing::warn!(
            error = reason,
            "the database cannot be reached: trying again in {} s, for up to {} s more",
            next.as_secs_f32(),
            left.as_secs()
        );
        sleep(next).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether the same attempt may succeed later: the server could not be reached, is starting, stopping, full or
/// read-only. False for a wrong password or a database that does not exist.
fn may_pass(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_none_or(|refusal| {
        let code = refusal.code().code();
        ["08", "53", "57"].iter().any(|class| code.starts_with(class))
    })
}
