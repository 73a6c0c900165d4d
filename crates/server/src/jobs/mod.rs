//! What the server does by itself, now and then.

pub mod alerts;
pub mod monitor;
mod webhook;

use std::time::Duration;

use sotto_domain::storage;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use crate::app::App;

/// How often expired logins and idle rate limits are cleared away.
const CLEAN_UP_EVERY: Duration = Duration::from_mins(10);
/// How often the store of recordings is swept.
const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// Starts the jobs; abort the handle to stop them.
pub fn start(app: &App) -> JoinHandle<()> {
    let app = app.clone();
    tokio::spawn(async move {
        tokio::join!(clean_up_regularly(&app), sweep_regularly(&app), watch(&app), notify(&app));
    })
}

async fn clean_up_regularly(app: &App) {
    let mut ticks = every(CLEAN_UP_EVERY);
    loop {
        ticks.tick().await;
        clean_up(app).await;
    }
}

async fn sweep_regularly(app: &App) {
    let mut ticks = every(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        match app.recordings.sweep(&*app.storage, app.now()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "recordings that no entry has any more were deleted"),
            Err(error) => tracing::warn!(%error, "recordings that no entry has any more could not be deleted"),
        }
    }
}

async fn watch(app: &App) {
    let mut ticks = every(app.config.monitoring.every);
    let mut is_blind = false;
    loop {
        ticks.tick().await;
        match monitor::take_reading(app).await {
            Ok(()) => is_blind = false,
            Err(error) => {
                // Once: whatever else fails says so as well.
                if !is_blind {
                    tracing::warn!(%error, "the database's health could not be read");
                }
                is_blind = true;
            }
        }
    }
}

async fn notify(app: &App) {
    if let (Some(webhook), Some(notices)) = (app.config.monitoring.webhook.clone(), app.monitor.outbox()) {
        webhook::deliver(webhook, notices).await;
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn clean_up(app: &App) {
    app.limits.forget_idle();
    report(app, "logins", app.storage.sessions().delete_expired(app.now()).await);
    report(app, "logins to secret tags", app.storage.opaque_sessions().delete_expired(app.now()).await);
}

fn report(app: &App, what: &str, deleted: storage::Result<u64>) {
    match deleted {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "expired {what} were deleted"),
        Err(error) => {
            app.monitor.note(&error);
            tracing::warn!(%error, "expired {what} could not be deleted");
        }
    }
}
