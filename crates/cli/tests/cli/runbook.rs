//! The commands of `docs/runbook.md`, run as they stand there, each section in the situation that it describes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::program::{Finished, Home};

const RUNBOOK: &str = include_str!("../../../../docs/runbook.md");

/// The next version brings this, and it is a table with rows.
const MOODS: [(&str, &str); 2] = [
    ("0004_add_moods.up.sql", "CREATE TABLE moods (id INTEGER NOT NULL PRIMARY KEY);\nINSERT INTO moods VALUES (1);\n"),
    ("0004_add_moods.down.sql", "-- loses: moods\nDROP TABLE moods;\n"),
];

/// Sections with commands, so that none is without a test here.
const TESTED: [&str; 10] = [
    "Bad deploy, SQLite: one step back",
    "Bad deploy, SQLite: back to the copy",
    "Bad deploy, PostgreSQL",
    "Half-applied upgrade",
    "INVALID index, PostgreSQL",
    "Lost data",
    "Edited migration",
    "Database newer than the program",
    "By hand: PostgreSQL",
    "By hand: SQLite",
];

/// The shell blocks of each section that has some.
fn sections() -> Vec<(&'static str, Vec<&'static str>)> {
    let blocks =
        |text: &'static str| text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let sections = RUNBOOK.split("\n## ").skip(1).filter_map(|section| section.split_once('\n'));
    let all = sections.map(|(title, text)| (title, blocks(text)));
    all.filter(|(_, blocks): &(_, Vec<_>)| !blocks.is_empty()).collect()
}

#[test]
fn every_section_with_commands_is_tested() {
    assert_eq!(sections().into_iter().map(|(title, _)| title).collect::<Vec<_>>(), TESTED);
}

/// Runs the commands of a section as a script that stops at the first that fails. `sotto` is the program of this build with
/// these migrations instead of its own: a version that is yet to come.
fn follow(home: &Home, title: &str, migrations: &str) -> Finished {
    let bin = home.path("bin");
    let tool = |name: &str, script: &str| {
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o700)).unwrap();
    };
    let program = home.command(&[]);
    let real = program.get_program().to_str().unwrap().to_owned();
    tool(
        "sotto",
        &format!(
            "case $1 in db | backup | restore) set -- \"$@\" --migrations '{migrations}' ;; esac\nexec '{real}' \"$@\""
        ),
    );
    tool("systemctl", "exit 0");
    let (_, blocks) = sections().into_iter().find(|(found, _)| *found == title).unwrap();
    let mut path = vec![bin.clone()];
    path.extend(std::env::var_os("SOTTO_POSTGRES_BIN").map(Into::into));
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let mut shell = Command::new("sh");
    shell.args(["-euc", &blocks.concat()]).current_dir(home.folder.path());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Finished::of(shell.env("PATH", std::env::join_paths(path).unwrap()).output().unwrap())
}

/// A database that the next version has upgraded, with an account from before.
fn upgraded(home: &Home) -> String {
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], "correct horse battery\n").ok();
    let migrations = home.migrations(&MOODS);
    home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
    assert!(home.run(&["user", "list"]).refused().contains("does not know"));
    migrations
}

/// This version works with the database, and nobody is lost.
#[track_caller]
fn is_back(home: &Home) {
    assert!(home.run(&["db", "current"]).ok().contains("the database is up to date"));
    assert!(home.run(&["user", "list"]).ok().contains("ada@example.org"));
}

#[test]
fn a_bad_deploy_on_sqlite_goes_one_step_back() {
    let home = Home::sqlite();
    let migrations = upgraded(&home);
    let said = follow(&home, "Bad deploy, SQLite: one step back", &migrations).ok();
    assert!(said.contains("deletes 1 row of moods") && said.contains("0003_web_app: "), "{said}");
    is_back(&home);
}

#[test]
fn a_bad_deploy_on_sqlite_goes_back_to_the_copy() {
    let home = Home::sqlite();
    let migrations = upgraded(&home);
    follow(&home, "Bad deploy, SQLite: back to the copy", &migrations).ok();
    is_back(&home);
    assert!(home.path("data/aside/journal.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_deploy_on_postgresql_goes_back() {
    let home = Home::postgres().await;
    let migrations = upgraded(&home);
    let said = follow(&home, "Bad deploy, PostgreSQL", &migrations);
    let (base, _) = home.database.rsplit_once('/').unwrap();
    let restored = format!("{base}/sotto_restored");
    let users = home.run(&["user", "list", "--database", &restored]);
    home.execute("DROP DATABASE IF EXISTS sotto_restored WITH (FORCE)").await.unwrap();
    let said = said.ok();
    assert!(said.contains("locks moods: ACCESS EXCLUSIVE") && said.contains("0004_add_moods: "), "{said}");
    assert!(said.contains("backups/before-downgrade-"), "a backup was taken by itself: {said}");
    assert!(users.refused().contains("does not know"), "the backup has the newer schema");
    is_back(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_applied_upgrade_goes_on() {
    for home in [Home::sqlite(), Home::postgres().await] {
        home.run(&["db", "upgrade"]).ok();
        let third = ("0005_more.down.sql", "-- loses: nothing\nSELECT 1;");
        let broken = home.migrations(&[MOODS[0], MOODS[1], ("0005_more.up.sql", "DROP TABLE nowhere;"), third]);
        home.run(&["db", "upgrade", "--migrations", &broken]).refused();
        let mended = home.migrations(&[MOODS[0], MOODS[1], ("0005_more.up.sql", "DELETE FROM moods;"), third]);
        let said = follow(&home, "Half-applied upgrade", &mended).ok();
        assert!(said.contains("to 0005_more"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_index_is_found_and_built_again() {
    let home = Home::postgres().await;
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], "correct horse battery\n").ok();
    home.run_with_input(&["user", "create", "bob@example.org", "--password-stdin"], "correct horse battery\n").ok();
    let index = "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY idx_users_zone ON users (time_zone);";
    let down = "-- loses: nothing\n-- no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS idx_users_zone;";
    let migrations = home.migrations(&[("0004_zone.up.sql", index), ("0004_zone.down.sql", down)]);
    let refused = home.run(&["db", "upgrade", "--migrations", &migrations]).refused();
    assert!(refused.contains("INVALID may be left"), "{refused}");
    home.execute("UPDATE users SET time_zone = 'Europe/Berlin' WHERE email LIKE 'bob%'").await.unwrap();
    let said = follow(&home, "INVALID index, PostgreSQL", &migrations).ok();
    assert!(said.contains("idx_users_zone | users") && said.contains("to 0004_zone"), "{said}");
}

#[test]
fn what_was_lost_is_in_the_copy() {
    let home = Home::sqlite();
    let migrations = upgraded(&home);
    // The copy is of the schema that this version works with.
    let said = follow(&home, "Lost data", &migrations).ok();
    assert!(said.contains("ada@example.org"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_migration_is_recorded_as_it_is() {
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
        let said = follow(&home, "Edited migration", &migrations).ok();
        assert!(said.contains("the database is up to date"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_newer_than_the_program_goes_back() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let migrations = upgraded(&home);
        follow(&home, "Database newer than the program", &migrations).ok();
        is_back(&home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_upgrades_by_hand() {
    for (home, title) in [(Home::sqlite(), "By hand: SQLite"), (Home::postgres().await, "By hand: PostgreSQL")] {
        home.run(&["db", "upgrade"]).ok();
        let migrations = home.migrations(&MOODS);
        let said = follow(&home, title, &migrations).ok();
        assert!(said.contains("0004_add_moods: the database is up to date"), "{said}");
    }
}
