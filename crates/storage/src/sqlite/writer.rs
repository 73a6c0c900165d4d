//! The one thread that writes. What waits in its queue shares one commit, and so one wait for the disk.

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rusqlite::Connection;
use rusqlite::ffi::{self, ErrorCode};
use sotto_domain::storage::{self, StorageError};
use tokio::sync::oneshot;

use super::error::{guarded, storage_error};
use super::queue::{Queue, closed};
use super::upkeep::Upkeep;

/// Jobs in one commit, at most: the first of them waits for the last.
const GROUP: usize = 128;

/// The writer thread.
pub struct Writer(Queue<Box<dyn Job>>);

impl Writer {
    /// Starts the thread on its connection.
    pub fn start(connection: Connection) -> storage::Result<Self> {
        Queue::start("sotto-writer", vec![move |jobs| serve(&connection, &jobs)]).map(Self)
    }

    /// Runs `work` in a group. Answers after the commit; if `work` fails or panics, its changes alone are undone.
    pub async fn run<T, W>(&self, work: W) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.run_and_forget(work, |_| false).await
    }

    /// The same, but if `forget` says so of what came of it, answers only after [`Upkeep::forget`].
    pub async fn run_and_forget<T, W>(&self, work: W, forget: fn(&T) -> bool) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.0.submit(Box::new(Task { state: State::Waiting(work), forget, reply }))?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Takes no more work and waits until what was taken is committed.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

/// Work of one call.
trait Job: Send {
    /// Does the work; false if it failed and its changes have to be undone.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Whether the files have to forget before the answer.
    fn forgets(&self) -> bool;
    /// Tells the caller what came of it; with `lost`, the whole group was.
    fn answer(self: Box<Self>, lost: Option<StorageError>);
}

struct Task<W, T> {
    state: State<W, T>,
    forget: fn(&T) -> bool,
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
    fn run(&mut self, connection: &Connection) -> bool {
        if let State::Waiting(work) = std::mem::replace(&mut self.state, State::Running) {
            self.state = State::Done(guarded(work, connection));
        }
        matches!(self.state, State::Done(Ok(_)))
    }

    fn forgets(&self) -> bool {
        matches!(&self.state, State::Done(Ok(done)) if (self.forget)(done))
    }

    fn answer(self: Box<Self>, lost: Option<StorageError>) {
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
    let mut upkeep = Upkeep::new();
    loop {
        match jobs.recv_timeout(upkeep.patience()) {
            Ok(first) => {
                upkeep.after_work();
                serve_group(connection, first, jobs, &mut upkeep);
            }
            Err(RecvTimeoutError::Timeout) => upkeep.run(connection, || !jobs.is_empty()),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Commits `first` and what waits behind it, then answers all of them: last those for which the files have to forget.
fn serve_group(connection: &Connection, first: Box<dyn Job>, jobs: &Receiver<Box<dyn Job>>, upkeep: &mut Upkeep) {
    let mut group = vec![first];
    let outcome = commit_group(connection, &mut group, jobs);
    if !connection.is_autocommit() {
        // The commit failed and left the transaction open. Should this fail too, so will the next BEGIN.
        let _ = execute(connection, "ROLLBACK");
    }
    let (last, group): (Vec<_>, Vec<_>) = group.into_iter().partition(|job| outcome.is_ok() && job.forgets());
    for job in group {
        job.answer(outcome.as_ref().err().map(storage_error));
    }
    if !last.is_empty() {
        upkeep.forget(connection);
    }
    for job in last {
        job.answer(None);
    }
}

/// Jobs that arrive while others run join the group. An error means that nothing of the group is stored.
fn commit_group(
    connection: &Connection,
    group: &mut Vec<Box<dyn Job>>,
    jobs: &Receiver<Box<dyn Job>>,
) -> rusqlite::Result<()> {
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        // Another process holds the file. Those who wait have waited with the first.
        group.extend(jobs.try_iter().take(GROUP));
        return Err(error);
    }
    let mut next = 0;
    while let Some(job) = group.get_mut(next) {
        run_in_savepoint(connection, job.as_mut())?;
        next += 1;
        if next < GROUP {
            group.extend(jobs.try_recv());
        }
    }
    execute(connection, "COMMIT")
}

fn run_in_savepoint(connection: &Connection, job: &mut dyn Job) -> rusqlite::Result<()> {
    execute(connection, "SAVEPOINT job")?;
    let keep = job.run(connection);
    if connection.is_autocommit() {
        // Some errors, a full disk among them, make SQLite roll back all of the transaction by itself.
        return Err(rolled_back());
    }
    if !keep {
        execute(connection, "ROLLBACK TO job")?;
    }
    execute(connection, "RELEASE job")
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

fn rolled_back() -> rusqlite::Error {
    let sentence = "another change in the same group made the database undo all of them";
    rusqlite::Error::SqliteFailure(
        ffi::Error { code: ErrorCode::OperationAborted, extended_code: ffi::SQLITE_ABORT_ROLLBACK },
        Some(sentence.into()),
    )
}

#[cfg(test)]
mod tests;
