//! What the server does by itself, now and then.

use std::time::Duration;

use sotto_domain::storage;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::app::App;

/// How often expired logins and idle rate limits are cleared away.
const CLEAN_UP_EVERY: Duration = Duration::from_mins(10);

/// Starts the jobs; abort the handle to stop them.
pub fn start(app: &App) -> JoinHandle<()> {
    let app = app.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(CLEAN_UP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            clean_up(&app).await;
        }
    })
}

async fn clean_up(app: &App) {
    app.limits.forget_idle();
    report("logins", app.storage.sessions().delete_expired(app.now()).await);
    report("logins to secret tags", app.storage.opaque_sessions().delete_expired(app.now()).await);
}

fn report(what: &str, deleted: storage::Result<u64>) {
    match deleted {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "expired {what} were deleted"),
        Err(error) => tracing::warn!(%error, "expired {what} could not be deleted"),
    }
}
