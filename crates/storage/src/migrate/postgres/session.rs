//! A session of the migrator on a PostgreSQL server, and the checks of the database before a run.

use std::time::{Duration, Instant};

use sotto_domain::Timestamp;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::super::error::{MigrateError, Result};
use super::super::plan::Applied;
use super::failure::message_with_advice;
use crate::DatabaseUrl;
use crate::postgres::connect::{self, Refusal};
use crate::postgres::server::Text;

/// The advisory lock of a migrator (`Sotto` and `migr` in ASCII). Such locks are per database.
pub(in super::super) const LOCK: i64 = 0x536F_7474_6D69_6772;
/// How often a waiting migrator tries again. It does not wait in the server: a waiting statement holds a snapshot, and
/// the working migrator's `CREATE INDEX CONCURRENTLY` would wait for that in turn.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// A step that waits for a table makes all later users of the table wait as well, so it gives up after 10 seconds. The
/// server notices within a second if the migrator is gone, and releases its locks. Notices about `IF EXISTS` are
/// suppressed.
pub(super) const SESSION: &str = "SET lock_timeout = '10s'; SET statement_timeout = 0; SET \
                                  idle_in_transaction_session_timeout = 0; SET client_min_messages = warning";
const NOTICE_A_DEAD_CLIENT: &str = "SET client_connection_check_interval = '1s'";
/// The tables of the schema, without those of extensions.
pub(super) const FOREIGN: &str = "SELECT relname::text FROM pg_class c WHERE relnamespace = \
                                  current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT EXISTS (SELECT 1 \
                                  FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND \
                                  d.deptype = 'e')";
/// Whether there is a schema in which tables can be found and created; and the schemas of the search path that this
/// role may not use, if there is no other or Sotto's tables are there.
const HIDDEN: &str = "SELECT current_schema() IS NOT NULL, (
    SELECT string_agg(quote_ident(nspname::text), ', ') FROM pg_namespace n
    WHERE nspname IN (
        SELECT CASE name WHEN '$user' THEN current_user::text ELSE name END
        FROM (SELECT btrim(unnest(string_to_array(current_setting('search_path'), ',')), ' \"') AS name) path
    ) AND NOT has_schema_privilege(n.oid, 'USAGE') AND (current_schema() IS NULL OR EXISTS (
        SELECT 1 FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'schema_migrations')))";
/// A connection to the database that is migrated, with its address for errors.
pub(super) struct Session<'u> {
    pub(super) url: &'u DatabaseUrl,
    pub(super) client: Client,
}

impl<'u> Session<'u> {
    pub(super) async fn connect(url: &'u DatabaseUrl) -> Result<Self> {
        let client = try_connect(url).await.map_err(|Refusal { code, reason }| match code {
            Some(SqlState::INVALID_CATALOG_NAME) => MigrateError::missing(url),
            Some(
                SqlState::INVALID_PASSWORD
                | SqlState::INVALID_AUTHORIZATION_SPECIFICATION
                | SqlState::INSUFFICIENT_PRIVILEGE,
            ) => MigrateError::Denied { database: url.to_string(), reason },
            _ => MigrateError::Database { database: url.to_string(), reason },
        })?;
        let session = Self { url, client };
        session.refuse_hidden().await?;
        Ok(session)
    }

    /// The server silently skips schemas that the role may not use, so their tables would seem not to exist.
    async fn refuse_hidden(&self) -> Result<()> {
        let row = self.client.query_one(HIDDEN, &[]).await.map_err(|error| self.unusable(&error))?;
        let (usable, hidden): (bool, Option<String>) = (row.get(0), row.get(1));
        let database = self.url.to_string();
        match hidden {
            Some(schemas) => Err(MigrateError::Denied {
                database,
                reason: format!(
                    "its role may not use the schema {schemas}. Connect as the owner of Sotto's tables, or let the \
                     owner of the schema run GRANT USAGE ON SCHEMA"
                ),
            }),
            None if usable => Ok(()),
            None => Err(MigrateError::Database {
                database,
                reason: "no schema of its search_path exists. Create one with CREATE SCHEMA, or correct search_path"
                    .into(),
            }),
        }
    }

    pub(super) async fn prepare(&self) -> Result<()> {
        self.client.batch_execute(SESSION).await.map_err(|error| self.unusable(&error))?;
        match self.client.batch_execute(NOTICE_A_DEAD_CLIENT).await {
            // Servers on systems that cannot check connections reject the setting; they notice a dead client later.
            Err(error) if error.code() != Some(&SqlState::INVALID_PARAMETER_VALUE) => Err(self.unusable(&error)),
            _ => Ok(()),
        }
    }

    /// A down migration drops tables that a running server uses.
    pub(super) async fn refuse_servers(&self) -> Result<()> {
        match connect::without_servers(&self.client).await {
            Ok(None) => Ok(()),
            Ok(Some(by)) => Err(MigrateError::InUse { database: self.url.to_string(), by }),
            Err(error) => Err(self.unusable(&error)),
        }
    }

    pub(super) async fn take_lock(&self, lock_timeout: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            let row = self.client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await;
            if row.map_err(|error| self.unusable(&error))?.get(0) {
                return Ok(());
            }
            if start.elapsed() >= lock_timeout {
                return Err(MigrateError::Locked(lock_timeout));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Refuses to create tables in a database that cannot store every text.
    pub(super) async fn refuse_other_encodings(&self) -> Result<()> {
        let text = Text::read(&self.client).await.map_err(|error| self.unusable(&error))?;
        text.refuse_other_encodings()
            .map_err(|reason| MigrateError::Database { database: self.url.to_string(), reason })
    }

    /// Accepts a schema without tables (except those of extensions), and one with the table `schema_migrations`.
    pub(super) async fn refuse_foreign(&self) -> Result<()> {
        let rows = self
            .client
            .query(&format!("{FOREIGN} AND to_regclass('schema_migrations') IS NULL ORDER BY relname LIMIT 3"), &[])
            .await
            .map_err(|error| self.unusable(&error))?;
        let tables: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        if tables.is_empty() { Ok(()) } else { Err(self.foreign(tables.join(", "))) }
    }

    pub(super) async fn applied(&self) -> Result<Vec<Applied>> {
        let exists = self.client.query_one("SELECT to_regclass('schema_migrations') IS NOT NULL", &[]).await;
        if !exists.map_err(|error| self.unusable(&error))?.get::<_, bool>(0) {
            return Ok(Vec::new());
        }
        let rows = self
            .client
            .query(
                "SELECT version, name, up_checksum, down_checksum, (extract(epoch FROM applied_at) * 1000000)::bigint \
                 FROM schema_migrations ORDER BY version",
                &[],
            )
            .await
            .map_err(|error| match error.code() {
                Some(&SqlState::UNDEFINED_COLUMN) => self.foreign("schema_migrations of another program".into()),
                _ => self.unusable(&error),
            })?;
        let rows = rows.iter().map(|row| {
            Ok(Applied {
                version: u32::try_from(row.try_get::<_, i32>(0)?).unwrap_or_default(),
                name: row.try_get(1)?,
                up_checksum: row.try_get(2)?,
                down_checksum: row.try_get(3)?,
                applied_at: Timestamp::from_micros(row.try_get(4)?).unwrap_or(Timestamp::MIN),
            })
        });
        rows.collect::<std::result::Result<_, _>>().map_err(|error| self.unusable(&error))
    }

    pub(super) fn unusable(&self, error: &tokio_postgres::Error) -> MigrateError {
        let (database, reason) = (self.url.to_string(), message_with_advice(error));
        match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => MigrateError::Denied { database, reason },
            _ => MigrateError::Database { database, reason },
        }
    }

    fn foreign(&self, tables: String) -> MigrateError {
        MigrateError::Foreign { database: self.url.to_string(), tables }
    }
}

/// Opens a connection outside of every pool. It is closed when the client is dropped.
pub(crate) async fn connect(url: &DatabaseUrl) -> std::result::Result<Client, String> {
    try_connect(url).await.map_err(|refusal| refusal.reason)
}

async fn try_connect(url: &DatabaseUrl) -> std::result::Result<Client, Refusal> {
    match url {
        DatabaseUrl::Postgres(address) => connect::alone(address, CONNECT_TIMEOUT).await,
        DatabaseUrl::Sqlite(_) => Err(Refusal { code: None, reason: "it is not a PostgreSQL server".into() }),
    }
}
