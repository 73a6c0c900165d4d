//! Checks every hour that the attachment store is this database's, and sweeps it when a sweep is due.

use std::time::Duration;

use tokio::time::Instant;

use super::every;
use crate::app::App;

const CHECK_EVERY: Duration = Duration::from_hours(1);
/// A server does not sweep on its first day: it may have been started with the wrong database or store.
const FIRST_SWEEP_AFTER: Duration = Duration::from_hours(24);

pub async fn run(app: &App) {
    let mut ticks = every(CHECK_EVERY);
    let start = Instant::now();
    loop {
        ticks.tick().await;
        let may_sweep = start.elapsed() >= FIRST_SWEEP_AFTER;
        match app.attachments.maintain(&*app.storage, app.now(), may_sweep).await {
            Ok(None) => {}
            Ok(Some(swept)) => tracing::info!(
                recordings = swept.total,
                put_aside = swept.put_aside.len(),
                brought_back = swept.brought_back.len(),
                deleted = swept.deleted.len(),
                drafts = swept.drafts,
                trouble = swept.trouble(),
                "the store of recordings was swept"
            ),
            Err(error) => tracing::warn!(%error, "the store of recordings could not be maintained"),
        }
    }
}
