//! Limits how many connections a pool has: the configured number, or fewer for a while if the server has none to spare.
//! Also closes idle connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_postgres::{Pool, WeakPool};
use sotto_domain::storage::{Result, StorageError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The longest interval between two searches for idle connections.
const MAX_IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// The pause before another try to connect, if the pool has only one slot left.
const CONNECT_RETRY_PAUSE: Duration = Duration::from_millis(250);

/// The slots of a pool, one for each connection that it may have.
pub struct Slots {
    most: usize,
    free: Semaphore,
    /// How many slots are given up until the next search for idle connections.
    surrendered: AtomicUsize,
    connections: OnceLock<WeakPool>,
}

impl Slots {
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        let free = Semaphore::new(most);
        Self { most, free, surrendered: AtomicUsize::new(0), connections: OnceLock::new() }
    }

    /// The configured number of connections.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Waits for a free slot.
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>> {
        self.free.acquire().await.map_err(|error| StorageError::Other(Box::new(error)))
    }

    /// Gives up a slot for a while, because the server has no connection for it. One slot is always kept.
    pub async fn surrender(&self, slot: SemaphorePermit<'_>) {
        let fewer = |given_up| (given_up + 1 < self.most).then_some(given_up + 1);
        if self.surrendered.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok() {
            slot.forget();
        } else {
            tokio::time::sleep(CONNECT_RETRY_PAUSE).await;
        }
    }

    /// Whether the pool has a connection besides the one that is being opened.
    pub fn has_others(&self) -> bool {
        self.connections.get().and_then(WeakPool::upgrade).is_some_and(|connections| connections.status().size > 1)
    }

    /// Starts a task that runs for as long as the pool exists. It closes connections that have been idle for `idle`,
    /// and restores the slots that were given up.
    pub fn keep(self: &Arc<Self>, connections: &Pool, idle: Duration) {
        // Only this method sets the cell, and it is called once.
        let _ = self.connections.set(connections.weak());
        let slots = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(MAX_IDLE_CHECK_INTERVAL.min(idle)).await;
                let Some(slots) = slots.upgrade() else { return };
                let Some(connections) = slots.connections.get().and_then(WeakPool::upgrade) else { return };
                connections.retain(|_, metrics| metrics.last_used() < idle);
                slots.free.add_permits(slots.surrendered.swap(0, Ordering::Relaxed));
            }
        });
    }
}
