//! The files of a data folder: concurrent use, stray files, and ownership.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use reqwest::Method;

use crate::program::{Home, PASSWORD, RunningServer};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_one_file_is_refused() {
    let home = Home::sqlite();
    let mut server = RunningServer::start(&home, &[]);
    let token = server.person("ada@example.org").await;
    let refusal = home.run(&["serve", "--listen", "127.0.0.1:0"]).refused();
    let process = format!("is in use by `sotto serve` (process {})", server.child.id());
    assert!(refusal.contains(&process) && refusal.contains("stop that first"), "{refusal}");
    // Another spelling of the path is the same place.
    std::os::unix::fs::symlink(home.path("data"), home.path("link")).unwrap();
    let linked = format!("sqlite:{}", home.path("link/journal.db").display());
    let refusal = home.run(&["serve", "--listen", "127.0.0.1:0", "--database", &linked]).refused();
    assert!(refusal.contains(&process), "{refusal}");
    assert!(server.write(&token, "as if nothing had happened").await);

    // A killed server leaves the lock file, but not the lock.
    server.signal("KILL");
    server.child.wait().unwrap();
    let again = RunningServer::start(&home, &[]);
    assert_eq!(again.contents(&token).await.len(), 1);
    again.stop();
    RunningServer::start(&home, &[]).stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_change_no_tables_run_while_a_server_runs() {
    let home = Home::sqlite();
    let server = RunningServer::start(&home, &[]);
    let create = ["user", "create", "bob@example.org", "--password-stdin"];
    home.run_with_input(&create, &format!("{PASSWORD}\n")).ok();
    assert!(home.run(&["user", "list"]).ok().contains("bob@example.org"));
    home.run(&["backup", "beside.tar"]).ok();
    home.run(&["db", "current"]).ok();
    home.run(&["db", "upgrade"]).ok();
    assert_eq!(server.login("bob@example.org", PASSWORD).await.0, 200);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_downgrade_under_a_running_server_is_refused() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let server = RunningServer::start(&home, &[]);
        let token = server.person("ada@example.org").await;
        let refusal = home.run(&["db", "downgrade", "base", "--allow-data-loss"]).refused();
        assert!(refusal.contains("is in use by") && refusal.contains("Stop it first"), "{refusal}");
        assert!(server.write(&token, "still here").await);
        server.stop();
        home.run(&["db", "downgrade", "base", "--allow-data-loss"]).ok();
    }
}

/// After a crash and a careless cleanup, the database is deleted and its log is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_next_to_the_log_of_a_removed_database_is_refused() {
    let home = Home::sqlite();
    let server = RunningServer::start(&home, &[]);
    let token = server.person("ada@example.org").await;
    home.run(&["backup", "before.tar"]).ok();
    leave_an_entry_in_the_log(&home, server, &token).await;
    let log = home.path("data/journal.db-wal");
    let held = fs::read(&log).unwrap();
    assert!(!held.is_empty());
    fs::remove_file(home.path("data/journal.db")).unwrap();
    for arguments in [&["restore", "before.tar"][..], &["serve", "--listen", "127.0.0.1:0"], &["db", "upgrade"]] {
        let refusal = home.run(arguments).refused();
        assert!(refusal.contains("journal.db-wal is there") && refusal.contains("move"), "{arguments:?}: {refusal}");
        assert_eq!(fs::read(&log).unwrap(), held, "{arguments:?}");
    }
    fs::rename(&log, home.path("journal.db-wal.aside")).unwrap();
    assert!(home.run(&["restore", "before.tar"]).ok().contains("Restored"));
    let server = RunningServer::start(&home, &[]);
    assert_eq!(server.request(Method::GET, "/health/ready").send().await.unwrap().status(), 200);
    assert_eq!(server.contents(&token).await, [""; 0]);
    server.stop();
}

/// SQLite finds positions in the log through `-shm`, which contains only positions. After a crash, the `-shm` file of
/// another database may be next to the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_log_index_is_rebuilt() {
    let home = Home::sqlite();
    let server = RunningServer::start(&home, &[]);
    let token = server.person("ada@example.org").await;
    leave_an_entry_in_the_log(&home, server, &token).await;
    assert!(fs::metadata(home.path("data/journal.db-wal")).unwrap().len() > 0);
    let index = home.path("data/journal.db-shm");
    let other = rusqlite::Connection::open(home.path("other.db")).unwrap();
    other.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE other (id INTEGER)").unwrap();
    for worthless in [vec![7; 32 << 10], fs::read(home.path("other.db-shm")).unwrap(), vec![]] {
        fs::write(&index, worthless).unwrap();
        let mut server = RunningServer::start(&home, &[]);
        assert_eq!(server.contents(&token).await, ["in the log alone"]);
        server.signal("KILL");
        server.child.wait().unwrap();
    }
    home.run(&["db", "check", "--rows"]).ok();
}

/// Kills a server that has just stored an entry, so that the write-ahead log contains data that the database file
/// lacks.
async fn leave_an_entry_in_the_log(home: &Home, mut server: RunningServer, token: &str) {
    // A reader prevents the server from moving its log into the file.
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let reader = rusqlite::Connection::open_with_flags(home.path("data/journal.db"), flags).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM journal_entries").unwrap();
    assert!(server.write(token, "in the log alone").await);
    server.signal("KILL");
    server.child.wait().unwrap();
    drop(reader);
}

/// All paths below a folder.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(folder).unwrap().map(|item| item.unwrap().path());
    items.flat_map(|path| if path.is_dir() { [tree(&path), vec![path]].concat() } else { vec![path] }).collect()
}

/// As root, an operator prepares, migrates and restores files that the service's user must read and write. Other users
/// cannot give files away, so for them this only tests that everything works.
#[tokio::test(flavor = "multi_thread")]
async fn files_created_by_root_belong_to_the_owner_of_the_folder() {
    let home = Home::sqlite();
    let is_root = fs::metadata(home.folder.path()).unwrap().uid() == 0;
    let service = if is_root { 54_321 } else { fs::metadata(home.folder.path()).unwrap().uid() };
    let all_belong_to_the_service = |folder: &str| {
        let found = tree(&home.path(folder));
        for path in &found {
            assert_eq!(fs::symlink_metadata(path).unwrap().uid(), service, "{}", path.display());
        }
        found.len()
    };
    for folder in ["data", "restored"] {
        fs::create_dir(home.path(folder)).unwrap();
        if is_root {
            chown(home.path(folder), Some(service), Some(service)).unwrap();
        }
    }
    home.run(&["keys", "init"]).ok();
    let server = RunningServer::start(&home, &[]);
    let token = server.person("ada@example.org").await;
    assert!(server.write(&token, "mine").await);
    all_belong_to_the_service("data");
    server.stop();
    home.run(&["keys", "rotate"]).ok();
    let migrations = home
        .next_migration("CREATE TABLE moods (id INTEGER NOT NULL PRIMARY KEY);", "-- loses: moods\nDROP TABLE moods;");
    home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
    home.run(&["db", "downgrade", "-1", "--migrations", &migrations]).ok();
    home.run(&["backup", "--with-keys", "--keys-in-the-clear"]).ok();
    home.run(&["backup", "data/plain", "--directory"]).ok();
    let backup = fs::read_dir(home.path("data/backups")).unwrap().next().unwrap().unwrap().path();
    assert!(all_belong_to_the_service("data") > 8);

    let mut restore = home.command(&["restore", backup.to_str().unwrap()]);
    restore.env("SOTTO_DATA_DIR", home.path("restored")).env_remove("SOTTO_DATABASE");
    assert!(restore.status().unwrap().success());
    assert!(home.path("restored/journal.db").exists() && home.path("restored/keys.json").exists());
    all_belong_to_the_service("restored");
}
