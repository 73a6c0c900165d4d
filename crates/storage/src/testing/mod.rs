//! Scratch databases on the real engines, and bounded waits, for tests.
#![expect(clippy::expect_used, reason = "only tests use this, and a test that cannot have its database has failed")]

mod wait;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tokio_postgres::NoTls;
use uuid::Uuid;

pub use self::wait::{wait_for, wait_until, wait_until_blocking, within_bound, within_bound_blocking};
use crate::DatabaseUrl;

/// An empty database without a schema, which is deleted when this value is dropped.
pub struct Scratch {
    pub url: DatabaseUrl,
    _folder: Option<TempDir>,
    postgres: Option<(String, String)>,
}

impl Scratch {
    /// A database in a file in a temporary folder.
    pub fn sqlite() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be created");
        let url = DatabaseUrl::Sqlite(folder.path().join("journal.db"));
        Self { url, _folder: Some(folder), postgres: None }
    }

    /// A new database on the server of `scripts/with-postgres`.
    ///
    /// # Panics
    /// If that server is not running: a test that needs PostgreSQL fails and is never skipped.
    pub async fn postgres() -> Self {
        Self::postgres_with("").await
    }

    /// Like [`Self::postgres`], with options of `CREATE DATABASE`.
    ///
    /// # Panics
    /// As [`Self::postgres`].
    pub async fn postgres_with(options: &str) -> Self {
        let server = std::env::var("SOTTO_TEST_POSTGRES")
            .expect("the tests need a PostgreSQL: run them as `make test`, or under scripts/with-postgres");
        #[expect(clippy::disallowed_methods, reason = "a name that no other test run has")]
        let name = format!("sotto_test_{}", Uuid::new_v4().simple());
        execute(&server, &format!("CREATE DATABASE {name} {options}")).await;
        let (base, _) = server.rsplit_once('/').expect("SOTTO_TEST_POSTGRES names a database");
        Self { url: DatabaseUrl::Postgres(format!("{base}/{name}")), _folder: None, postgres: Some((server, name)) }
    }
}

/// Runs a script with the engine's own client, `psql` or the `sqlite3` shell, as operators do.
///
/// # Panics
/// If the client is not installed.
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
    // A client that has stopped at an error does not read the rest.
    let _ = shell.stdin.take().expect("the client has a standard input").write_all(script.as_bytes());
    shell.wait_with_output().expect("the client ends")
}

/// Returns the whole content of a database as SQL. Databases with equal dumps have equal content.
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
    // Newer versions of pg_dump add a random word to these lines.
    let random = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
    text.lines().filter(|line| !random(line)).collect::<Vec<_>>().join("\n")
}

/// A program of the PostgreSQL server's installation.
fn server_program(name: &str) -> Command {
    match std::env::var_os("SOTTO_POSTGRES_BIN") {
        Some(folder) => Command::new(Path::new(&folder).join(name)),
        None => Command::new(name),
    }
}

impl Scratch {
    /// A second handle on the same database, which is deleted when `other` is dropped.
    pub fn sharing(other: &Self) -> Self {
        Self { url: other.url.clone(), _folder: None, postgres: None }
    }

    /// Like [`run_sql`].
    ///
    /// # Errors
    /// The message of the database.
    pub async fn execute(&self, sql: &str) -> Result<(), String> {
        run_sql(&self.url, sql).await
    }
}

/// Runs statements without the storage contract.
///
/// # Errors
/// The message of the database.
pub async fn run_sql(url: &DatabaseUrl, sql: &str) -> Result<(), String> {
    match url {
        DatabaseUrl::Sqlite(path) => {
            let run = rusqlite::Connection::open(path).and_then(|connection| connection.execute_batch(sql));
            run.map_err(|error| error.to_string())
        }
        DatabaseUrl::Postgres(url) => {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test server responds");
            tokio::spawn(connection);
            client.batch_execute(sql).await.map_err(|error| error.to_string())
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some((server, name)) = self.postgres.take() else { return };
        // A value can be dropped inside a runtime, so the statement runs on a separate thread and runtime.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(execute(&server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
        });
        let _ = thread.join();
    }
}

async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test server responds");
    tokio::spawn(connection);
    client.batch_execute(sql).await.expect("the test server creates and drops databases");
}
