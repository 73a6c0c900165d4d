//! Runs the program under a clock that changes while it runs, with libfaketime.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};
use sotto_storage::testing::wait_until;

use crate::program::{Home, PASSWORD, RunningServer};

/// The library that the program `faketime` preloads.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|folder| folder.unwrap().path());
    let mut libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.exists()).expect("faketime is installed: `scripts/tools faketime` does that")
}

/// A server, and the file with the offset of its clock.
struct Faked {
    serving: RunningServer,
    offset: PathBuf,
}

impl Faked {
    fn start(home: &mut Home) -> Self {
        let offset = home.path("offset");
        std::fs::write(&offset, "+0").unwrap();
        home.variables = vec![
            ("LD_PRELOAD", library().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", offset.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".into()),
            // As on a real machine, where only the wall clock is set.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ];
        Self { serving: RunningServer::start(home, &["--alert-interval", "1"]), offset }
    }

    /// Sets the clock, such as to `+3650d`, and waits until the server has noticed it.
    async fn set(&self, offset: &str) {
        let before = self.times_set().await;
        std::fs::write(&self.offset, offset).unwrap();
        let what = format!("the server notices that the clock was set to {offset}");
        wait_until(&what, async || self.times_set().await > before).await;
    }

    async fn times_set(&self) -> u64 {
        let metrics = self.serving.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        let line = metrics.lines().find_map(|line| line.strip_prefix("sotto_clock_sets_total "));
        line.map_or(0, |count| count.parse().unwrap())
    }

    async fn login(&self) -> Value {
        let body = json!({"email": "ada@example.org", "password": PASSWORD});
        let response = self.serving.request(Method::POST, "/api/auth/login").json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    async fn refresh(&self, tokens: &Value) -> (u16, Value) {
        let body = json!({"refresh_token": tokens["refresh_token"]});
        let response = self.serving.request(Method::POST, "/api/auth/refresh").json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn call(&self, tokens: &Value, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let token = tokens["access_token"].as_str().unwrap();
        let response = self.serving.request(method, path).bearer_auth(token).json(body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_survives_a_clock_jump_of_ten_years_and_back() {
    for mut home in [Home::sqlite(), Home::postgres().await] {
        let faked = Faked::start(&mut home);
        faked.serving.person("ada@example.org").await;
        let before = faked.login().await;

        faked.set("+3650d").await;
        let during = faked.login().await;
        let daily = json!({"title": "Write", "message": "", "frequency": "daily", "time": "2025-01-22T20:00:00Z"});
        let (status, created) = faked.call(&during, Method::POST, "/api/reminders/", &daily).await;
        assert_eq!(status, 201, "{created}");

        faked.set("+0").await;
        let none = Value::Null;
        assert_eq!(faked.call(&during, Method::GET, "/api/tags/", &none).await.0, 401);
        let (status, after) = faked.refresh(&during).await;
        assert_eq!(status, 200, "{after}");
        for tokens in [&before, &after] {
            assert_eq!(faked.call(tokens, Method::GET, "/api/tags/", &none).await.0, 200);
        }
        let reminder = format!("/api/reminders/{}", created["id"].as_str().unwrap());
        let preview = json!({"frequency": "daily", "time": daily["time"]});
        let next = faked.call(&after, Method::POST, "/api/reminders/preview", &preview).await.1["times"][0].clone();
        assert_eq!(faked.call(&after, Method::GET, &reminder, &none).await.1["next_due_at"], next);
        assert_ne!(created["next_due_at"], next);

        let log = faked.serving.stop();
        assert!(log.contains("the clock was set"), "{log}");
        assert!(log.contains("signed by a clock that is ahead"), "{log}");
    }
}
