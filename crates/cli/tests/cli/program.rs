//! Runs `sotto` as a process.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sotto_domain::{Clock, Timestamp};
use sotto_server::system::SystemClock;
use sotto_storage::DatabaseUrl;
use sotto_storage::testing::{Scratch, wait_until_blocking, within_bound_blocking};
use tempfile::TempDir;

/// The number of rounds of a fault: `SOTTO_FAULT_ROUNDS`, as in `make faults`, or `few`.
pub fn rounds(few: u32) -> u32 {
    let asked = std::env::var("SOTTO_FAULT_ROUNDS").ok();
    asked.map_or(few, |rounds| rounds.parse().expect("SOTTO_FAULT_ROUNDS is a number"))
}

pub const PASSWORD: &str = "correct horse battery";

/// A folder and an empty database to run the program with.
pub struct Home {
    pub folder: TempDir,
    pub database: String,
    /// Additional environment variables.
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

    /// Uses a database on a PostgreSQL server of the test's own.
    pub fn with_database(database: String) -> Self {
        Self { folder: TempDir::new().unwrap(), database, variables: Vec::new(), _scratch: None }
    }

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

    /// Holds an advisory lock of a PostgreSQL database until the result is dropped.
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

    /// The program with these arguments, and no settings from outside. Everybody may sign up.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sotto"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOTTO_")) {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(self.folder.path());
        command.env("SOTTO_DATA_DIR", self.path("data")).env("SOTTO_DATABASE", &self.database);
        command.env("SOTTO_REGISTRATION", "open");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Finished::from_output(self.command(arguments).output().unwrap())
    }

    /// Runs statements directly on the database.
    pub async fn execute(&self, sql: &str) -> Result<(), String> {
        sotto_storage::testing::run_sql(&self.url(), sql).await
    }

    /// Runs the program with a text on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Finished {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Finished::from_output(child.wait_with_output().unwrap())
    }

    /// A folder with the built-in migrations and one more.
    pub fn next_migration(&self, up: &str, down: &str) -> String {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../storage/migrations/sqlite");
        let number = std::fs::read_dir(shipped).unwrap().count() / 2 + 1;
        self.migrations(&[(&format!("{number:04}_next.up.sql"), up), (&format!("{number:04}_next.down.sql"), down)])
    }

    /// A folder with the built-in migrations and further pairs of files, the same for both engines.
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

/// A held advisory lock.
pub struct HeldLock(tokio_postgres::Client);

impl HeldLock {
    pub async fn is_waited_for(&self) -> bool {
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        self.0.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0
    }
}

/// The result of a run.
pub struct Finished {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Finished {
    pub fn from_output(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// The message of a refusal.
    #[track_caller]
    pub fn refused(self) -> String {
        self.ended_with(1)
    }

    /// The message of a refusal for lack of permission. A step that had started is refused like for any other reason.
    #[track_caller]
    pub fn denied(self) -> String {
        let code = if self.code == Some(1) { 1 } else { 6 };
        self.ended_with(code)
    }

    /// The message of a refusal with this exit code.
    #[track_caller]
    pub fn ended_with(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        let lines: Vec<_> = self.err.lines().skip_while(|line| !line.starts_with("sotto: ")).collect();
        assert!(!lines.is_empty(), "{}", self.err);
        lines.join("\n") + "\n"
    }

    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }
}

/// A running `sotto serve`. It is killed when this value is dropped.
pub struct RunningServer {
    pub child: Child,
    pub url: String,
    /// The output before the server was ready.
    pub greeting: String,
    pub client: Client,
}

impl RunningServer {
    pub fn start(home: &Home, arguments: &[&str]) -> Self {
        Self::start_at(home, "127.0.0.1:0", arguments)
    }

    pub fn start_at(home: &Home, address: &str, arguments: &[&str]) -> Self {
        Self::from_command(home.command(&[&["serve", "--listen", address], arguments].concat()))
    }

    /// Starts a server that logs to a file of the home: with many errors, a full pipe that nobody reads would stop the
    /// server.
    pub fn logging(home: &Home, arguments: &[&str]) -> Self {
        let mut command = home.command(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
        let log = std::fs::File::options().create(true).append(true).open(home.path("server.log")).unwrap();
        command.stderr(log);
        Self::from_command(command)
    }

    /// Starts a server with this command, whose output contains its address.
    pub fn from_command(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (greeting, is_complete) = read_greeting(child.stdout.take().unwrap());
        if !is_complete {
            let error = log_of(&mut child);
            panic!("the server did not start: {greeting}{error}");
        }
        let url = greeting.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let url = url.trim_end_matches("/api/docs").to_owned();
        Self { child, url, greeting, client: Client::new() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Signs in. Returns the status and, if it is 200, the access token.
    pub async fn login(&self, email: &str, password: &str) -> (u16, String) {
        let body = json!({"email": email, "password": password});
        let response = self.request(Method::POST, "/api/auth/login").json(&body).send().await.unwrap();
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        (status, body["access_token"].as_str().unwrap_or_default().to_owned())
    }

    /// Creates an account and signs in.
    pub async fn person(&self, email: &str) -> String {
        let body = json!({"email": email, "password": PASSWORD});
        let response = self.request(Method::POST, "/api/auth/register").json(&body).send().await.unwrap();
        assert_eq!(response.status(), 201);
        self.login(email, PASSWORD).await.1
    }

    /// Creates an entry; true if the server confirmed it.
    pub async fn write(&self, token: &str, content: &str) -> bool {
        let entry = json!({"content": content, "entry_date": "2025-01-22T10:00:00Z", "tags": ["kept"]});
        let request = self.request(Method::POST, "/api/journals/").bearer_auth(token).json(&entry);
        request.send().await.is_ok_and(|response| response.status() == 201)
    }

    /// Uploads a recording to the newest entry, and returns its path.
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

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Stops the server as a service manager does, and returns its log.
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        let log = log_of(&mut self.child);
        wait_until_blocking("the server ends after SIGTERM", || self.child.try_wait().unwrap().is_some());
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }
}

/// The output of a process until it ends, unless that goes to a file.
fn log_of(child: &mut Child) -> String {
    let Some(mut pipe) = child.stderr.take() else { return String::new() };
    within_bound_blocking("the process ends its log", move || {
        let mut log = String::new();
        pipe.read_to_string(&mut log).unwrap();
        log
    })
}

/// The output of a server until it is ready, and false if the output ended before that.
pub fn read_greeting(output: ChildStdout) -> (String, bool) {
    within_bound_blocking("the server is ready and says so", move || {
        let (mut lines, mut greeting) = (BufReader::new(output), String::new());
        while !greeting.contains("Stop ") {
            if lines.read_line(&mut greeting).unwrap() == 0 {
                return (greeting, false);
            }
        }
        (greeting, true)
    })
}

/// Waits until the clock shows another second: two backups of the same second would have the same name.
pub fn wait_for_next_second() {
    let second = || SystemClock.now().seconds_since(Timestamp::from_micros(0).unwrap()).floor();
    let start = second();
    wait_until_blocking("the clock shows another second", || second() > start);
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
