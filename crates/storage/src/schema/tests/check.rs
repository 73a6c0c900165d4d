//! Checks of databases that were changed by hand, and of databases that cannot be checked.

use super::Database;
use crate::DatabaseUrl;
use crate::migrate::{self, MigrateError, Migrator, Target, postgres::connect};
use crate::schema::scratch::{Sql, schema_after};
use crate::schema::{self, CheckError, Report, SchemaError};
use crate::testing::{Scratch, wait_until};

async fn check(url: &DatabaseUrl) -> Result<Report, CheckError> {
    schema::check(url, &Migrator::new(url).unwrap()).await
}

#[tokio::test]
async fn a_migrated_database_is_clean() {
    for database in Database::both().await {
        let report = check(&database.scratch.url).await.unwrap();
        assert!(report.is_clean(), "{report:?}");
        let history = Migrator::new(&database.scratch.url).unwrap().history().await.unwrap();
        assert_eq!(report.revision, history.last().unwrap().revision);
    }
}

/// Each change with the difference that it causes.
#[tokio::test]
async fn manual_changes_are_named() {
    let common = [
        ("DROP INDEX idx_tags_user_id", "index idx_tags_user_id of tags: expected (user_id), found nothing"),
        (
            "CREATE INDEX idx_tags_user_id ON tags (user_id, color)",
            "index idx_tags_user_id of tags: expected (user_id), found (user_id, color)",
        ),
        (
            "CREATE INDEX idx_tags_color ON tags (color) WHERE color IS NOT NULL",
            "index idx_tags_color of tags: expected nothing, found (color) WHERE color IS NOT NULL",
        ),
        ("ALTER TABLE tags ADD COLUMN note TEXT", "column note of tags: expected nothing, found TEXT"),
        ("DROP TABLE opaque_sessions", "table opaque_sessions: expected a table of 9 columns, found nothing"),
        ("CREATE TABLE moods (name TEXT)", "table moods: expected nothing, found a table of 1 column"),
        (
            "ALTER TABLE users RENAME COLUMN avatar_url TO picture",
            "column avatar_url of users: expected TEXT, found nothing",
        ),
        ("CREATE VIEW names AS SELECT name FROM tags", "view names: expected nothing, found "),
    ];
    let sqlite = [
        (
            "DROP TRIGGER journal_entries_search_insert",
            "trigger journal_entries_search_insert of journal_entries: expected CREATE TRIGGER",
        ),
        (
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name = 'reminders'",
            "table reminders: expected STRICT, found a plain table",
        ),
    ];
    let postgres = [
        (
            "ALTER TABLE reminders ALTER COLUMN title DROP NOT NULL",
            "column title of reminders: expected TEXT NOT NULL, found TEXT",
        ),
        (
            "ALTER TABLE reminders DROP CONSTRAINT ck_reminders_frequency",
            "check ck_reminders_frequency of reminders: expected (",
        ),
    ];
    for database in Database::both().await {
        for (change, expected) in common.into_iter().chain(if database.is_sqlite() { sqlite } else { postgres }) {
            database.batch(change).await;
            let found = check(&database.scratch.url).await.unwrap().differences;
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected}: {lines:#?}");
        }
    }
}

#[tokio::test]
async fn an_unknown_state_is_not_reported_as_clean() {
    for scratch in [Scratch::sqlite(), Scratch::postgres().await] {
        let nothing = check(&scratch.url).await.unwrap_err();
        assert!(
            matches!(nothing, CheckError::Migrate(MigrateError::Missing { .. } | MigrateError::Empty { .. })),
            "{nothing}"
        );
        migrate::upgrade(&scratch.url).await.unwrap();
        let insert =
            "INSERT INTO schema_migrations (version, name, up_checksum, down_checksum) VALUES (9000, 'later', '', '')";
        match &scratch.url {
            DatabaseUrl::Sqlite(path) => rusqlite::Connection::open(path).unwrap().execute_batch(insert).unwrap(),
            url @ DatabaseUrl::Postgres(_) => connect(url).await.unwrap().batch_execute(insert).await.unwrap(),
        }
        let unknown = check(&scratch.url).await.unwrap_err().to_string();
        assert!(unknown.contains("cannot be checked") && unknown.contains("9000_later"), "{unknown}");
    }
}

#[tokio::test]
async fn concurrent_checks_do_not_affect_each_other() {
    let scratch = Scratch::postgres().await;
    migrate::upgrade(&scratch.url).await.unwrap();
    let checks = (0..8).map(|_| {
        let url = scratch.url.clone();
        tokio::spawn(async move { check(&url).await.unwrap() })
    });
    for report in checks.collect::<Vec<_>>() {
        assert!(report.await.unwrap().is_clean());
    }
}

/// Neither a check nor one that is cut off in the middle leaves a trace.
#[tokio::test]
async fn a_check_changes_nothing_on_the_server() {
    let scratch = Scratch::postgres().await;
    migrate::upgrade(&scratch.url).await.unwrap();
    let before = schema::read(&scratch.url).await.unwrap();
    assert!(check(&scratch.url).await.unwrap().is_clean());
    let client = connect(&scratch.url).await.unwrap();
    client.execute("SELECT pg_advisory_lock(42)", &[]).await.unwrap();
    let cut_off = tokio::spawn({
        let url = scratch.url.clone();
        let waits = "CREATE TABLE half (id INTEGER); SELECT pg_advisory_xact_lock(42)";
        async move { schema_after(&url, vec![Sql { file: "waits".into(), text: waits.into() }]).await }
    });
    let others = async |state: &str| {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND {state}"
        );
        client.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0)
    };
    wait_until("the check waits for the lock", async || others("wait_event = 'advisory'").await > 0).await;
    cut_off.abort();
    client.execute("SELECT pg_advisory_unlock(42)", &[]).await.unwrap();
    wait_until("the connection of the check is closed", async || others("backend_type = 'client backend'").await == 0)
        .await;
    let left = client.query_one("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'sotto%'", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 0);
    assert_eq!(before.differences(&schema::read(&scratch.url).await.unwrap()), []);
}

#[tokio::test]
async fn a_role_without_permission_gets_an_explanation() {
    let scratch = Scratch::postgres().await;
    migrate::upgrade(&scratch.url).await.unwrap();
    let DatabaseUrl::Postgres(address) = &scratch.url else { unreachable!() };
    let (_, name) = address.rsplit_once('/').unwrap();
    // Roles are the cluster's, so this one is named after the database, and goes with it.
    let role = format!("{name}_reader");
    let client = connect(&scratch.url).await.unwrap();
    let grant = format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    client.batch_execute(&grant).await.unwrap();
    let (_, host) = address.split_once('@').unwrap();
    let refused = check(&DatabaseUrl::Postgres(format!("postgres://{role}@{host}"))).await;
    client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
    let refused = refused.unwrap_err();
    assert!(matches!(refused, CheckError::Schema(SchemaError::NotAllowed { .. })), "{refused}");
    assert!(refused.to_string().contains("permission denied") && refused.to_string().contains("Grant it"), "{refused}");
}

/// A database that is behind is compared with the revision that it is at.
#[tokio::test]
async fn an_older_revision_is_compared_with_its_own_migrations() {
    for scratch in [Scratch::sqlite(), Scratch::postgres().await] {
        let folder = tempfile::TempDir::new().unwrap();
        for engine in ["sqlite", "postgres"] {
            let path = folder.path().join(engine);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("0001_a.up.sql"), "CREATE TABLE a (id INTEGER);").unwrap();
            std::fs::write(path.join("0001_a.down.sql"), "-- loses: a\nDROP TABLE a;").unwrap();
            let (mark, concurrently) =
                if engine == "sqlite" { ("", "") } else { ("-- no-transaction\n", "CONCURRENTLY") };
            let up = format!("{mark}CREATE INDEX {concurrently} idx_a_id ON a (id);");
            std::fs::write(path.join("0002_b.up.sql"), up).unwrap();
            std::fs::write(path.join("0002_b.down.sql"), "-- loses: nothing\nDROP INDEX idx_a_id;").unwrap();
        }
        let migrator = Migrator::with_directory(&scratch.url, folder.path()).unwrap();
        for (target, revision) in [("1", "0001_a"), ("2", "0002_b")] {
            migrator.upgrade(&target.parse::<Target>().unwrap()).await.unwrap();
            let report = schema::check(&scratch.url, &migrator).await.unwrap();
            assert_eq!((report.revision.as_str(), report.differences), (revision, vec![]), "{}", scratch.url);
        }
    }
}
