//! A bounded queue of jobs, and the threads that run them.

use std::sync::{PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use sotto_domain::storage::{self, StorageError};
use tokio::sync::Mutex;

/// The most jobs that wait. More are rejected, because their callers would give up before their turn.
const CAPACITY: usize = 4096;

/// Accepts jobs until it is closed.
pub struct Queue<J> {
    jobs: RwLock<Option<Sender<J>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<J: Send + 'static> Queue<J> {
    /// Starts one thread per worker. Each runs jobs until the queue is closed and empty.
    pub fn start<W>(name: &str, workers: Vec<W>) -> storage::Result<Self>
    where
        W: FnOnce(Receiver<J>) + Send + 'static,
    {
        let (sender, receiver) = crossbeam_channel::bounded(CAPACITY);
        let start = |worker: W| {
            let receiver = receiver.clone();
            thread::Builder::new().name(name.to_owned()).spawn(move || worker(receiver))
        };
        let threads = workers.into_iter().map(start).collect::<Result<_, _>>();
        let threads = threads.map_err(|error| StorageError::Other(Box::new(error)))?;
        Ok(Self { jobs: RwLock::new(Some(sender)), threads: Mutex::new(threads) })
    }

    /// Adds a job to the end of the queue. Returns `Busy` if it is full, `Unavailable` if it is closed.
    pub fn submit(&self, job: J) -> storage::Result<()> {
        let jobs = self.jobs.read().unwrap_or_else(PoisonError::into_inner);
        match jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(StorageError::Busy),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(closed()),
        }
    }

    /// The number of jobs that no thread has taken yet.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.jobs.read().unwrap().as_ref().map_or(0, Sender::len)
    }

    /// Accepts no more jobs, and waits until the accepted ones are done.
    pub async fn close(&self) {
        drop(self.jobs.write().unwrap_or_else(PoisonError::into_inner).take());
        // Held until the threads have ended, so that concurrent calls of `close` wait as well.
        let mut threads = self.threads.lock().await;
        let threads: Vec<_> = threads.drain(..).collect();
        let _ = tokio::task::spawn_blocking(|| threads.into_iter().for_each(|thread| drop(thread.join()))).await;
    }
}

/// The error of a call after [`Queue::close`].
pub fn closed() -> StorageError {
    StorageError::Unavailable("it has been closed".into())
}
