//! Tests of the health information that only SQLite has to derive by itself.

use sotto_domain::account::{Administered, Email};
use sotto_domain::health::advice::{AdviceKind, advise};
use sotto_domain::health::{Snapshot, Thresholds};

use crate::conformance::world::{World, at, up_to};

async fn snapshot(world: &World, seconds: i64) -> Snapshot {
    world.health().snapshot(at(seconds)).await.unwrap()
}

fn scans(snapshot: &Snapshot, index: &str) -> u64 {
    snapshot.indexes.iter().find(|one| one.name == index).map_or(0, |index| index.scans)
}

#[tokio::test]
async fn reads_are_counted_by_plan() {
    let world = World::sqlite().await;
    let user = world.user().await;
    for number in 0..50 {
        world.write(user, &number.to_string()).await;
    }
    let first = snapshot(&world, 0).await;
    for _ in 0..10 {
        world.entries().list(user, &up_to(5)).await.unwrap();
    }
    let second = snapshot(&world, 60).await;
    let period = second.since(&first);
    let table = period.table("journal_entries").unwrap();
    assert_eq!((table.rows, table.scans, table.look_ups), (50, 0, 10));
    assert_eq!(scans(&period, "idx_journal_entries_user_date"), 10);
    assert_eq!(scans(&period, "idx_journal_entries_user_day"), 0);

    // A later change of the plan does not change past counts.
    world.execute("DROP INDEX idx_journal_entries_user_date").await;
    let third = snapshot(&world, 120).await;
    assert_eq!(third.table("journal_entries"), second.table("journal_entries"));
}

#[tokio::test]
async fn a_full_table_scan_is_counted_as_a_scan() {
    let world = World::sqlite().await;
    for _ in 0..49 {
        world.user().await;
    }
    let last = world.user().await;
    let email = Email::parse("user-49@example.org").unwrap();
    world.execute("DROP INDEX idx_users_email").await;
    let before = snapshot(&world, 0).await;
    for _ in 0..3 {
        world.users().credentials(&email).await.unwrap();
        // A look-up by id uses an index.
        world.users().get(last).await.unwrap();
    }
    let period = snapshot(&world, 60).await.since(&before);
    let table = period.table("users").unwrap();
    assert_eq!(table.scanned_rows, 3 * 49, "{:#?}", period.statements);
    // A connection that does not yet know that the index was dropped starts the statement twice.
    assert!((3..=6).contains(&table.scans) && (3..=6).contains(&table.look_ups), "{table:?} {:#?}", period.statements);
    let scanning: Vec<_> = period.statements.iter().filter(|statement| !statement.scans.is_empty()).collect();
    assert_eq!(scanning.len(), 1, "{scanning:?}");
    assert!(scanning[0].text.contains("WHERE email"), "{scanning:?}");
    let advice = advise(&period, &Thresholds { big_table_rows: 10, ..Thresholds::default() });
    let advice = advice.iter().find(|one| one.kind == AdviceKind::TableScan).unwrap();
    assert!(advice.what.contains(&scanning[0].text), "{advice:?}");
}

#[tokio::test]
async fn damage_is_checked_again_after_an_hour() {
    let world = World::sqlite().await;
    let user = world.user().await;
    world.write(user, "text").await;
    assert_eq!(snapshot(&world, 0).await.damage, [""; 0]);
    let connection = rusqlite::Connection::open(world.file()).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection.execute("DELETE FROM users", []).unwrap();
    assert_eq!(snapshot(&world, 3599).await.damage, [""; 0]);
    let damage = snapshot(&world, 3601).await.damage;
    assert_eq!(damage, ["In journal_entries, references to rows of users that do not exist: 1."]);
}

/// A failing disk changes bytes without a commit.
#[tokio::test]
async fn an_unchanged_file_is_checked_again_after_a_day() {
    const DAY: i64 = 24 * 3600;
    let world = World::sqlite().await;
    let user = world.user().await;
    world.write(user, "text").await;
    world.storage.close().await;
    let world = Opened(world.open_again().await, world);
    assert_eq!(world.snapshot(0).await.damage, [""; 0]);
    damage(world.1.file());
    assert_eq!(world.snapshot(DAY - 1).await.damage, [""; 0]);
    let damage = world.snapshot(DAY).await.damage;
    assert!(damage[0].starts_with("The file is damaged"), "{damage:?}");
    // The clock is set back.
    assert!(!world.snapshot(-10 * 365 * DAY).await.damage.is_empty());
}

#[tokio::test]
async fn an_emptied_search_index_is_reported() {
    let world = World::sqlite().await;
    let user = world.user().await;
    world.write(user, "text").await;
    world.execute("INSERT INTO journal_entries_fts (journal_entries_fts) VALUES ('delete-all')").await;
    let damage = snapshot(&world, 0).await.damage;
    assert!(damage.len() == 1 && damage[0].contains("entries that are not in it: 1"), "{damage:?}");
    assert!(damage[0].contains("sotto db reindex"), "{damage:?}");
}

#[tokio::test]
async fn concurrent_snapshots_share_an_inspection() {
    let world = World::sqlite().await;
    world.user().await;
    let storage = world.storage.clone();
    let snapshots = crate::conformance::world::at_once(8, |_| {
        let storage = storage.clone();
        async move { storage.health().snapshot(at(0)).await.unwrap() }
    })
    .await;
    for one in snapshots {
        assert!(one.table("users").unwrap().bytes > 0 && one.damage.is_empty(), "{one:?}");
    }
}

/// A world with a reopened database.
struct Opened(std::sync::Arc<dyn sotto_domain::storage::Storage>, World);

impl Opened {
    async fn snapshot(&self, seconds: i64) -> Snapshot {
        self.0.health().snapshot(at(seconds)).await.unwrap()
    }
}

/// Overwrites the second half of the first page of the index on users' addresses.
fn damage(path: &std::path::Path) {
    use std::os::unix::fs::FileExt;
    let connection = rusqlite::Connection::open(path).unwrap();
    let (root, size): (u64, u64) = connection
        .query_row(
            "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'idx_users_email'",
            [],
            |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs())),
        )
        .unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[0xAB; 512], (root - 1) * size).unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_reported_without_its_content() {
    let world = World::sqlite().await;
    let user = world.user().await;
    world.write(user, "zanzibar").await;
    let connection = rusqlite::Connection::open(world.file()).unwrap();
    // The index loses an entry that its table has.
    connection.pragma_update(None, "writable_schema", true).unwrap();
    connection
        .execute("UPDATE sqlite_schema SET sql = sql || ' WHERE 0' WHERE name = 'idx_journal_entries_user_day'", [])
        .unwrap();
    connection.pragma_update(None, "writable_schema", false).unwrap();
    let version: i64 = connection.query_row("PRAGMA schema_version", [], |row| row.get(0)).unwrap();
    connection.pragma_update(None, "schema_version", version + 1).unwrap();
    drop(connection);
    let connection = rusqlite::Connection::open(world.file()).unwrap();
    connection.execute("REINDEX idx_journal_entries_user_day", []).unwrap();
    connection.pragma_update(None, "writable_schema", true).unwrap();
    connection
        .execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ' WHERE 0', '') WHERE name = 'idx_journal_entries_user_day'",
            [],
        )
        .unwrap();
    connection.pragma_update(None, "schema_version", version + 2).unwrap();
    drop(connection);
    let damage = snapshot(&world, 0).await.damage;
    assert!(damage.iter().any(|one| one.contains("idx_journal_entries_user_day")), "{damage:?}");
    assert!(!damage.iter().any(|one| one.contains("zanzibar")), "{damage:?}");
}

#[tokio::test]
async fn space_of_deleted_entries_is_reported() {
    let world = World::sqlite().await;
    let user = world.user().await;
    let text = "text ".repeat(50_000);
    for _ in 0..60 {
        world.write(user, &text).await;
    }
    assert_eq!(world.users().delete(user).await.unwrap(), Administered::Done(()));
    let snapshot = snapshot(&world, 0).await;
    assert!(snapshot.free_bytes > 8 << 20, "{}", snapshot.free_bytes);
    let advice = advise(&snapshot, &Thresholds::default());
    let bloat = advice.iter().find(|one| one.kind == AdviceKind::TableBloat).unwrap();
    assert_eq!(bloat.command.as_deref(), Some("VACUUM;"));
}
