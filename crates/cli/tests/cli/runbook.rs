//! Runs the commands of `docs/runbook.md`, each section in the situation that it describes.

use std::fs;

use crate::documents::{self, contents};
use crate::program::{Finished, Home, PASSWORD, RunningServer};
use crate::recordings::{play, recorded, with_store};

const RUNBOOK: &str = include_str!("../../../../docs/runbook.md");

/// The migration of the next version, a table with rows.
const MOODS: [(&str, &str); 2] = [
    ("0007_add_moods.up.sql", "CREATE TABLE moods (id INTEGER NOT NULL PRIMARY KEY);\nINSERT INTO moods VALUES (1);\n"),
    ("0007_add_moods.down.sql", "-- loses: moods\nDROP TABLE moods;\n"),
];

/// The tested sections, so that no section with commands lacks a test.
const TESTED: [&str; 11] = [
    "Bad deploy, SQLite: one step back",
    "Bad deploy, SQLite: back to the copy",
    "Bad deploy, PostgreSQL",
    "Half-applied upgrade",
    "INVALID index, PostgreSQL",
    "Lost data",
    "Edited migration",
    "Database newer than the program",
    "No backup for too long",
    "By hand: PostgreSQL",
    "By hand: SQLite",
];

fn sections() -> Vec<(&'static str, Vec<&'static str>)> {
    documents::sections(RUNBOOK, "\n## ")
}

#[test]
fn every_section_with_commands_is_tested() {
    assert_eq!(sections().into_iter().map(|(title, _)| title).collect::<Vec<_>>(), TESTED);
}

/// Runs the commands of a section as a script that stops at the first failure. `sotto` is the tested program with these
/// migrations, which stands for a future version.
fn follow(home: &Home, title: &str, migrations: &str) -> Finished {
    let real = documents::program(home);
    documents::tool(
        home,
        "sotto",
        &format!(
            "case $1 in db | backup | restore) set -- \"$@\" --migrations '{migrations}' ;; esac\nexec '{real}' \"$@\""
        ),
    );
    documents::tool(home, "systemctl", "exit 0");
    let (_, blocks) = sections().into_iter().find(|(found, _)| *found == title).unwrap();
    documents::run(home, &blocks.concat())
}

/// Creates an account, and upgrades the database as the next version would.
fn upgraded(home: &Home) -> String {
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], "correct horse battery\n").ok();
    let migrations = home.migrations(&MOODS);
    home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
    assert!(home.run(&["user", "list"]).refused().contains("does not know"));
    migrations
}

/// Asserts that this version works with the database, and the account exists.
#[track_caller]
fn is_back(home: &Home) {
    assert!(home.run(&["db", "current"]).ok().contains("the database is up to date"));
    assert!(home.run(&["user", "list"]).ok().contains("ada@example.org"));
}

/// A database that the next version has upgraded, with recordings outside of the data folder.
struct Deployed {
    home: Home,
    migrations: String,
    /// The path of a recording from before the upgrade.
    audio: String,
}

impl Deployed {
    async fn on(home: Home) -> Self {
        let home = with_store(home);
        let server = RunningServer::start(&home, &[]);
        let token = server.person("ada@example.org").await;
        let audio = recorded(&server, &token, 1).await;
        server.stop();
        let migrations = home.migrations(&MOODS);
        home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
        home.run(&["serve", "--listen", "127.0.0.1:0"]).refused();
        Self { home, migrations, audio }
    }

    /// Asserts that the account and the recording exist.
    async fn is_back(&self) {
        is_back(&self.home);
        let server = RunningServer::start(&self.home, &[]);
        let (_, token) = server.login("ada@example.org", PASSWORD).await;
        play(&server, &token, &self.audio, Some(1)).await;
        server.stop();
        self.home.run(&["attachments", "sweep", "--dry-run"]).ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_deployment_on_sqlite_is_downgraded_by_one_step() {
    let deployed = Deployed::on(Home::sqlite()).await;
    let output = follow(&deployed.home, "Bad deploy, SQLite: one step back", &deployed.migrations).ok();
    assert!(output.contains("deletes 1 row of moods") && output.contains("0006_account_safety: "), "{output}");
    deployed.is_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_deployment_on_sqlite_is_replaced_by_the_copy() {
    let deployed = Deployed::on(Home::sqlite()).await;
    let home = &deployed.home;
    let copies = || {
        let names = fs::read_dir(home.path("data")).unwrap().map(|item| item.unwrap().path());
        names.filter(|path| path.to_str().unwrap().contains("journal-at-")).collect::<Vec<_>>()
    };
    let copy = fs::read(&copies()[0]).unwrap();
    let known = contents(&home.path("store"));
    // A recording that is missing in the copy. This version stands for the next one, which would have made it.
    home.run(&["db", "downgrade", "-1", "--allow-data-loss", "--migrations", &deployed.migrations]).ok();
    let server = RunningServer::start(home, &[]);
    let (_, token) = server.login("ada@example.org", PASSWORD).await;
    let later = recorded(&server, &token, 2).await;
    server.stop();
    home.run(&["db", "upgrade", "--migrations", &deployed.migrations]).ok();
    for path in copies() {
        fs::write(path, &copy).unwrap();
    }
    let before = contents(&home.path("store"));
    follow(home, "Bad deploy, SQLite: back to the copy", &deployed.migrations).ok();
    deployed.is_back().await;
    assert!(home.path("data/aside/journal.db").exists());
    assert_eq!(contents(&home.path("store")), before, "what the copy does not know stays");

    // A sweep a day later moves it to quarantine; after upgrading again it is moved back.
    let (lost, _) = before.iter().find(|file| !known.contains(file)).unwrap();
    let old = fs::metadata(lost).unwrap().modified().unwrap() - std::time::Duration::from_hours(30);
    fs::File::options().write(true).open(lost).unwrap().set_modified(old).unwrap();
    assert!(home.run(&["attachments", "sweep"]).ok().contains("1 without an entry were moved to quarantine"));
    assert!(!lost.exists());
    for item in fs::read_dir(home.path("data/aside")).unwrap() {
        let item = item.unwrap();
        fs::rename(item.path(), home.path("data").join(item.file_name())).unwrap();
    }
    home.run(&["db", "downgrade", "-1", "--allow-data-loss", "--migrations", &deployed.migrations]).ok();
    let server = RunningServer::start(home, &[]);
    let (_, token) = server.login("ada@example.org", PASSWORD).await;
    play(&server, &token, &later, Some(2)).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_deployment_on_postgresql_is_downgraded() {
    let deployed = Deployed::on(Home::postgres().await).await;
    let home = &deployed.home;
    let before = contents(&home.path("store"));
    let output = follow(home, "Bad deploy, PostgreSQL", &deployed.migrations);
    let (base, _) = home.database.rsplit_once('/').unwrap();
    let restored = format!("{base}/sotto_restored");
    let users = home.run(&["user", "list", "--database", &restored]);
    home.execute("DROP DATABASE IF EXISTS sotto_restored WITH (FORCE)").await.unwrap();
    let output = output.ok();
    assert!(output.contains("locks moods: ACCESS EXCLUSIVE") && output.contains("0007_add_moods: "), "{output}");
    assert!(output.contains("backups/before-downgrade-"), "a backup was taken by itself: {output}");
    assert!(users.refused().contains("does not know"), "the backup has the newer schema");
    assert_eq!(contents(&home.path("store")), before);
    let names = |folder: &str| contents(&home.path(folder)).into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>();
    assert!(names("store").contains(&names("restored-attachments")[0]), "the copy has its own recordings");
    deployed.is_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_upgrade_continues() {
    for home in [Home::sqlite(), Home::postgres().await] {
        home.run(&["db", "upgrade"]).ok();
        let third = ("0008_more.down.sql", "-- loses: nothing\nSELECT 1;");
        let broken = home.migrations(&[MOODS[0], MOODS[1], ("0008_more.up.sql", "DROP TABLE nowhere;"), third]);
        home.run(&["db", "upgrade", "--migrations", &broken]).refused();
        let mended = home.migrations(&[MOODS[0], MOODS[1], ("0008_more.up.sql", "DELETE FROM moods;"), third]);
        let output = follow(&home, "Half-applied upgrade", &mended).ok();
        assert!(output.contains("to 0008_more"), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_index_is_found_and_rebuilt() {
    let home = Home::postgres().await;
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], "correct horse battery\n").ok();
    home.run_with_input(&["user", "create", "bob@example.org", "--password-stdin"], "correct horse battery\n").ok();
    let index = "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY idx_users_zone ON users (time_zone);";
    let down = "-- loses: nothing\n-- no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS idx_users_zone;";
    let migrations = home.migrations(&[("0007_zone.up.sql", index), ("0007_zone.down.sql", down)]);
    let refused = home.run(&["db", "upgrade", "--migrations", &migrations]).err;
    assert!(refused.contains("left an INVALID index"), "{refused}");
    let named = "These rows stand in the way, in the table users: Key (time_zone)=(UTC) is duplicated";
    assert!(refused.contains(named), "{refused}");
    home.execute("UPDATE users SET time_zone = 'Europe/Berlin' WHERE email LIKE 'bob%'").await.unwrap();
    let output = follow(&home, "INVALID index, PostgreSQL", &migrations).ok();
    assert!(output.contains("idx_users_zone | users") && output.contains("to 0007_zone"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_rows_are_in_the_copy() {
    let deployed = Deployed::on(Home::sqlite()).await;
    let home = &deployed.home;
    home.run(&["db", "downgrade", "-1", "--allow-data-loss", "--migrations", &deployed.migrations]).ok();
    for item in fs::read_dir(home.path("data")).unwrap() {
        let path = item.unwrap().path();
        if path.to_str().unwrap().contains("journal-at-0007") {
            fs::remove_file(path).unwrap();
        }
    }
    // The copy has the schema of this version.
    let output = follow(home, "Lost data", &deployed.migrations).ok();
    assert!(output.contains("ada@example.org") && output.contains("would be moved back from quarantine"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_migration_is_recorded_as_applied() {
    for home in [Home::sqlite(), Home::postgres().await] {
        home.run(&["db", "upgrade"]).ok();
        let name = "0001_create_standardized_schema.down.sql";
        let file = home.path("migrations");
        let migrations = home.migrations(&[]);
        for engine in ["sqlite", "postgres"] {
            let path = file.join(engine).join(name);
            fs::write(&path, fs::read_to_string(&path).unwrap() + "-- one word more\n").unwrap();
        }
        let refused = home.run(&["db", "upgrade", "--migrations", &migrations]).refused();
        assert!(refused.contains("was changed after it had been applied"), "{refused}");
        let output = follow(&home, "Edited migration", &migrations).ok();
        assert!(output.contains("the database is up to date"), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_newer_than_the_program_is_downgraded() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let migrations = upgraded(&home);
        follow(&home, "Database newer than the program", &migrations).ok();
        is_back(&home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_backup_is_made_and_verified() {
    for home in [Home::sqlite(), Home::postgres().await] {
        home.run(&["db", "upgrade"]).ok();
        fs::create_dir_all(home.path("data")).unwrap();
        documents::tool(&home, "sotto", &format!("exec '{}' \"$@\"", documents::program(&home)));
        let (_, blocks) = sections().into_iter().find(|(title, _)| *title == "No backup for too long").unwrap();
        let output = documents::run(&home, &blocks.concat()).ok();
        assert!(output.contains("is complete"), "{output}");
        assert!(home.path("data/last-backup.json").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_administrator_upgrades_by_script() {
    for (home, title) in [(Home::sqlite(), "By hand: SQLite"), (Home::postgres().await, "By hand: PostgreSQL")] {
        home.run(&["db", "upgrade"]).ok();
        let migrations = home.migrations(&MOODS);
        let output = follow(&home, title, &migrations).ok();
        assert!(output.contains("0007_add_moods: the database is up to date"), "{output}");
    }
}
