//! The threads that read. Each has its own connection, and all take work from one queue.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use rusqlite::Connection;
use sotto_domain::storage::{self, StorageError};
use tokio::sync::oneshot;

use super::error::{run_catching_panics, storage_error};
use super::queue::{Queue, closed};
use super::read_deadline::ReadDeadline;

type Job = Box<dyn FnOnce(&Connection, &ReadDeadline) + Send>;

pub struct Readers(Queue<Job>);

impl Readers {
    /// Starts one thread per processor, and at least four. So reads that wait for the disk do not block the others, and
    /// one user, whose reads run two at once, cannot occupy all threads.
    pub fn start(open: impl Fn() -> storage::Result<Connection>) -> storage::Result<Self> {
        let count = thread::available_parallelism().map_or(4, |count| count.get().clamp(4, 8));
        let worker = || {
            let mut connection = open()?;
            let deadline = ReadDeadline::attach(&mut connection).map_err(|error| storage_error(&error))?;
            Ok(move |jobs: Receiver<Job>| jobs.into_iter().for_each(|job| job(&connection, &deadline)))
        };
        let workers = (0..count).map(|_| worker()).collect::<storage::Result<_>>()?;
        Queue::start("sotto-reader", workers).map(Self)
    }

    /// Runs `work` on one of the threads. Its time includes the wait for a thread. After that, its statement is
    /// interrupted, and this returns `Busy`.
    pub async fn run_within<T, W>(&self, time: Duration, work: W) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, receiver) = oneshot::channel();
        let until = Instant::now() + time;
        self.0.submit(Box::new(move |connection, deadline| {
            // The caller may have given up.
            if !reply.is_closed() {
                deadline.set(until);
                let _ = reply.send(run_catching_panics(work, connection));
            }
        }))?;
        let reply = tokio::time::timeout_at(until.into(), receiver).await;
        reply.map_err(|_| StorageError::Busy)?.unwrap_or_else(|_| Err(closed()))
    }

    /// Accepts no more work, and waits until the accepted work is done.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDLESS: &str = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n";
    const SOON: Duration = Duration::from_millis(200);
    const LATE: Duration = Duration::from_mins(5);

    fn readers() -> Readers {
        Readers::start(|| Connection::open_in_memory().map_err(|error| storage_error(&error))).unwrap()
    }

    fn number(sql: &'static str) -> impl FnOnce(&Connection) -> rusqlite::Result<i64> {
        move |connection| connection.query_row(sql, [], |row| row.get(0))
    }

    #[tokio::test]
    async fn a_read_that_takes_too_long_frees_its_thread() {
        let readers = readers();
        // More than there are threads.
        let endless = (0..16).map(|_| readers.run_within(SOON, number(ENDLESS)));
        for outcome in futures_util::future::join_all(endless).await {
            assert!(matches!(outcome, Err(StorageError::Busy)), "{outcome:?}");
        }
        assert_eq!(readers.run_within(LATE, number("SELECT 7")).await.unwrap(), 7);
        readers.close().await;
    }

    #[tokio::test]
    async fn a_read_that_waits_too_long_is_not_run() {
        let readers = readers();
        let (release, blocked) = crossbeam_channel::bounded::<()>(0);
        let threads = thread::available_parallelism().map_or(4, |count| count.get().clamp(4, 8));
        let block = |_| {
            let blocked = blocked.clone();
            readers.run_within(LATE, move |_| Ok(blocked.recv().is_err()))
        };
        let mut blocking = futures_util::future::join_all((0..threads).map(block));
        let (ran, was_run) = crossbeam_channel::bounded(1);
        let waiting = readers.run_within(SOON, move |_| Ok(ran.send(()).is_ok()));
        tokio::select! {
            biased;
            _ = &mut blocking => panic!("the threads were not blocked"),
            outcome = waiting => assert!(matches!(outcome, Err(StorageError::Busy)), "{outcome:?}"),
        }
        drop(release);
        assert!(blocking.await.into_iter().all(|outcome| outcome.unwrap()));
        readers.close().await;
        assert!(was_run.try_recv().is_err(), "nobody waits for its result");
    }
}
