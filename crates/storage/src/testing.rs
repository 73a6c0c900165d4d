//! Scratch databases for tests, on the real engines.
#![expect(clippy::expect_used, reason = "only tests use this, and a test that cannot have its database has failed")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::DatabaseUrl;

/// An empty database (no schema) that goes when this value is dropped.
pub struct Scratch {
    /// Where it is.
    pub url: DatabaseUrl,
    _folder: Option<TempDir>,
    postgres: Option<(String, String)>,
}

impl Scratch {
    /// A file in a temporary folder.
    pub fn sqlite() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let url = DatabaseUrl::Sqlite(folder.path().join("journal.db"));
        Self { url, _folder: Some(folder), postgres: None }
    }

    /// A database of its own on the server of `scripts/with-postgres`.
    ///
    /// # Panics
    /// Without that server: a test that needs PostgreSQL fails, it is never skipped.
    pub async fn postgres() -> Self {
        let server = std::env::var("SOTTO_TEST_POSTGRES")
            .expect("the tests need a PostgreSQL: run them as `make test`, or under scripts/with-postgres");
        #[expect(clippy::disallowed_methods, reason = "a name that no other test run has")]
        let name = format!("sotto_test_{}", Uuid::new_v4().simple());
        execute(&server, &format!("CREATE DATABASE {name}")).await;
        let (base, _) = server.rsplit_once('/').expect("SOTTO_TEST_POSTGRES names a database");
        Self { url: DatabaseUrl::Postgres(format!("{base}/{name}")), _folder: None, postgres: Some((server, name)) }
    }
}

/// Runs a script with the program that people run scripts with: `psql`, or the `sqlite3` shell.
///
/// # Panics
/// If it is not installed.
pub fn run_script(url: &DatabaseUrl, script: &str) -> Output {
    let mut command = match url {
        DatabaseUrl::Sqlite(path) => {
            let mut shell = Command::new("sqlite3");
            shell.arg("-batch").arg(path);
            shell
        }
        DatabaseUrl::Postgres(address) => {
            let mut shell = server_program("psql");
            shell.args(["--no-psqlrc", "--quiet", "--file=-", address]);
            shell
        }
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut shell = command.spawn().expect("the program is installed: `make tools` does that");
    // A shell that has stopped at an error reads no further.
    let _ = shell.stdin.take().expect("it has an input").write_all(script.as_bytes());
    shell.wait_with_output().expect("it ends")
}

/// Everything in a database, in SQL: two that are equal hold the same.
///
/// # Panics
/// If `pg_dump` or `sqlite3` is not installed.
pub fn dump(url: &DatabaseUrl) -> String {
    let output = match url {
        DatabaseUrl::Sqlite(_) => run_script(url, ".dump\n"),
        DatabaseUrl::Postgres(address) => {
            server_program("pg_dump").arg(address).output().expect("the program is installed: `make tools` does that")
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("a dump is text");
    // Newer versions of pg_dump put a random word into these.
    let random = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
    text.lines().filter(|line| !random(line)).collect::<Vec<_>>().join("\n")
}

/// A program of PostgreSQL's.
fn server_program(name: &str) -> Command {
    match std::env::var_os("SOTTO_POSTGRES_BIN") {
        Some(folder) => Command::new(Path::new(&folder).join(name)),
        None => Command::new(name),
    }
}

impl Scratch {
    /// As [`run_sql`].
    ///
    /// # Errors
    /// What the database says.
    pub async fn execute(&self, sql: &str) -> Result<(), String> {
        run_sql(&self.url, sql).await
    }
}

/// Runs statements behind the storage contract's back.
///
/// # Errors
/// What the database says.
pub async fn run_sql(url: &DatabaseUrl, sql: &str) -> Result<(), String> {
    match url {
        DatabaseUrl::Sqlite(path) => {
            let run = rusqlite::Connection::open(path).and_then(|connection| connection.execute_batch(sql));
            run.map_err(|error| error.to_string())
        }
        DatabaseUrl::Postgres(url) => {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test server answers");
            tokio::spawn(connection);
            client.batch_execute(sql).await.map_err(|error| error.to_string())
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some((server, name)) = self.postgres.take() else { return };
        // Drop may run inside of a runtime, so the statement gets a thread and a runtime of its own.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(execute(&server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
        });
        let _ = thread.join();
    }
}

async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test server answers");
    tokio::spawn(connection);
    client.batch_execute(sql).await.expect("the test server makes and drops databases");
}
