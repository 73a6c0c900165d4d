//! A few threads that read, each with a connection of its own, fed from one queue.

use std::thread;

use crossbeam_channel::Receiver;
use rusqlite::Connection;
use sotto_domain::storage;
use tokio::sync::oneshot;

use super::error::guarded;
use super::queue::{Queue, closed};

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The reader threads.
pub struct Readers(Queue<Job>);

impl Readers {
    /// One thread per processor, and two at least: one that waits for a disk must not stop the others.
    pub fn start(open: impl Fn() -> storage::Result<Connection>) -> storage::Result<Self> {
        let count = thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 8));
        let worker =
            |connection: Connection| move |jobs: Receiver<Job>| jobs.into_iter().for_each(|job| job(&connection));
        let workers = (0..count).map(|_| open().map(worker)).collect::<storage::Result<_>>()?;
        Queue::start("sotto-reader", workers).map(Self)
    }

    /// Runs `work` on one of the threads.
    pub async fn run<T, W>(&self, work: W) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.0.submit(Box::new(move |connection| {
            // Nobody may be waiting any more.
            if !reply.is_closed() {
                let _ = reply.send(guarded(work, connection));
            }
        }))?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Takes no more work and waits for what was taken.
    pub async fn close(&self) {
        self.0.close().await;
    }
}
