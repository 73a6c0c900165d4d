//! Which database a command uses, and its errors for a database that is missing, inaccessible, empty, or another
//! program's.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use crate::program::{Finished, Home, PASSWORD, RunningServer};

/// The exit codes of `docs/operation.md`.
const FOUND: i32 = 3;
const MISSING: i32 = 4;
const EMPTY: i32 = 5;
const DENIED: i32 = 6;
const FOREIGN: i32 = 7;

/// Commands that need Sotto's tables.
const NEED_TABLES: [&[&str]; 8] = [
    &["db", "check"],
    &["db", "advise"],
    &["db", "stamp", "head"],
    &["backup"],
    &["backup", "copy.tar"],
    &["db", "copy", "--to", "sqlite:copy.db"],
    &["user", "list"],
    &["user", "promote", "ada@example.org"],
];

/// Further commands that only read a database.
const LOOK: [&[&str]; 9] = [
    &["db", "current"],
    &["db", "current", "--json"],
    &["db", "history"],
    &["db", "upgrade", "--dry-run"],
    &["db", "upgrade", "--sql"],
    &["db", "downgrade", "-1", "--dry-run"],
    &["db", "downgrade", "-1", "--sql"],
    &["db", "downgrade", "-1"],
    &["db", "erd"],
];

fn every_command() -> impl Iterator<Item = &'static [&'static str]> {
    NEED_TABLES.into_iter().chain(LOOK)
}

/// The address of a missing database, on either engine.
fn nowhere(home: &Home) -> String {
    match home.file() {
        Some(file) => format!("sqlite:{}", file.with_file_name("none/journal.db").display()),
        None => format!("{}_none", home.database),
    }
}

fn run(home: &Home, database: &str, arguments: &[&str]) -> Finished {
    Finished::from_output(home.command(arguments).env("SOTTO_DATABASE", database).output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_commands_do_not_create_a_missing_database() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let database = nowhere(&home);
        for arguments in NEED_TABLES.into_iter().chain([&["db", "history"][..], &["db", "downgrade", "-1"]]) {
            let refusal = run(&home, &database, arguments).ended_with(MISSING);
            assert!(refusal.contains("there is no database") && refusal.contains(&database[8..]), "{refusal}");
        }
        let create = ["user", "create", "ada@example.org", "--password-stdin", "--database", &database];
        home.run_with_input(&create, PASSWORD).ended_with(MISSING);
        let current = run(&home, &database, &["db", "current"]).ok();
        assert_eq!(current, "base: there is no database yet\n");
        let current = run(&home, &database, &["db", "current", "--json"]).json();
        assert_eq!((&current["state"], &current["revision"]), (&"missing".into(), &"base".into()));
        run(&home, &database, &["db", "current", "--check"]).ended_with(FOUND);
        if home.file().is_some() {
            assert!(run(&home, &database, &["db", "upgrade", "--dry-run"]).ok().contains("it would be created"));
            run(&home, &database, &["db", "upgrade", "--sql"]).ok();
        } else {
            for arguments in
                [&["db", "upgrade"][..], &["db", "upgrade", "--dry-run"], &["db", "upgrade", "--sql"], &["serve"]]
            {
                let refusal = run(&home, &database, arguments).ended_with(MISSING);
                assert!(refusal.contains("CREATE DATABASE"), "{refusal}");
            }
            fs::remove_dir_all(home.path("data")).unwrap();
        }
        let left: Vec<_> = fs::read_dir(home.folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_is_reported_as_empty() {
    for home in [Home::sqlite(), Home::postgres().await] {
        fs::create_dir(home.path("data")).unwrap();
        if let Some(file) = home.file() {
            fs::write(file, "").unwrap();
        }
        for arguments in NEED_TABLES {
            let refusal = home.run(arguments).ended_with(EMPTY);
            assert!(refusal.contains("is empty") && refusal.contains("`sotto db upgrade`"), "{refusal}");
        }
        assert!(home.run(&["db", "current"]).ok().starts_with("base: the database is empty"));
        assert_eq!(home.run(&["db", "current", "--json"]).json()["state"], "empty");
        home.run(&["db", "current", "--check"]).ended_with(FOUND);
        assert_eq!(home.run(&["db", "history", "--json"]).json()[0]["state"], "pending");
        assert!(!home.path("data/backups").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_program_is_reported_as_foreign() {
    for home in [Home::sqlite(), Home::postgres().await] {
        fs::create_dir(home.path("data")).unwrap();
        home.execute("CREATE TABLE shopping (item TEXT)").await.unwrap();
        for arguments in every_command().filter(|arguments| !arguments.contains(&"stamp")) {
            let refusal = home.run(arguments).ended_with(FOREIGN);
            assert!(refusal.contains("not Sotto's (shopping)"), "{arguments:?}: {refusal}");
        }
    }
}

#[test]
fn an_unreadable_file_is_not_reported_as_empty() {
    let home = Home::sqlite();
    home.run(&["db", "upgrade"]).ok();
    let stranger = Stranger::new(&home);
    // Either the folder or the file in it is inaccessible.
    for closed in [home.path("data"), home.path("data/journal.db")] {
        if closed.is_file() {
            fs::set_permissions(home.path("data"), Permissions::from_mode(0o755)).unwrap();
        }
        let refusals = stranger.shut_out_of(&closed, || {
            every_command().map(|arguments| (arguments, stranger.run(arguments))).collect::<Vec<_>>()
        });
        for (arguments, finished) in refusals {
            let refusal = finished.ended_with(DENIED);
            assert!(refusal.contains("no permission to use the database sqlite:"), "{arguments:?}: {refusal}");
        }
    }
    assert!(home.run(&["db", "current"]).ok().contains("up to date"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_database_of_a_server_is_not_reported_as_empty() {
    let home = Home::postgres().await;
    home.run(&["db", "upgrade"]).ok();
    let (base, name) = home.database.rsplit_once('/').unwrap();
    let role = format!("stranger_{}", name.rsplit_once('_').unwrap().1);
    let (_, server) = base.split_once('@').unwrap();
    let database = format!("postgres://{role}@{server}/{name}");
    home.execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    // The role may not read `schema_migrations`, use the schema, or connect.
    for (statement, reason) in [
        ("SELECT 1", "permission denied for table schema_migrations"),
        ("REVOKE ALL ON SCHEMA public FROM PUBLIC", "may not use the schema public"),
        (&format!("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"), "permission denied for database"),
    ] {
        home.execute(statement).await.unwrap();
        for arguments in every_command() {
            let refusal = run(&home, &database, arguments).ended_with(DENIED);
            assert!(refusal.contains("no permission") && refusal.contains(reason), "{arguments:?}: {refusal}");
        }
        run(&home, &database, &["serve"]).ended_with(DENIED);
    }
    // A schema of the role's own comes first in the search path, and Sotto's tables are in the next one.
    home.execute(&format!("GRANT CONNECT ON DATABASE {name} TO PUBLIC; CREATE SCHEMA {role} AUTHORIZATION {role}"))
        .await
        .unwrap();
    let refusal = run(&home, &database, &["db", "current"]).ended_with(DENIED);
    assert!(refusal.contains("may not use the schema public"), "{refusal}");
    home.execute(&format!("DROP SCHEMA {role}; DROP ROLE {role}")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_prints_the_database_that_it_uses() {
    for home in [Home::sqlite(), Home::postgres().await] {
        home.run(&["db", "upgrade"]).ok();
        let line = format!("Using the database {}.\n", home.database);
        for arguments in every_command() {
            let finished = home.run(arguments);
            assert!(finished.err.starts_with(&line), "{arguments:?}: {}", finished.err);
            assert!(!finished.out.contains("Using the database"), "{}", finished.out);
        }
        home.run(&["db", "upgrade"]).ok();
        fs::write(home.path("sotto.toml"), "log = \"warn\"\n").unwrap();
        let finished = home.run(&["db", "current"]);
        assert!(finished.err.ends_with(", with the settings of sotto.toml.\n"), "{}", finished.err);
        let finished = home.run(&["db", "current", "--log", "info", "--log-format", "json"]);
        let line: serde_json::Value = serde_json::from_str(&finished.err).unwrap();
        assert_eq!((&line["database"], &line["settings"]), (&home.database.as_str().into(), &"sotto.toml".into()));
        let log = RunningServer::start(&home, &[]).stop();
        assert!(log.contains(&format!("Using the database {}, with", home.database)), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_can_read_the_state_as_one_word() {
    for home in [Home::sqlite(), Home::postgres().await] {
        home.run(&["db", "upgrade", "+1"]).ok();
        let state = |home: &Home| home.run(&["db", "current", "--json"]).json()["state"].as_str().unwrap().to_owned();
        assert_eq!(state(&home), "behind");
        let found = home.run(&["db", "current", "--check"]);
        assert!(found.out.contains("works with"), "{}", found.out);
        found.ended_with(FOUND);
        let history = home.run(&["db", "history", "--json"]).json();
        assert_eq!((&history[0]["state"], &history[1]["state"]), (&"applied".into(), &"pending".into()));
        let next = ("9000_next.up.sql", "CREATE TABLE next_one (id INTEGER NOT NULL);");
        home.run(&["db", "upgrade"]).ok();
        assert_eq!(state(&home), "up_to_date");
        home.run(&["db", "current", "--check"]).ok();
        let count = home.run(&["db", "history", "--json"]).json().as_array().unwrap().len();
        let name = |way: &str| next.0.replace("9000", &format!("{:04}", count + 1)).replace("up", way);
        let (up, down) = (name("up"), name("down"));
        let migrations = home.migrations(&[(&up, next.1), (&down, "-- loses: next_one\nDROP TABLE next_one;")]);
        home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
        assert_eq!(state(&home), "ahead");
        home.run(&["db", "current", "--check"]).ended_with(FOUND);
        assert_eq!(home.run(&["db", "history", "--json"]).json()[count]["state"], "unknown");
    }
}

/// A dump of the `sqlite3` shell contains everything but the application id.
#[test]
fn a_file_from_a_dump_is_rejected_with_a_remedy() {
    let home = Home::sqlite();
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], PASSWORD).ok();
    let dump = sotto_storage::testing::dump(&home.url());
    let file = home.path("it's a copy.db");
    let copy = format!("sqlite:{}", file.display());
    let output = sotto_storage::testing::run_script(&copy.parse().unwrap(), &dump);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let refusal = run(&home, &copy, &["user", "list"]).ended_with(FOREIGN);
    let (_, remedy) = refusal.trim_end().split_once("set the application id: ").unwrap();
    let marked = std::process::Command::new("sh").args(["-c", remedy]).output().unwrap();
    assert!(marked.status.success(), "{remedy}: {}", String::from_utf8_lossy(&marked.stderr));
    assert!(run(&home, &copy, &["user", "list"]).ok().contains("ada@example.org"));
    run(&home, &copy, &["db", "check"]).ok();
}

/// Runs the program as a user who is neither root nor the owner of the data. Without the permission for that, runs it
/// as the test's user and denies access by file modes.
struct Stranger<'h> {
    home: &'h Home,
    program: PathBuf,
    is_root: bool,
}

impl<'h> Stranger<'h> {
    fn new(home: &'h Home) -> Self {
        let folder = home.folder.path();
        let is_root = folder.metadata().unwrap().uid() == 0;
        let program = folder.join("program");
        // The build folder may be inaccessible to others.
        fs::copy(home.command(&[]).get_program(), &program).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        Self { home, program, is_root }
    }

    /// Runs `work` while a file or folder is inaccessible, and restores its mode afterwards.
    fn shut_out_of<T>(&self, path: &PathBuf, work: impl FnOnce() -> T) -> T {
        let before = fs::metadata(path).unwrap().permissions();
        let mode = if self.is_root { before.mode() & 0o700 } else { 0 };
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let done = work();
        fs::set_permissions(path, before).unwrap();
        done
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let model = self.home.command(arguments);
        let mut command = std::process::Command::new(&self.program);
        command.args(arguments).current_dir(self.home.folder.path());
        for (name, value) in model.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if self.is_root {
            command.uid(65534).gid(65534);
        }
        Finished::from_output(command.output().unwrap())
    }
}
