//! Threads for password hashing: a few, so that a flood of sign-ins leaves the machine to all other requests.
//!
//! A thread reuses its memory for each computation, and ends when it has had nothing to do for a while, which gives the
//! memory back. Requests wait in a queue that is fair to each client; see [`queue`].

mod queue;

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::Block;
use tokio::sync::oneshot;

use self::queue::Queue;
pub use self::queue::Turn;
use crate::http::error::ApiError;

/// How long a thread keeps its memory without work.
const IDLE: Duration = Duration::from_secs(10);
/// How long a request waits for its result.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much a hashing thread yields to the threads that serve requests. With this niceness, it gets a quarter of a busy
/// core.
const NICENESS: i32 = 5;

/// The memory of one computation, as long as it has been needed so far.
#[derive(Default)]
pub struct Memory(Vec<Block>);

impl Memory {
    /// The given number of blocks of 1 KiB. What they contain does not matter: Argon2 overwrites them.
    pub fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0.resize(count, Block::new());
        }
        &mut self.0[..count]
    }
}

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// The threads, started as they are needed. Clones share them.
#[derive(Clone)]
pub struct HashingThreads(Arc<Shared>);

struct Shared {
    most: usize,
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    queue: Queue<Job>,
    threads: usize,
    idle: usize,
}

impl HashingThreads {
    /// For half of the cores, and at least one.
    pub fn for_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new((cores / 2).max(1))
    }

    fn new(most: usize) -> Self {
        let state = Mutex::new(State { queue: Queue::default(), threads: 0, idle: 0 });
        Self(Arc::new(Shared { most, state, work: Condvar::new() }))
    }

    /// Runs a computation in its turn.
    ///
    /// # Errors
    /// [`ApiError::Busy`] if too many are waiting, or this one has waited for too long.
    pub async fn run<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let (sender, result) = oneshot::channel();
        let job = Box::new(move |memory: &mut Memory| {
            // The client may have disconnected, or given up.
            if !sender.is_closed() {
                let _ = sender.send(work(memory));
            }
        });
        self.0.submit(turn, job)?;
        match tokio::time::timeout(PATIENCE, result).await {
            Ok(Ok(done)) => Ok(done),
            // It was displaced from the queue, or it has waited for too long.
            Ok(Err(_)) | Err(_) => Err(ApiError::Busy),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>, turn: Turn, job: Job) -> Result<(), ApiError> {
        let mut state = self.state();
        state.queue.push(turn, job).map_err(|_| ApiError::Busy)?;
        if state.idle < state.queue.len() && state.threads < self.most {
            match self.start_thread() {
                Ok(()) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    state.queue.clear();
                    drop(state);
                    return Err(ApiError::internal(error));
                }
                Err(error) => tracing::warn!(%error, "a thread for password hashing could not be started"),
            }
        }
        self.work.notify_one();
        Ok(())
    }

    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        // A thread that could not be started is dropped here, where the state is locked.
        let mut thread = Thread { shared: self.clone(), is_counted: false };
        let work = move || {
            thread.is_counted = true;
            thread.work();
        };
        let start = std::thread::Builder::new().name("hashing".into()).spawn(work);
        start.map(drop)
    }
}

/// A running thread. It is counted until it ends, also by a panic.
struct Thread {
    shared: Arc<Shared>,
    is_counted: bool,
}

impl Thread {
    fn work(mut self) {
        // On Linux, this is about the thread alone.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, NICENESS);
        let mut memory = Memory::default();
        while let Some(job) = self.next() {
            job(&mut memory);
        }
    }

    /// The next job, or `None` if there was none for a while.
    fn next(&mut self) -> Option<Job> {
        let mut state = self.shared.state();
        loop {
            if let Some(job) = state.queue.pop() {
                return Some(job);
            }
            state.idle += 1;
            let (woken, waited) = self.shared.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.queue.len() == 0 {
                // While the queue is locked, so that the next job starts another thread.
                state.threads -= 1;
                self.is_counted = false;
                return None;
            }
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if !self.is_counted {
            return;
        }
        let mut state = self.shared.state();
        state.threads -= 1;
        // The jobs that came in the meantime counted on this thread.
        if state.queue.len() > 0 && self.shared.start_thread().is_ok() {
            state.threads += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Occupies the only thread until the sender is dropped.
    async fn occupy(threads: &HashingThreads) -> mpsc::Sender<()> {
        let (end, ended) = mpsc::channel::<()>();
        let (started, has_started) = oneshot::channel();
        let threads = threads.clone();
        tokio::spawn(async move {
            let work = move |_: &mut Memory| {
                let _ = started.send(());
                let _ = ended.recv();
            };
            threads.run(Turn::server(), work).await
        });
        has_started.await.unwrap();
        end
    }

    #[tokio::test]
    async fn memory_is_reused() {
        let threads = HashingThreads::new(1);
        let address = |memory: &mut Memory| memory.blocks(64).as_ptr() as usize;
        let first = threads.run(Turn::server(), address).await.unwrap();
        assert_eq!(threads.run(Turn::server(), address).await.unwrap(), first);
        assert_eq!(threads.0.state().threads, 1);
    }

    #[tokio::test]
    async fn known_clients_go_first_and_others_in_turn() {
        let threads = HashingThreads::new(1);
        let end = occupy(&threads).await;
        let done = Arc::new(Mutex::new(Vec::new()));
        let turn = |last: u8, known| Turn::of_client([192, 0, 2, last].into(), known);
        let mut waiting = Vec::new();
        for (name, turn) in
            [("a1", turn(1, false)), ("a2", turn(1, false)), ("b", turn(2, false)), ("owner", turn(3, true))]
        {
            let (threads, done) = (threads.clone(), done.clone());
            let queued = threads.0.state().queue.len();
            let run = {
                let threads = threads.clone();
                tokio::spawn(async move { threads.run(turn, move |_| done.lock().unwrap().push(name)).await })
            };
            waiting.push(run);
            while threads.0.state().queue.len() == queued {
                tokio::task::yield_now().await;
            }
        }
        drop(end);
        for one in waiting {
            one.await.unwrap().unwrap();
        }
        assert_eq!(*done.lock().unwrap(), ["owner", "a1", "b", "a2"]);
    }

    #[tokio::test]
    async fn a_thread_that_panics_is_replaced() {
        let threads = HashingThreads::new(1);
        let panicked = threads.run(Turn::server(), |_| panic!("on purpose")).await;
        assert!(matches!(panicked, Err(ApiError::Busy)));
        assert_eq!(threads.run(Turn::server(), |_| 7).await.unwrap(), 7);
    }
}
