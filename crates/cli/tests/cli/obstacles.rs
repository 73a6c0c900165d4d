//! Full disks, read-only folders, and several operators at the same time.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tokio_postgres::NoTls;

use crate::interruptions::{fill, sums};
use crate::program::{Finished, Home};

/// Runs the program with a limit on the length of files, in blocks of 512 bytes, as on a full disk.
fn run_with_file_size_limit(home: &Home, arguments: &[&str], blocks: u32) -> Finished {
    // The signal would end the process before it could print an error.
    limited(home, arguments, &format!("trap '' XFSZ; ulimit -f {blocks}"))
}

/// Runs the program under a limit of the shell.
fn limited(home: &Home, arguments: &[&str], limit: &str) -> Finished {
    let program = home.command(arguments);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{limit}; exec \"$0\" \"$@\""));
    shell.arg(program.get_program()).args(program.get_args()).current_dir(home.folder.path());
    give_environment(&program, &mut shell);
    Finished::from_output(shell.stdin(Stdio::null()).output().unwrap())
}

/// Copies the environment of `program`.
fn give_environment(program: &Command, other: &mut Command) {
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing() {
    for home in [Home::sqlite(), Home::postgres().await] {
        fill(&home, 4).await;
        let before = sums(&home);
        for arguments in [&["backup", "full.tar"][..], &["backup", "full", "--directory"]] {
            let refusal = run_with_file_size_limit(&home, arguments, 1000).refused();
            assert!(refusal.contains("full") && refusal.contains("cannot be written"), "{refusal}");
        }
        let left: Vec<_> = fs::read_dir(home.folder.path())
            .unwrap()
            .map(|item| item.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains("full"))
            .collect();
        assert!(left.is_empty(), "{left:?}");

        home.run(&["backup", "good.tar"]).ok();
        let (new, source) = (Home::sqlite(), home.path("good.tar"));
        fs::create_dir_all(new.path("data")).unwrap();
        let restore = ["restore", source.to_str().unwrap()];
        let copy = ["db", "copy", "--from", &home.database, "--to", &new.database];
        for arguments in [&restore[..], &copy] {
            let refusal = run_with_file_size_limit(&new, arguments, 6000).refused();
            assert!(refusal.contains("journal.db") && refusal.contains("again"), "{refusal}");
            assert!(!new.path("data/journal.db").exists());
            // There is space again.
            new.run(arguments).ok();
            assert_eq!(sums(&new), before);
            fs::remove_file(new.path("data/journal.db")).unwrap();
            let _ = fs::remove_file(new.path("data/journal.db-wal"));
        }
    }
}

/// Resident memory is what other programs lack. A limit on address space would also count what an allocator only
/// reserves.
#[test]
fn memory_use_is_independent_of_the_journals_size() {
    // 11 MB of text and 110 MB.
    let [small, large] = [12, 120].map(peaks_with);
    for (command, (small, large)) in ["backup", "verify", "restore"].iter().zip(small.iter().zip(&large)) {
        assert!(large - small < 32 << 20, "{command}: {small} bytes for the small journal, {large} for the large one");
    }
}

/// The peaks of resident memory, in bytes, of a backup with this many long entries, its verification and its restore.
fn peaks_with(entries: u32) -> [i64; 3] {
    let home = Home::sqlite();
    home.run(&["db", "upgrade"]).ok();
    // Words that are quick to index.
    let connection = rusqlite::Connection::open(home.database.trim_start_matches("sqlite:")).unwrap();
    let fill = format!(
        "BEGIN;
        INSERT INTO users (id, email) VALUES (zeroblob(16), 'ada@example.org');
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {entries})
        INSERT INTO journal_entries (id, content, entry_date, entry_day, user_id)
            SELECT randomblob(16), replace(hex(zeroblob(300000)), '00', 'ha '), i, '2025-01-22', zeroblob(16) FROM n;
        COMMIT"
    );
    connection.execute_batch(&fill).unwrap();
    drop(connection);
    let new = Home::sqlite();
    let backup = home.path("big.tar");
    let backup = backup.to_str().unwrap();
    let peaks = [
        peak(&home, &["backup", backup]),
        peak(&home, &["backup", "verify", backup]),
        peak(&new, &["restore", backup]),
    ];
    assert_eq!(sums(&new), sums(&home));
    peaks
}

/// Runs the program to its end, and returns the peak of its resident memory in bytes.
fn peak(home: &Home, arguments: &[&str]) -> i64 {
    // The kernel keeps the peak of children that have ended (getrusage(2), `ru_maxrss`: KiB).
    let script = "import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)";
    let program = home.command(arguments);
    let mut python = Command::new("python3");
    python.args(["-c", script]).arg(program.get_program()).args(program.get_args());
    python.current_dir(home.folder.path());
    give_environment(&program, &mut python);
    let finished = Finished::from_output(python.stdin(Stdio::null()).output().unwrap()).ok();
    finished.trim().parse::<i64>().unwrap() << 10
}

/// A server reports a full disk with this error; here a trigger does.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_a_server_is_reported() {
    let (old, new) = (Home::sqlite(), Home::postgres().await);
    fill(&old, 1).await;
    old.run(&["backup", "good.tar"]).ok();
    new.run(&["db", "upgrade"]).ok();
    let (admin, connection) = tokio_postgres::connect(&new.database, NoTls).await.unwrap();
    tokio::spawn(connection);
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
                CREATE TRIGGER full_disk BEFORE INSERT ON tags EXECUTE FUNCTION full_disk()";
    let source = old.path("good.tar");
    let restore = ["restore", source.to_str().unwrap()];
    let copy = ["db", "copy", "--from", &old.database, "--to", &new.database];
    for arguments in [&restore[..], &copy] {
        admin.batch_execute(full).await.unwrap();
        let refusal = new.run(arguments).refused();
        assert!(refusal.contains("rows of tags") && refusal.contains("No space left"), "{refusal}");
        assert!(refusal.contains("run the same command again"), "{refusal}");
        admin.batch_execute("DROP TRIGGER full_disk ON tags; DROP FUNCTION full_disk").await.unwrap();
        new.run(arguments).ok();
        assert_eq!(sums(&new), sums(&old));
        admin.batch_execute("DELETE FROM users").await.unwrap();
    }
}

/// Runs the program as a user whom file modes restrict, unlike root.
fn as_anybody(home: &Home, arguments: &[&str]) -> Finished {
    let mut program = home.command(arguments);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        // The program itself may be in a folder that only root can read.
        let copy = home.path("sotto");
        if !copy.exists() {
            fs::copy(program.get_program(), &copy).unwrap();
        }
        let mut copied = Command::new(copy);
        copied.args(program.get_args()).current_dir(home.folder.path());
        give_environment(&program, &mut copied);
        copied.stdin(Stdio::null()).uid(65534).gid(65534);
        program = copied;
    }
    Finished::from_output(program.output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn unwritable_paths_are_named() {
    let old = Home::sqlite();
    fill(&old, 1).await;
    old.run(&["backup", "good.tar"]).ok();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for new in [Home::sqlite(), Home::postgres().await] {
        mode(new.folder.path(), 0o755);
        fs::copy(old.path("good.tar"), new.path("good.tar")).unwrap();
        mode(&new.path("good.tar"), 0o644);
        fs::create_dir(new.path("data")).unwrap();
        mode(&new.path("data"), 0o555);
        fs::create_dir(new.path("backups")).unwrap();
        mode(&new.path("backups"), 0o555);

        let is_file = new.database.starts_with("sqlite:");
        if is_file {
            let refusal = as_anybody(&new, &["restore", "good.tar"]).denied();
            assert!(refusal.contains("journal.db") && refusal.contains("Permission denied"), "{refusal}");
            let copy = ["db", "copy", "--from", &old.database, "--to", &new.database];
            as_anybody(&new, &copy).denied();
            assert_eq!(fs::read_dir(new.path("data")).unwrap().count(), 0);
            mode(&new.path("data"), 0o755);
        }
        new.run(&["restore", "good.tar"]).ok();
        if is_file {
            mode(&new.path("data/journal.db"), 0o644);
        }
        mode(&new.path("data"), 0o777);
        let refusal = as_anybody(&new, &["backup", "backups/next.tar"]).refused();
        assert!(refusal.contains("backups/next.tar") && refusal.contains("Permission denied"), "{refusal}");
        // An unreadable file is named as well.
        mode(&new.path("good.tar"), 0o000);
        let refusal = as_anybody(&new, &["backup", "verify", "good.tar"]).refused();
        assert!(refusal.contains("good.tar") && refusal.contains("Permission denied"), "{refusal}");
        assert_eq!(fs::read_dir(new.path("backups")).unwrap().count(), 0);
        mode(&new.path("backups"), 0o755);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_concurrent_runs_succeeds() {
    let old = Home::sqlite();
    fill(&old, 4).await;
    let at_once = |home: &Home, arguments: &[&str]| {
        let children: Vec<_> = (0..4).map(|_| home.command(arguments).spawn().unwrap()).collect();
        let finished = children.into_iter().map(|child| Finished::from_output(child.wait_with_output().unwrap()));
        let (done, refused): (Vec<_>, Vec<_>) = finished.partition(|one| one.code == Some(0));
        assert_eq!(done.len(), 1, "{:?}", refused.iter().map(|one| &one.err).collect::<Vec<_>>());
        for one in refused {
            let refusal = one.refused();
            let expected = ["another process is writing", "already exists", "is running", "is not empty", "in use"];
            assert!(expected.iter().any(|part| refusal.contains(part)), "{refusal}");
        }
    };
    at_once(&old, &["backup", "good.tar"]);
    old.run(&["backup", "verify", "good.tar"]).ok();
    let source = old.path("good.tar");
    for new in [Home::sqlite(), Home::postgres().await] {
        at_once(&new, &["restore", source.to_str().unwrap()]);
        assert_eq!(sums(&new), sums(&old));
    }
}
