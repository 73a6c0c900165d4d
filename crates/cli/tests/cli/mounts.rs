//! Disks that are full or become read-only under a running server. The tests mount file systems, which requires root.
//!
//! `make faults` runs these tests in a mount namespace that ends with them; `make test` lists them as ignored.
//! `room.rs`, `faults.rs` and `obstacles.rs` test the same without root, with limits in place of disks.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use sotto_storage::testing::{dump, wait_until};

use crate::cluster::{self, Cluster};
use crate::disk::{Disk, text};
use crate::interruptions::{fill, sums};
use crate::load::Load;
use crate::program::{Home, RunningServer, rounds};
use crate::recordings::with_store;
use crate::room::{FREQUENT_READINGS, is_disk_full, recovers, reports_full_disk};

const CLIENTS: usize = 4;
const MIB: u64 = 1 << 20;

/// Fills the disk of a server under writes, and frees space again later.
async fn assert_survives_a_full_disk(server: &RunningServer, disk: &Disk) {
    let token = server.person("ada@example.org").await;
    for _ in 0..rounds(1) {
        let load = Load::start(server, &token, CLIENTS);
        load.stores(20).await;
        disk.fill_up();
        load.until("a full disk is reported", |outcomes| outcomes.refused_with("disk_full") > 0).await;
        let outcomes = load.end().await;
        assert!(outcomes.unknown.is_empty(), "{:?}", outcomes.unknown);
        // Uses space that was freed in between, so that the disk stays full.
        disk.fill_up();
        outcomes.holds(server, &token).await;
        reports_full_disk(server).await;
        outcomes.holds(server, &token).await;
        disk.make_room();
        recovers(server, &token).await;
        outcomes.holds(server, &token).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system, which needs root: make faults"]
async fn a_full_disk_under_sqlite_causes_503_until_there_is_space() {
    let home = Home::sqlite();
    let disk = Disk::in_memory(home.path("data"), 24 * MIB);
    let server = RunningServer::logging(&home, &[&FREQUENT_READINGS[..], &["--rate-limits", "off"]].concat());
    assert_survives_a_full_disk(&server, &disk).await;
    server.stop();
    home.run(&["db", "check", "--rows"]).ok();
}

/// A tablespace `small` on a separate disk, and the folder where the disk is mounted.
fn small_tablespace(cluster: &Cluster, size: u64) -> (tempfile::TempDir, Disk) {
    let folder = tempfile::TempDir::new().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let disk = Disk::in_memory(folder.path().join("tables"), size);
    chown(&disk.place, Some(cluster::owner()), None).unwrap();
    cluster.psql(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.place.display()));
    (folder, disk)
}

/// The tables are on the full disk; the server's own log is not.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system, which needs root: make faults"]
async fn a_full_disk_under_postgresql_causes_503_until_there_is_space() {
    let cluster = Cluster::start();
    let (_folder, disk) = small_tablespace(&cluster, 48 * MIB);
    let home = Home::with_database(cluster.database("journal", "TABLESPACE small"));
    let server = RunningServer::logging(&home, &[&FREQUENT_READINGS[..], &["--rate-limits", "off"]].concat());
    assert_survives_a_full_disk(&server, &disk).await;
    server.stop();
    home.run(&["db", "check", "--rows"]).ok();
    cluster.kill();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system, which needs root: make faults"]
async fn a_full_disk_under_recordings_causes_503_until_there_is_space() {
    for home in [with_store(Home::sqlite()), with_store(Home::postgres().await)] {
        let disk = Disk::in_memory(home.path("store"), 8 * MIB);
        let server = RunningServer::start(&home, &FREQUENT_READINGS);
        let token = server.person("ada@example.org").await;
        let recording = |byte| [b"RIFF\x24\0\0\0WAVEfmt ".to_vec(), vec![byte; 3 << 20]].concat();
        assert!(server.write(&token, "spoken").await);
        let audio = server.record(&token, recording(7)).await;
        let before = disk.names();
        let send = async || {
            let request = server.request(Method::PUT, &audio).bearer_auth(&token).body(recording(8));
            request.send().await.unwrap()
        };
        let play = async || {
            let played = server.request(Method::GET, &audio).bearer_auth(&token).send().await.unwrap();
            assert_eq!(played.status(), StatusCode::OK);
            played.bytes().await.unwrap()
        };
        for _ in 0..rounds(1) {
            disk.fill_up();
            is_disk_full(send().await).await;
            assert_eq!(play().await, recording(7));
            reports_full_disk(&server).await;
            // The journal itself has space.
            assert!(server.write(&token, "written in the meantime").await);
            assert_eq!(disk.names(), before);
            disk.make_room();
            recovers(&server, &token).await;
            assert_eq!(play().await, recording(7), "what could not be replaced is kept");
        }
        assert_eq!(send().await.status(), 200);
        assert_eq!(play().await, recording(8));
        server.stop();
        let swept = home.run(&["attachments", "sweep", "--dry-run", "--json"]).json();
        assert_eq!((&swept["total"], &swept["drafts"]), (&1.into(), &0.into()), "nothing is left over: {swept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system, which needs root: make faults"]
async fn a_backup_to_a_full_disk_leaves_no_file() {
    for home in [Home::sqlite(), Home::postgres().await] {
        fill(&home, 4).await;
        let disk = Disk::in_memory(home.path("backups"), 16 * MIB);
        for _ in 0..rounds(1) {
            disk.fill_up();
            for arguments in [&["backup", "backups/next.tar"][..], &["backup", "backups/next", "--directory"]] {
                let refusal = home.run(arguments).refused();
                assert!(refusal.contains("No space left") && refusal.contains("cannot be written"), "{refusal}");
                assert_eq!(disk.names(), [""; 0]);
            }
            disk.make_room();
            home.run(&["backup", "backups/next.tar"]).ok();
            home.run(&["backup", "verify", "backups/next.tar"]).ok();
            fs::remove_file(disk.place.join("next.tar")).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system, which needs root: make faults"]
async fn a_restore_or_copy_to_a_full_disk_can_be_repeated() {
    let old = Home::sqlite();
    fill(&old, 4).await;
    old.run(&["backup", "good.tar"]).ok();
    let (before, source) = (sums(&old), old.path("good.tar"));
    for copies in [false, true] {
        let new = Home::sqlite();
        let disk = Disk::in_memory(new.path("data"), 5 * MIB);
        let copy = ["db", "copy", "--from", &old.database, "--to", &new.database];
        let restore = ["restore", source.to_str().unwrap()];
        let arguments = if copies { &copy[..] } else { &restore[..] };
        let refusal = new.run(arguments).refused();
        assert!(refusal.contains("journal.db") && refusal.contains("again"), "{refusal}");
        assert!(!new.path("data/journal.db").exists());
        disk.remount(&format!("size={}", 64 * MIB));
        new.run(arguments).ok();
        assert_eq!(sums(&new), before);
    }
}

const FILL_UP: &str = "CREATE TABLE fill (id INTEGER NOT NULL PRIMARY KEY); INSERT INTO fill WITH RECURSIVE n (i) AS \
                       (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) SELECT i FROM n;";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system, which needs root: make faults"]
async fn an_upgrade_on_a_full_disk_changes_nothing() {
    let home = Home::sqlite();
    let disk = Disk::in_memory(home.path("data"), 32 * MIB);
    // The first one creates the database.
    disk.fill_up();
    let refusal = home.run(&["db", "upgrade"]).refused();
    assert!(refusal.contains("full") || refusal.contains("No space left"), "{refusal}");
    disk.make_room();
    fill(&home, 2).await;
    let migrations = home.next_migration(FILL_UP, "-- loses: fill\nDROP TABLE fill;");
    let upgrade = ["db", "upgrade", "--migrations", &migrations];
    let downgrade = ["db", "downgrade", "base", "--allow-data-loss"];
    let (before, names) = (dump(&home.url()), disk.names());
    for _ in 0..rounds(1) {
        // No space for the copy.
        disk.fill_up();
        for arguments in [&upgrade[..], &downgrade] {
            let refusal = home.run(arguments).refused();
            assert!(refusal.contains("no snapshot could be taken") && refusal.contains("free disk space"), "{refusal}");
        }
        disk.make_room();
        assert_eq!(dump(&home.url()), before);
        assert_eq!(disk.names(), names);
        // Space for the copy but not for the step.
        let size = fs::metadata(home.file().unwrap()).unwrap().len();
        disk.remount(&format!("size={}", 2 * size + MIB));
        let refusal = home.run(&upgrade).refused();
        assert!(refusal.contains("next.up.sql failed and was undone") && refusal.contains("full"), "{refusal}");
        assert_eq!(disk.names(), names, "no copy is left behind");
        disk.remount(&format!("size={}", 32 * MIB));
        assert_eq!(dump(&home.url()), before);
    }
    home.run(&upgrade).ok();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system, which needs root: make faults"]
async fn an_upgrade_on_a_full_disk_of_postgresql_changes_nothing() {
    let cluster = Cluster::start();
    let (_folder, disk) = small_tablespace(&cluster, 24 * MIB);
    let home = Home::with_database(cluster.database("journal", "TABLESPACE small"));
    fill(&home, 1).await;
    let migrations = home.next_migration("SELECT 1;", "-- loses: nothing\nSELECT 1;");
    let number = fs::read_dir(Path::new(&migrations).join("postgres")).unwrap().count() / 2;
    let step = Path::new(&migrations).join(format!("postgres/{number:04}_next.up.sql"));
    fs::write(&step, "CREATE TABLE fill AS SELECT generate_series(1, 1000000) AS id;").unwrap();
    let upgrade = ["db", "upgrade", "--migrations", &migrations];
    let before = dump(&home.url());
    for _ in 0..rounds(1) {
        disk.fill_up();
        let refusal = home.run(&upgrade).refused();
        assert!(refusal.contains("failed and was undone") && refusal.contains("No space left"), "{refusal}");
        disk.make_room();
        assert_eq!(dump(&home.url()), before);
    }
    disk.remount(&format!("size={}", 96 * MIB));
    home.run(&upgrade).ok();
    cluster.kill();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system, which needs root: make faults"]
async fn keys_on_a_full_disk_are_unchanged() {
    let home = Home::sqlite();
    let disk = Disk::in_memory(home.path("data"), 4 * MIB);
    disk.fill_up();
    let refusal = home.run(&["keys", "init"]).refused();
    assert!(refusal.contains("keys.json") && refusal.contains("No space left"), "{refusal}");
    assert_eq!(disk.names(), [""; 0]);
    disk.make_room();
    home.run(&["keys", "init"]).ok();
    for _ in 0..rounds(1) {
        let before = fs::read(home.path("data/keys.json")).unwrap();
        disk.fill_up();
        let refusal = home.run(&["keys", "rotate"]).refused();
        assert!(refusal.contains("keys.json") && refusal.contains("No space left"), "{refusal}");
        assert_eq!(fs::read(home.path("data/keys.json")).unwrap(), before);
        assert_eq!(disk.names(), ["keys.json"]);
        disk.make_room();
        home.run(&["keys", "rotate"]).ok();
        assert_ne!(fs::read(home.path("data/keys.json")).unwrap(), before);
    }
}

/// The kernel's reaction to an ext4 whose disk reports an error.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system, which needs root: make faults"]
async fn a_disk_that_becomes_read_only_loses_no_acknowledged_entry() {
    let home = Home::sqlite();
    let image = home.path("image");
    for round in 0..rounds(1) {
        let disk = Disk::ext4(&image, home.path("data"));
        let server = RunningServer::logging(&home, &[&FREQUENT_READINGS[..], &["--rate-limits", "off"]].concat());
        let token = match round {
            0 => server.person("ada@example.org").await,
            _ => server.login("ada@example.org", crate::program::PASSWORD).await.1,
        };
        let load = Load::start(&server, &token, CLIENTS);
        load.stores(20).await;
        let before = load.outcomes().stored;
        disk.abort();
        load.until("writes are refused", |outcomes| !outcomes.refused.is_empty()).await;
        let mut outcomes = load.end().await;
        // Linux reports data written at the instant of the abort as synced, and drops it: a program of ten lines that
        // appends and calls `fdatasync` loses its last piece in one of seven runs (6.18).
        outcomes.stored.retain(|id| before.contains(id));
        let ready = server.request(Method::GET, "/health/ready").send().await.unwrap();
        assert_eq!(ready.status(), 503);
        assert_eq!(server.request(Method::GET, "/health/live").send().await.unwrap().status(), 200);
        // Reading still works.
        let list = server.request(Method::GET, "/api/journals/?limit=5").bearer_auth(&token).send().await.unwrap();
        assert_eq!(list.json::<Value>().await.unwrap().as_array().unwrap().len(), 5);
        drop(server);
        drop(disk);

        wait_until("the image is free", async || {
            Command::new("e2fsck").args(["-fy", text(&image)]).output().unwrap().status.code().unwrap() < 4
        })
        .await;
        let _disk = Disk::ext4(&image, home.path("data"));
        let server = RunningServer::start(&home, &[]);
        outcomes.holds(&server, &token).await;
        server.stop();
        home.run(&["db", "check", "--rows"]).ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system, which needs root: make faults"]
async fn commands_on_a_read_only_disk_fail_and_change_nothing() {
    let home = Home::sqlite();
    let disk = Disk::in_memory(home.path("data"), 32 * MIB);
    fill(&home, 1).await;
    home.run(&["keys", "init"]).ok();
    let migrations = home.next_migration(FILL_UP, "-- loses: fill\nDROP TABLE fill;");
    let (before, names) = (dump(&home.url()), disk.names());
    for _ in 0..rounds(1) {
        disk.remount("ro");
        for arguments in [
            &["db", "upgrade", "--migrations", &migrations][..],
            &["db", "downgrade", "base", "--allow-data-loss"],
            &["db", "stamp", "base"],
            &["keys", "rotate"],
            &["backup"],
            &["serve", "--listen", "127.0.0.1:0"],
        ] {
            let finished = home.run(arguments);
            assert!(matches!(finished.code, Some(1 | 6)), "{arguments:?}: {}{}", finished.out, finished.err);
            let messages = ["read-only", "Read-only", "must be able to write"];
            assert!(messages.iter().any(|part| finished.err.contains(part)), "{arguments:?}: {}", finished.err);
        }
        assert_eq!(disk.names(), names);
        disk.remount("rw");
        assert_eq!(dump(&home.url()), before);
    }
    home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
}
