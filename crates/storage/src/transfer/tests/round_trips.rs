//! Backups and copies restore exactly what was there.

use std::fs;
use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use sotto_domain::entry::EntryQuery;
use tempfile::TempDir;

use super::data::{Populated, Writer, entry, id};
use super::{
    KeysOutcome, Migrations, Observer, Package, Scratch, Workspace, assert_contains, backup, empty_ones, restore, rows,
    sentence,
};
use crate::DatabaseUrl;
use crate::migrate::{Migrator, State, Target};
use crate::transfer::{
    Attachments, BackupOptions, Destination, Gap, Manifest, Problem, backup_to_folder, copy, verify,
};

fn sums(manifest: &Manifest) -> Vec<(String, u64, String)> {
    let tables = manifest.tables.iter();
    tables.map(|table| (table.name.clone(), table.sum.rows, table.sum.sha256.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_of_every_table_is_restored_on_either_engine() {
    let workspace = Workspace::new();
    for (number, populated) in [Populated::sqlite().await, Populated::postgres().await].iter().enumerate() {
        let (first, second) = (format!("{number}-first"), format!("{number}-second"));
        let before = workspace.backup(populated.url(), &first).await;
        for table in &before.tables {
            assert!(table.sum.rows > 0, "the test data has no row of {}: add one", table.name);
        }
        for (target, copied) in
            [(Scratch::postgres().await, Scratch::sqlite()), (Scratch::sqlite(), Scratch::postgres().await)]
        {
            workspace.restore(&first, &target.url).await.unwrap();
            let done =
                copy(&target.url, &copied.url, false, &Migrations::default(), &Observer::default()).await.unwrap();
            let after = workspace.backup(&copied.url, &second).await;
            assert_eq!(sums(&before), sums(&after));
            assert_eq!(done.tables.len(), before.tables.len());
            fs::remove_file(workspace.path(&second)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_engines_write_the_same_bytes_for_the_same_rows() {
    let workspace = Workspace::new();
    let (sqlite, postgres) = (Populated::sqlite().await, Populated::postgres().await);
    let (left, right) = (workspace.backup(sqlite.url(), "a").await, workspace.backup(postgres.url(), "b").await);
    assert_eq!(left.tables, right.tables);
    assert_eq!(left.header.layout, right.header.layout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_and_a_folder_have_the_same_files_and_tar_reads_them() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    let archive = workspace.backup(populated.url(), "archive.tar").await;
    let folder =
        backup_to_folder(populated.url(), &workspace.path("folder"), &rows(), &Observer::default()).await.unwrap();
    assert_eq!(archive, folder);
    fs::create_dir(workspace.path("unpacked")).unwrap();
    let tar = std::process::Command::new("tar")
        .args(["--extract", "--file"])
        .args([&workspace.path("archive.tar"), &"--directory".into(), &workspace.path("unpacked")])
        .status();
    assert!(tar.unwrap().success());
    for name in ["folder", "unpacked"] {
        assert_eq!(verify(&Package::from_path(&workspace.path(name)), &Observer::default()).await.unwrap(), archive);
    }
    // The command in docs/backup.md.
    let command = "cd folder && sha256sum --check --quiet manifest.json.sha256 && zcat tables/*-users/*.gz | sha256sum \
                   && zcat tables/*-users/*.gz | wc -l";
    let printed =
        std::process::Command::new("sh").args(["-c", command]).current_dir(workspace.0.path()).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let users = archive.tables.iter().find(|table| table.name == "users").unwrap();
    assert_eq!(printed, format!("{}  -\n{}\n", users.sum.sha256, users.sum.rows));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_owner_can_read_a_backup() {
    use std::os::unix::fs::PermissionsExt;
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    workspace.backup(populated.url(), "archive.tar").await;
    backup_to_folder(populated.url(), &workspace.path("folder"), &rows(), &Observer::default()).await.unwrap();
    for (name, mode) in
        [("archive.tar", 0o600), ("folder", 0o700), ("folder/manifest.json", 0o600), ("folder/tables", 0o700)]
    {
        assert_eq!(fs::metadata(workspace.path(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }
    let target = Scratch::sqlite();
    workspace.restore("archive.tar", &target.url).await.unwrap();
    let DatabaseUrl::Sqlite(path) = &target.url else { panic!("it is a file") };
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(super::names(path.parent().unwrap()), ["journal.db"]);
}

/// An object store without folders, like S3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attachments_move_between_a_folder_and_an_object_store() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    let names = ["attachments/0a/01", "attachments/0a/02", "attachments/0b/03"];
    for name in names {
        fs::create_dir_all(workspace.path(name).parent().unwrap()).unwrap();
        // One of them needs several parts.
        let length = if name.ends_with("02") { 11 << 20 } else { 7 };
        fs::write(workspace.path(name), vec![7; length]).unwrap();
    }
    let contents = |attachments| BackupOptions { attachments: Some(attachments), ..rows() };
    let folder = contents(workspace.path("attachments").into());
    let first = backup(populated.url(), &workspace.path("one.tar"), &folder, &Observer::default()).await.unwrap();
    assert_eq!(first.attachments.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), names);

    let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store = Attachments::Store(bucket.clone(), "s3://bucket".into());
    let destination = |url: &DatabaseUrl| Destination { attachments: store.clone(), ..workspace.destination(url) };
    for _ in 0..2 {
        // The second time, the attachments exist already.
        let target = Scratch::sqlite();
        restore(&Package::from_path(&workspace.path("one.tar")), &destination(&target.url), &Observer::default())
            .await
            .unwrap();
    }
    let second = backup(populated.url(), &workspace.path("two.tar"), &contents(store.clone()), &Observer::default())
        .await
        .unwrap();
    assert_eq!(second.attachments, first.attachments);

    bucket.put(&"0b/03".into(), "another".into()).await.unwrap();
    let target = Scratch::sqlite();
    let refused =
        restore(&Package::from_path(&workspace.path("one.tar")), &destination(&target.url), &Observer::default()).await;
    assert_contains(&sentence(refused), &["s3://bucket/0b/03", "move it away"]);
    assert_eq!(Migrator::new(&target.url).unwrap().state().await.unwrap(), State::Missing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attachments_and_keys_are_restored_and_existing_ones_stay() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    for name in ["attachments/ab/recording.webm", "attachments/empty", "attachments/ab/Grüße 😀.txt", "keys.json"] {
        fs::create_dir_all(workspace.path(name).parent().unwrap()).unwrap();
        let content = if name.ends_with("empty") { vec![] } else { name.repeat(30_000).into_bytes() };
        fs::write(workspace.path(name), content).unwrap();
    }
    for draft in ["attachments/.half.unfinished", "attachments/half#1"] {
        fs::write(workspace.path(draft), "still being written").unwrap();
    }
    let contents = BackupOptions {
        attachments: Some(workspace.path("attachments").into()),
        keys: Some(workspace.path("keys.json")),
        ..rows()
    };
    let manifest =
        backup(populated.url(), &workspace.path("archive.tar"), &contents, &Observer::default()).await.unwrap();
    let names: Vec<_> = manifest.attachments.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["attachments/ab/Grüße 😀.txt", "attachments/ab/recording.webm", "attachments/empty"]);
    for scratch in empty_ones().await {
        let restored = workspace.restore("archive.tar", &scratch.url).await.unwrap();
        for name in ["attachments/ab/recording.webm", "attachments/empty", "attachments/ab/Grüße 😀.txt", "keys.json"]
        {
            assert_eq!(
                fs::read(workspace.path("restored").join(name)).unwrap(),
                fs::read(workspace.path(name)).unwrap()
            );
        }
        // The second time, both files exist already.
        assert!([KeysOutcome::Restored, KeysOutcome::Same].contains(&restored.keys));
    }
    fs::write(workspace.path("restored/keys.json"), "other keys").unwrap();
    assert_eq!(workspace.restore("archive.tar", &Scratch::sqlite().url).await.unwrap().keys, KeysOutcome::OthersKept);
    assert_eq!(fs::read_to_string(workspace.path("restored/keys.json")).unwrap(), "other keys");

    fs::write(workspace.path("restored/attachments/empty"), "another").unwrap();
    let target = Scratch::sqlite();
    assert_contains(
        &sentence(workspace.restore("archive.tar", &target.url).await),
        &["attachments/empty", "move it away"],
    );
    assert_eq!(Migrator::new(&target.url).unwrap().state().await.unwrap(), State::Missing);

    let long = workspace.path("attachments").join("a".repeat(120));
    fs::write(&long, "").unwrap();
    let refused = backup(populated.url(), &workspace.path("second.tar"), &contents, &Observer::default()).await;
    assert_contains(&sentence(refused), &["aaaa", "too long"]);
    fs::remove_file(long).unwrap();

    std::os::unix::fs::symlink("/etc/passwd", workspace.path("attachments/link")).unwrap();
    let refused = backup(populated.url(), &workspace.path("second.tar"), &contents, &Observer::default()).await;
    assert_contains(&sentence(refused), &["attachments/link", "neither a file nor a folder"]);
    assert!(!workspace.path("second.tar").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restored_rows_can_be_searched_and_changed() {
    let workspace = Workspace::new();
    let populated = Populated::postgres().await;
    let mut writer = Writer::open(populated.url()).await;
    writer
        .insert(
            "journal_entries",
            entry(id(8, 1), id(1, 1), "A zanzibar of words", super::super::value::Value::Integer(0)),
        )
        .await;
    writer.close().await;
    workspace.backup(populated.url(), "archive.tar").await;
    for scratch in empty_ones().await {
        workspace.restore("archive.tar", &scratch.url).await.unwrap();
        let storage = scratch.url.open().await.unwrap();
        let user = sotto_domain::UserId(id(1, 1));
        let query = EntryQuery { limit: 10, words: vec!["zanz".into()], ..EntryQuery::default() };
        let found = storage.entries().list(user, &query).await.unwrap();
        assert_eq!(found.len(), 1, "{}", scratch.url);
        assert_eq!(found[0].body.content, "A zanzibar of words");
        storage.entries().delete(user, found[0].id, None).await.unwrap();
        assert!(storage.entries().list(user, &query).await.unwrap().is_empty());
        storage.close().await;
    }
}

/// The shipped migrations and one more: a table and a column.
fn with_one_more() -> (TempDir, Migrations) {
    let folder = TempDir::new().unwrap();
    for engine in ["sqlite", "postgres"] {
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        fs::create_dir(folder.path().join(engine)).unwrap();
        let shipped = std::path::Path::new(shipped).join(engine);
        let mut last = 0;
        for file in fs::read_dir(shipped).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            last = last.max(name[..4].parse::<u32>().unwrap());
            fs::copy(file.path(), folder.path().join(engine).join(name)).unwrap();
        }
        let next = last + 1;
        let up = if engine == "sqlite" {
            "CREATE TABLE moods (id BLOB NOT NULL CHECK (length(id) = 16), entry_id BLOB NOT NULL CHECK (length(entry_id) = 16),
                 score INTEGER NOT NULL, CONSTRAINT pk_moods PRIMARY KEY (id),
                 CONSTRAINT fk_moods_entry FOREIGN KEY (entry_id) REFERENCES journal_entries (id)) STRICT;
             ALTER TABLE users ADD COLUMN motto TEXT;"
        } else {
            "CREATE TABLE moods (id UUID NOT NULL, entry_id UUID NOT NULL, score BIGINT NOT NULL, CONSTRAINT pk_moods PRIMARY KEY (id),
                 CONSTRAINT fk_moods_entry FOREIGN KEY (entry_id) REFERENCES journal_entries (id));
             ALTER TABLE users ADD COLUMN motto TEXT;"
        };
        let write = |direction: &str, sql: &str| {
            fs::write(folder.path().join(engine).join(format!("{next:04}_add_moods.{direction}.sql")), sql).unwrap();
        };
        write("up", up);
        write("down", "-- loses: moods, users.motto\nDROP TABLE moods;\nALTER TABLE users DROP COLUMN motto;");
    }
    let migrations = Migrations { folder: Some(folder.path().to_owned()) };
    (folder, migrations)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_a_later_migration_is_transferred() {
    use super::super::value::Value;
    let workspace = Workspace::new();
    let (folder, migrations) = with_one_more();
    for populated in [Populated::sqlite().await, Populated::postgres().await] {
        let name = populated.url().to_string().replace('/', "-");
        let before = workspace.backup(populated.url(), &format!("{name}-before")).await;
        let migrator = Migrator::with_directory(populated.url(), folder.path()).unwrap();
        migrator.upgrade(&Target::Head).await.unwrap();
        let mut writer = Writer::open(populated.url()).await;
        let mood = [("id", id(8, 1).into()), ("entry_id", id(3, 101).into()), ("score", Value::Integer(i64::MIN))];
        writer.insert("moods", mood).await;
        writer.execute("UPDATE users SET motto = 'carpe diem'").await;
        writer.close().await;

        // A program that does not know the revision refuses with the reason.
        let refused = backup(populated.url(), &workspace.path("unknown"), &rows(), &Observer::default()).await;
        assert_contains(&sentence(refused), &["add_moods", "does not know"]);

        let contents = BackupOptions { migrations: migrations.clone(), ..rows() };
        let manifest = backup(populated.url(), &workspace.path(&name), &contents, &Observer::default()).await.unwrap();
        assert_eq!(manifest.tables.iter().find(|table| table.name == "moods").unwrap().sum.rows, 1);
        let target = if name.starts_with("sqlite") { Scratch::postgres().await } else { Scratch::sqlite() };
        assert_contains(
            &sentence(workspace.restore(&name, &target.url).await),
            &["add_moods", "does not know", "newer"],
        );
        let destination = super::Destination { migrations: migrations.clone(), ..workspace.destination(&target.url) };
        restore(&Package::from_path(&workspace.path(&name)), &destination, &Observer::default()).await.unwrap();
        let contents = BackupOptions { migrations: migrations.clone(), ..rows() };
        let again = backup(&target.url, &workspace.path(&format!("{name}-again")), &contents, &Observer::default())
            .await
            .unwrap();
        assert_eq!(sums(&manifest), sums(&again));

        // A backup of an older revision is restored at that revision, and can be upgraded.
        let older = Scratch::sqlite();
        let destination = super::Destination { migrations: migrations.clone(), ..workspace.destination(&older.url) };
        let package = Package::from_path(&workspace.path(&format!("{name}-before")));
        let restored = restore(&package, &destination, &Observer::default()).await.unwrap();
        assert_eq!(sums(&restored.manifest), sums(&before));
        let migrator = Migrator::with_directory(&older.url, folder.path()).unwrap();
        assert!(matches!(migrator.state().await.unwrap(), State::Behind { .. }));
        migrator.upgrade(&Target::Head).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_written_during_the_backup_are_not_in_it() {
    for populated in [Populated::sqlite().await, Populated::postgres().await] {
        let workspace = Workspace::new();
        // After a server has used the file, SQLite allows writers next to a reader.
        populated.url().open().await.unwrap().close().await;
        let before = workspace.backup(populated.url(), "before").await;
        let url = populated.url().clone();
        let runtime = tokio::runtime::Handle::current();
        let written = std::sync::atomic::AtomicU32::new(0);
        let observer = Observer::new(move |progress| {
            if progress.what == "tags" && written.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
                // A write during the backup, without waiting for it.
                runtime.block_on(async {
                    let mut writer = Writer::open(&url).await;
                    writer.execute("DELETE FROM users WHERE email = 'user-1@example.org'").await;
                    writer.close().await;
                });
            }
        });
        let during = backup(populated.url(), &workspace.path("during"), &rows(), &observer).await.unwrap();
        assert_eq!(before.tables, during.tables);
        let after = workspace.backup(populated.url(), "after").await;
        assert_eq!(after.tables.iter().find(|table| table.name == "users").unwrap().sum.rows, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_recordings_are_named_unless_they_were_deleted_during_the_backup() {
    for populated in [Populated::sqlite().await, Populated::postgres().await] {
        let workspace = Workspace::new();
        populated.url().open().await.unwrap().close().await;
        // Of the attachments that rows name, one is in place, one is in quarantine, and one differs from its row.
        let name = |number| format!("{}/{}", id(1, 1), id(8, number));
        for place in [name(101), format!("quarantine/2025-01-22/{}", name(102)), name(103)] {
            let path = workspace.path("attachments").join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "sound").unwrap();
        }
        fs::write(workspace.path("attachments/sotto-store.json"), "its own note").unwrap();
        let mut writer = Writer::open(populated.url()).await;
        let hash = match populated.url() {
            DatabaseUrl::Sqlite(_) => "x'66'".replace("66", &sha256("sound")),
            DatabaseUrl::Postgres(_) => format!("'\\x{}'", sha256("sound")),
        };
        let ids = match populated.url() {
            DatabaseUrl::Sqlite(_) => [101, 102].map(|number| format!("x'{}'", id(8, number).simple())),
            DatabaseUrl::Postgres(_) => [101, 102].map(|number| format!("'{}'", id(8, number))),
        };
        let set = format!("UPDATE attachments SET byte_length = 5, sha256 = {hash} WHERE id IN ({})", ids.join(", "));
        writer.execute(&set).await;
        writer.close().await;

        let (url, runtime) = (populated.url().clone(), tokio::runtime::Handle::current());
        let deleted = std::sync::atomic::AtomicU32::new(0);
        let observer = Observer::new(move |progress| {
            if progress.what == "tags" && deleted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
                runtime.block_on(async {
                    let mut writer = Writer::open(&url).await;
                    writer.execute("DELETE FROM users WHERE email = 'user-2@example.org'").await;
                    writer.close().await;
                });
            }
        });
        let contents = BackupOptions { attachments: Some(workspace.path("attachments").into()), ..rows() };
        let manifest = backup(populated.url(), &workspace.path("one.tar"), &contents, &observer).await.unwrap();
        let held: Vec<_> = manifest.attachments.iter().map(|file| file.name.as_str()).collect();
        let mut expected = [101, 102, 103].map(|number| format!("attachments/{}", name(number)));
        expected.sort();
        assert_eq!(held, expected);
        let of = |user| format!("{}/", id(1, user));
        let every = usize::try_from(super::data::ENTRIES).unwrap();
        assert_eq!(manifest.deleted_meanwhile.len(), every);
        assert!(manifest.deleted_meanwhile.iter().all(|name| name.starts_with(&of(2))));
        let count = |user| manifest.gaps.iter().filter(|gap| gap.name.starts_with(&of(user))).count();
        assert_eq!([count(1), count(2), count(3)], [every - 2, 0, every]);
        assert!(manifest.gaps.contains(&Gap { name: name(103), problem: Problem::Length }));
        // Reading the backup gives the same result.
        assert_eq!(
            verify(&Package::from_path(&workspace.path("one.tar")), &Observer::default()).await.unwrap(),
            manifest
        );
        let restored = workspace.restore("one.tar", &Scratch::sqlite().url).await.unwrap();
        assert_eq!(restored.missing, manifest.gaps);
    }
}

fn sha256(text: &str) -> String {
    use sha2::Digest;
    crate::hex::hex(&sha2::Sha256::digest(text))
}
