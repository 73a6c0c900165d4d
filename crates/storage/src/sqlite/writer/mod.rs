//! The one thread that writes. Jobs that wait at the same time share one commit, and so one wait for the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rusqlite::Connection;
use sotto_domain::storage::{self, StorageError};
use tokio::sync::oneshot;

use super::error::{commit_error, run_catching_panics, storage_error};
use super::queue::{Queue, closed};
use super::upkeep::Upkeep;

/// The most jobs in one commit. The first job of a group waits for the last.
const MAX_GROUP: usize = 128;

/// How long a caller waits for the result. If the disk hangs for longer, the error says whether the change may have
/// been made.
const RESULT_TIMEOUT: Duration = Duration::from_secs(30);

pub struct Writer(Queue<Box<dyn Job>>);

impl Writer {
    /// Starts the thread with its connection.
    pub fn start(connection: Connection) -> storage::Result<Self> {
        Queue::start("sotto-writer", vec![move |jobs| serve(&connection, &jobs)]).map(Self)
    }

    /// Runs `work` as part of a group, and returns after the commit. If `work` fails or panics, only its own changes
    /// are undone.
    pub async fn run<T, W>(&self, work: W) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.run_and_erase(work, |_| false).await
    }

    /// Like [`Self::run`], but if `erase` returns true for the result, this returns only after [`Upkeep::erase_now`].
    pub async fn run_and_erase<T, W>(&self, work: W, erase: fn(&T) -> bool) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.run_with_timeout(RESULT_TIMEOUT, work, erase).await
    }

    /// When `result_timeout` ends, returns `Busy` if the work has not begun, in which case it never will, and `Unknown`
    /// if it has.
    async fn run_with_timeout<T, W>(
        &self,
        result_timeout: Duration,
        work: W,
        erase: fn(&T) -> bool,
    ) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, receiver) = oneshot::channel();
        let claim = JobClaim::default();
        self.0.submit(Box::new(Task { claim: claim.clone(), state: State::Waiting(work), erase, reply }))?;
        // Held until the result arrives: a caller that stops waiting withdraws work that has not begun.
        let mut turn = Turn(claim);
        match tokio::time::timeout(result_timeout, receiver).await {
            Ok(result) => result.unwrap_or_else(|_| Err(closed())),
            Err(_) if turn.withdraw() => Err(StorageError::Busy),
            Err(_) => Err(StorageError::Unknown("the disk did not answer in time".into())),
        }
    }

    /// Accepts no more work, and waits until the accepted work is committed.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

/// Decides whether the writer begins a job or its caller withdraws it: the first to claim it wins.
#[derive(Clone, Default)]
struct JobClaim(Arc<AtomicBool>);

impl JobClaim {
    fn claim(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// A caller's place in the queue.
struct Turn(JobClaim);

impl Turn {
    /// Returns true if the work has not begun, in which case it never will.
    fn withdraw(&mut self) -> bool {
        self.0.claim()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.withdraw();
    }
}

/// The work of one call.
trait Job: Send {
    /// Begins the job. Returns false if its caller has withdrawn it.
    fn begin(&self) -> bool;
    /// Does the work. Returns false if it failed and its changes have to be undone.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Whether deleted content has to be erased before the caller gets the result.
    fn erases(&self) -> bool;
    /// Sends the result to the caller; `lost` is the error of the whole group.
    fn respond(self: Box<Self>, lost: Option<StorageError>);
}

struct Task<W, T> {
    claim: JobClaim,
    state: State<W, T>,
    erase: fn(&T) -> bool,
    reply: oneshot::Sender<storage::Result<T>>,
}

enum State<W, T> {
    Waiting(W),
    Running,
    Done(storage::Result<T>),
}

impl<T, W> Job for Task<W, T>
where
    T: Send,
    W: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
{
    fn begin(&self) -> bool {
        self.claim.claim()
    }

    fn run(&mut self, connection: &Connection) -> bool {
        if let State::Waiting(work) = std::mem::replace(&mut self.state, State::Running) {
            self.state = State::Done(run_catching_panics(work, connection));
        }
        matches!(self.state, State::Done(Ok(_)))
    }

    fn erases(&self) -> bool {
        matches!(&self.state, State::Done(Ok(done)) if (self.erase)(done))
    }

    fn respond(self: Box<Self>, lost: Option<StorageError>) {
        let outcome = match (self.state, lost) {
            (State::Done(Err(own)), _) => Err(own),
            (_, Some(lost)) => Err(lost),
            (State::Done(done), None) => done,
            (State::Waiting(_) | State::Running, None) => Err(closed()),
        };
        let _ = self.reply.send(outcome);
    }
}

fn serve(connection: &Connection, jobs: &Receiver<Box<dyn Job>>) {
    let mut upkeep = Upkeep::new(connection);
    loop {
        match jobs.recv_timeout(upkeep.time_until_maintenance()) {
            Ok(first) => {
                upkeep.after_work();
                serve_group(connection, first, jobs, &mut upkeep);
            }
            Err(RecvTimeoutError::Timeout) => upkeep.run(connection, || !jobs.is_empty()),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Commits `first` and the jobs waiting behind it, then sends the results. Callers that require erasure get theirs
/// last.
fn serve_group(connection: &Connection, first: Box<dyn Job>, jobs: &Receiver<Box<dyn Job>>, upkeep: &mut Upkeep) {
    let mut group = vec![first];
    let outcome = commit_group(connection, &mut group, jobs);
    if !connection.is_autocommit() {
        // The commit failed and left the transaction open. If the rollback fails too, the next BEGIN will report it.
        let _ = execute(connection, "ROLLBACK");
    }
    let (last, group): (Vec<_>, Vec<_>) = group.into_iter().partition(|job| outcome.is_ok() && job.erases());
    for job in group {
        job.respond(outcome.as_ref().err().map(Lost::reason));
    }
    if !last.is_empty() {
        upkeep.erase_now(connection);
    }
    for job in last {
        job.respond(None);
    }
    upkeep.bound_log(connection);
}

/// Why the changes of a group are lost.
enum Lost {
    /// A failure before the commit. Nothing is stored.
    Before(rusqlite::Error),
    /// An error of one job, such as a full disk, made SQLite roll back the whole transaction. Nothing is stored, and
    /// the other jobs can be retried.
    Undone,
    /// The commit failed.
    AtCommit(rusqlite::Error),
}

impl Lost {
    fn reason(&self) -> StorageError {
        match self {
            Self::Before(error) => storage_error(error),
            Self::Undone => StorageError::Busy,
            Self::AtCommit(error) => commit_error(error),
        }
    }
}

/// Runs the jobs of a group in one transaction. Jobs that arrive in the meantime join the group; withdrawn ones leave
/// it.
fn commit_group(
    connection: &Connection,
    group: &mut Vec<Box<dyn Job>>,
    jobs: &Receiver<Box<dyn Job>>,
) -> Result<(), Lost> {
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        // Another process has locked the file. The other jobs have waited just as long, so they fail with the first.
        group.extend(jobs.try_iter().take(MAX_GROUP));
        return Err(Lost::Before(error));
    }
    let mut next = 0;
    while let Some(job) = group.get_mut(next) {
        if job.begin() {
            run_in_savepoint(connection, job.as_mut())?;
            next += 1;
        } else {
            group.remove(next);
        }
        if next < MAX_GROUP {
            group.extend(jobs.try_recv());
        }
    }
    execute(connection, "COMMIT").map_err(Lost::AtCommit)
}

fn run_in_savepoint(connection: &Connection, job: &mut dyn Job) -> Result<(), Lost> {
    execute(connection, "SAVEPOINT job").map_err(Lost::Before)?;
    let keep = job.run(connection);
    if connection.is_autocommit() {
        return Err(Lost::Undone);
    }
    if !keep {
        execute(connection, "ROLLBACK TO job").map_err(Lost::Before)?;
    }
    execute(connection, "RELEASE job").map_err(Lost::Before)
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests;
