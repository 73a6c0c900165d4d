//! Sends notices about raised and cleared alerts to a webhook.

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::Serialize;
use sotto_domain::Timestamp;
use tokio::sync::mpsc::Receiver;

use crate::config::Webhook;

/// Notices that may wait. More than that would be too old to be useful.
pub const MAX_WAITING_NOTICES: usize = 64;

/// The JSON body of a notice.
#[derive(Debug, Clone, Serialize)]
pub struct Notice {
    /// `sotto`.
    pub service: &'static str,
    pub version: &'static str,
    /// The name of the alert, such as `slow_statement`.
    pub alert: &'static str,
    /// `raised` or `cleared`.
    pub state: &'static str,
    /// When the alert was raised or cleared.
    pub at: Timestamp,
    /// Since when the alert is, or was, raised.
    pub since: Timestamp,
    /// The measurement.
    pub figure: f64,
    /// The measurement in a sentence.
    pub sentence: String,
}

/// Delivers notices one after another, until the sender is dropped.
pub async fn deliver(webhook: Webhook, mut notices: Receiver<Notice>) {
    let client = Client::builder()
        .redirect(Policy::none())
        .timeout(webhook.timeout)
        .user_agent(concat!("sotto/", env!("CARGO_PKG_VERSION")))
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, "alerts cannot be sent: the HTTP client does not start"),
    };
    while let Some(notice) = notices.recv().await {
        send(&client, &webhook, &notice).await;
    }
}

/// Retries until the notice is accepted or the pauses are used up. The address may contain a secret, so only its host
/// is logged.
async fn send(client: &Client, webhook: &Webhook, notice: &Notice) {
    let mut pauses = webhook.back_off.iter();
    let host = webhook.url.parse::<Url>().ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    loop {
        let result = client.post(&webhook.url).json(notice).send().await;
        let reason = match result.and_then(reqwest::Response::error_for_status) {
            Ok(response) if response.status().is_success() => return,
            Ok(response) => format!("it responded {}", response.status()),
            Err(error) => error.without_url().to_string(),
        };
        let Some(pause) = pauses.next() else {
            return tracing::error!(
                host,
                reason,
                alert = notice.alert,
                state = notice.state,
                "an alert could not be sent"
            );
        };
        tracing::debug!(host, reason, "an alert could not be sent yet");
        tokio::time::sleep(*pause).await;
    }
}
