//! Databases that a backup must not be restored to, and databases that cannot be backed up.

use std::fs;

use super::data::Populated;
use super::{Migrations, Observer, Scratch, Workspace, assert_contains, backup, empty_ones, names, rows, sentence};
use crate::DatabaseUrl;
use crate::migrate::{Migrator, State, Target};
use crate::testing::run_script;
use crate::transfer::copy;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_rows_is_unchanged() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    workspace.backup(populated.url(), "archive.tar").await;
    for used in [Populated::sqlite().await, Populated::postgres().await] {
        let before = workspace.backup(used.url(), "before").await;
        for outcome in [
            sentence(workspace.restore("archive.tar", used.url()).await),
            sentence(copy(populated.url(), used.url(), true, &Migrations::default(), &Observer::default()).await),
        ] {
            assert_contains(&outcome, &["is not empty", "rows of"]);
        }
        assert_eq!(workspace.backup(used.url(), "after").await.tables, before.tables);
        if let DatabaseUrl::Sqlite(path) = used.url() {
            assert_eq!(names(path.parent().unwrap()), ["journal.db"]);
        }
        fs::remove_file(workspace.path("before")).unwrap();
        fs::remove_file(workspace.path("after")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_empty_tables_counts_as_empty() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    let manifest = workspace.backup(populated.url(), "archive.tar").await;
    for scratch in empty_ones().await {
        // As after the first start of a server.
        crate::migrate::upgrade(&scratch.url).await.unwrap();
        scratch.url.open().await.unwrap().close().await;
        workspace.restore("archive.tar", &scratch.url).await.unwrap();
        assert_eq!(workspace.backup(&scratch.url, "again").await.tables, manifest.tables);
        fs::remove_file(workspace.path("again")).unwrap();
        if let DatabaseUrl::Sqlite(path) = &scratch.url {
            assert_eq!(names(path.parent().unwrap()), ["journal.db"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_uses_at_most_the_available_connections() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    let manifest = workspace.backup(populated.url(), "archive.tar").await;
    let scratch = Scratch::postgres().await;
    let DatabaseUrl::Postgres(admin) = &scratch.url else { panic!("it is a PostgreSQL") };
    let role = format!("sotto_few_{}", admin.rsplit('_').next().unwrap());
    let make = format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 6; GRANT ALL ON SCHEMA public TO {role}");
    assert!(run_script(&scratch.url, &make).status.success());
    let url = DatabaseUrl::Postgres(admin.replace("sotto@", &format!("{role}@")));
    workspace.restore("archive.tar", &url).await.unwrap();
    assert_eq!(workspace.backup(&url, "again").await.tables, manifest.tables);
    let remove = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    assert!(run_script(&scratch.url, &remove).status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_in_use_by_a_server_is_rejected() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    workspace.backup(populated.url(), "archive.tar").await;
    for scratch in empty_ones().await {
        crate::migrate::upgrade(&scratch.url).await.unwrap();
        let server = scratch.url.open().await.unwrap();
        server.ping().await.unwrap();
        assert_contains(
            &sentence(workspace.restore("archive.tar", &scratch.url).await),
            &["is in use", "stop it first"],
        );
        server.ping().await.unwrap();
        server.close().await;
        workspace.restore("archive.tar", &scratch.url).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_database_is_unchanged() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    workspace.backup(populated.url(), "archive.tar").await;
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
            sentence(workspace.restore("archive.tar", &scratch.url).await),
            sentence(backup(&scratch.url, &workspace.path("other"), &rows(), &Observer::default()).await),
            sentence(copy(populated.url(), &scratch.url, false, &Migrations::default(), &Observer::default()).await),
            sentence(
                copy(&scratch.url, &Scratch::sqlite().url, false, &Migrations::default(), &Observer::default()).await,
            ),
        ] {
            assert_contains(&refused, &["recipes", "not Sotto's"]);
        }
        if let DatabaseUrl::Sqlite(path) = &scratch.url {
            assert_eq!(names(path.parent().unwrap()), ["journal.db"]);
            let other = rusqlite::Connection::open(path).unwrap();
            let mode: String = other.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
            assert_eq!(mode, "wal");
        }
    }
    let letter = workspace.path("letter.txt");
    fs::write(&letter, "Dear diary, ".repeat(1000)).unwrap();
    let url = DatabaseUrl::Sqlite(letter.clone());
    assert_contains(&sentence(workspace.restore("archive.tar", &url).await), &["letter.txt"]);
    assert_contains(
        &sentence(backup(&url, &workspace.path("other"), &rows(), &Observer::default()).await),
        &["letter.txt"],
    );
    assert_eq!(fs::read_to_string(&letter).unwrap(), "Dear diary, ".repeat(1000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_could_not_be_restored_are_not_backed_up() {
    let workspace = Workspace::new();
    for (populated, change) in [
        (Populated::sqlite().await, "CREATE TABLE extra (id BLOB NOT NULL PRIMARY KEY) STRICT"),
        (Populated::sqlite().await, "ALTER TABLE tags ADD COLUMN extra TEXT"),
        (Populated::postgres().await, "CREATE TABLE extra (id UUID NOT NULL PRIMARY KEY, place POINT)"),
        (Populated::postgres().await, "ALTER TABLE tags ADD COLUMN extra TEXT"),
        (Populated::postgres().await, "ALTER TABLE tags DROP COLUMN color; ALTER TABLE tags ADD COLUMN extra INTEGER"),
    ] {
        let mut writer = super::data::Writer::open(populated.url()).await;
        writer.execute(change).await;
        writer.close().await;
        let refused =
            sentence(backup(populated.url(), &workspace.path("archive.tar"), &rows(), &Observer::default()).await);
        assert_contains(&refused, &["extra", "not those of its revision", "Remove what"]);
        assert!(workspace.names().is_empty());
    }
    for scratch in empty_ones().await {
        let refused =
            sentence(backup(&scratch.url, &workspace.path("archive.tar"), &rows(), &Observer::default()).await);
        let nothing = if matches!(scratch.url, DatabaseUrl::Sqlite(_)) { "there is no database" } else { "is empty" };
        assert_contains(&refused, &[nothing]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_permissions_gets_an_explanation() {
    let (workspace, populated) = (Workspace::new(), Populated::postgres().await);
    let manifest = workspace.backup(populated.url(), "archive.tar").await;
    let DatabaseUrl::Postgres(address) = populated.url() else { panic!("it is a server") };
    let role = format!("weak_{}", address.rsplit_once("sotto_test_").unwrap().1);
    let empty = Scratch::postgres().await;
    let as_role = |url: &DatabaseUrl| match url {
        DatabaseUrl::Postgres(address) => {
            let (_, rest) = address.split_once('@').unwrap();
            DatabaseUrl::Postgres(format!("postgres://{role}@{rest}"))
        }
        DatabaseUrl::Sqlite(_) => panic!("it is a server"),
    };
    let admin = crate::migrate::postgres::connect(populated.url()).await.unwrap();
    admin.batch_execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();

    // A role without any permission, then with permission to read, then a schema that it may not add to.
    let weak = as_role(populated.url());
    let refused = sentence(backup(&weak, &workspace.path("weak.tar"), &rows(), &Observer::default()).await);
    assert_contains(&refused, &["permission denied", "42501"]);
    admin.batch_execute(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")).await.unwrap();
    let seen = backup(&weak, &workspace.path("weak.tar"), &rows(), &Observer::default()).await.unwrap();
    assert_eq!(seen.tables, manifest.tables);
    let refused = sentence(workspace.restore("archive.tar", &as_role(&empty.url)).await);
    assert_contains(&refused, &["permission denied"]);
    assert_eq!(Migrator::new(&empty.url).unwrap().state().await.unwrap(), State::Empty);
    // Existing tables that the role may only read.
    crate::migrate::upgrade(&empty.url).await.unwrap();
    let owner = crate::migrate::postgres::connect(&empty.url).await.unwrap();
    owner
        .batch_execute(&format!(
            "SET application_name = 'a test'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .await
        .unwrap();
    let refused = sentence(workspace.restore("archive.tar", &as_role(&empty.url)).await);
    assert_contains(&refused, &["permission denied"]);
    assert_eq!(Migrator::new(&empty.url).unwrap().state().await.unwrap(), State::Head);

    let drop_role = format!("DROP OWNED BY {role}");
    owner.batch_execute(&drop_role).await.unwrap();
    admin.batch_execute(&format!("{drop_role}; DROP ROLE {role}")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_database_is_migrated_to_the_revision_of_the_backup() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    let manifest = workspace.backup(populated.url(), "archive.tar").await;
    for scratch in empty_ones().await {
        let migrator = Migrator::new(&scratch.url).unwrap();
        migrator.upgrade(&Target::Head).await.unwrap();
        migrator.downgrade(&Target::Base, false).await.unwrap();
        workspace.restore("archive.tar", &scratch.url).await.unwrap();
        assert_eq!(migrator.current().await.unwrap().unwrap().revision(), manifest.header.revision);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_only_one_engine_can_store_are_named() {
    let populated = Populated::sqlite().await;
    let mut writer = super::data::Writer::open(populated.url()).await;
    writer.execute("UPDATE users SET full_name = 'nothing' || char(0) || 'more' WHERE is_superuser").await;
    writer.close().await;
    let workspace = Workspace::new();
    workspace.backup(populated.url(), "archive.tar").await;
    // SQLite can store the text, PostgreSQL cannot.
    let target = Scratch::sqlite();
    workspace.restore("archive.tar", &target.url).await.unwrap();
    let target = Scratch::postgres().await;
    assert_contains(
        &sentence(workspace.restore("archive.tar", &target.url).await),
        &["rows of users", "NUL character"],
    );

    let populated = Populated::postgres().await;
    let mut writer = super::data::Writer::open(populated.url()).await;
    writer.execute("UPDATE reminders SET next_due_at = 'infinity'").await;
    writer.close().await;
    let refused = sentence(backup(populated.url(), &workspace.path("second.tar"), &rows(), &Observer::default()).await);
    assert_contains(&refused, &["next_due_at", "infinite instant"]);
    assert!(!workspace.path("second.tar").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_not_copied_to_itself() {
    for populated in [Populated::sqlite().await, Populated::postgres().await] {
        let refused =
            sentence(copy(populated.url(), populated.url(), false, &Migrations::default(), &Observer::default()).await);
        assert_contains(&refused, &["the same database"]);
    }
    let populated = Populated::sqlite().await;
    let DatabaseUrl::Sqlite(path) = populated.url() else { panic!("it is a file") };
    let other = DatabaseUrl::Sqlite(path.parent().unwrap().join(".").join("journal.db"));
    let refused = sentence(copy(populated.url(), &other, false, &Migrations::default(), &Observer::default()).await);
    assert_contains(&refused, &["the same database"]);
}
