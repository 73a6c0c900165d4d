//! What only PostgreSQL knows of its health: half-made indexes, its own statistics, and statements timed by it.

use sotto_domain::EntryId;
use sotto_domain::account::UserQuery;
use sotto_domain::health::advice::{AdviceKind, advise, remarks};
use sotto_domain::health::{Snapshot, Thresholds, TimedBy};
use sotto_domain::storage::{Entries, Storage, Users};
use uuid::Uuid;

use super::{Journal, new_entry, now};
use crate::postgres::Postgres;

impl Journal {
    async fn snapshot(&self) -> Snapshot {
        self.storage.health().snapshot(now()).await.unwrap()
    }
}

#[tokio::test]
async fn an_index_whose_making_failed_is_invalid() {
    let journal = Journal::new().await;
    for number in [1, 2] {
        Entries::create(&journal.storage, journal.user, &new_entry(number, "the same"), now()).await.unwrap();
    }
    let sql = "CREATE UNIQUE INDEX CONCURRENTLY idx_planted_invalid ON journal_entries (user_id, content)";
    journal.admin.batch_execute(sql).await.unwrap_err();
    let snapshot = journal.snapshot().await;
    let index = snapshot.indexes.iter().find(|index| index.name == "idx_planted_invalid").unwrap();
    assert!(!index.valid);
    let advice = advise(&snapshot, &Thresholds::default());
    assert_eq!((advice[0].kind, advice[0].subject.as_str()), (AdviceKind::InvalidIndex, "idx_planted_invalid"));
    let command = advice[0].command.as_ref().unwrap();
    let (drop, _) = command.split_once("  --").unwrap();
    journal.admin.batch_execute(drop).await.unwrap();
    let advice = advise(&journal.snapshot().await, &Thresholds::default());
    assert!(!advice.iter().any(|one| one.kind == AdviceKind::InvalidIndex), "{advice:?}");
}

#[tokio::test]
async fn reads_are_counted_by_the_server() {
    let journal = Journal::new().await;
    let before = journal.snapshot().await;
    let reads = "SET enable_indexscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM users WHERE email = 'x';
                 SELECT count(*) FROM users WHERE email = 'x'; SET enable_indexscan = on; SET enable_seqscan = off;
                 SELECT count(*) FROM users WHERE email = 'x'; SELECT pg_stat_force_next_flush()";
    journal.admin.batch_execute(reads).await.unwrap();
    loop {
        let period = journal.snapshot().await.since(&before);
        let table = period.table("users").unwrap();
        let index = period.indexes.iter().find(|index| index.name == "idx_users_email").unwrap();
        if (table.scans, table.look_ups, index.scans) == (2, 1, 1) {
            break;
        }
        // Statistics arrive when a connection has nothing to do.
        journal.admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn constraints_that_nobody_enforces_are_told() {
    let journal = Journal::new().await;
    assert_eq!(journal.snapshot().await.damage, [""; 0]);
    journal
        .admin
        .batch_execute(
            "ALTER TABLE tags ADD CONSTRAINT ck_planted CHECK (name <> '') NOT VALID;
             ALTER TABLE reminders DISABLE TRIGGER ALL",
        )
        .await
        .unwrap();
    let damage = journal.snapshot().await.damage;
    assert_eq!(damage.len(), 2, "{damage:?}");
    assert!(damage[0].contains("ck_planted") && damage[1].contains("reminders"), "{damage:?}");
}

#[tokio::test]
async fn dead_rows_are_counted() {
    let journal = Journal::new().await;
    journal
        .admin
        .batch_execute(
            "CREATE TABLE bloated (id INTEGER, filling TEXT) WITH (autovacuum_enabled = off);
             INSERT INTO bloated SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) n;
             CREATE INDEX idx_bloated ON bloated (id); DELETE FROM bloated WHERE id % 2 = 0; ANALYZE bloated;
             SELECT pg_stat_force_next_flush()",
        )
        .await
        .unwrap();
    loop {
        let advice = advise(&journal.snapshot().await, &Thresholds::default());
        if let Some(bloat) = advice.iter().find(|one| one.kind == AdviceKind::TableBloat) {
            assert_eq!(bloat.command.as_deref(), Some("VACUUM (ANALYZE) bloated;"));
            break;
        }
        journal.admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let snapshot = journal.snapshot().await;
    let index = snapshot.indexes.iter().find(|index| index.name == "idx_bloated").unwrap();
    // Half of it is in use, in pages that are full by half.
    let packed = index.packed_bytes.unwrap();
    assert!(packed * 10 > index.bytes * 3 && packed * 10 < index.bytes * 7, "{packed} of {}", index.bytes);
}

/// The cluster of `make unit` has the library loaded; whether a database uses it is up to the extension.
#[tokio::test]
async fn statements_are_timed_by_the_extension_if_it_is_there() {
    let journal = Journal::new().await;
    let without = journal.snapshot().await;
    assert_eq!(without.timed_by, TimedBy::Sotto);
    assert!(remarks(&without).iter().any(|remark| remark.contains("CREATE EXTENSION pg_stat_statements")));

    journal
        .admin
        .batch_execute("CREATE SCHEMA \"Ex tra\"; CREATE EXTENSION pg_stat_statements SCHEMA \"Ex tra\"")
        .await
        .unwrap();
    let before = journal.snapshot().await;
    assert_eq!(
        before.timed_by,
        TimedBy::PgStatStatements,
        "the server has to be started with shared_preload_libraries=pg_stat_statements, as `make unit` does"
    );
    assert_eq!(before.since(&without).statements, [], "two that count differently are not compared");
    for _ in 0..5 {
        Entries::get(&journal.storage, journal.user, EntryId(Uuid::nil())).await.unwrap();
    }
    // What others run in the same database, with its literals.
    journal.admin.batch_execute("SELECT 'zanzibar', pg_sleep(0.12)").await.unwrap();
    journal.admin.batch_execute("CREATE ROLE sotto_planted PASSWORD 'quetzal'; DROP ROLE sotto_planted").await.unwrap();
    let period = journal.snapshot().await.since(&before);
    let get = period.statements.iter().find(|one| one.text.contains("FROM journal_entries e WHERE")).unwrap();
    assert_eq!((get.calls, get.rows), (5, Some(0)));
    let slow =
        advise(&period, &Thresholds::default()).into_iter().find(|one| one.kind == AdviceKind::SlowStatement).unwrap();
    assert!(slow.subject.contains("pg_sleep"), "{slow:?}");
    for statement in &period.statements {
        assert!(!statement.text.contains("zanzibar") && !statement.text.contains("quetzal"), "{statement:?}");
        assert!(!statement.text.contains("pg_stat"), "watching is not counted: {statement:?}");
    }
    assert!(!remarks(&period).iter().any(|remark| remark.contains("CREATE EXTENSION")));
    journal.admin.batch_execute("DROP EXTENSION pg_stat_statements").await.unwrap();
    assert_eq!(journal.snapshot().await.timed_by, TimedBy::Sotto);
}

/// Somebody without rights beyond their own database.
#[tokio::test]
async fn a_plain_user_sees_enough() {
    let journal = Journal::new().await;
    let role = format!("sotto_plain_{}", journal.url.rsplit('_').next().unwrap());
    journal
        .admin
        .batch_execute(&format!("CREATE ROLE {role} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"))
        .await
        .unwrap();
    let storage = Postgres::connect(&journal.url.replace("sotto@", &format!("{role}@"))).await.unwrap();
    Users::list(&storage, &UserQuery { limit: 1, ..UserQuery::default() }).await.unwrap();
    let snapshot = storage.health().snapshot(now()).await.unwrap();
    assert!(!snapshot.tables.is_empty() && !snapshot.indexes.is_empty() && !snapshot.statements.is_empty());
    storage.close().await;
    journal.admin.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}
