//! Lost connections, stops, full databases and concurrent runs during a transfer, and its continuation.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::runtime::Handle;

use super::data::{Populated, Writer, id};
use super::{
    Manifest, Migrations, Observer, Package, Result, Scratch, TransferError, Workspace, assert_contains, backup,
    empty_ones, names, restore, rows, sentence,
};
use crate::DatabaseUrl;
use crate::migrate::{Migrator, State, Target};
use crate::transfer::{Stage, copy};

/// Calls `act` once, on the thread of the transfer, when it reaches a table in a stage.
fn when(stage: Stage, table: &'static str, act: impl Fn(&Handle) + Send + Sync + 'static) -> Observer {
    let (runtime, done) = (Handle::current(), AtomicBool::new(false));
    Observer::new(move |progress| {
        if progress.stage == stage && progress.what == table && !done.swap(true, Ordering::Relaxed) {
            act(&runtime);
        }
    })
}

/// Stops the transfer when it reaches a table in a stage.
fn stopping(stage: Stage, table: &'static str) -> Observer {
    let own: Arc<OnceLock<Observer>> = Arc::default();
    let observer = when(stage, table, {
        let own = own.clone();
        move |_| own.get().unwrap().stop()
    });
    own.set(observer.clone()).unwrap();
    observer
}

/// Terminates every session of the transfers on a server's database.
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

/// Every reader of the target sees that it is unfinished.
async fn assert_marked(url: &DatabaseUrl) {
    let state = Migrator::new(url).unwrap().state().await.unwrap();
    let message = crate::transfer::explain_unfinished(url, &state).unwrap();
    assert_contains(&message, &["has not ended", "again"]);
    match url {
        DatabaseUrl::Sqlite(_) => assert_eq!(state, State::Missing, "the draft is beside it"),
        DatabaseUrl::Postgres(_) => {
            assert!(matches!(&state, State::Unfinished { .. }), "{state}");
            let migrator = Migrator::new(url).unwrap();
            let upgrade = migrator.upgrade(&Target::Head).await.unwrap_err().to_string();
            let rehearsal = migrator.rehearse_upgrade(&Target::Head).await.unwrap_err().to_string();
            for message in [state.to_string(), upgrade, rehearsal] {
                assert_contains(&message, &["part of a ", " that has not ended: run the same ", "to continue it"]);
                assert!(!message.contains("9999") && !message.contains("does not know"), "{message}");
            }
            let refused = backup(url, &Workspace::new().path("part.tar"), &rows(), &Observer::default()).await;
            assert_contains(&sentence(refused), &["has not ended"]);
        }
    }
}

async fn assert_whole(url: &DatabaseUrl, expected: &Manifest) {
    assert_eq!(Migrator::new(url).unwrap().state().await.unwrap(), State::Head);
    assert_eq!(crate::transfer::explain_unfinished(url, &State::Head), None);
    let found = backup(url, &Workspace::new().path("found.tar"), &rows(), &Observer::default()).await.unwrap();
    assert_eq!(found.tables, expected.tables);
    if let DatabaseUrl::Sqlite(path) = url {
        assert_eq!(names(path.parent().unwrap()), ["journal.db"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_whose_connection_is_lost_leaves_no_file() {
    let (workspace, populated) = (Workspace::new(), Populated::postgres().await.grow(2).await);
    let observer = when(Stage::Reading, "journal_entries", kill_sessions(populated.url()));
    let lost = sentence(backup(populated.url(), &workspace.path("archive.tar"), &rows(), &observer).await);
    assert_contains(&lost, &["cannot be read", "postgres://"]);
    assert!(workspace.names().is_empty());
    workspace.backup(populated.url(), "archive.tar").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_whose_connection_is_lost_can_continue() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    let manifest = workspace.backup(populated.url(), "archive.tar").await;
    let target = Scratch::postgres().await;
    for stage in [Stage::Writing, Stage::Comparing] {
        let observer = when(stage, "journal_entries", kill_sessions(&target.url));
        let lost = restore(
            &Package::from_path(&workspace.path("archive.tar")),
            &workspace.destination(&target.url),
            &observer,
        )
        .await;
        assert_contains(&sentence(lost), &["postgres://"]);
        assert_marked(&target.url).await;
    }
    workspace.restore("archive.tar", &target.url).await.unwrap();
    assert_whole(&target.url, &manifest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_whose_connection_is_lost_can_continue() {
    let workspace = Workspace::new();
    for (number, (populated, target)) in [
        (Populated::sqlite().await, Scratch::postgres().await),
        (Populated::postgres().await.grow(3).await, Scratch::sqlite()),
    ]
    .into_iter()
    .enumerate()
    {
        let manifest = workspace.backup(populated.url(), &format!("{number}.tar")).await;
        let server =
            [populated.url(), &target.url].into_iter().find(|url| matches!(url, DatabaseUrl::Postgres(_))).unwrap();
        let observer = when(Stage::Writing, "journal_entries", kill_sessions(server));
        let lost = copy(populated.url(), &target.url, false, &Migrations::default(), &observer).await;
        assert_contains(&sentence(lost), &["postgres://"]);
        assert_marked(&target.url).await;
        copy(populated.url(), &target.url, false, &Migrations::default(), &Observer::default()).await.unwrap();
        assert_whole(&target.url, &manifest).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_run_leaves_nothing_or_can_continue() {
    for (populated, target) in
        [(Populated::sqlite().await, Scratch::sqlite()), (Populated::postgres().await, Scratch::postgres().await)]
    {
        let workspace = Workspace::new();
        let stopped =
            backup(populated.url(), &workspace.path("archive.tar"), &rows(), &stopping(Stage::Reading, "tags")).await;
        assert!(matches!(stopped, Err(TransferError::Stopped)), "{stopped:?}");
        assert!(workspace.names().is_empty());
        let manifest = workspace.backup(populated.url(), "archive.tar").await;

        let package = Package::from_path(&workspace.path("archive.tar"));
        let stopped = restore(&package, &workspace.destination(&target.url), &stopping(Stage::Writing, "tags")).await;
        assert!(matches!(stopped, Err(TransferError::Stopped)), "{stopped:?}");
        assert_marked(&target.url).await;

        // Another source is refused, unless the first run is given up.
        let other = Populated::sqlite().await;
        let refused =
            sentence(copy(other.url(), &target.url, false, &Migrations::default(), &Observer::default()).await);
        assert_contains(&refused, &["part of a restore of", "archive.tar", "--restart"]);
        assert_marked(&target.url).await;
        workspace.restore("archive.tar", &target.url).await.unwrap();
        assert_whole(&target.url, &manifest).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restart_discards_rows_of_another_source() {
    for target in empty_ones().await {
        let (workspace, populated, other) =
            (Workspace::new(), Populated::sqlite().await, Populated::postgres().await.grow(1).await);
        let manifest = workspace.backup(other.url(), "other.tar").await;
        let observer = stopping(Stage::Writing, "tags");
        copy(populated.url(), &target.url, false, &Migrations::default(), &observer).await.unwrap_err();
        copy(other.url(), &target.url, true, &Migrations::default(), &Observer::default()).await.unwrap();
        assert_whole(&target.url, &manifest).await;
    }
}

/// Rows of the first run are not copied again, so a change of them shows in the comparison at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_changed_between_runs_is_named() {
    for (populated, target) in
        [(Populated::sqlite().await, Scratch::postgres().await), (Populated::postgres().await, Scratch::sqlite())]
    {
        let observer = stopping(Stage::Comparing, "tags");
        copy(populated.url(), &target.url, false, &Migrations::default(), &observer).await.unwrap_err();

        let mut writer = Writer::open(populated.url()).await;
        writer.execute("UPDATE users SET full_name = 'Another name'").await;
        writer.execute("DELETE FROM login_sessions").await;
        writer.close().await;
        let refused =
            sentence(copy(populated.url(), &target.url, false, &Migrations::default(), &Observer::default()).await);
        assert_contains(&refused, &["users (some of its 3 rows)", "login_sessions", "instead of 0", "--restart"]);
        assert_marked(&target.url).await;
        copy(populated.url(), &target.url, true, &Migrations::default(), &Observer::default()).await.unwrap();
        let manifest =
            backup(populated.url(), &Workspace::new().path("x.tar"), &rows(), &Observer::default()).await.unwrap();
        assert_whole(&target.url, &manifest).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_concurrent_restores_succeeds() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    let manifest = workspace.backup(populated.url(), "archive.tar").await;
    for target in empty_ones().await {
        // The second run starts in the middle of the first.
        let refusal: Arc<Mutex<Option<String>>> = Arc::default();
        let (refusal_of_second, url, package) =
            (refusal.clone(), target.url.clone(), Package::from_path(&workspace.path("archive.tar")));
        let destination = workspace.destination(&url);
        let observer = when(Stage::Writing, "tags", move |runtime| {
            let second = runtime.block_on(restore(&package, &destination, &Observer::default()));
            *refusal_of_second.lock().unwrap() = Some(sentence(second));
        });
        restore(&Package::from_path(&workspace.path("archive.tar")), &workspace.destination(&target.url), &observer)
            .await
            .unwrap();
        let refusal = refusal.lock().unwrap().take().unwrap();
        assert!(refusal.contains("another process is writing") || refusal.contains("is running"), "{refusal}");
        assert_whole(&target.url, &manifest).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_backups_to_one_name_succeeds() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    let refusal: Arc<Mutex<Option<String>>> = Arc::default();
    let (refusal_of_second, url, path) = (refusal.clone(), populated.url().clone(), workspace.path("archive.tar"));
    let observer = when(Stage::Reading, "tags", move |runtime| {
        let second = runtime.block_on(backup(&url, &path, &rows(), &Observer::default()));
        *refusal_of_second.lock().unwrap() = Some(sentence(second));
    });
    let manifest = backup(populated.url(), &workspace.path("archive.tar"), &rows(), &observer).await.unwrap();
    assert_contains(&refusal.lock().unwrap().take().unwrap(), &["archive.tar", "another process is writing"]);
    let again = sentence(backup(populated.url(), &workspace.path("archive.tar"), &rows(), &Observer::default()).await);
    assert_contains(&again, &["archive.tar already exists"]);
    assert_eq!(
        super::super::verify(&Package::from_path(&workspace.path("archive.tar")), &Observer::default()).await.unwrap(),
        manifest
    );
    assert_eq!(workspace.names(), ["archive.tar"]);

    // The draft of a killed process is no backup, and does not block a new one.
    fs::write(workspace.path(".next.tar.unfinished"), "half").unwrap();
    workspace.backup(populated.url(), "next.tar").await;
    assert_eq!(workspace.names(), ["archive.tar", "next.tar"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_device_is_reported() {
    let populated = Populated::sqlite().await;
    let device = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (contents, observer) = (rows(), Observer::default());
    let outcome =
        crate::transfer::backup_into(populated.url(), device, "/dev/full".as_ref(), &contents, &observer).await;
    let refused: Result<_> = outcome.map(|(manifest, _)| manifest);
    assert_contains(&sentence(refused), &["/dev/full cannot be written", "No space left"]);
}

/// Sessions store batches in parallel: a failed batch holds back the following ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_batch_leaves_only_earlier_batches() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await.grow(12).await);
    let manifest = workspace.backup(populated.url(), "archive.tar").await;
    let target = Scratch::postgres().await;
    crate::migrate::upgrade(&target.url).await.unwrap();
    let admin = crate::migrate::postgres::connect(&target.url).await.unwrap();
    // The batch in the middle is also slower than the following ones.
    let failing = id(9, 25);
    let trigger = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             PERFORM pg_sleep(1); RAISE EXCEPTION 'not this one'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON journal_entries FOR EACH ROW WHEN (new.id = '{failing}')
             EXECUTE FUNCTION refuse()"
    );
    admin.batch_execute(&format!("SET application_name = 'a test'; {trigger}")).await.unwrap();
    let refused = sentence(workspace.restore("archive.tar", &target.url).await);
    assert_contains(&refused, &["cannot store rows of journal_entries", "not this one", "run the same command again"]);
    assert_marked(&target.url).await;
    let count = async |condition: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM journal_entries WHERE id {condition} '{failing}'");
        admin.query_one(&sql, &[]).await.unwrap().get(0)
    };
    assert_eq!(count(">=").await, 0);
    assert!(count("<").await > 0);
    admin.batch_execute("DROP TRIGGER refuse ON journal_entries; DROP FUNCTION refuse").await.unwrap();
    workspace.restore("archive.tar", &target.url).await.unwrap();
    assert_whole(&target.url, &manifest).await;
}

/// Removes rows from an index, as a disk that loses a write does.
fn damage(path: &std::path::Path) {
    let index = "idx_users_email";
    for (sql, after) in [
        (
            format!("UPDATE sqlite_schema SET sql = sql || ' WHERE 0' WHERE name = '{index}'"),
            format!("REINDEX {index}"),
        ),
        (format!("UPDATE sqlite_schema SET sql = replace(sql, ' WHERE 0', '') WHERE name = '{index}'"), String::new()),
    ] {
        let connection = rusqlite::Connection::open(path).unwrap();
        let version: i64 = connection.query_row("PRAGMA schema_version", [], |row| row.get(0)).unwrap();
        let change = format!("PRAGMA writable_schema = on; {sql}; PRAGMA schema_version = {}", version + 1);
        connection.execute_batch(&change).unwrap();
        drop(connection);
        rusqlite::Connection::open(path).unwrap().execute_batch(&after).unwrap();
    }
}

/// All rows exist and equal those of the backup, but a query that uses the index would find none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_onto_a_failing_disk_fails() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    let manifest = workspace.backup(populated.url(), "archive.tar").await;
    let target = Scratch::sqlite();
    let DatabaseUrl::Sqlite(path) = &target.url else { panic!("it is a file") };
    let (package, destination) =
        (Package::from_path(&workspace.path("archive.tar")), workspace.destination(&target.url));
    let stopped = restore(&package, &destination, &stopping(Stage::Comparing, "users")).await;
    assert!(matches!(stopped, Err(TransferError::Stopped)), "{stopped:?}");
    damage(&path.with_file_name(".journal.db.unfinished"));
    let refused = sentence(restore(&package, &destination, &Observer::default()).await);
    assert_contains(&refused, &["is damaged", "idx_users_email", "--restart"]);
    assert!(!path.exists());
    let restarted = crate::transfer::Destination { restart: true, ..destination };
    restore(&package, &restarted, &Observer::default()).await.unwrap();
    assert_whole(&target.url, &manifest).await;
}
