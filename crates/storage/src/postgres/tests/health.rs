//! Health checks that only PostgreSQL has: half-built indexes, its own statistics, and statements that it has timed.

use sotto_domain::EntryId;
use sotto_domain::account::UserQuery;
use sotto_domain::health::advice::{AdviceKind, advise, remarks};
use sotto_domain::health::{Snapshot, Thresholds, TimedBy};
use sotto_domain::storage::{Entries, Health, Storage, Users};
use uuid::Uuid;

use super::{Journal, new_entry, now};
use crate::postgres::Postgres;
use crate::testing::{wait_for, wait_until};

impl Journal {
    async fn snapshot(&self) -> Snapshot {
        self.storage.snapshot(now()).await.unwrap()
    }
}

#[tokio::test]
async fn a_failed_concurrent_index_is_invalid() {
    let journal = Journal::new().await;
    for number in [1, 2] {
        Entries::create(&journal.storage, journal.user, &new_entry(number, "the same"), None, now()).await.unwrap();
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
    wait_until("the statistics count two scans and one look-up", async || {
        // PostgreSQL updates its statistics when a connection is idle.
        journal.admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
        let period = journal.snapshot().await.since(&before);
        let table = period.table("users").unwrap();
        let index = period.indexes.iter().find(|index| index.name == "idx_users_email").unwrap();
        (table.scans, table.look_ups, index.scans) == (2, 1, 1)
    })
    .await;
}

#[tokio::test]
async fn unenforced_constraints_are_reported() {
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
async fn orphans_are_found_within_an_hour() {
    let journal = Journal::new().await;
    Entries::create(&journal.storage, journal.user, &new_entry(1, "text"), None, now()).await.unwrap();
    let damage_at = async |seconds: i64| journal.storage.snapshot(now().plus_seconds(seconds)).await.unwrap().damage;
    assert_eq!(damage_at(0).await, [""; 0]);
    journal
        .admin
        .batch_execute(
            "SET session_replication_role = replica; DELETE FROM users; SELECT pg_stat_force_next_flush(); SELECT 1",
        )
        .await
        .unwrap();
    assert_eq!(damage_at(3599).await, [""; 0]);
    let mut seconds = 3600;
    let damage = wait_for("an inspection finds the orphan", async || {
        let damage = damage_at(seconds).await;
        if !damage.is_empty() {
            return Some(damage);
        }
        // PostgreSQL updates its statistics when a connection is idle.
        journal.admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
        seconds += 3600;
        None
    })
    .await;
    assert!(damage[0].contains("fk_journal_entries_user") && damage[0].contains(": 1."), "{damage:?}");
    // The result is reused while the tables are not written to.
    assert_eq!(damage_at(seconds + 3600).await, damage);
}

/// If several servers share a database, one inspects it. The others name this server and report its findings; when it
/// ends, another one takes over.
#[tokio::test]
async fn one_server_inspects_and_the_others_report_its_findings() {
    let journal = Journal::new().await;
    Entries::create(&journal.storage, journal.user, &new_entry(1, "text"), None, now()).await.unwrap();
    let second = Postgres::connect(&journal.url).await.unwrap();
    let third = Postgres::connect(&journal.url).await.unwrap();
    let at = async |storage: &Postgres, seconds: i64| storage.snapshot(now().plus_seconds(seconds)).await.unwrap();
    let another_server_inspects =
        |snapshot: &Snapshot| snapshot.notes.iter().any(|note| note.contains("by another server"));
    let first = at(&journal.storage, 0).await;
    assert!(!another_server_inspects(&first) && first.inspected_at == Some(now()), "{first:?}");
    for storage in [&second, &third] {
        let other = at(storage, 0).await;
        assert!(another_server_inspects(&other) && other.inspected_at.is_some(), "{:?}", other.notes);
    }
    let break_it =
        "SET session_replication_role = replica; DELETE FROM users; SELECT pg_stat_force_next_flush(); SELECT 1";
    journal.admin.batch_execute(break_it).await.unwrap();
    let mut seconds = 3600;
    // PostgreSQL updates its statistics when a connection is idle.
    wait_until("the first server finds the orphan", async || {
        seconds += 3600;
        journal.admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
        !at(&journal.storage, seconds).await.damage.is_empty()
    })
    .await;
    for storage in [&second, &third] {
        let damage = at(storage, seconds).await.damage;
        assert!(
            damage
                .iter()
                .any(|finding| finding.contains("Another server has found rows that break the foreign key fk_"))
        );
        assert!(damage.iter().any(|finding| finding.contains("fk_journal_entries_user")), "{damage:?}");
    }

    journal.storage.close().await;
    wait_until("the second server inspects the database", async || {
        !another_server_inspects(&at(&second, seconds).await)
    })
    .await;
    let own = at(&second, seconds).await;
    assert!(
        own.damage.iter().any(|finding| finding.contains("fk_journal_entries_user") && finding.contains(": 1.")),
        "{own:?}"
    );
    assert!(another_server_inspects(&at(&third, seconds).await));

    // Repaired damage is no longer reported.
    journal.admin.batch_execute("DELETE FROM journal_entries; SELECT pg_stat_force_next_flush()").await.unwrap();
    wait_until("the second server finds no damage", async || {
        seconds += 3600;
        journal.admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
        at(&second, seconds).await.damage.is_empty()
    })
    .await;
    assert_eq!(at(&third, seconds).await.damage, [""; 0]);
    second.close().await;
    third.close().await;
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
    let bloat = wait_for("the advice names a bloated table", async || {
        journal.admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
        let advice = advise(&journal.snapshot().await, &Thresholds::default());
        advice.into_iter().find(|one| one.kind == AdviceKind::TableBloat)
    })
    .await;
    assert_eq!(bloat.command.as_deref(), Some("VACUUM (ANALYZE) bloated;"));
    let snapshot = journal.snapshot().await;
    let index = snapshot.indexes.iter().find(|index| index.name == "idx_bloated").unwrap();
    // Half of the index is in use, on half-full pages.
    let packed = index.packed_bytes.unwrap();
    assert!(packed * 10 > index.bytes * 3 && packed * 10 < index.bytes * 7, "{packed} of {}", index.bytes);
}

/// The cluster of `make unit` loads the library; a database uses it only if the extension is created.
#[tokio::test]
async fn statements_are_timed_by_the_extension_if_installed() {
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
    // Statements of another user in the same database, which contain literals.
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

/// A user without rights beyond their own database.
#[tokio::test]
async fn an_unprivileged_role_sees_enough() {
    let journal = Journal::new().await;
    let role = format!("sotto_plain_{}", journal.url.rsplit('_').next().unwrap());
    journal
        .admin
        .batch_execute(&format!("CREATE ROLE {role} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"))
        .await
        .unwrap();
    let storage = Postgres::connect(&journal.url.replace("sotto@", &format!("{role}@"))).await.unwrap();
    Users::list(&storage, &UserQuery { limit: 1, ..UserQuery::default() }).await.unwrap();
    let snapshot = storage.snapshot(now()).await.unwrap();
    assert!(!snapshot.tables.is_empty() && !snapshot.indexes.is_empty() && !snapshot.statements.is_empty());
    storage.close().await;
    journal.admin.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}

/// The queries of `docs/monitoring.md` run as printed, and detect what they are meant to detect.
#[tokio::test]
async fn the_documented_queries_run() {
    const PAGE: &str = include_str!("../../../../../docs/monitoring.md");
    let queries: Vec<&str> = PAGE.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [slow, unused] = queries[..] else { panic!("two queries, and not {}", queries.len()) };
    let journal = Journal::new().await;
    journal.admin.batch_execute("CREATE EXTENSION pg_stat_statements").await.unwrap();
    Entries::create(&journal.storage, journal.user, &new_entry(1, "the same"), None, now()).await.unwrap();

    let rows = journal.admin.query(slow, &[]).await.unwrap();
    let found = rows.iter().find(|row| row.get::<_, String>("query").starts_with("INSERT INTO journal_entries"));
    let found = found.expect("the statement that stores an entry is listed");
    assert!(found.get::<_, i64>("calls") > 0 && found.get::<_, f64>("mean_exec_time") > 0.0);
    let times: Vec<f64> = rows.iter().map(|row| row.get("mean_exec_time")).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");

    journal.admin.batch_execute("CREATE INDEX idx_planted_unused ON journal_entries (title)").await.unwrap();
    let rows = journal.admin.query(unused, &[]).await.unwrap();
    let names = |column: &str| rows.iter().map(|row| row.get::<_, String>(column)).collect::<Vec<_>>();
    let place = names("indexname").iter().position(|name| name == "idx_planted_unused");
    assert_eq!(names("tablename")[place.expect("an index that nothing has read is listed")], "journal_entries");
}
