//! `sotto serve`: starting, being killed, stopping, and secrets that must not be logged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::json;
use sotto_storage::testing::wait_until;
use tokio::net::{TcpListener, TcpStream};

use crate::program::{Home, PASSWORD, RunningServer};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_run_prints_address_and_data_folder() {
    let home = Home::sqlite();
    let server = RunningServer::start(&home, &[]);
    let data = home.path("data").canonicalize().unwrap();
    assert!(server.greeting.contains(data.to_str().unwrap()), "{}", server.greeting);
    assert!(server.greeting.contains("/api/docs"), "{}", server.greeting);
    assert!(data.join("keys.json").exists() && data.join("journal.db").exists());
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_without_a_public_address_is_warned_about() {
    let home = Home::sqlite();
    let proxy = ["--trusted-proxies", "10.0.0.0/8"];
    let log = RunningServer::start(&home, &proxy).stop();
    assert!(log.contains("trusted_proxies is set, but public_url is not"), "{log}");
    let named = [&proxy[..], &["--public-url", "http://journal.example.org"]].concat();
    let log = RunningServer::start(&home, &named).stop();
    assert!(!log.contains("trusted_proxies"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_web_app_can_come_from_a_folder() {
    let home = Home::sqlite();
    std::fs::create_dir(home.path("dist")).unwrap();
    std::fs::write(home.path("dist/index.html"), "the app").unwrap();
    let server = RunningServer::start(&home, &["--web-dir", "dist"]);
    for text in ["the app", "the app, built again"] {
        std::fs::write(home.path("dist/index.html"), text).unwrap();
        let page = server.request(Method::GET, "/login").send().await.unwrap();
        assert_eq!(page.text().await.unwrap(), text);
    }
    let log = server.stop();
    assert!(!log.contains("not built in"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_a_database_that_starts_later() {
    let mut home = Home::postgres().await;
    let address = home.database.clone();
    let (user, rest) = address.split_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    let (listener, server) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), server.to_owned());
    home.database = format!("{user}@{}/{name}", listener.local_addr().unwrap());
    // Connections are closed at once while the server is not ready.
    let refused = tokio::spawn(async move {
        let mut refused = 0;
        while refused < 4 {
            drop(listener.accept().await.unwrap());
            refused += 1;
        }
        listener
    });
    let output = home.command(&["serve", "--listen", "127.0.0.1:0", "--database-wait", "0"]).output();
    let error = crate::program::Finished::from_output(output.unwrap()).refused();
    assert!(!error.contains("trying again"), "{error}");
    let home = std::sync::Arc::new(home);
    let starting = tokio::task::spawn_blocking({
        let home = home.clone();
        move || RunningServer::start(&home, &[])
    });
    let listener = refused.await.unwrap();
    let relay = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    let log = starting.await.unwrap().stop();
    assert!(log.contains("the database cannot be reached: trying again in"), "{log}");
    relay.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_entries_survive_a_kill() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let mut server = RunningServer::start(&home, &[]);
        let token = server.person("ada@example.org").await;
        let mut stored = Vec::new();
        let count = Arc::new(AtomicUsize::new(0));
        for round in 0..3 {
            // Eight writers, and a kill while they write.
            let writers: Vec<_> = (0..8)
                .map(|writer| {
                    let (client, url, token) = (server.client.clone(), server.url.clone(), token.clone());
                    let count = count.clone();
                    tokio::spawn(async move {
                        let mut acknowledged = Vec::new();
                        for n in 0.. {
                            let content = format!("{round}/{writer}/{n}");
                            let entry =
                                json!({"content": content, "entry_date": "2025-01-22T10:00:00Z", "tags": ["kept"]});
                            let request = client.post(format!("{url}/api/journals/")).bearer_auth(&token).json(&entry);
                            match request.send().await {
                                Ok(response) if response.status() == 201 => {
                                    acknowledged.push(content);
                                    count.fetch_add(1, Ordering::Relaxed);
                                }
                                _ => break,
                            }
                        }
                        acknowledged
                    })
                })
                .collect();
            let enough = 20 * (round + 1);
            wait_until("20 more entries are stored", async || count.load(Ordering::Relaxed) >= enough).await;
            server.signal("KILL");
            for writer in writers {
                stored.extend(writer.await.unwrap());
            }
            server = RunningServer::start(&home, &[]);
        }
        assert!(stored.len() >= 60, "{} were stored", stored.len());
        let mut found = std::collections::HashSet::new();
        let mut next = Some("/api/journals/?limit=1000".to_owned());
        while let Some(path) = next {
            let page = server.request(Method::GET, &path).bearer_auth(&token).send().await.unwrap();
            let link = page.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
            next = link.map(|link| link[1..link.find('>').unwrap()].to_owned());
            let list: serde_json::Value = page.json().await.unwrap();
            found.extend(list.as_array().unwrap().iter().map(|entry| entry["content"].as_str().unwrap().to_owned()));
        }
        let lost: Vec<_> = stored.iter().filter(|content| !found.contains(*content)).collect();
        assert!(lost.is_empty(), "{lost:?}");
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_keeps_secrets() {
    for home in [Home::sqlite(), Home::postgres().await] {
        nothing_secret_is_logged(&home).await;
    }
}

async fn nothing_secret_is_logged(home: &Home) {
    let server = RunningServer::start(home, &["--log", "trace,tokio_postgres=trace", "--log-format", "json"]);
    let log = {
        let token = server.person("ada@example.org").await;
        assert!(server.write(&token, "Nobody must read this zanzibar").await);
        assert_eq!(server.contents(&token).await.len(), 1);
        let search = server.request(Method::GET, "/api/journals/?q=zanzibar&tag=kept").bearer_auth(&token);
        assert_eq!(search.send().await.unwrap().status(), 200);
        let unlocked = server.request(Method::GET, "/api/secret-tags/").bearer_auth(&token);
        let unlocked = unlocked.header("x-sotto-unlock", "unlockToken".repeat(6)[..64].to_owned());
        assert_eq!(unlocked.send().await.unwrap().status(), 200);
        let script = json!({"name": "Script", "scopes": ["entries:read"]});
        let created = server.request(Method::POST, "/api/users/me/tokens").bearer_auth(&token).json(&script);
        let created: serde_json::Value = created.send().await.unwrap().json().await.unwrap();
        let script = created["token"].as_str().unwrap().to_owned();
        assert_eq!(server.contents(&script).await.len(), 1);
        let title = json!({"title": "Quite secret", "content": 5});
        server.request(Method::POST, "/api/journals/").bearer_auth(&token).json(&title).send().await.unwrap();
        assert_eq!(server.login("ada@example.org", "a wrong password").await.0, 401);
        let signature = token.rsplit('.').next().unwrap().to_owned();
        let log = server.stop();
        assert!(!log.contains(&signature) && !log.contains(&script["sotto_".len()..]), "a token is in the log");
        log
    };
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{log}");
    assert!(log.contains("request_id"), "{log}");
    for secret in
        [PASSWORD, "a wrong password", "zanzibar", "Quite secret", "ada@example.org", "argon2id", "unlockToken"]
    {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret}: {line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn obstacles_to_starting_are_explained() {
    let home = Home::sqlite();
    let server = RunningServer::start(&home, &[]);
    let address = server.url.trim_start_matches("http://");
    let refusal = Home::sqlite().run(&["serve", "--listen", address]).refused();
    assert!(refusal.contains(address) && refusal.contains("--listen"), "{refusal}");
    drop(server);

    std::fs::write(home.path("data/keys.json"), "{").unwrap();
    let refusal = home.run(&["serve"]).refused();
    assert!(refusal.contains("keys.json"), "{refusal}");
    std::fs::remove_file(home.path("data/keys.json")).unwrap();

    std::fs::write(home.path("file"), "").unwrap();
    let refusal = home.command(&["serve"]).env("SOTTO_DATA_DIR", home.path("file/data")).output().unwrap();
    assert!(crate::program::Finished::from_output(refusal).refused().contains("file/data"));

    std::fs::write(home.path("not-a-database"), "a shopping list, long enough to be read as a header…").unwrap();
    let foreign = format!("sqlite:{}", home.path("not-a-database").display());
    let refusal = home.command(&["serve"]).env("SOTTO_DATABASE", foreign).output().unwrap();
    crate::program::Finished::from_output(refusal).refused();
    assert!(std::fs::read_to_string(home.path("not-a-database")).unwrap().starts_with("a shopping list"));
}
