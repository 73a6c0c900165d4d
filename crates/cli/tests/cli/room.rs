//! A full disk under a running server: the server reports it, keeps its data, and continues by itself when there is
//! space.
#![cfg(unix)]

use std::process::{Command, Stdio};

use reqwest::{Method, Response};
use serde_json::{Value, json};
use sotto_storage::testing::wait_until;

use crate::program::{Home, RunningServer};

/// The longest file in bytes: more than an empty journal, and less than what the server's probe for space writes.
const MAX_FILE_BYTES: u64 = 900 * 1024;
/// A reading every second, and one good reading clears an alert.
pub const FREQUENT_READINGS: [&str; 4] = ["--alert-interval", "1", "--alert-clear-after", "1"];

/// Files may not grow beyond a limit (`ulimit -f`), as on a full disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_sqlite_causes_503_until_there_is_space() {
    let home = Home::sqlite();
    home.run(&["db", "upgrade"]).ok();
    let server = RunningServer::from_command(limited(&home));
    let token = server.person("ada@example.org").await;

    let mut kept = Vec::new();
    let refusal = loop {
        let text = format!("{} {}", kept.len(), "An ordinary day. ".repeat(5000));
        let response = write(&server, &token, &text).await;
        if response.status() != 201 {
            break response;
        }
        kept.push(text);
        assert!(kept.len() < 100, "the limit was not met");
    };
    assert!(!kept.is_empty());
    is_disk_full(refusal).await;
    let mut found = server.contents(&token).await;
    found.sort();
    kept.sort();
    assert!(found == kept, "{} of {} entries are there", found.len(), kept.len());
    reports_full_disk(&server).await;

    // The attachment store is on the same disk.
    let newest = server.request(Method::GET, "/api/journals/?limit=1").bearer_auth(&token);
    let newest: Value = newest.send().await.unwrap().json().await.unwrap();
    let audio = format!("/api/journals/{}/audio", newest[0]["id"].as_str().unwrap());
    let recording = [b"RIFF\x24\0\0\0WAVEfmt ".to_vec(), vec![7; 3 << 20]].concat();
    let sent = server.request(Method::PUT, &audio).bearer_auth(&token).body(recording).send().await.unwrap();
    is_disk_full(sent).await;

    let id = server.child.id().to_string();
    assert!(Command::new("prlimit").args(["--pid", &id, "--fsize=unlimited"]).status().unwrap().success());
    recovers(&server, &token).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_postgresql_causes_503_until_there_is_space() {
    let home = Home::postgres().await;
    let server = RunningServer::start(&home, &FREQUENT_READINGS);
    let token = server.person("ada@example.org").await;
    // The error of PostgreSQL when a table cannot grow, for entries and for the table of a probe.
    let raise = "BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END";
    home.execute(&format!(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ {raise} $$;
         CREATE TRIGGER full_disk BEFORE INSERT ON journal_entries FOR EACH ROW EXECUTE FUNCTION full_disk();
         CREATE FUNCTION full_disk_everywhere() RETURNS event_trigger LANGUAGE plpgsql AS $$ {raise} $$;
         CREATE EVENT TRIGGER full_disk ON ddl_command_start EXECUTE FUNCTION full_disk_everywhere();"
    ))
    .await
    .unwrap();
    is_disk_full(write(&server, &token, "refused").await).await;
    assert_eq!(server.contents(&token).await, [""; 0]);
    reports_full_disk(&server).await;
    home.execute("DROP EVENT TRIGGER full_disk; DROP TRIGGER full_disk ON journal_entries;").await.unwrap();
    recovers(&server, &token).await;
    server.stop();
}

async fn write(server: &RunningServer, token: &str, text: &str) -> Response {
    let entry = json!({"content": text, "entry_date": "2025-01-22T10:00:00Z"});
    server.request(Method::POST, "/api/journals/").bearer_auth(token).json(&entry).send().await.unwrap()
}

pub async fn is_disk_full(response: Response) {
    let status = response.status();
    let wait = response.headers().get("retry-after").cloned();
    let body: Value = response.json().await.unwrap();
    assert!(status == 503 && wait.is_some(), "{status} {body}");
    assert_eq!(body["code"], "disk_full", "{body}");
}

/// Without space, readiness and an alert report it, and stored data can be read.
pub async fn reports_full_disk(server: &RunningServer) {
    is_disk_full(server.request(Method::GET, "/health/ready").send().await.unwrap()).await;
    wait_until("the alert is raised", async || alert(server).await == Some(1.0)).await;
    is_disk_full(server.request(Method::GET, "/health/ready").send().await.unwrap()).await;
    assert_eq!(server.request(Method::GET, "/health/live").send().await.unwrap().status(), 200);
}

/// With space, the server works again without a restart.
pub async fn recovers(server: &RunningServer, token: &str) {
    wait_until("the server is ready", async || {
        server.request(Method::GET, "/health/ready").send().await.unwrap().status() == 200
    })
    .await;
    assert_eq!(write(server, token, "kept").await.status(), 201);
    wait_until("the alert is cleared", async || alert(server).await == Some(0.0)).await;
    assert!(server.contents(token).await.contains(&"kept".to_owned()));
}

async fn alert(server: &RunningServer) -> Option<f64> {
    let metrics = server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix("sotto_alert{alert=\"disk_full\"} "))?;
    line.parse().ok()
}

/// Sets a soft limit, which can be lifted from outside. Without the trap, the kernel would kill the program by a
/// signal.
fn limited(home: &Home) -> Command {
    let program = home.command(&[&["serve", "--listen", "127.0.0.1:0"][..], &FREQUENT_READINGS].concat());
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "trap '' XFSZ; ulimit -S -f \"$1\"; shift; exec \"$@\"",
        "sh",
        &(MAX_FILE_BYTES / 512).to_string(),
    ]);
    shell.arg(program.get_program()).args(program.get_args()).current_dir(home.folder.path());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}
