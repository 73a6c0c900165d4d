//! Commands killed at moments spread over their duration. Every file with a final name is complete, the next run
//! succeeds, and no partial file stays.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sotto_storage::testing::wait_until_blocking;

use crate::interruptions::{fill, sums};
use crate::program::{Home, rounds};

/// How often each command is killed.
fn kills() -> u32 {
    rounds(6)
}

/// Kills a command after this share of its duration, or lets it end. True if it was killed.
fn kill(home: &Home, arguments: &[&str], takes: Duration, share: u32) -> bool {
    let mut child = home.command(arguments).spawn().unwrap();
    std::thread::sleep(takes * share / kills());
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// The duration of a command that is not killed.
fn time(home: &Home, arguments: &[&str]) -> Duration {
    let start = Instant::now();
    home.run(arguments).ok();
    start.elapsed()
}

fn names(home: &Home) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(home.path("data")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".journal.db.lock");
    names.sort();
    names
}

/// The copies that migrations have kept, each of which is a complete database.
#[track_caller]
fn whole_copies(home: &Home) -> Vec<PathBuf> {
    let copies: Vec<_> = names(home).into_iter().filter(|name| name.starts_with("journal-at-")).collect();
    for name in &copies {
        let copy = rusqlite::Connection::open(home.path("data").join(name)).unwrap();
        let pages = copy.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
        assert_eq!(pages.as_deref(), Ok("ok"), "{name}");
        let users = copy.query_row("SELECT count(*) FROM users", [], |row| row.get::<_, i64>(0));
        assert_eq!(users, Ok(1), "{name}");
    }
    copies.into_iter().map(|name| home.path("data").join(name)).collect()
}

#[track_caller]
fn assert_no_files_left(home: &Home) {
    let left: Vec<_> = names(home)
        .into_iter()
        .filter(|name| {
            name.starts_with('.') || ["-journal", "-wal", "-shm", ".new"].iter().any(|end| name.ends_with(end))
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The number of backups, each of which is complete.
fn whole_backups(home: &Home) -> usize {
    let Ok(folder) = fs::read_dir(home.path("data/backups")) else { return 0 };
    let mut count = 0;
    for item in folder {
        let path = item.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with('.') {
            home.run(&["backup", "verify", path.to_str().unwrap()]).ok();
            count += 1;
        }
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_migration_is_complete_or_absent_and_leaves_no_partial_copy() {
    for home in [Home::sqlite(), Home::postgres().await] {
        fill(&home, 2).await;
        let migrations = home.next_migration(
            "CREATE TABLE moods (id INTEGER NOT NULL PRIMARY KEY);\nINSERT INTO moods VALUES (1);\n",
            "-- loses: moods\nDROP TABLE moods;\n",
        );
        let state = || home.run(&["db", "current", "--json", "--migrations", &migrations]).json();
        let revision = || state()["revision"].as_str().unwrap().to_owned();
        let base = revision();
        let up = ["db", "upgrade", "--migrations", &migrations];
        // By name, so that a step that was committed just before the kill is not undone twice.
        let down = ["db", "downgrade", &base, "--allow-data-loss", "--migrations", &migrations];
        let takes = [time(&home, &up), time(&home, &down)];
        let before = sums(&home);
        let (mut killed, mut is_up) = (0, false);
        for share in 0..2 * kills() {
            let (arguments, takes) = if is_up { (&down[..], takes[1]) } else { (&up[..], takes[0]) };
            killed += u32::from(kill(&home, arguments, takes, share % kills()));
            if home.file().is_some() {
                whole_copies(&home);
            } else {
                whole_backups(&home);
            }
            is_up = revision() != base;
        }
        assert!(killed > 0, "each of them ended before it was killed");
        home.run(&up).ok();
        home.run(&down).ok();
        if home.file().is_some() {
            assert_no_files_left(&home);
            assert!(!whole_copies(&home).is_empty());
        } else {
            assert!(whole_backups(&home) > 0);
        }
        assert_eq!(sums(&home), before);
        home.run(&["db", "check"]).ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_restore_or_copy_leaves_a_complete_database_or_none() {
    let old = Home::sqlite();
    fill(&old, 3).await;
    old.run(&["keys", "init"]).ok();
    old.run(&["backup", "whole.tar", "--with-keys", "--keys-in-the-clear"]).ok();
    let (expected, archive) = (sums(&old), old.path("whole.tar"));
    let restore = ["restore", archive.to_str().unwrap()];
    let takes = [time(&Home::sqlite(), &restore), time(&Home::postgres().await, &restore)];
    for share in 0..kills() {
        for copies in [false, true] {
            for (new, takes) in [Home::sqlite(), Home::postgres().await].into_iter().zip(takes) {
                fs::create_dir(new.path("data")).unwrap();
                let copy = ["db", "copy", "--from", &old.database, "--to", &new.database];
                let arguments = if copies { &copy[..] } else { &restore[..] };
                let killed = kill(&new, arguments, takes, share);
                if new.path("data/journal.db").exists() || (!killed && new.file().is_none()) {
                    // The file has its final name, so it is complete and never written again.
                    assert_eq!(sums(&new), expected);
                    assert!(new.run(arguments).refused().contains("is not empty"));
                } else {
                    let again = new.run(arguments);
                    // A server may have committed the last step while the command was killed.
                    if new.file().is_some() || again.code == Some(0) {
                        again.ok();
                    } else {
                        assert!(again.refused().contains("is not empty"));
                    }
                    assert_eq!(sums(&new), expected);
                }
                if !copies {
                    let keys = |home: &Home| fs::read(home.path("data/keys.json")).unwrap();
                    assert_eq!(keys(&new), keys(&old));
                }
                // A killed process may have left the database's own log, which the next process moves into the file.
                new.run(&["db", "upgrade"]).ok();
                assert_no_files_left(&new);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_replaced_as_a_whole() {
    let home = Home::sqlite();
    home.run(&["keys", "init"]).ok();
    let takes = time(&home, &["keys", "rotate"]);
    for share in 0..kills() {
        kill(&home, &["keys", "rotate"], takes, share);
        home.run(&["keys", "show"]).ok();
    }
    home.run(&["keys", "init"]).ok();
    assert_eq!(names(&home), ["keys.json"]);
}

/// The draft of a killed backup has another name than the next backup.
#[tokio::test(flavor = "multi_thread")]
async fn backups_leave_no_drafts_in_their_folder() {
    for home in [Home::sqlite(), Home::postgres().await] {
        fill(&home, 6).await;
        let folder = home.path("data/backups");
        let takes = time(&home, &["backup"]);
        for share in 0..2 * kills() {
            let arguments = if share < kills() { &["backup"][..] } else { &["backup", "--directory", "--keep", "20"] };
            kill(&home, arguments, takes, share % kills());
            whole_backups(&home);
        }
        // Two backups of the same second would have the same name.
        wait_until_blocking("a backup succeeds", || home.run(&["backup"]).code == Some(0));
        let drafts = fs::read_dir(&folder).unwrap().filter(|item| {
            let name = item.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with('.')
        });
        assert_eq!(drafts.count(), 0);
    }
}
