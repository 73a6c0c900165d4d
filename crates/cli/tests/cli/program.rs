//! Runs `sotto` as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sotto_storage::DatabaseUrl;
use sotto_storage::testing::Scratch;
use tempfile::TempDir;

pub const PASSWORD: &str = "correct horse battery";

/// A place to run the program in: a folder and an empty database.
pub struct Home {
    pub folder: TempDir,
    pub database: String,
    /// Of the environment, what the program does not take as a setting of its own.
    pub variables: Vec<(&'static str, String)>,
    _scratch: Option<Scratch>,
}

impl Home {
    pub fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let database = format!("sqlite:{}", folder.path().join("data/journal.db").display());
        Self { folder, database, variables: Vec::new(), _scratch: None }
    }

    pub async fn postgres() -> Self {
        let scratch = Scratch::postgres().await;
        let DatabaseUrl::Postgres(database) = scratch.url.clone() else { unreachable!("it is PostgreSQL") };
        Self { folder: TempDir::new().unwrap(), database, variables: Vec::new(), _scratch: Some(scratch) }
    }

    /// The database.
    pub fn url(&self) -> DatabaseUrl {
        self.database.parse().unwrap()
    }

    /// The file of a SQLite database.
    pub fn file(&self) -> Option<PathBuf> {
        self.database.strip_prefix("sqlite:").map(PathBuf::from)
    }

    async fn connect(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.database, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Takes an advisory lock of a PostgreSQL database, until it is dropped.
    pub async fn hold_lock(&self, number: i64) -> Option<HeldLock> {
        if self.file().is_some() {
            return None;
        }
        let client = self.connect().await;
        client.execute("SELECT pg_advisory_lock($1)", &[&number]).await.unwrap();
        Some(HeldLock(client))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments, and no setting from outside.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sotto"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOTTO_")) {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(self.folder.path());
        command.env("SOTTO_DATA_DIR", self.path("data")).env("SOTTO_DATABASE", &self.database);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Finished::of(self.command(arguments).output().unwrap())
    }

    /// Runs statements behind the program's back.
    pub async fn execute(&self, sql: &str) -> Result<(), String> {
        sotto_storage::testing::run_sql(&self.url(), sql).await
    }

    /// Runs it with something on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Finished {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Finished::of(child.wait_with_output().unwrap())
    }

    /// A folder of migrations: those that are built in, and more pairs of files, the same for both engines.
    pub fn migrations(&self, more: &[(&str, &str)]) -> String {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../storage/migrations");
        let folder = self.path("migrations");
        for engine in ["sqlite", "postgres"] {
            std::fs::create_dir_all(folder.join(engine)).unwrap();
            for file in std::fs::read_dir(shipped.join(engine)).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), folder.join(engine).join(file.file_name())).unwrap();
            }
            for (name, sql) in more {
                std::fs::write(folder.join(engine).join(name), sql).unwrap();
            }
        }
        folder.to_str().unwrap().to_owned()
    }
}

/// An advisory lock.
pub struct HeldLock(tokio_postgres::Client);

impl HeldLock {
    pub async fn is_waited_for(&self) -> bool {
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        self.0.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0
    }
}

/// What a run has left.
pub struct Finished {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Finished {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// The sentence of a refusal.
    #[track_caller]
    pub fn refused(self) -> String {
        assert_eq!(self.code, Some(1), "{}{}", self.out, self.err);
        assert!(self.err.starts_with("sotto: "), "{}", self.err);
        self.err
    }

    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }
}

/// A running `sotto serve`; killed when it is dropped.
pub struct Serving {
    pub child: Child,
    pub url: String,
    /// What it said before it was ready.
    pub greeting: String,
    pub client: Client,
}

impl Serving {
    pub fn start(home: &Home, arguments: &[&str]) -> Self {
        let mut child = home.command(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("Stop ") {
            if lines.read_line(&mut greeting).unwrap() == 0 {
                let mut error = String::new();
                child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
                panic!("the server did not start: {greeting}{error}");
            }
        }
        let url = greeting.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let url = url.trim_end_matches("/api/docs").to_owned();
        Self { child, url, greeting, client: Client::new() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Signs in; the status and, if it is 200, the access token.
    pub async fn login(&self, email: &str, password: &str) -> (u16, String) {
        let body = json!({"email": email, "password": password});
        let response = self.request(Method::POST, "/api/auth/login").json(&body).send().await.unwrap();
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        (status, body["access_token"].as_str().unwrap_or_default().to_owned())
    }

    /// Signs somebody up, and in.
    pub async fn person(&self, email: &str) -> String {
        let body = json!({"email": email, "password": PASSWORD});
        let response = self.request(Method::POST, "/api/auth/register").json(&body).send().await.unwrap();
        assert_eq!(response.status(), 201);
        self.login(email, PASSWORD).await.1
    }

    /// Writes an entry; true if the server said that it is stored.
    pub async fn write(&self, token: &str, content: &str) -> bool {
        let entry = json!({"content": content, "entry_date": "2025-01-22T10:00:00Z", "tags": ["kept"]});
        let request = self.request(Method::POST, "/api/journals/").bearer_auth(token).json(&entry);
        request.send().await.is_ok_and(|response| response.status() == 201)
    }

    /// Records the newest entry, and says where that is.
    pub async fn record(&self, token: &str, recording: Vec<u8>) -> String {
        let newest = self.request(Method::GET, "/api/journals/?limit=1").bearer_auth(token).send().await.unwrap();
        let newest: Value = newest.json().await.unwrap();
        let audio = format!("/api/journals/{}/audio", newest[0]["id"].as_str().unwrap());
        let sent = self.request(Method::PUT, &audio).bearer_auth(token).body(recording).send().await.unwrap();
        assert_eq!(sent.status(), 201);
        audio
    }

    /// The texts of the newest entries.
    pub async fn contents(&self, token: &str) -> Vec<String> {
        let request = self.request(Method::GET, "/api/journals/?limit=1000").bearer_auth(token);
        let list: Value = request.send().await.unwrap().json().await.unwrap();
        list.as_array().unwrap().iter().map(|entry| entry["content"].as_str().unwrap().to_owned()).collect()
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Stops it as a service manager does, and returns its log.
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
