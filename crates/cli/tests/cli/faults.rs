//! Unwritable files and full disks: the program prints a sentence, ends with exit code 1, and loses nothing.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use sotto_storage::testing::dump;

use crate::program::{Finished, Home};

const FILL: &str = "CREATE TABLE fill (id INTEGER); INSERT INTO fill WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL \
                    SELECT i + 1 FROM n WHERE i < 1000000) SELECT i FROM n;";
const EMPTY: &str = "-- loses: fill\nDROP TABLE fill;";

/// A database with an account.
fn populated() -> Home {
    let home = Home::sqlite();
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], "correct horse battery\n").ok();
    home
}

/// Runs the program as a user whom file modes restrict. Root is not restricted unless it drops that capability.
fn run_without_root_capabilities(home: &Home, arguments: &[&str]) -> Finished {
    let program = home.command(arguments);
    if fs::metadata(home.folder.path()).unwrap().uid() != 0 {
        return Finished::from_output({ program }.output().unwrap());
    }
    let mut bound = Command::new("setpriv");
    bound.args(["--inh-caps=-all", "--bounding-set=-all"]).arg(program.get_program()).args(program.get_args());
    bound.current_dir(home.folder.path());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => bound.env(name, value),
            None => bound.env_remove(name),
        };
    }
    Finished::from_output(bound.output().unwrap())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".journal.db.lock");
    names.sort();
    names
}

#[test]
fn an_unwritable_file_or_folder_is_unchanged() {
    let home = populated();
    let file = home.file().unwrap();
    let folder = file.parent().unwrap();
    let migrations = home.next_migration(FILL, EMPTY);
    let before = dump(&home.url());
    let files = names(folder);
    for (path, mode) in [(file.as_path(), 0o400), (folder, 0o500)] {
        let usual = fs::metadata(path).unwrap().permissions().mode();
        set_mode(path, mode);
        for arguments in [
            &["db", "upgrade", "--migrations", &migrations][..],
            &["db", "downgrade", "base", "--allow-data-loss"],
            &["db", "stamp", "base"],
        ] {
            let refused = run_without_root_capabilities(&home, arguments).denied();
            let explained = refused.contains("must be able to write to the file and to its folder")
                || refused.contains("Permission denied (os error 13). Nothing was changed");
            assert!(explained, "{arguments:?}: {refused}");
        }
        set_mode(path, usual);
        // The user can write again, and the files next to the database do not prevent it.
        run_without_root_capabilities(&home, &["db", "upgrade"]).ok();
        assert_eq!(names(folder), files);
        assert_eq!(dump(&home.url()), before);
    }
    // A file that must be created.
    fs::remove_file(&file).unwrap();
    set_mode(folder, 0o500);
    let refused = run_without_root_capabilities(&home, &["db", "upgrade"]).denied();
    assert!(
        refused.contains("no permission to use the database") && refused.contains("Permission denied"),
        "{refused}"
    );
    set_mode(folder, 0o700);
    assert!(names(folder).iter().all(|name| name != "journal.db"));
}

/// Files may not grow beyond a limit, which SQLite treats like a disk that cannot store a page.
#[test]
fn a_full_disk_rolls_back_the_migration() {
    let home = populated();
    let file = home.file().unwrap();
    let folder = file.parent().unwrap();
    let migrations = home.next_migration(FILL, EMPTY);
    let (before, files) = (dump(&home.url()), names(folder));
    let size = fs::metadata(&file).unwrap().len();
    let upgrade = ["db", "upgrade", "--migrations", &migrations];
    let base = ["db", "downgrade", "base", "--allow-data-loss"];
    // Space for the copy but not for the step; no space for the copy.
    for (arguments, limit, expected) in [
        (&upgrade[..], size + 1_000_000, "_next.up.sql failed and was undone"),
        (&upgrade[..], size / 2, "no snapshot could be taken at"),
        (&base[..], size / 2, "no snapshot could be taken at"),
    ] {
        let refused = run_with_files_of_at_most(&home, limit, arguments).refused();
        assert!(refused.contains(expected), "{refused}");
        assert!(refused.contains("the disk may be full") || refused.contains("free disk space"), "{refused}");
        // Before another process opens the database, which would undo what is still to be undone.
        assert_eq!(names(folder), files, "no copy and no journal is left behind");
        assert_eq!(fs::metadata(&file).unwrap().len(), size);
        assert_eq!(dump(&home.url()), before);
    }
    home.run(&upgrade).ok();
}

/// Uses the shell's `ulimit -f` in blocks of 512 bytes. Without the trap, the kernel would kill the program by a
/// signal.
fn run_with_files_of_at_most(home: &Home, bytes: u64, arguments: &[&str]) -> Finished {
    let program = home.command(arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"", "sh", &(bytes / 512).to_string()]);
    shell.arg(program.get_program()).args(program.get_args()).current_dir(home.folder.path());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Finished::from_output(shell.output().unwrap())
}
