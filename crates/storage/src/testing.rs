//! Scratch databases for tests, on the real engines.
#![expect(clippy::expect_used, reason = "only tests use this, and a test that cannot have its database has failed")]

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
