//! The threads that read. Each has its own connection, and all take work from one queue.

use std::thread;

use crossbeam_channel::Receiver;
use rusqlite::Connection;
use sotto_domain::storage;
use tokio::sync::oneshot;

use super::error::run_catching_panics;
use super::queue::{Queue, closed};

type Job = Box<dyn FnOnce(&Connection) + Send>;

pub struct Readers(Queue<Job>);

impl Readers {
    /// Starts one thread per processor, and at least two, so that a read that waits for the disk does not block the
    /// others.
    pub fn start(open: impl Fn() -> storage::Result<Connection>) -> storage::Result<Self> {
        let count = thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 8));
        let worker =
            |connection: Connection| move |jobs: Receiver<Job>| jobs.into_iter().for_each(|job| job(&connection));
        let workers = (0..count).map(|_| open().map(worker)).collect::<storage::Result<_>>()?;
        Queue::start("sotto-reader", workers).map(Self)
    }

    pub async fn run<T, W>(&self, work: W) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, receiver) = oneshot::channel();
        self.0.submit(Box::new(move |connection| {
            // The caller may have given up.
            if !reply.is_closed() {
                let _ = reply.send(run_catching_panics(work, connection));
            }
        }))?;
        receiver.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Accepts no more work, and waits until the accepted work is done.
    pub async fn close(&self) {
        self.0.close().await;
    }
}
