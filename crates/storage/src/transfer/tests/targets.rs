//! Where a backup must not be restored to, and what must not be backed up.

use std::fs;

use super::data::Full;
use super::{Desk, Migrations, Scratch, Watch, assert_says, backup, empty_ones, names, rows, sentence};
use crate::DatabaseUrl;
use crate::migrate::{Migrator, State, Target};
use crate::transfer::copy;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_rows_is_left_as_it_is() {
    let (desk, full) = (Desk::new(), Full::sqlite().await);
    desk.backup(full.url(), "archive.tar").await;
    for used in [Full::sqlite().await, Full::postgres().await] {
        let before = desk.backup(used.url(), "before").await;
        for outcome in [
            sentence(desk.restore("archive.tar", used.url()).await),
            sentence(copy(full.url(), used.url(), true, &Migrations::default(), &Watch::default()).await),
        ] {
            assert_says(&outcome, &["is not empty", "rows of"]);
        }
        assert_eq!(desk.backup(used.url(), "after").await.tables, before.tables);
        if let DatabaseUrl::Sqlite(path) = used.url() {
            assert_eq!(names(path.parent().unwrap()), ["journal.db"]);
        }
        fs::remove_file(desk.path("before")).unwrap();
        fs::remove_file(desk.path("after")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_empty_tables_is_empty() {
    let (desk, full) = (Desk::new(), Full::sqlite().await);
    let manifest = desk.backup(full.url(), "archive.tar").await;
    for scratch in empty_ones().await {
        // As after the first start of a server.
        crate::migrate::upgrade(&scratch.url).await.unwrap();
        scratch.url.open().await.unwrap().close().await;
        desk.restore("archive.tar", &scratch.url).await.unwrap();
        assert_eq!(desk.backup(&scratch.url, "again").await.tables, manifest.tables);
        fs::remove_file(desk.path("again")).unwrap();
        if let DatabaseUrl::Sqlite(path) = &scratch.url {
            assert_eq!(names(path.parent().unwrap()), ["journal.db"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_a_server_uses_is_refused() {
    let (desk, full) = (Desk::new(), Full::sqlite().await);
    desk.backup(full.url(), "archive.tar").await;
    for scratch in empty_ones().await {
        crate::migrate::upgrade(&scratch.url).await.unwrap();
        let server = scratch.url.open().await.unwrap();
        server.ping().await.unwrap();
        assert_says(&sentence(desk.restore("archive.tar", &scratch.url).await), &["is in use", "stop that first"]);
        server.ping().await.unwrap();
        server.close().await;
        desk.restore("archive.tar", &scratch.url).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_another_program_is_left_as_it_is() {
    let (desk, full) = (Desk::new(), Full::sqlite().await);
    desk.backup(full.url(), "archive.tar").await;
    for scratch in empty_ones().await {
        match &scratch.url {
            DatabaseUrl::Sqlite(path) => {
                let other = rusqlite::Connection::open(path).unwrap();
                other.pragma_update(None, "journal_mode", "WAL").unwrap();
                other.execute_batch("CREATE TABLE recipes (id INTEGER); INSERT INTO recipes VALUES (1)").unwrap();
            }
            url @ DatabaseUrl::Postgres(_) => {
                let other = crate::migrate::postgres::connect(url).await.unwrap();
                other.batch_execute("CREATE TABLE recipes (id INTEGER); INSERT INTO recipes VALUES (1)").await.unwrap();
            }
        }
        for refused in [
            sentence(desk.restore("archive.tar", &scratch.url).await),
            sentence(backup(&scratch.url, &desk.path("other"), &rows(), &Watch::default()).await),
            sentence(copy(full.url(), &scratch.url, false, &Migrations::default(), &Watch::default()).await),
            sentence(
                copy(&scratch.url, &Scratch::sqlite().url, false, &Migrations::default(), &Watch::default()).await,
            ),
        ] {
            assert_says(&refused, &["recipes", "not Sotto's"]);
        }
        if let DatabaseUrl::Sqlite(path) = &scratch.url {
            assert_eq!(names(path.parent().unwrap()), ["journal.db"]);
            let other = rusqlite::Connection::open(path).unwrap();
            let mode: String = other.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
            assert_eq!(mode, "wal");
        }
    }
    let letter = desk.path("letter.txt");
    fs::write(&letter, "Dear diary, ".repeat(1000)).unwrap();
    let url = DatabaseUrl::Sqlite(letter.clone());
    assert_says(&sentence(desk.restore("archive.tar", &url).await), &["letter.txt"]);
    assert_says(&sentence(backup(&url, &desk.path("other"), &rows(), &Watch::default()).await), &["letter.txt"]);
    assert_eq!(fs::read_to_string(&letter).unwrap(), "Dear diary, ".repeat(1000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_restored_is_not_backed_up() {
    let desk = Desk::new();
    for (full, change) in [
        (Full::sqlite().await, "CREATE TABLE extra (id BLOB NOT NULL PRIMARY KEY) STRICT"),
        (Full::sqlite().await, "ALTER TABLE tags ADD COLUMN extra TEXT"),
        (Full::postgres().await, "CREATE TABLE extra (id UUID NOT NULL PRIMARY KEY, place POINT)"),
        (Full::postgres().await, "ALTER TABLE tags ADD COLUMN extra TEXT"),
        (Full::postgres().await, "ALTER TABLE tags DROP COLUMN color; ALTER TABLE tags ADD COLUMN extra INTEGER"),
    ] {
        let mut writer = super::data::Writer::open(full.url()).await;
        writer.execute(change).await;
        writer.close().await;
        let refused = sentence(backup(full.url(), &desk.path("archive.tar"), &rows(), &Watch::default()).await);
        assert_says(&refused, &["extra", "not those of its revision", "Move away"]);
        assert!(desk.names().is_empty());
    }
    for scratch in empty_ones().await {
        let refused = sentence(backup(&scratch.url, &desk.path("archive.tar"), &rows(), &Watch::default()).await);
        assert_says(&refused, &["is empty"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_rights_is_told_so() {
    let (desk, full) = (Desk::new(), Full::postgres().await);
    let manifest = desk.backup(full.url(), "archive.tar").await;
    let DatabaseUrl::Postgres(address) = full.url() else { panic!("it is a server") };
    let role = format!("weak_{}", address.rsplit_once("sotto_test_").unwrap().1);
    let empty = Scratch::postgres().await;
    let as_role = |url: &DatabaseUrl| match url {
        DatabaseUrl::Postgres(address) => {
            let (_, rest) = address.split_once('@').unwrap();
            DatabaseUrl::Postgres(format!("postgres://{role}@{rest}"))
        }
        DatabaseUrl::Sqlite(_) => panic!("it is a server"),
    };
    let admin = crate::migrate::postgres::connect(full.url()).await.unwrap();
    admin.batch_execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();

    // Nothing at all, not even looking; then looking; then, elsewhere, a schema that it may not add to.
    let weak = as_role(full.url());
    let refused = sentence(backup(&weak, &desk.path("weak.tar"), &rows(), &Watch::default()).await);
    assert_says(&refused, &["permission denied", "42501"]);
    admin.batch_execute(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")).await.unwrap();
    let seen = backup(&weak, &desk.path("weak.tar"), &rows(), &Watch::default()).await.unwrap();
    assert_eq!(seen.tables, manifest.tables);
    let refused = sentence(desk.restore("archive.tar", &as_role(&empty.url)).await);
    assert_says(&refused, &["permission denied"]);
    assert_eq!(Migrator::new(&empty.url).unwrap().state().await.unwrap(), State::Empty);
    // Tables that are there, and that it may only read.
    crate::migrate::upgrade(&empty.url).await.unwrap();
    let owner = crate::migrate::postgres::connect(&empty.url).await.unwrap();
    owner
        .batch_execute(&format!(
            "SET application_name = 'a test'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .await
        .unwrap();
    let refused = sentence(desk.restore("archive.tar", &as_role(&empty.url)).await);
    assert_says(&refused, &["permission denied"]);
    assert_eq!(Migrator::new(&empty.url).unwrap().state().await.unwrap(), State::Head);

    let drop_role = format!("DROP OWNED BY {role}");
    owner.batch_execute(&drop_role).await.unwrap();
    admin.batch_execute(&format!("{drop_role}; DROP ROLE {role}")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_database_at_another_revision_is_brought_to_that_of_the_backup() {
    let (desk, full) = (Desk::new(), Full::sqlite().await);
    let manifest = desk.backup(full.url(), "archive.tar").await;
    for scratch in empty_ones().await {
        let migrator = Migrator::new(&scratch.url).unwrap();
        migrator.upgrade(&Target::Head).await.unwrap();
        migrator.downgrade(&Target::Base, false).await.unwrap();
        desk.restore("archive.tar", &scratch.url).await.unwrap();
        assert_eq!(migrator.current().await.unwrap().unwrap().revision(), manifest.header.revision);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_one_engine_can_keep_is_named() {
    let full = Full::sqlite().await;
    let mut writer = super::data::Writer::open(full.url()).await;
    writer.execute("UPDATE users SET full_name = 'nothing' || char(0) || 'more' WHERE is_superuser").await;
    writer.close().await;
    let desk = Desk::new();
    desk.backup(full.url(), "archive.tar").await;
    // SQLite keeps it, PostgreSQL does not.
    let target = Scratch::sqlite();
    desk.restore("archive.tar", &target.url).await.unwrap();
    let target = Scratch::postgres().await;
    assert_says(&sentence(desk.restore("archive.tar", &target.url).await), &["rows of users", "NUL character"]);

    let full = Full::postgres().await;
    let mut writer = super::data::Writer::open(full.url()).await;
    writer.execute("UPDATE reminders SET next_due_at = 'infinity'").await;
    writer.close().await;
    let refused = sentence(backup(full.url(), &desk.path("second.tar"), &rows(), &Watch::default()).await);
    assert_says(&refused, &["next_due_at", "infinite instant"]);
    assert!(!desk.path("second.tar").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_not_copied_to_itself() {
    for full in [Full::sqlite().await, Full::postgres().await] {
        let refused = sentence(copy(full.url(), full.url(), false, &Migrations::default(), &Watch::default()).await);
        assert_says(&refused, &["the same database"]);
    }
    let full = Full::sqlite().await;
    let DatabaseUrl::Sqlite(path) = full.url() else { panic!("it is a file") };
    let other = DatabaseUrl::Sqlite(path.parent().unwrap().join(".").join("journal.db"));
    let refused = sentence(copy(full.url(), &other, false, &Migrations::default(), &Watch::default()).await);
    assert_says(&refused, &["the same database"]);
}
