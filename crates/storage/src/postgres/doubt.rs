//! Connections in doubt: after a response did not arrive in time, each connection has to respond to an empty statement
//! before it is lent again.
//!
//! A server that freezes keeps its connections open. Without this check, each call would use the next connection and
//! wait until its deadline.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::{ClientWrapper, Metrics};
use tokio::time::timeout;

/// How long a connection in doubt may take to respond. Even a busy server responds to an empty statement faster.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Records which connections are in doubt.
#[derive(Debug, Default)]
pub struct Doubt(Mutex<Moments>);

#[derive(Debug, Default, Clone, Copy)]
struct Moments {
    /// Connections that were last lent before this moment have to respond before they are lent again.
    doubted: Option<Instant>,
    /// Connections that were last lent before this moment are discarded, because one of them did not respond.
    given_up: Option<Instant>,
}

impl Doubt {
    /// Requires every connection to respond before it is lent again.
    pub fn raise(&self) {
        self.change(|moments| moments.doubted = Some(Instant::now()));
    }

    /// Whether a connection can be lent. If a connection does not respond, all others in doubt are discarded with it,
    /// because they lead to the same server.
    pub async fn clears(&self, client: &ClientWrapper, metrics: &Metrics) -> bool {
        let lent = metrics.recycled.unwrap_or(metrics.created);
        let moments = self.change(|moments| *moments);
        if moments.given_up.is_some_and(|moment| lent < moment) {
            return false;
        }
        let Some(doubted) = moments.doubted.filter(|moment| lent < *moment) else { return true };
        if matches!(timeout(PROBE_TIMEOUT, client.batch_execute("")).await, Ok(Ok(()))) {
            return true;
        }
        self.change(|moments| moments.given_up = moments.given_up.max(Some(doubted)));
        tracing::warn!("the database server does not answer any longer: its connections are replaced");
        false
    }

    fn change<T>(&self, change: impl FnOnce(&mut Moments) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
