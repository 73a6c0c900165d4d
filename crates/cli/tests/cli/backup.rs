//! `sotto backup`, `sotto restore` and `sotto db copy` as operators use them.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;

use age::secrecy::ExposeSecret;
use reqwest::Method;
use serde_json::Value;
use sotto_storage::testing::within_bound_blocking;

use crate::program::{Finished, Home, PASSWORD, RunningServer, wait_for_next_second};

/// Each engine paired with the other.
async fn pairs() -> [(Home, Home); 2] {
    [(Home::sqlite(), Home::postgres().await), (Home::postgres().await, Home::sqlite())]
}

/// The backups in the default folder.
fn backups(home: &Home) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(home.path("data/backups"))
        .unwrap()
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_moves_to_another_engine_by_backup_and_back_by_copy() {
    for (old, new) in pairs().await {
        let server = RunningServer::start(&old, &[]);
        let token = server.person("ada@example.org").await;
        for content in ["First words", "Second words", "A zanzibar 😀"] {
            assert!(server.write(&token, content).await);
        }
        let recording = [b"RIFF\x24\0\0\0WAVEfmt ".to_vec(), vec![7; 100_000]].concat();
        let audio = server.record(&token, recording.clone()).await;

        // While the server runs.
        let file = old.path("moved.tar");
        let file = file.to_str().unwrap();
        let backup = old.run(&["backup", file, "--with-keys", "--keys-in-the-clear", "--json"]).json();
        assert_eq!(backup["attachments"][0]["size"], recording.len());
        assert!(old.run(&["backup", "verify", file]).ok().contains("is complete"));
        assert!(server.write(&token, "After the backup").await);
        server.stop();

        let restored = new.run(&["restore", file, "--json"]).json();
        assert_eq!(restored["keys"], "restored");
        let server = RunningServer::start(&new, &[]);
        let played = server.request(Method::GET, &audio).bearer_auth(&token).send().await.unwrap();
        assert!(played.bytes().await.unwrap() == recording);
        // With the keys restored, sessions stay valid.
        assert_eq!(server.contents(&token).await, ["A zanzibar 😀", "Second words", "First words"]);
        let found = server.request(Method::GET, "/api/journals/?q=zanz").bearer_auth(&token).send().await.unwrap();
        assert_eq!(found.json::<Value>().await.unwrap().as_array().unwrap().len(), 1);
        assert_eq!(server.login("ada@example.org", PASSWORD).await.0, 200);
        assert!(server.write(&token, "On the new machine").await);
        server.stop();

        let back = Home::sqlite();
        fs::create_dir_all(back.path("data")).unwrap();
        let copied = back.run(&["db", "copy", "--from", &new.database, "--to", &back.database]).ok();
        assert!(copied.contains(" 4 journal_entries\n"), "{copied}");
        // The recordings are elsewhere, and not needed here.
        fs::create_dir_all(back.path("data/attachments")).unwrap();
        back.run(&["attachments", "adopt"]).ok();
        let server = RunningServer::start(&back, &[]);
        let (_, token) = server.login("ada@example.org", PASSWORD).await;
        assert_eq!(server.contents(&token).await[0], "On the new machine");
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_backups_and_nothing_else_are_deleted() {
    let home = Home::sqlite();
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], PASSWORD).ok();
    fs::create_dir_all(home.path("data/backups")).unwrap();
    let strangers =
        ["sotto-20200101T000000Z.tar.gz", "sotto-20200101T000000Z.tar", "sotto-20200102T000000Z.tar.age", "notes.txt"];
    // The next backup deletes the draft of a killed one.
    let unfinished = ".sotto-20200101T000000Z.tar.unfinished";
    for name in strangers.into_iter().chain([unfinished]) {
        fs::write(home.path("data/backups").join(name), "it has such a name, but is none of ours").unwrap();
    }
    fs::create_dir(home.path("data/backups/sotto-20200103T000000Z")).unwrap();
    let first = home.run(&["backup", "--json"]).json();
    let first = first["path"].as_str().unwrap().to_owned();
    let old = first.replace("sotto-2", "sotto-1");
    fs::rename(&first, &old).unwrap();
    home.run(&["backup", "--keep", "5"]).ok();
    assert!(fs::exists(&old).unwrap());
    wait_for_next_second();
    let kept = home.run(&["backup", "--keep", "1", "--json"]).json();
    assert_eq!(kept["deleted"].as_array().unwrap().len(), 2, "{kept}");
    let names = backups(&home);
    assert_eq!(names.len(), strangers.len() + 2, "{names:?}");
    assert!(strangers.iter().all(|name| names.iter().any(|one| one == name)), "{names:?}");
    assert!(!names.iter().any(|name| name == unfinished), "{names:?}");

    assert!(home.run(&["backup", "x.tar", "--keep", "1"]).refused().contains("--keep requires"));
    assert_eq!(home.run(&["backup", "--schedule", "24h"]).code, Some(2));
    assert_eq!(home.run(&["backup", "--keep", "0"]).code, Some(2));
    assert_eq!(home.run(&["backup", "--keep", "1", "--schedule", "soon"]).code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_makes_backups_until_it_is_stopped() {
    for home in [Home::sqlite(), Home::postgres().await] {
        home.run(&["db", "upgrade"]).ok();
        home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], PASSWORD).ok();
        let mut child = home.command(&["backup", "--schedule", "1s", "--keep", "2", "--json"]).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut out = within_bound_blocking("the fourth scheduled backup is reported", move || {
            let mut output = String::new();
            while output.matches("\"deleted\"").count() < 4 {
                let mut piece = [0; 512];
                let count = out.read(&mut piece).unwrap();
                assert!(count > 0, "the schedule has ended: {output}");
                output += std::str::from_utf8(&piece[..count]).unwrap();
            }
            out
        });
        let sent = std::process::Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        let finished = Finished::from_output(child.wait_with_output().unwrap());
        assert_eq!(finished.code, Some(0), "{}", finished.err);
        let names = backups(&home);
        assert!(names.len() <= 3 && names.iter().all(|name| !name.contains("unfinished")), "{names:?}");
        for name in names {
            home.run(&["backup", "verify", home.path("data/backups").join(name).to_str().unwrap()]).ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_backup_is_decrypted_by_each_recipient() {
    let home = Home::sqlite();
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], PASSWORD).ok();
    home.run(&["keys", "init"]).ok();
    let (ada, ben) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
    for (name, identity) in [("ada", &ada), ("ben", &ben)] {
        fs::write(home.path(name), format!("# made by a test\n{}\n", identity.to_string().expose_secret())).unwrap();
    }
    let refusal = home.run(&["backup", "sealed", "--with-keys"]).refused();
    assert!(refusal.contains("--encrypt-to"), "{refusal}");
    assert_eq!(home.run(&["backup", "sealed", "--encrypt-to", "age1nobody"]).code, Some(2));
    assert_eq!(
        home.run(&["backup", "sealed", "--encrypt-to", &ada.to_public().to_string(), "--directory"]).code,
        Some(2)
    );

    let (to_ada, to_ben) = (ada.to_public().to_string(), ben.to_public().to_string());
    home.run(&["backup", "sealed", "--with-keys", "--encrypt-to", &to_ada, "--encrypt-to", &to_ben]).ok();
    let sealed = fs::read(home.path("sealed")).unwrap();
    assert!(sealed.starts_with(b"age-encryption.org/v1\n"));
    assert!(home.run(&["backup", "verify", "sealed"]).refused().contains("--identity"));
    assert!(home.run(&["restore", "sealed", "--identity", "missing"]).refused().contains("missing cannot be read"));
    for name in ["ada", "ben"] {
        home.run(&["backup", "verify", "sealed", "--identity", name]).ok();
    }
    // Any implementation of age decrypts it to a backup.
    let plain = age::decrypt(&ada, &sealed).unwrap();
    fs::write(home.path("plain.tar"), plain).unwrap();
    assert!(home.run(&["backup", "verify", "plain.tar"]).ok().contains("with the keys"));

    let stranger = age::x25519::Identity::generate();
    fs::write(home.path("stranger"), stranger.to_string().expose_secret()).unwrap();
    home.run(&["backup", "verify", "sealed", "--identity", "stranger"]).refused();
    for place in [30, sealed.len() / 2, sealed.len() - 1] {
        let mut bad = sealed.clone();
        bad[place] ^= 1;
        fs::write(home.path("bad"), &bad).unwrap();
        home.run(&["backup", "verify", "bad", "--identity", "ada"]).refused();
    }
    fs::write(home.path("bad"), &sealed[..sealed.len() - 100]).unwrap();
    home.run(&["backup", "verify", "bad", "--identity", "ada"]).refused();

    let new = Home::sqlite();
    let (source, key) = (home.path("sealed"), home.path("ben"));
    let arguments = ["restore", source.to_str().unwrap(), "--identity", key.to_str().unwrap()];
    assert!(new.run(&arguments).ok().contains("The keys are restored."));
    assert!(new.run(&["user", "list"]).ok().contains("ada@example.org"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_decrypts_the_backup_that_it_encrypted() {
    let home = Home::sqlite();
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], PASSWORD).ok();
    assert!(home.run(&["backup", "sealed", "--passphrase"]).refused().contains("--passphrase-stdin"));
    assert!(home.run_with_input(&["backup", "sealed", "--passphrase-stdin"], "\n").refused().contains("empty"));
    assert!(
        home.run_with_input(&["backup", "sealed", "--passphrase-stdin"], "sésame!\n")
            .refused()
            .contains("8 characters")
    );
    home.run_with_input(&["backup", "sealed", "--passphrase-stdin"], "open sesame\n").ok();
    let verify = ["backup", "verify", "sealed", "--passphrase-stdin"];
    home.run_with_input(&verify, "open barley\n").refused();
    assert!(home.run(&["backup", "verify", "sealed"]).refused().contains("--passphrase-stdin"));
    let new = Home::sqlite();
    let source = home.path("sealed");
    let restore = ["restore", source.to_str().unwrap(), "--passphrase-stdin"];
    new.run_with_input(&restore, "open sesame\n").ok();
    assert!(new.run(&["user", "list"]).ok().contains("ada@example.org"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_can_be_piped() {
    let home = Home::sqlite();
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], PASSWORD).ok();
    let output = home.command(&["backup", "-"]).output().unwrap();
    assert!(output.status.success());
    fs::File::create(home.path("piped.tar")).unwrap().write_all(&output.stdout).unwrap();
    let verified = home.run(&["backup", "verify", "piped.tar", "--json"]).json();
    assert_eq!(
        verified["tables"].as_array().unwrap().iter().map(|table| table["rows"].as_u64().unwrap()).sum::<u64>(),
        1
    );

    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let finished = home.command(&["backup", "-"]).stdout(Stdio::from(full)).output().unwrap();
    let refusal = Finished::from_output(finished).refused();
    assert!(refusal.contains("standard output cannot be written"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_explained() {
    let (home, used) = (Home::sqlite(), Home::sqlite());
    for home in [&home, &used] {
        home.run(&["db", "upgrade"]).ok();
        home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], PASSWORD).ok();
    }
    home.run(&["backup", "one.tar"]).ok();
    home.run(&["backup", "two", "--directory"]).ok();
    let (one, two) = (home.path("one.tar"), home.path("two"));
    for (finished, message) in [
        (home.run(&["backup", "one.tar"]), "one.tar already exists"),
        (home.run(&["backup", "two", "--directory"]), "two is itself a backup"),
        (home.run(&["backup", "two"]), "two is itself a backup"),
        (home.run(&["backup", "nowhere/one.tar"]), "nowhere/one.tar cannot be written"),
        (home.run(&["backup", "-", "--directory"]), "standard output"),
        (home.run(&["backup", "verify", "nowhere"]), "nowhere"),
        (used.run(&["restore", one.to_str().unwrap()]), "is not empty (1 row of users)"),
        (used.run(&["restore", two.to_str().unwrap()]), "is not empty (1 row of users)"),
        (home.run(&["db", "copy", "--to", &home.database]), "the same database"),
        (home.run(&["db", "copy", "--to", &used.database]), "is not empty"),
        (
            home.run(&["db", "copy", "--to", "postgres://ada:s3cret@127.0.0.1:1/none"]),
            "postgres://ada@127.0.0.1:1/none",
        ),
    ] {
        let refusal = finished.refused();
        assert!(refusal.contains(message) && !refusal.contains("s3cret"), "{refusal}");
    }
    assert_eq!(home.run(&["db", "copy", "--to", "mysql://x"]).code, Some(2));
}
