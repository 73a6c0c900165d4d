//! Deletes the objects of deleted recordings that could not be deleted at once.

use std::time::Duration;

use super::every;
use crate::app::App;

const DELETE_EVERY: Duration = Duration::from_mins(10);

pub async fn run(app: &App) {
    let mut ticks = every(DELETE_EVERY);
    // The first tick comes at once, and a server that has just started deletes nothing.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if let Err(error) = app.attachments.delete_freed(&*app.storage).await {
            tracing::warn!(%error, "deleted recordings could not be removed from their store");
        }
    }
}
