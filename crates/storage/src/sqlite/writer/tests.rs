//! Tests of the writer alone: groups, and what happens to the other jobs of a group when one fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::sqlite::connection;
use crate::sqlite::health::StatementTimer;
use crate::testing::wait_until;

/// A writer on a table `kept (n UNIQUE)`. Tests can count its commits and make them fail.
struct Bench {
    writer: Arc<Writer>,
    commits: Arc<AtomicUsize>,
    fail_commits: Arc<AtomicBool>,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut connection = connection::writer(&folder.path().join("x.db"), &StatementTimer::default()).unwrap();
        connection.execute_batch("CREATE TABLE kept (n INTEGER UNIQUE)").unwrap();
        let (commits, fail_commits) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, fail) = (commits.clone(), fail_commits.clone());
        let hook = move || {
            count.fetch_add(1, Ordering::SeqCst);
            fail.load(Ordering::SeqCst)
        };
        connection.commit_hook(Some(hook)).unwrap();
        Self { writer: Arc::new(Writer::start(connection).unwrap()), commits, fail_commits, folder }
    }

    fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> JoinHandle<storage::Result<T>> {
        let writer = self.writer.clone();
        tokio::spawn(async move { writer.run(work).await })
    }

    /// Blocks the writer until the sender is dropped, so that jobs submitted in the meantime become one group.
    async fn hold(&self) -> (JoinHandle<storage::Result<()>>, Sender<()>) {
        let (release, held): (Sender<()>, Receiver<()>) = bounded(0);
        let (started, running) = oneshot::channel();
        let job = self.submit(move |_| {
            let _ = started.send(());
            let _ = held.recv();
            Ok(())
        });
        running.await.unwrap();
        (job, release)
    }

    /// Submits the jobs in order and runs them in one group.
    async fn group(&self, jobs: Vec<Work>) -> Vec<storage::Result<()>> {
        let (holder, release) = self.hold().await;
        let mut receivers = vec![];
        for (index, work) in jobs.into_iter().enumerate() {
            receivers.push(self.submit(work));
            self.wait_for_queue(index + 1).await;
        }
        drop(release);
        let _ = holder.await.unwrap();
        let mut outcomes = vec![];
        for receiver in receivers {
            outcomes.push(receiver.await.unwrap());
        }
        outcomes
    }

    async fn wait_for_queue(&self, length: usize) {
        wait_until(&format!("{length} jobs are in the queue"), async || self.writer.0.waiting() >= length).await;
    }

    /// The rows that another connection sees.
    fn kept(&self) -> Vec<i64> {
        let reader = connection::reader(&self.folder.path().join("x.db"), &StatementTimer::default()).unwrap();
        let mut statement = reader.prepare("SELECT n FROM kept ORDER BY n").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

type Work = Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>;

fn keep(n: i64) -> Work {
    Box::new(move |connection| connection.execute("INSERT INTO kept VALUES (?1)", [n]).map(drop))
}

fn keep_and_panic(n: i64) -> Work {
    Box::new(move |connection| {
        connection.execute("INSERT INTO kept VALUES (?1)", [n])?;
        panic!("as this test wants it")
    })
}

/// Stores `n` and then violates the constraint, in a way that undoes either the statement or the whole transaction.
fn keep_and_fail(n: i64, sql: &'static str) -> Work {
    Box::new(move |connection| {
        connection.execute("INSERT INTO kept VALUES (?1)", [n])?;
        connection.execute(sql, [n]).map(drop)
    })
}

#[tokio::test]
async fn waiting_jobs_share_a_commit() {
    let bench = Bench::new();
    let outcomes = bench.group((0..50).map(keep).collect()).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(bench.kept(), (0..50).collect::<Vec<_>>());
    assert_eq!(bench.commits.load(Ordering::SeqCst), 1, "one commit for all, the one that held the writer included");
}

#[tokio::test]
async fn a_group_of_jobs_has_a_maximum_size() {
    let bench = Bench::new();
    let many = i64::try_from(MAX_GROUP).unwrap() * 2;
    bench.group((0..many).map(keep).collect()).await;
    assert_eq!(bench.kept().len(), MAX_GROUP * 2);
    assert_eq!(bench.commits.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn only_a_failed_or_panicked_job_is_rolled_back() {
    let bench = Bench::new();
    let fail = keep_and_fail(2, "INSERT INTO kept VALUES (?1)");
    let outcomes = bench.group(vec![keep(1), fail, keep(3), keep_and_panic(4), keep(5)]).await;
    let kept: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(kept, [true, false, true, false, true]);
    assert!(matches!(&outcomes[1], Err(StorageError::Conflict { constraint }) if constraint == "kept.n"));
    assert!(outcomes[3].as_ref().unwrap_err().to_string().contains("panicked"));
    assert_eq!(bench.kept(), [1, 3, 5]);
    assert_eq!(bench.commits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_rolled_back_transaction_fails_every_job() {
    let bench = Bench::new();
    let undo = keep_and_fail(2, "INSERT OR ROLLBACK INTO kept VALUES (?1)");
    let outcomes = bench.group(vec![keep(1), undo, keep(3)]).await;
    assert!(matches!(outcomes[0], Err(StorageError::Busy)), "{outcomes:?}");
    assert!(matches!(&outcomes[1], Err(StorageError::Conflict { .. })), "{outcomes:?}");
    // The job behind the failed one was not part of that transaction, and gets another one.
    assert!(outcomes[2].is_ok());
    assert_eq!(bench.kept(), [3]);
}

#[tokio::test]
async fn a_job_that_hides_a_rollback_fails() {
    let bench = Bench::new();
    let hide: Work = Box::new(|connection| {
        let _ = connection.execute("ROLLBACK", []);
        Ok(())
    });
    let outcomes = bench.group(vec![keep(1), hide]).await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert_eq!(bench.kept(), [0; 0]);
}

#[tokio::test]
async fn a_full_disk_alert_is_raised_and_cleared() {
    let bench = Bench::new();
    let pages: u32 = bench.submit(|c| c.query_row("PRAGMA page_count", [], |row| row.get(0))).await.unwrap().unwrap();
    let limit = move |pages: u32| -> Work {
        Box::new(move |connection| connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())))
    };
    bench.submit(limit(pages + 4)).await.unwrap().unwrap();
    let large: Work = Box::new(|connection| {
        let numbers = "WITH RECURSIVE s(n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM s WHERE n < 100000)";
        connection.execute(&format!("{numbers} INSERT INTO kept SELECT n FROM s"), []).map(drop)
    });
    let outcomes = bench.group(vec![keep(1), large, keep(2)]).await;
    assert!(matches!(outcomes[1], Err(StorageError::Full(_))), "{outcomes:?}");
    let reported_done: Vec<_> =
        (1..).zip([&outcomes[0], &outcomes[2]]).filter(|(_, outcome)| outcome.is_ok()).map(|(n, _)| n).collect();
    assert_eq!(bench.kept(), reported_done, "the jobs that were reported as done are the stored ones");
    bench.submit(limit(1 << 20)).await.unwrap().unwrap();
    bench.submit(keep(9)).await.unwrap().unwrap();
    assert!(bench.kept().contains(&9));
}

#[tokio::test]
async fn a_failed_commit_fails_every_job() {
    let bench = Bench::new();
    bench.fail_commits.store(true, Ordering::SeqCst);
    let outcomes = bench.group(vec![keep(1), keep_and_panic(2), keep(3)]).await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert!(outcomes[1].as_ref().unwrap_err().to_string().contains("panicked"), "its own error, not the group's");
    assert_eq!(bench.kept(), [0; 0]);
    bench.fail_commits.store(false, Ordering::SeqCst);
    assert!(bench.group(vec![keep(4)]).await[0].is_ok());
    assert_eq!(bench.kept(), [4]);
}

#[tokio::test]
async fn a_job_is_busy_while_another_process_writes() {
    let bench = Bench::new();
    let other = Connection::open(bench.folder.path().join("x.db")).unwrap();
    bench.submit(|connection| connection.busy_timeout(Duration::ZERO)).await.unwrap().unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let outcome = bench.submit(keep(1)).await.unwrap();
    assert!(matches!(outcome, Err(StorageError::Busy)), "{outcome:?}");
    other.execute_batch("COMMIT").unwrap();
    bench.submit(keep(2)).await.unwrap().unwrap();
    assert_eq!(bench.kept(), [2]);
}

#[tokio::test]
async fn closing_finishes_waiting_jobs_and_accepts_no_more() {
    let bench = Bench::new();
    let (_holder, release) = bench.hold().await;
    let waiting: Vec<_> = (1..=5).map(|n| bench.submit(keep(n))).collect();
    bench.wait_for_queue(5).await;
    let closing = tokio::spawn({
        let writer = bench.writer.clone();
        async move { writer.close().await }
    });
    wait_until("the writer accepts no more jobs", async || {
        matches!(bench.writer.0.submit(Box::new(Nothing)), Err(StorageError::Unavailable(_)))
    })
    .await;
    drop(release);
    closing.await.unwrap();
    for receiver in waiting {
        receiver.await.unwrap().unwrap();
    }
    assert_eq!(bench.kept(), [1, 2, 3, 4, 5]);
    assert!(matches!(bench.writer.run(keep(6)).await, Err(StorageError::Unavailable(_))));
}

/// The table has no search index, so erasing its words fails. The stored rows stay stored.
#[tokio::test]
async fn a_response_is_sent_even_if_erasure_fails() {
    let bench = Bench::new();
    bench.writer.run_and_erase(keep(1), |()| true).await.unwrap();
    assert!(bench.writer.run_and_erase(keep(1), |()| true).await.is_err(), "a job that fails has nothing to forget");
    bench.writer.run(keep(2)).await.unwrap();
    assert_eq!(bench.kept(), [1, 2]);
}

#[tokio::test]
async fn a_job_whose_caller_was_dropped_does_no_harm() {
    let bench = Bench::new();
    let (_holder, release) = bench.hold().await;
    let abandoned = bench.submit(keep(1));
    bench.wait_for_queue(1).await;
    abandoned.abort();
    let _ = abandoned.await;
    drop(release);
    bench.submit(keep(2)).await.unwrap().unwrap();
    assert_eq!(bench.kept(), [2], "what had not begun was withdrawn");
}

/// A job that blocks the thread simulates a disk that hangs.
#[tokio::test]
async fn a_timeout_reports_whether_the_change_may_still_happen() {
    let bench = Bench::new();
    let soon = Duration::from_millis(50);
    let (release, held): (Sender<()>, Receiver<()>) = bounded(0);
    let hang = move |connection: &Connection| {
        keep(1)(connection)?;
        let _ = held.recv();
        Ok(())
    };
    // Enough for the writer to start the job, even on a busy machine.
    let begun = bench.writer.run_with_timeout(Duration::from_secs(2), hang, |()| false).await;
    assert!(matches!(begun, Err(StorageError::Unknown(_))), "{begun:?}");
    let waiting = bench.writer.run_with_timeout(soon, keep(2), |()| false).await;
    assert!(matches!(waiting, Err(StorageError::Busy)), "{waiting:?}");
    drop(release);
    bench.submit(keep(3)).await.unwrap().unwrap();
    assert_eq!(bench.kept(), [1, 3], "the one that had begun was made, the one that waited was not");
}

struct Nothing;

impl Job for Nothing {
    fn begin(&self) -> bool {
        true
    }

    fn run(&mut self, _: &Connection) -> bool {
        true
    }

    fn erases(&self) -> bool {
        false
    }

    fn respond(self: Box<Self>, _: Option<StorageError>) {}
}
