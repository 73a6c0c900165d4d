//! Tests with faulty databases of both engines: each fault is found, named and repaired.

use super::{FindingKind, Integrity, IntegrityError, check, reindex};
use crate::DatabaseUrl;
use crate::conformance::world::{World, up_to};
use crate::testing::{Scratch, dump};

/// Two users with some data of every kind that is checked, on both engines.
async fn worlds() -> [World; 2] {
    let worlds = [World::sqlite().await, World::postgres().await];
    for world in &worlds {
        for _ in 0..2 {
            let user = world.user().await;
            for number in 0..3 {
                world.write(user, &format!("word{number} Über-Größe, it's «new»")).await;
            }
            world.tag(user, "tag").await;
            world.reminder(user, "reminder").await;
            let tag = world.secret_tag(user).await;
            world.write_sealed(user, tag.id).await;
        }
    }
    worlds
}

async fn found(world: &World) -> Integrity {
    check(world.url()).await.unwrap()
}

async fn clean(world: &World) {
    let found = found(world).await;
    assert_eq!(found.findings, [], "{}", world.url());
}

/// The kinds and names of the findings.
async fn names(world: &World) -> Vec<(FindingKind, String)> {
    found(world).await.findings.into_iter().map(|one| (one.kind, one.name)).collect()
}

fn is_sqlite(world: &World) -> bool {
    matches!(world.url(), DatabaseUrl::Sqlite(_))
}

#[tokio::test]
async fn an_intact_database_is_clean_and_unchanged() {
    for world in worlds().await {
        let before = dump(world.url());
        clean(&world).await;
        assert_eq!(dump(world.url()), before);
    }
}

#[tokio::test]
async fn an_empty_database_is_clean() {
    for scratch in [Scratch::sqlite(), Scratch::postgres().await] {
        crate::migrate::upgrade(&scratch.url).await.unwrap();
        assert_eq!(check(&scratch.url).await.unwrap().findings, []);
    }
}

#[tokio::test]
async fn orphans_are_counted_and_repaired() {
    for world in worlds().await {
        let off =
            if is_sqlite(&world) { "PRAGMA foreign_keys = OFF" } else { "SET session_replication_role = replica" };
        world.execute(&format!("{off}; DELETE FROM users WHERE email IN (SELECT min(email) FROM users)")).await;
        let findings = found(&world).await.findings;
        let key = |name: &str| {
            findings.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("{name}: {findings:#?}"))
        };
        assert!(key("fk_journal_entries_user").found.starts_with("4 rows that refer"), "{findings:#?}");
        assert!(key("fk_tags_user").found.starts_with("1 row that refers"), "{findings:#?}");
        for name in ["fk_reminders_user", "fk_secret_tags_user"] {
            assert_eq!(key(name).kind, FindingKind::ForeignKey);
        }
        assert!(findings.iter().all(|one| one.loses.is_some()), "{findings:#?}");
        // Entries must be deleted before the secret tags that they are under.
        let off = if is_sqlite(&world) { "PRAGMA foreign_keys = ON" } else { "SET session_replication_role = origin" };
        for one in &findings {
            world.execute(&format!("{off}; {}", one.mend.join("\n"))).await;
        }
        clean(&world).await;
    }
}

#[tokio::test]
async fn rows_that_violate_a_check_are_counted() {
    for world in worlds().await {
        let break_it = "UPDATE reminders SET frequency = 'hourly'";
        let change = if is_sqlite(&world) {
            format!("PRAGMA ignore_check_constraints = ON; {break_it}")
        } else {
            format!(
                "ALTER TABLE reminders DROP CONSTRAINT ck_reminders_frequency; {break_it};
                 ALTER TABLE reminders ADD CONSTRAINT ck_reminders_frequency CHECK (frequency = 'daily') NOT VALID"
            )
        };
        world.execute(&change).await;
        let findings = found(&world).await.findings;
        assert!(findings.len() == 1 && findings[0].kind == FindingKind::Check, "{findings:#?}");
        assert!(findings[0].table == "reminders" && findings[0].found.starts_with("2 rows"), "{findings:#?}");
    }
}

/// The full-text index has lost all entries, one entry, or the words of an entry.
#[tokio::test]
async fn an_incomplete_search_index_is_rebuilt() {
    let sqlite = [
        "INSERT INTO journal_entries_fts (journal_entries_fts) VALUES ('delete-all')",
        "DELETE FROM journal_entries_fts_data WHERE id > 10",
        "DELETE FROM search_documents WHERE document = 2",
        "DROP TRIGGER journal_entries_search_update; UPDATE journal_entries SET content = 'elsewhere' WHERE content LIKE 'word1%'",
    ];
    // An index that is not ready does not get entries that are written in the meantime.
    let postgres = ["UPDATE pg_index SET indisready = false WHERE indexrelid = 'idx_journal_entries_search'::regclass;
         UPDATE journal_entries SET content = content || ' later', entry_date = now() WHERE secret_tag_id IS NULL;
         UPDATE pg_index SET indisready = true WHERE indexrelid = 'idx_journal_entries_search'::regclass"];
    for world in worlds().await {
        for change in if is_sqlite(&world) { &sqlite[..] } else { &postgres[..] } {
            for statement in change.split(";\n") {
                world.execute(statement).await;
            }
            let findings = found(&world).await.findings;
            assert!(findings.iter().any(|one| one.kind == FindingKind::SearchIndex), "{change}: {findings:#?}");
            let mend = &findings.iter().find(|one| one.kind == FindingKind::SearchIndex).unwrap().mend;
            assert_eq!(mend, &["sotto db reindex"]);
            assert_eq!(reindex(world.url()).await.unwrap(), 6, "{change}");
            clean(&world).await;
        }
    }
}

/// The files have the modes that they keep after a time in which the database was read-only.
#[tokio::test]
async fn a_rebuild_sets_the_permissions_of_the_log_to_those_of_the_database() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    let world = World::sqlite().await;
    world.write(world.user().await, "word").await;
    let mode = |end: &str| {
        let file = format!("{}{end}", world.file().display());
        (fs::metadata(&file).unwrap().permissions().mode() & 0o777, file)
    };
    for end in ["-wal", "-shm"] {
        fs::set_permissions(mode(end).1, fs::Permissions::from_mode(0o400)).unwrap();
    }
    assert_eq!(reindex(world.url()).await.unwrap(), 1);
    for end in ["-wal", "-shm"] {
        assert_eq!(mode(end).0, mode("").0, "{end}");
    }
}

#[tokio::test]
async fn a_missing_search_index_cannot_be_rebuilt() {
    for world in worlds().await {
        let drop =
            if is_sqlite(&world) { "DROP TABLE journal_entries_fts" } else { "DROP INDEX idx_journal_entries_search" };
        world.execute(drop).await;
        assert!(matches!(reindex(world.url()).await, Err(IntegrityError::NoIndex(_))));
        // The missing table is a schema difference, which another check reports.
        clean(&world).await;
    }
}

/// Rows that were written while an index did not include new rows.
#[tokio::test]
async fn duplicates_under_a_key_are_found_on_postgres() {
    let [_, world] = worlds().await;
    for statement in [
        "UPDATE pg_index SET indisready = false WHERE indexrelid = 'idx_users_email'::regclass",
        "UPDATE users SET email = 'the-same@example.org'",
        "UPDATE pg_index SET indisready = true WHERE indexrelid = 'idx_users_email'::regclass",
    ] {
        world.execute(statement).await;
    }
    assert_eq!(names(&world).await, [(FindingKind::Duplicate, "idx_users_email".to_owned())]);
    world.execute("CREATE EXTENSION amcheck").await;
    let findings = found(&world).await.findings;
    let index = findings.iter().find(|one| one.kind == FindingKind::Damage && one.name == "idx_users_email");
    assert!(index.is_some_and(|one| one.mend[0].starts_with("REINDEX INDEX CONCURRENTLY")), "{findings:#?}");
}

#[tokio::test]
async fn an_index_that_lacks_rows_is_found_on_sqlite() {
    let [world, _] = worlds().await;
    let edit = |from: &str, to: &str| {
        format!(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = '{to}' WHERE sql = '{from}';
             PRAGMA writable_schema = RESET"
        )
    };
    let (whole, part) =
        ("CREATE INDEX idx_tags_user_id ON tags (user_id)", "CREATE INDEX idx_tags_user_id ON tags (user_id) WHERE 0");
    world.execute(&edit(whole, part)).await;
    world.execute("REINDEX idx_tags_user_id").await;
    world.execute(&edit(part, whole)).await;
    let findings = found(&world).await.findings;
    assert!(
        findings.iter().all(|one| one.name == "idx_tags_user_id" && one.kind == FindingKind::Damage),
        "{findings:#?}"
    );
    world.execute(&findings[0].mend.join("\n")).await;
    clean(&world).await;
}

#[tokio::test]
async fn a_damaged_page_is_a_finding_not_an_error() {
    use std::os::unix::fs::FileExt;
    let [world, _] = worlds().await;
    world.storage.close().await;
    let connection = rusqlite::Connection::open(world.file()).unwrap();
    let root: i64 = connection
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'journal_entries'", [], |row| row.get(0))
        .unwrap();
    drop(connection);
    let file = std::fs::OpenOptions::new().write(true).open(world.file()).unwrap();
    file.write_all_at(&[0xAB; 1024], (root.unsigned_abs() - 1) * 4096).unwrap();
    let findings = found(&world).await.findings;
    assert!(findings.iter().any(|one| one.kind == FindingKind::Damage), "{findings:#?}");
}

#[tokio::test]
async fn a_missing_database_is_an_error_and_is_not_created() {
    let scratch = Scratch::sqlite();
    assert!(matches!(check(&scratch.url).await, Err(IntegrityError::Unreadable { .. })));
    assert!(matches!(reindex(&scratch.url).await, Err(IntegrityError::Unreadable { .. })));
    let DatabaseUrl::Sqlite(path) = &scratch.url else { unreachable!() };
    assert!(!path.exists());
    std::fs::write(path, "no database, but a text that is long enough to be one, if only it began in the right way")
        .unwrap();
    let findings = check(&scratch.url).await.map(|found| found.findings);
    assert!(findings.is_err() || findings.unwrap().iter().any(|one| one.kind == FindingKind::Damage));
}

/// Checks and a rebuild run while a server writes: no call fails, and no entry is missing from the index afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_keeps_running_during_the_check() {
    for world in worlds().await {
        let user = world.user().await;
        let url = world.url().clone();
        let beside = tokio::spawn(async move {
            for _ in 0..3 {
                check(&url).await.unwrap();
                reindex(&url).await.ok();
            }
        });
        let mut written = 0;
        while !beside.is_finished() || written < 20 {
            world.write(user, &format!("written{written}")).await;
            written += 1;
        }
        beside.await.unwrap();
        reindex(world.url()).await.unwrap();
        clean(&world).await;
        assert_eq!(world.contents(user, &up_to(10)).await.len(), 10);
    }
}
