//! Tells another server when an alert is raised or cleared.

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::Serialize;
use sotto_domain::Timestamp;
use tokio::sync::mpsc::Receiver;

use crate::config::Webhook;

/// Notices that wait to be delivered, at most. More would be about a day that nobody remembers.
pub const WAITING: usize = 64;

/// What is sent, as JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Notice {
    /// `sotto`.
    pub service: &'static str,
    /// The program's version.
    pub version: &'static str,
    /// Which alert, such as `slow_statement`.
    pub alert: &'static str,
    /// `raised` or `cleared`.
    pub state: &'static str,
    /// When that happened.
    pub at: Timestamp,
    /// Since when it is, or was, raised.
    pub since: Timestamp,
    /// What was measured.
    pub figure: f64,
    /// What it means, in a sentence.
    pub sentence: String,
}

/// Delivers notices, one after another, as long as there is somebody who sends them.
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

/// Tries until it is accepted or the patience is over. The address may hold a secret, so the log names its host alone.
async fn send(client: &Client, webhook: &Webhook, notice: &Notice) {
    let mut pauses = webhook.back_off.iter();
    let host = webhook.url.parse::<Url>().ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    loop {
        let answer = client.post(&webhook.url).json(notice).send().await;
        let reason = match answer.and_then(reqwest::Response::error_for_status) {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => format!("it answered {}", answer.status()),
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
