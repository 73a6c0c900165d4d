//! What the server does by itself, on a schedule: one file per job.

mod delete_attachments;
mod delete_expired;
mod send_alerts;
mod sweep_attachments;
mod take_readings;

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use crate::app::App;

/// Starts the jobs. Aborting the handle stops them.
pub fn start(app: &App) -> JoinHandle<()> {
    let app = app.clone();
    tokio::spawn(async move {
        tokio::join!(
            delete_expired::run(&app),
            sweep_attachments::run(&app),
            delete_attachments::run(&app),
            take_readings::run(&app),
            send_alerts::run(&app),
        );
    })
}

/// A late tick delays the ones after it.
fn every(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
