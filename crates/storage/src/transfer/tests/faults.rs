//! Lost connections, stops, full databases and rivals in the middle of the work; and that it can be done again.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::runtime::Handle;

use super::data::{Full, Writer};
use super::{
    Desk, Manifest, Migrations, Package, Result, Scratch, TransferError, Watch, assert_says, backup, empty_ones, names,
    restore, rows, sentence,
};
use crate::DatabaseUrl;
use crate::migrate::{Migrator, State};
use crate::transfer::{Stage, copy};

/// Does something once, on the thread that does the work, when it gets to a table in a stage.
fn when(stage: Stage, table: &'static str, act: impl Fn(&Handle) + Send + Sync + 'static) -> Watch {
    let (runtime, done) = (Handle::current(), AtomicBool::new(false));
    Watch::new(move |progress| {
        if progress.stage == stage && progress.what == table && !done.swap(true, Ordering::Relaxed) {
            act(&runtime);
        }
    })
}

/// Stops the work when it gets there.
fn stopping(stage: Stage, table: &'static str) -> Watch {
    let own: Arc<OnceLock<Watch>> = Arc::default();
    let watch = when(stage, table, {
        let own = own.clone();
        move |_| own.get().unwrap().stop()
    });
    own.set(watch.clone()).unwrap();
    watch
}

/// Ends every session of the transfers on a server's database.
fn kill_sessions(url: &DatabaseUrl) -> impl Fn(&Handle) + Send + Sync + 'static {
    let url = url.clone();
    move |runtime| {
        runtime.block_on(async {
            let admin = crate::migrate::postgres::connect(&url).await.unwrap();
            let kill = "SET application_name = 'a test'; SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                        WHERE application_name = 'sotto transfer' AND datname = current_database()";
            admin.batch_execute(kill).await.unwrap();
        });
    }
}

/// Everybody who looks at the target finds that it is not whole.
async fn assert_marked(url: &DatabaseUrl) {
    let state = Migrator::new(url).unwrap().state().await.unwrap();
    let told = crate::transfer::explain(url, &state).unwrap();
    assert_says(&told, &["has not ended", "again"]);
    match url {
        DatabaseUrl::Sqlite(_) => assert_eq!(state, State::Empty, "the draft is beside it"),
        DatabaseUrl::Postgres(_) => {
            assert!(
                matches!(&state, State::Ahead { current, .. } if current.starts_with("9999_unfinished")),
                "{state}"
            );
            let refused = backup(url, &Desk::new().path("part.tar"), &rows(), &Watch::default()).await;
            assert_says(&sentence(refused), &["has not ended"]);
        }
    }
}

async fn assert_whole(url: &DatabaseUrl, expected: &Manifest) {
    assert_eq!(Migrator::new(url).unwrap().state().await.unwrap(), State::Head);
    assert_eq!(crate::transfer::explain(url, &State::Head), None);
    let found = backup(url, &Desk::new().path("found.tar"), &rows(), &Watch::default()).await.unwrap();
    assert_eq!(found.tables, expected.tables);
    if let DatabaseUrl::Sqlite(path) = url {
        assert_eq!(names(path.parent().unwrap()), ["journal.db"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_whose_connection_is_lost_leaves_nothing() {
    let (desk, full) = (Desk::new(), Full::postgres().await.grow(2).await);
    let watch = when(Stage::Reading, "journal_entries", kill_sessions(full.url()));
    let lost = sentence(backup(full.url(), &desk.path("archive.tar"), &rows(), &watch).await);
    assert_says(&lost, &["cannot be read", "postgres://"]);
    assert!(desk.names().is_empty());
    desk.backup(full.url(), "archive.tar").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_whose_connection_is_lost_goes_on_where_it_stopped() {
    let (desk, full) = (Desk::new(), Full::sqlite().await);
    let manifest = desk.backup(full.url(), "archive.tar").await;
    let target = Scratch::postgres().await;
    for stage in [Stage::Writing, Stage::Comparing] {
        let watch = when(stage, "journal_entries", kill_sessions(&target.url));
        let lost = restore(&Package::at(&desk.path("archive.tar")), &desk.destination(&target.url), &watch).await;
        assert_says(&sentence(lost), &["postgres://"]);
        assert_marked(&target.url).await;
    }
    desk.restore("archive.tar", &target.url).await.unwrap();
    assert_whole(&target.url, &manifest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_whose_connection_is_lost_goes_on_where_it_stopped() {
    let desk = Desk::new();
    for (number, (full, target)) in
        [(Full::sqlite().await, Scratch::postgres().await), (Full::postgres().await.grow(3).await, Scratch::sqlite())]
            .into_iter()
            .enumerate()
    {
        let manifest = desk.backup(full.url(), &format!("{number}.tar")).await;
        let server = [full.url(), &target.url].into_iter().find(|url| matches!(url, DatabaseUrl::Postgres(_))).unwrap();
        let watch = when(Stage::Writing, "journal_entries", kill_sessions(server));
        let lost = copy(full.url(), &target.url, false, &Migrations::default(), &watch).await;
        assert_says(&sentence(lost), &["postgres://"]);
        assert_marked(&target.url).await;
        copy(full.url(), &target.url, false, &Migrations::default(), &Watch::default()).await.unwrap();
        assert_whole(&target.url, &manifest).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stopped_leaves_nothing_or_goes_on() {
    for (full, target) in
        [(Full::sqlite().await, Scratch::sqlite()), (Full::postgres().await, Scratch::postgres().await)]
    {
        let desk = Desk::new();
        let stopped = backup(full.url(), &desk.path("archive.tar"), &rows(), &stopping(Stage::Reading, "tags")).await;
        assert!(matches!(stopped, Err(TransferError::Stopped)), "{stopped:?}");
        assert!(desk.names().is_empty());
        let manifest = desk.backup(full.url(), "archive.tar").await;

        let package = Package::at(&desk.path("archive.tar"));
        let stopped = restore(&package, &desk.destination(&target.url), &stopping(Stage::Writing, "tags")).await;
        assert!(matches!(stopped, Err(TransferError::Stopped)), "{stopped:?}");
        assert_marked(&target.url).await;

        // Another source is not mixed in, unless the first is given up.
        let other = Full::sqlite().await;
        let refused = sentence(copy(other.url(), &target.url, false, &Migrations::default(), &Watch::default()).await);
        assert_says(&refused, &["a part of a restore of", "archive.tar", "--restart"]);
        assert_marked(&target.url).await;
        desk.restore("archive.tar", &target.url).await.unwrap();
        assert_whole(&target.url, &manifest).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restart_begins_anew_with_another_source() {
    for target in empty_ones().await {
        let (desk, full, other) = (Desk::new(), Full::sqlite().await, Full::postgres().await.grow(1).await);
        let manifest = desk.backup(other.url(), "other.tar").await;
        let watch = stopping(Stage::Writing, "tags");
        copy(full.url(), &target.url, false, &Migrations::default(), &watch).await.unwrap_err();
        copy(other.url(), &target.url, true, &Migrations::default(), &Watch::default()).await.unwrap();
        assert_whole(&target.url, &manifest).await;
    }
}

/// The rows that were copied before are not copied again, so a change of them shows in the comparison at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_has_changed_since_is_named() {
    for (full, target) in
        [(Full::sqlite().await, Scratch::postgres().await), (Full::postgres().await, Scratch::sqlite())]
    {
        let watch = stopping(Stage::Comparing, "tags");
        copy(full.url(), &target.url, false, &Migrations::default(), &watch).await.unwrap_err();

        let mut writer = Writer::open(full.url()).await;
        writer.execute("UPDATE users SET full_name = 'Another name'").await;
        writer.execute("DELETE FROM login_sessions").await;
        writer.close().await;
        let refused = sentence(copy(full.url(), &target.url, false, &Migrations::default(), &Watch::default()).await);
        assert_says(&refused, &["users (some of its 3 rows)", "login_sessions", "instead of 0", "--restart"]);
        assert_marked(&target.url).await;
        copy(full.url(), &target.url, true, &Migrations::default(), &Watch::default()).await.unwrap();
        let manifest = backup(full.url(), &Desk::new().path("x.tar"), &rows(), &Watch::default()).await.unwrap();
        assert_whole(&target.url, &manifest).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_restores_at_once_one_succeeds() {
    let (desk, full) = (Desk::new(), Full::sqlite().await);
    let manifest = desk.backup(full.url(), "archive.tar").await;
    for target in empty_ones().await {
        // The second comes when the first is in the middle.
        let refusal: Arc<Mutex<Option<String>>> = Arc::default();
        let (told, url, package) = (refusal.clone(), target.url.clone(), Package::at(&desk.path("archive.tar")));
        let destination = desk.destination(&url);
        let watch = when(Stage::Writing, "tags", move |runtime| {
            let second = runtime.block_on(restore(&package, &destination, &Watch::default()));
            *told.lock().unwrap() = Some(sentence(second));
        });
        restore(&Package::at(&desk.path("archive.tar")), &desk.destination(&target.url), &watch).await.unwrap();
        let refusal = refusal.lock().unwrap().take().unwrap();
        assert!(refusal.contains("somebody else is writing") || refusal.contains("under way"), "{refusal}");
        assert_whole(&target.url, &manifest).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_backups_to_one_name_one_succeeds() {
    let (desk, full) = (Desk::new(), Full::sqlite().await);
    let refusal: Arc<Mutex<Option<String>>> = Arc::default();
    let (told, url, path) = (refusal.clone(), full.url().clone(), desk.path("archive.tar"));
    let watch = when(Stage::Reading, "tags", move |runtime| {
        let second = runtime.block_on(backup(&url, &path, &rows(), &Watch::default()));
        *told.lock().unwrap() = Some(sentence(second));
    });
    let manifest = backup(full.url(), &desk.path("archive.tar"), &rows(), &watch).await.unwrap();
    assert_says(&refusal.lock().unwrap().take().unwrap(), &["archive.tar", "somebody else is writing"]);
    let again = sentence(backup(full.url(), &desk.path("archive.tar"), &rows(), &Watch::default()).await);
    assert_says(&again, &["archive.tar exists already"]);
    assert_eq!(
        super::super::verify(&Package::at(&desk.path("archive.tar")), &Watch::default()).await.unwrap(),
        manifest
    );
    assert_eq!(desk.names(), ["archive.tar"]);

    // What a killed one has left is no backup, and in nobody's way.
    fs::write(desk.path(".next.tar.unfinished"), "half").unwrap();
    desk.backup(full.url(), "next.tar").await;
    assert_eq!(desk.names(), ["archive.tar", "next.tar"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_device_is_told() {
    let full = Full::sqlite().await;
    let device = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (contents, watch) = (rows(), Watch::default());
    let outcome = crate::transfer::backup_into(full.url(), device, "/dev/full".as_ref(), &contents, &watch).await;
    let refused: Result<_> = outcome.map(|(manifest, _)| manifest);
    assert_says(&sentence(refused), &["/dev/full cannot be written", "No space left"]);
}
