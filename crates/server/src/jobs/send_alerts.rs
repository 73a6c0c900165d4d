//! Sends raised and cleared alerts to the webhook, if one is set.

use crate::app::App;
use crate::monitoring::webhook;

pub async fn run(app: &App) {
    if let (Some(webhook), Some(notices)) = (app.config.monitoring.webhook.clone(), app.monitor.take_notices()) {
        webhook::deliver(webhook, notices).await;
    }
}
