//! Failures in the middle of a run on real databases: each gives a clear error, and nothing is lost.

use tokio_postgres::Client;

use super::{Folder, Migrator, Target, assert_contains, both, connect, count, current, execute, sentence, target};
use crate::testing::{Scratch, dump, wait_until};
use crate::{DatabaseUrl, schema};

const NOTHING: &str = "-- loses: nothing";

/// Asserts that a failed run changed nothing, and that a correct file then succeeds.
async fn assert_unchanged(scratch: &Scratch, migrator: &Migrator, before: &str, at: &str) {
    assert_eq!(dump(&scratch.url), before);
    assert_eq!(current(migrator).await, at);
}

/// SQLite's own "database or disk is full": the file may not grow. It occurs in the same places as a full disk.
#[tokio::test]
async fn a_full_disk_rolls_back_the_run() {
    let scratch = Scratch::sqlite();
    let folder = Folder::with_three_revisions();
    let fill = "CREATE TABLE half (id INTEGER); PRAGMA max_page_count = 1;
        INSERT INTO half WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i FROM n;";
    folder.step("0004_fill", fill, &format!("{NOTHING}\n{fill}"));
    let migrator = folder.migrator(&scratch);
    migrator.upgrade(&target("2")).await.unwrap();
    let before = dump(&scratch.url);
    let refused = sentence(migrator.upgrade(&Target::Head).await);
    assert_contains(
        &refused,
        &["0004_fill.up.sql failed and was undone", "full", "free disk space", "at revision 0002_colors"],
    );
    assert_unchanged(&scratch, &migrator, &before, "0002_colors").await;

    folder.file("0004_fill.up.sql", "CREATE TABLE other (id INTEGER);");
    let migrator = folder.migrator(&scratch);
    migrator.upgrade(&Target::Head).await.unwrap();
    let before = dump(&scratch.url);
    let refused = sentence(migrator.downgrade(&Target::Base, true).await);
    assert_contains(&refused, &["0004_fill.down.sql failed and was undone", "full", "at revision 0004_fill"]);
    assert_unchanged(&scratch, &migrator, &before, "0004_fill").await;
}

/// A server that may write no temporary file stands for one with a full disk: the statement fails half-way.
#[tokio::test]
async fn a_server_without_disk_space_rolls_back_the_step() {
    let scratch = Scratch::postgres().await;
    let folder = Folder::with_three_revisions();
    let sort = "SET LOCAL temp_file_limit = 0; SET LOCAL work_mem = '64kB'; CREATE TABLE half AS SELECT n FROM generate_series(1, 100000) n ORDER BY md5(n::text);";
    folder.step("0004_sort", sort, &format!("{NOTHING}\n{sort}"));
    let migrator = folder.migrator(&scratch);
    migrator.upgrade(&target("3")).await.unwrap();
    let before = dump(&scratch.url);
    let refused = sentence(migrator.upgrade(&Target::Head).await);
    assert_contains(&refused, &["0004_sort.up.sql failed and was undone", "temp_file_limit", "Free disk space"]);
    assert_unchanged(&scratch, &migrator, &before, "0003_places").await;

    folder.file("0004_sort.up.sql", "CREATE TABLE other (id INTEGER);");
    let migrator = folder.migrator(&scratch);
    migrator.upgrade(&Target::Head).await.unwrap();
    let before = dump(&scratch.url);
    let refused = sentence(migrator.downgrade(&target("-1"), true).await);
    assert_contains(&refused, &["0004_sort.down.sql failed and was undone", "at revision 0004_sort"]);
    assert_unchanged(&scratch, &migrator, &before, "0004_sort").await;
}

#[tokio::test]
async fn a_lost_connection_rolls_back_the_step() {
    let scratch = Scratch::postgres().await;
    let folder = Folder::with_three_revisions();
    folder.file("0003_places.up.sql", "CREATE TABLE places (id INTEGER); SELECT pg_advisory_xact_lock(42);");
    folder.file("0003_places.down.sql", "-- loses: places\nDROP TABLE places; SELECT pg_advisory_xact_lock(42);");
    let migrator = folder.migrator(&scratch);
    migrator.upgrade(&target("2")).await.unwrap();
    let admin = connect(&scratch.url).await.unwrap();
    for (up, file) in [(true, "0003_places.up.sql"), (false, "0003_places.down.sql")] {
        let (before, at) = (dump(&scratch.url), current(&migrator).await);
        admin.execute("SELECT pg_advisory_lock(42)", &[]).await.unwrap();
        let run = tokio::spawn({
            let migrator = migrator.clone();
            async move {
                if up { migrator.upgrade(&Target::Head).await } else { migrator.downgrade(&target("2"), true).await }
            }
        });
        // A down migration first runs on temporary tables, on a separate connection.
        wait_until("the run fails", async || {
            terminate_waiting_connection(&admin).await;
            run.is_finished()
        })
        .await;
        let refused = sentence(run.await.unwrap());
        assert_contains(&refused, &[file, "failed and was undone", "terminating connection", &at]);
        admin.execute("SELECT pg_advisory_unlock(42)", &[]).await.unwrap();
        assert_unchanged(&scratch, &migrator, &before, &at).await;
        if up {
            migrator.upgrade(&Target::Head).await.unwrap();
        } else {
            migrator.downgrade(&target("2"), true).await.unwrap();
        }
    }
}

/// Terminates the connection that waits for the lock 42, if there is one.
async fn terminate_waiting_connection(admin: &Client) {
    let cut =
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    admin.query(cut, &[]).await.unwrap();
}

#[tokio::test]
async fn a_read_only_server_is_unchanged() {
    let scratch = Scratch::postgres().await;
    let migrator = Folder::with_three_revisions().migrator(&scratch);
    migrator.upgrade(&target("2")).await.unwrap();
    let before = dump(&scratch.url);
    set(&scratch, "default_transaction_read_only = on").await;
    for refused in [
        migrator.upgrade(&Target::Head).await,
        migrator.downgrade(&Target::Base, true).await,
        migrator.stamp(&Target::Head).await,
    ] {
        assert_contains(&sentence(refused), &["cannot be used", "does not allow writes"]);
    }
    assert_eq!(dump(&scratch.url), before);
}

/// Roles with few permissions: one may create nothing, one may only read.
#[tokio::test]
async fn a_user_without_permission_gets_advice() {
    let scratch = Scratch::postgres().await;
    let DatabaseUrl::Postgres(address) = &scratch.url else { unreachable!("it is PostgreSQL") };
    let (_, name) = address.rsplit_once('/').unwrap();
    let (role, owner) = (name.replace("test", "role"), address.split(['/', '@']).nth(2).unwrap());
    execute(&scratch, &format!("CREATE ROLE {role} LOGIN; REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")).await;
    let guest: DatabaseUrl = address.replacen(&format!("{owner}@"), &format!("{role}@"), 1).parse().unwrap();
    let folder = Folder::with_three_revisions();
    let migrator = Migrator::with_directory(&guest, folder.0.path()).unwrap();
    assert_contains(
        &sentence(migrator.upgrade(&Target::Head).await),
        &["has no permission to use", "permission denied for schema", "as the owner"],
    );
    assert!(schema::read(&scratch.url).await.unwrap().tables.is_empty());
    // The role may read, but cannot try which locks would be taken.
    let rehearsal = migrator.rehearse_upgrade(&Target::Head).await.unwrap();
    assert!(
        matches!(&rehearsal.steps[0].locks, crate::migrate::Locks::Unknown(reason) if reason.contains("permission"))
    );

    folder.migrator(&scratch).upgrade(&target("2")).await.unwrap();
    assert_contains(&sentence(migrator.upgrade(&Target::Head).await), &["permission denied", "as the owner"]);
    execute(&scratch, &format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")).await;
    let before = dump(&scratch.url);
    let refused = sentence(migrator.upgrade(&Target::Head).await);
    assert_contains(
        &refused,
        &["has no permission to use the database", "permission denied for schema", "as the owner"],
    );
    let refused = sentence(migrator.downgrade(&target("1"), true).await);
    assert_contains(&refused, &["0002_colors.down.sql failed and was undone", "must be owner", "as the owner"]);
    assert_eq!(dump(&scratch.url), before);
    execute(&scratch, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// An upgrade and a downgrade at the same time run one after the other, in either order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_and_a_downgrade_run_one_after_the_other() {
    for scratch in both().await {
        let migrator = Folder::with_three_revisions().migrator(&scratch);
        migrator.upgrade(&target("2")).await.unwrap();
        let (up, down) = (migrator.clone(), migrator.clone());
        let up = tokio::spawn(async move { up.upgrade(&Target::Head).await.unwrap() });
        let down = tokio::spawn(async move { down.downgrade(&target("1"), true).await.unwrap() });
        let (up, down) = (up.await.unwrap(), down.await.unwrap());
        let end = if up.from == "0001_notes" { "0003_places" } else { "0001_notes" };
        assert_eq!(current(&migrator).await, end);
        assert_eq!((up.to.as_str(), down.to.as_str()), ("0003_places", "0001_notes"));
        let tables = schema::read(&scratch.url).await.unwrap().tables;
        assert_eq!(tables.contains_key("places"), end == "0003_places");
        assert_eq!(count(&scratch, "notes").await, 2);
    }
}

/// Sets a parameter for new connections.
async fn set(scratch: &Scratch, setting: &str) {
    let DatabaseUrl::Postgres(address) = &scratch.url else { unreachable!("it is PostgreSQL") };
    let (_, name) = address.rsplit_once('/').unwrap();
    execute(scratch, &format!("ALTER DATABASE {name} SET {setting}")).await;
}
