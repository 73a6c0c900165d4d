//! Deletes expired sessions, OPAQUE sessions, idempotency keys and security events.

use std::time::Duration;

use sotto_domain::storage;

use super::every;
use crate::app::App;

const DELETE_EVERY: Duration = Duration::from_mins(10);

pub async fn run(app: &App) {
    let mut ticks = every(DELETE_EVERY);
    loop {
        ticks.tick().await;
        delete_expired(app).await;
    }
}

async fn delete_expired(app: &App) {
    if app.clock_health().is_doubtful() {
        return tracing::warn!("expired sessions are kept for now, because the clock is doubtful");
    }
    let now = app.now();
    for corrected in [
        app.storage.sessions().correct_ends(now).await,
        app.storage.opaque_sessions().correct_dates(now).await,
        app.storage.idempotency_keys().correct_dates(now).await,
        app.storage.security_events().correct_dates(now).await,
    ] {
        match corrected {
            Ok(0) => {}
            Ok(count) => {
                tracing::warn!(count, "times in the future were corrected; an earlier clock was wrong");
            }
            Err(error) => {
                app.monitor.note(&error);
                tracing::warn!(%error, "times in the future could not be corrected");
            }
        }
    }
    report(app, "logins", app.storage.sessions().delete_expired(app.now()).await);
    report(app, "logins to secret tags", app.storage.opaque_sessions().delete_expired(app.now()).await);
    report(app, "idempotency keys", app.storage.idempotency_keys().delete_expired(app.now()).await);
    report(app, "security events", app.storage.security_events().delete_expired(app.now()).await);
}

fn report(app: &App, what: &str, deleted: storage::Result<u64>) {
    match deleted {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "expired {what} were deleted"),
        Err(error) => {
            app.monitor.note(&error);
            if matches!(error, storage::StorageError::Full(_)) {
                app.disk_space.note_refusal();
            }
            tracing::warn!(%error, "expired {what} could not be deleted");
        }
    }
}
