//! Takes the readings of the monitor, and checks the clock.

use super::every;
use crate::app::App;
use crate::monitoring::monitor;

pub async fn run(app: &App) {
    let mut ticks = every(app.config.monitoring.every);
    let mut is_blind = false;
    loop {
        ticks.tick().await;
        if let Err(error) = app.clock_monitor.check(app.clock.as_ref(), &*app.storage).await {
            tracing::debug!(%error, "the database's clock could not be read");
        }
        match monitor::take_reading(app).await {
            Ok(()) => is_blind = false,
            Err(error) => {
                // Logged once per outage: other failures are logged anyway.
                if !is_blind {
                    tracing::warn!(%error, "the database's health could not be read");
                }
                is_blind = true;
            }
        }
    }
}
