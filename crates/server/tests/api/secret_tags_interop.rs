//! Against the browser's code: `@serenity-kit/opaque` and the vault of the web app, in Node, over real HTTP.

use std::path::Path;
use std::process::Stdio;

use reqwest::StatusCode;
use serde_json::{Value, json};
use sotto_crypto::Scope;
use sotto_domain::SecretTagId;
use tokio::process::Command;

use crate::on_both_engines;
use crate::server::Server;
use crate::vault::{DATE, PHRASE, Secret, path, text};

on_both_engines!(browser_and_rust_client_unseal_each_others_entries);

async fn browser_and_rust_client_unseal_each_others_entries(server: Server) {
    let ada = server.person("ada").await;
    let ours = Secret::make(&ada, PHRASE).await;
    let entry = ours.unlock(PHRASE).await.write("Nobody knows.", DATE).await;
    let task = json!({
        "url": format!("http://{}", server.address),
        "token": ada.token,
        "user": ada.id,
        "theirs": {"tag": ours.scope.tag, "phrase": PHRASE, "entry": entry["id"], "content": "Nobody knows."},
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crypto/tests/interop/http.mjs");
    let node = Command::new("node").arg(script).arg(task.to_string()).stdin(Stdio::null()).output().await;
    let node = node.expect("node is needed: `scripts/tools node` installs it");
    assert!(node.status.success(), "{}", String::from_utf8_lossy(&node.stderr));
    let left: Value = serde_json::from_slice(&node.stdout).unwrap();

    let scope = Scope { tag: SecretTagId(text(&left, "tag").parse().unwrap()), ..ours.scope };
    let recovery_key = text(&left, "recoveryKey").parse().unwrap();
    let path_of_tag = format!("/api/secret-tags/{}", scope.tag);
    let theirs = Secret { person: ada.clone(), scope, recovery_key, path: path_of_tag };
    let open = theirs.unlock(text(&left, "phrase")).await;
    assert_eq!(open.name(&open.response), "Träume");
    let entry = open.get(&path(&json!({"id": left["entry"]}))).await.expect(StatusCode::OK);
    assert_eq!((open.read(&entry).as_str(), &entry["revision"]), (text(&left, "content"), &json!(2)));
    theirs.recover(&theirs.recovery_key, "fourth phrase").await.expect(StatusCode::OK);
    let open = theirs.unlock("fourth phrase").await;
    assert_eq!(open.contents(&open.entries()).await, ["Es schneit."]);
}
