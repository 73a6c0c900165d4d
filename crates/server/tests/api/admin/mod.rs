//! The monitoring of a server over HTTP: the page of the database's health, metrics, alerts and their webhook.

mod alerts;
mod health_page;
mod webhook;

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use sotto_domain::health::Thresholds;
use sotto_server::{Config, Monitoring, take_reading};
use sotto_storage::testing::{Scratch, wait_for};

use crate::server::{PASSWORD, Person, Server, lenient};

/// Two bad readings raise, two good ones clear. Only the test takes readings.
fn watchful(thresholds: Thresholds) -> Config {
    let every = Duration::from_hours(24);
    let monitoring = Monitoring { every, thresholds, raise_after: 2, clear_after: 2, ..Monitoring::default() };
    Config { monitoring, ..lenient() }
}

async fn both_servers(config: impl Fn() -> Config) -> [Server; 2] {
    [Server::start(Scratch::sqlite(), config()).await, Server::start(Scratch::postgres().await, config()).await]
}

async fn superuser(server: &Server) -> Person<'_> {
    let person = server.person("root").await;
    server.scratch.execute("UPDATE users SET is_superuser = TRUE").await.unwrap();
    // Servers cache sessions for some seconds; a new session is not cached yet.
    sign_in_again(person).await
}

/// The same user in a new session.
async fn sign_in_again(person: Person<'_>) -> Person<'_> {
    let tokens = person.server.login(&person.email, PASSWORD).await;
    Person { token: tokens["access_token"].as_str().unwrap().into(), ..person }
}

/// The state of an alert after one more reading.
async fn alert_after_reading(root: &Person<'_>, name: &str) -> Value {
    take_reading(&root.server.app).await.unwrap();
    let database = root.get("/api/admin/database").await.expect(StatusCode::OK);
    database["alerts"].as_array().unwrap().iter().find(|alert| alert["alert"] == name).unwrap().clone()
}

async fn wait_for_state(root: &Person<'_>, name: &str, raised: bool, requests: &[String]) -> Value {
    wait_for_alert(root, name, requests, |alert| alert["raised"] == raised).await
}

async fn wait_for_alert(
    root: &Person<'_>,
    name: &str,
    requests: &[String],
    is_expected: impl Fn(&Value) -> bool,
) -> Value {
    // PostgreSQL's statistics take up to a second to arrive.
    wait_for(&format!("the alert {name} has the expected state"), async || {
        for path in requests {
            // Enough rows and reads for a verdict on a table.
            for _ in 0..30 {
                root.get(path).await.expect(StatusCode::OK);
            }
        }
        let alert = alert_after_reading(root, name).await;
        assert_eq!(alert["since"].is_string(), alert["raised"] == true, "{alert}");
        is_expected(&alert).then_some(alert)
    })
    .await
}

async fn metrics(server: &Server) -> String {
    server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap()
}

fn by_engine<'a>(server: &Server, sqlite: &'a str, postgres: &'a str) -> &'a str {
    if server.app.storage.engine() == "sqlite" { sqlite } else { postgres }
}
