//! The attachment store as operators see it: its owner, missing recordings, and sweeps.

use std::fs;
use std::path::PathBuf;

use reqwest::{Method, StatusCode};

use crate::documents::contents;
use crate::program::{Finished, Home, PASSWORD, RunningServer, wait_for_next_second};

/// A home whose attachment store is the folder `store` outside of its data folder.
pub fn with_store(mut home: Home) -> Home {
    let store = home.path("store").to_str().unwrap().to_owned();
    home.variables.push(("SOTTO_ATTACHMENTS", store));
    home
}

fn wav(byte: u8) -> Vec<u8> {
    [b"RIFF\x24\0\0\0WAVEfmt ".to_vec(), vec![byte; 1000]].concat()
}

/// Creates an entry with a recording, and returns the recording's path.
pub async fn recorded(server: &RunningServer, token: &str, byte: u8) -> String {
    // Lists are sorted by date, so the new entry is found by its text.
    assert!(server.write(token, &format!("spoken{byte}")).await);
    let found = server.request(Method::GET, &format!("/api/journals/?q=spoken{byte}")).bearer_auth(token);
    let found: serde_json::Value = found.send().await.unwrap().json().await.unwrap();
    let audio = format!("/api/journals/{}/audio", found[0]["id"].as_str().unwrap());
    let sent = server.request(Method::PUT, &audio).bearer_auth(token).body(wav(byte)).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::CREATED);
    audio
}

/// Plays a recording of [`recorded`]; with `None`, asserts that it is missing.
pub async fn play(server: &RunningServer, token: &str, audio: &str, byte: Option<u8>) {
    let played = server.request(Method::GET, audio).bearer_auth(token).send().await.unwrap();
    match byte {
        Some(byte) => assert_eq!(played.bytes().await.unwrap(), wav(byte)),
        None => assert_eq!(played.status(), StatusCode::NOT_FOUND),
    }
}

/// The objects in the store, without the store's own files.
fn objects(home: &Home) -> Vec<PathBuf> {
    let all = contents(&home.path("store")).into_iter().map(|(path, _)| path);
    all.filter(|path| path.parent().unwrap() != home.path("store")).collect()
}

fn code(finished: Finished, code: i32) -> String {
    assert_eq!(finished.code, Some(code), "{}{}", finished.out, finished.err);
    format!("{}{}", finished.out, finished.err)
}

/// Starts a server and creates an account. Returns the server and the token of the account.
async fn started(home: &Home) -> (RunningServer, String) {
    let server = RunningServer::start(home, &[]);
    let token = server.person("ada@example.org").await;
    (server, token)
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn no_other_user_can_read_what_a_server_writes() {
    use std::os::unix::fs::PermissionsExt;
    let home = with_store(Home::sqlite());
    // Folders that an operator has made, which others may enter.
    for folder in ["data", "store"] {
        fs::create_dir_all(home.path(folder)).unwrap();
        fs::set_permissions(home.path(folder), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (server, token) = started(&home).await;
    recorded(&server, &token, 1).await;
    let written: Vec<_> = ["data", "store"].into_iter().flat_map(|folder| contents(&home.path(folder))).collect();
    assert!(objects(&home).len() == 1 && written.len() > 3, "{written:?}");
    for (path, _) in written {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
    server.stop();
}

async fn both() -> [Home; 2] {
    [with_store(Home::sqlite()), with_store(Home::postgres().await)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_only_with_its_own_store() {
    for home in both().await {
        let (server, token) = started(&home).await;
        let audio = recorded(&server, &token, 1).await;
        server.stop();
        let before = contents(&home.path("store"));

        // A second journal on the same store, by mistake.
        let mut second = Home::sqlite();
        second.variables = home.variables.clone();
        let refused = second.run(&["serve", "--listen", "127.0.0.1:0"]).refused();
        assert!(refused.contains("belongs to another database") && refused.contains("SOTTO_ATTACHMENTS"), "{refused}");
        // A wrong, empty folder, although the database names recordings.
        let wrong = home.path("elsewhere").to_str().unwrap().to_owned();
        let refused = home.run(&["serve", "--listen", "127.0.0.1:0", "--attachments", &wrong]).refused();
        assert!(refused.contains("is empty, although the database names recordings"), "{refused}");
        let refused = home.run(&["attachments", "sweep", "--attachments", "nowhere"]).refused();
        assert!(refused.contains("there is no attachment store at nowhere"), "{refused}");
        assert!(!home.path("nowhere").exists());

        assert_eq!(contents(&home.path("store")), before);
        let server = RunningServer::start(&home, &[]);
        play(&server, &token, &audio, Some(1)).await;
        server.stop();

        // After `adopt`, the store belongs to the second database only.
        let output = second.run(&["attachments", "adopt"]).ok();
        assert!(output.contains("It contains 1 recordings; 1 of them are unknown to the database."), "{output}");
        RunningServer::start(&second, &[]).stop();
        home.run(&["serve", "--listen", "127.0.0.1:0"]).refused();
        home.run(&["attachments", "adopt"]).ok();
        let server = RunningServer::start(&home, &[]);
        play(&server, &token, &audio, Some(1)).await;
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_without_its_recordings_is_incomplete() {
    for home in both().await {
        let (server, token) = started(&home).await;
        for byte in 1..=3 {
            recorded(&server, &token, byte).await;
        }
        assert!(home.run(&["backup", "good.tar"]).ok().contains("3 attachments"));
        assert!(home.run(&["backup", "verify", "good.tar"]).ok().contains("is complete"));

        // A wrong store.
        let elsewhere = ["--attachments", "elsewhere"];
        let output = code(home.run(&[&["backup", "bad.tar"][..], &elsewhere].concat()), 8);
        assert!(output.contains("lacks 3 of the 3 recordings") && output.contains("SOTTO_ATTACHMENTS"), "{output}");
        let output = code(home.run(&["backup", "verify", "bad.tar"]), 8);
        assert!(output.contains("lacks 3 of the 3 recordings") && !output.contains("is complete"), "{output}");
        let piped = home.command(&[&["backup", "-"][..], &elsewhere].concat()).output().unwrap();
        assert_eq!(piped.status.code(), Some(8));
        // It deletes no backup that contains the recordings.
        home.run(&["backup"]).ok();
        wait_for_next_second();
        code(home.run(&[&["backup", "--keep", "1"][..], &elsewhere].concat()), 8);
        assert_eq!(fs::read_dir(home.path("data/backups")).unwrap().count(), 2);

        // One is missing, one is too short, one is different.
        let files = objects(&home);
        fs::remove_file(&files[0]).unwrap();
        fs::write(&files[1], "short").unwrap();
        fs::write(&files[2], wav(9)).unwrap();
        let output = code(home.run(&["backup", "worse.tar", "--json"]), 8);
        for (file, problem) in
            files.iter().zip(["is missing", "has another length than", "has another content than its row says"])
        {
            let id = file.file_name().unwrap().to_str().unwrap();
            let sentence = output.lines().find(|line| line.starts_with("sotto: ")).unwrap();
            assert!(sentence.contains(&format!("{id} {problem}")), "{sentence}");
        }
        server.stop();

        // A restore reports that as well, and restores the rest.
        let new = with_store(Home::sqlite());
        let bad = home.path("bad.tar");
        let output = code(new.run(&["restore", bad.to_str().unwrap()]), 8);
        assert!(output.contains("3 recordings have a row but are neither in the backup nor in the store"), "{output}");
        assert!(new.run(&["user", "list"]).ok().contains("ada@example.org"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_rows_finds_missing_recordings() {
    for home in both().await {
        let (server, token) = started(&home).await;
        home.run(&["db", "check", "--rows", "--hashes"]).ok();
        for byte in 1..=4 {
            recorded(&server, &token, byte).await;
        }
        let sound = home.run(&["db", "check", "--rows"]).ok();
        assert!(sound.contains("Not checked: the content of the recordings"), "{sound}");
        assert!(!home.run(&["db", "check", "--rows", "--hashes"]).ok().contains("Not checked: the content"));
        assert_eq!(home.run(&["db", "check", "--hashes"]).code, Some(2), "without --rows");
        let files = objects(&home);
        // A recording in quarantine is not lost.
        let quarantine = home.path("store/quarantine/2025-01-22").join(files[3].parent().unwrap().file_name().unwrap());
        fs::create_dir_all(&quarantine).unwrap();
        fs::rename(&files[3], quarantine.join(files[3].file_name().unwrap())).unwrap();
        home.run(&["db", "check", "--rows", "--hashes"]).ok();

        fs::remove_file(&files[0]).unwrap();
        fs::write(&files[1], "short").unwrap();
        fs::write(&files[2], wav(9)).unwrap();
        let found = |arguments: &[&str]| {
            let found = home.run(&[&["db", "check", "--rows", "--json"], arguments].concat());
            assert_eq!(found.code, Some(3), "{}{}", found.out, found.err);
            let json: serde_json::Value = serde_json::from_str(&found.out).unwrap();
            let findings = json["rows"]["findings"].as_array().unwrap().clone();
            let name_and_finding =
                |one: &serde_json::Value| (one["name"].to_string(), one["found"].as_str().unwrap().to_owned());
            findings.iter().map(name_and_finding).collect::<Vec<_>>()
        };
        let expected: Vec<_> = ["none of this name", "a recording of another length", "a recording with other content"]
            .into_iter()
            .zip(&files)
            .map(|(problem, file)| {
                let owner = file.parent().unwrap().file_name().unwrap().to_str().unwrap();
                (format!("\"{owner}/{}\"", file.file_name().unwrap().to_str().unwrap()), problem.to_owned())
            })
            .collect();
        assert_eq!(found(&["--hashes"]), expected);
        assert_eq!(found(&[]), expected[..2]);
        // A wrong store has none of them, and an unreadable store is reported.
        assert_eq!(found(&["--attachments", "elsewhere"]).len(), 4);
        fs::write(home.path("a-file"), "").unwrap();
        let unreadable = found(&["--attachments", "a-file"]);
        assert_eq!(unreadable.len(), 1, "{unreadable:?}");
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_can_be_swept_by_a_command() {
    for home in both().await {
        let (server, token) = started(&home).await;
        let audio = recorded(&server, &token, 1).await;
        let known = objects(&home).remove(0);
        let lost = known.with_file_name("0190b5a4-1111-7222-8333-444455556666");
        fs::write(&lost, "lost").unwrap();
        let old = fs::metadata(&lost).unwrap().modified().unwrap() - std::time::Duration::from_hours(2);
        fs::File::options().write(true).open(&lost).unwrap().set_modified(old).unwrap();

        let before = contents(&home.path("store"));
        let output = home.run(&["attachments", "sweep", "--dry-run"]).ok();
        assert!(output.contains("1 without an entry would be moved to quarantine for 30 days:"), "{output}");
        assert!(output.contains("0190b5a4-1111-7222-8333-444455556666"), "{output}");
        assert_eq!(contents(&home.path("store")), before);
        // While the server runs.
        let swept = home.run(&["attachments", "sweep", "--json"]).json();
        assert_eq!((swept["total"].as_u64(), swept["put_aside"].as_array().unwrap().len()), (Some(2), 1));
        assert!(!lost.exists() && known.exists());
        let quarantine = home.path("store/quarantine");
        assert_eq!(contents(&quarantine).len(), 1);

        // A recording in quarantine is in the backup, and is moved back when it is played.
        let day = quarantine.join("2025-01-22").join(known.parent().unwrap().file_name().unwrap());
        fs::create_dir_all(&day).unwrap();
        fs::rename(&known, day.join(known.file_name().unwrap())).unwrap();
        assert!(home.run(&["backup", "aside.tar"]).ok().contains("and 1 attachment to"));
        play(&server, &token, &audio, Some(1)).await;
        assert!(known.exists());
        fs::remove_file(&known).unwrap();
        let output = code(home.run(&["attachments", "sweep"]), 3);
        assert!(output.contains("Recordings that the database names and the store does not have: 1"), "{output}");
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_adopts_a_store_only_if_requested() {
    for home in both().await {
        let (server, token) = started(&home).await;
        let audio = recorded(&server, &token, 1).await;
        home.run(&["backup", "good.tar"]).ok();
        let later = recorded(&server, &token, 2).await;
        server.stop();
        let file = home.path("good.tar").to_str().unwrap().to_owned();

        // The database is lost, and the store is not.
        let mut new = Home::sqlite();
        new.variables = home.variables.clone();
        let before = contents(&home.path("store"));
        let refused = new.run(&["restore", &file]).refused();
        assert!(refused.contains("belongs to another database") && refused.contains("--adopt"), "{refused}");
        assert!(!new.file().unwrap().exists());
        assert_eq!(contents(&home.path("store")), before);
        new.run(&["restore", &file, "--adopt"]).ok();
        let server = RunningServer::start(&new, &[]);
        let (_, theirs) = server.login("ada@example.org", PASSWORD).await;
        play(&server, &theirs, &audio, Some(1)).await;
        server.stop();
        home.run(&["serve", "--listen", "127.0.0.1:0"]).refused();

        // A copy has no store until one is assigned to it.
        let copy = Home::sqlite();
        fs::create_dir_all(copy.path("data")).unwrap();
        let output = home.run(&["db", "copy", "--from", &home.database, "--to", &copy.database]).ok();
        assert!(output.contains("sotto attachments adopt"), "{output}");
        let store = ["--attachments", home.variables[0].1.as_str()];
        copy.run(&[&["serve", "--listen", "127.0.0.1:0"][..], &store].concat()).refused();
        copy.run(&[&["attachments", "adopt"][..], &store].concat()).ok();
        let server = RunningServer::start(&copy, &store);
        let (_, theirs) = server.login("ada@example.org", PASSWORD).await;
        play(&server, &theirs, &later, Some(2)).await;
        server.stop();
    }
}

/// A server that was started on an empty database keeps its store when a backup is restored into it.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_keeps_its_identity_through_a_restore() {
    let old = with_store(Home::sqlite());
    let (server, token) = started(&old).await;
    let audio = recorded(&server, &token, 1).await;
    server.stop();
    old.run(&["backup", "good.tar"]).ok();
    let file = old.path("good.tar").to_str().unwrap().to_owned();
    for home in both().await {
        RunningServer::start(&home, &[]).stop();
        let mark = fs::read(home.path("store/sotto-store.json")).unwrap();
        home.run(&["restore", &file]).ok();
        assert_eq!(fs::read(home.path("store/sotto-store.json")).unwrap(), mark);
        let server = RunningServer::start(&home, &[]);
        let (_, token) = server.login("ada@example.org", PASSWORD).await;
        play(&server, &token, &audio, Some(1)).await;
        server.stop();
    }
}
