//! `sotto keys`, and a server that refuses keys with which phrases would no longer work.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};
use sotto_crypto::Scope;
use sotto_crypto::client::{Metadata, Phrase, RecoveryKey, Registration, Vault};
use sotto_domain::{SecretTagId, UserId};
use sotto_server::system::{SystemClock, SystemRandom};

use crate::program::{Finished, Home, RunningServer};

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_passphrases_depend_on_are_protected() {
    for home in [Home::sqlite(), Home::postgres().await] {
        home.run(&["keys", "init"]).ok();
        let shown = home.run(&["keys", "show"]).ok();
        let [line] = shown.lines().collect::<Vec<_>>()[..] else { panic!("one line: {shown}") };
        let (first, role) = line.split_once("  ").unwrap();
        assert_eq!((first.len(), role), (32, "current"));
        let exported = home.run(&["keys", "export"]).ok();
        let server = RunningServer::start(&home, &[]);
        make_secret_tag(&server, first).await;
        server.stop();

        // Other keys: from a lost and newly created file, from the variable, and by an import.
        fs::rename(home.path("data/keys.json"), home.path("kept")).unwrap();
        let refusal = home.run(&["serve"]).refused();
        assert!(refusal.contains(first) && refusal.contains("recovery keys"), "{refusal}");
        let others = home.run(&["keys", "export"]).ok();
        let refusal = home.command(&["serve"]).env("SOTTO_KEYS", &others).output().unwrap();
        assert!(Finished::from_output(refusal).refused().contains(first));
        fs::rename(home.path("kept"), home.path("data/keys.json")).unwrap();
        let refusal = home.run_with_input(&["keys", "import"], &others).refused();
        assert!(refusal.contains(first) && refusal.contains("--abandon-phrases"), "{refusal}");
        assert_eq!(home.run(&["keys", "export"]).ok(), exported);

        // After a rotation the server starts, and so does another node with the exported keys.
        let rotated = home.run(&["keys", "rotate"]).ok();
        assert!(rotated.contains(&format!("{first}  former")), "{rotated}");
        RunningServer::start(&home, &[]).stop();
        let all = home.run(&["keys", "export"]).ok();
        fs::remove_file(home.path("data/keys.json")).unwrap();
        home.run_with_input(&["keys", "import"], &all).ok();
        assert_eq!(home.run(&["keys", "export"]).ok(), all);
        assert!(home.run(&["keys", "show"]).ok().contains(&format!("{first}  former")));
        RunningServer::start(&home, &[]).stop();

        // With `--accept-lost-keys`, the server starts without the old keys.
        home.run_with_input(&["keys", "import", "--abandon-phrases"], &others).ok();
        home.run(&["serve"]).refused();
        RunningServer::start(&home, &["--accept-lost-keys"]).stop();
    }
}

#[test]
fn key_errors_are_explained_without_showing_the_keys() {
    let home = Home::sqlite();
    for command in ["show", "export", "rotate"] {
        let refusal = home.run(&["keys", command]).refused();
        assert!(refusal.contains("there are no keys yet") && refusal.contains("data/keys.json"), "{refusal}");
        assert!(refusal.contains("`sotto keys init`") && !home.path("data").exists(), "{refusal}");
    }
    home.run(&["keys", "init"]).ok();
    let good = home.run(&["keys", "export"]).ok();
    let secret = serde_json::from_str::<Value>(&good).unwrap()["opaque"][0].as_str().unwrap().to_owned();
    let shown = home.run(&["keys", "show"]).ok() + &home.run(&["keys", "init"]).ok();
    assert!(!shown.contains(&secret), "{shown}");
    for bad in ["", "{}", &good[..good.len() / 2], &good.replace(&secret, &secret[1..])] {
        let refusal = home.run_with_input(&["keys", "import"], bad).refused();
        assert!(refusal.contains("standard input") && !refusal.contains(&secret[8..40]), "{refusal}");
    }
    assert_eq!(home.run(&["keys", "export"]).ok(), good);
    for command in ["init", "rotate", "import"] {
        let finished = home.command(&["keys", command]).env("SOTTO_KEYS", &good).output().unwrap();
        assert!(Finished::from_output(finished).refused().contains("SOTTO_KEYS"));
    }
    let finished = home.command(&["keys", "export"]).env("SOTTO_KEYS", &good).output().unwrap();
    assert_eq!(Finished::from_output(finished).ok(), good);
    // A key file from before secret tags existed.
    let mut old: Value = serde_json::from_str(&good).unwrap();
    old.as_object_mut().unwrap().retain(|name, _| name == "version" || name == "token_signing");
    let finished = home.command(&["serve"]).env("SOTTO_KEYS", old.to_string()).output().unwrap();
    assert!(Finished::from_output(finished).refused().contains("sotto keys init"));
    fs::write(home.path("data/keys.json"), old.to_string()).unwrap();
    home.run(&["keys", "init"]).ok();
    let new: Value = home.run(&["keys", "export"]).json();
    assert_eq!((&new["token_signing"], new["opaque"].as_array().unwrap().len()), (&old["token_signing"], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_others_can_read_cause_a_warning() {
    let home = Home::sqlite();
    home.run(&["keys", "init"]).ok();
    let warned = |mode: u32| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(home.path("data/keys.json"), permissions).unwrap();
        let shown = home.run(&["keys", "show"]);
        let log = RunningServer::start(&home, &[]).stop();
        assert_eq!(shown.code, Some(0));
        let warned = shown.err.contains("chmod 600");
        assert_eq!(log.contains("chmod 600"), warned, "{log}");
        warned
    };
    assert!(!warned(0o600) && !warned(0o400));
    assert!(warned(0o644) && warned(0o640) && warned(0o602));
}

/// Over HTTP, as a browser would.
async fn make_secret_tag(server: &RunningServer, fingerprint: &str) {
    let token = server.person("ada@example.org").await;
    let send = async |method: Method, path: &str, body: Value| -> (u16, Value) {
        let response = server.request(method, path).bearer_auth(&token).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    };
    let (_, me) = send(Method::GET, "/api/users/me", Value::Null).await;
    let tag = SecretTagId::new(&SystemClock, &SystemRandom);
    let scope = Scope { user: UserId(me["id"].as_str().unwrap().parse().unwrap()), tag };
    let phrase = Phrase::new("correct horse").unwrap();
    let (request, registration) = Registration::start(scope, phrase, &SystemRandom).unwrap();
    let start = json!({"tag_id": tag, "registration_request": request.to_string()});
    let (status, started) = send(Method::POST, "/api/secret-tags/register/start", start).await;
    assert_eq!((status, started["server_keys"].as_str()), (200, Some(fingerprint)));
    let response = started["registration_response"].as_str().unwrap().parse().unwrap();
    let registered = registration.finish(&response, &SystemRandom).unwrap();
    let (vault, key) = (Vault::create(scope, &SystemRandom).unwrap(), RecoveryKey::generate(&SystemRandom));
    let metadata = vault.seal_metadata(&Metadata { name: "Therapy".into(), color: None }, &SystemRandom).unwrap();
    let finish = json!({
        "tag_id": tag,
        "registration_record": registered.record.to_string(),
        "server_keys": fingerprint,
        "wrapped_master_key": vault.wrap(&registered.export_key, &SystemRandom).unwrap().to_string(),
        "metadata": base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, metadata.as_bytes()),
        "recovery_wrap": vault.wrap_for_recovery(&key, &SystemRandom).unwrap().to_string(),
        "recovery_verifier": key.proof().unwrap().verifier().to_string(),
    });
    assert_eq!(send(Method::POST, "/api/secret-tags/register/finish", finish).await.0, 201);
}
