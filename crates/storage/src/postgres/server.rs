//! Finds out whether a new connection leads to the server itself or to a pooler, and how many connections are left.

use std::time::Duration;

use sotto_domain::storage::{Result, StorageError};
use tokio_postgres::{Client, Config, Error, SimpleQueryMessage};

use super::error;

/// An option of a connection that only the server itself understands. A pooler shares its connections to the server
/// between clients, so it either rejects or ignores such an option.
const DIRECT: &str = "-c sotto.connection=direct";

/// How many connections a server's pool leaves free, so that an operator can still connect: a command of Sotto uses up
/// to four, `psql` one.
pub const RESERVED_CONNECTIONS: i64 = 4;

/// How long a new connection may take to answer these questions.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Adds the options that only the server itself understands: the one that asks for a connection to it, and
/// `statement_timeout`, which the options in the URL override.
pub fn with_options(config: &Config, statement_timeout: Option<Duration>) -> Config {
    let mut config = config.clone();
    let timeout = statement_timeout.map(|timeout| format!("-c statement_timeout={}", timeout.as_millis()));
    let options = [timeout.as_deref(), config.get_options(), Some(DIRECT)];
    let options = options.into_iter().flatten().collect::<Vec<_>>().join(" ");
    config.options(options);
    config
}

/// The properties of a new connection.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    /// Whether it leads to the server itself and not to a pooler.
    pub direct: bool,
    /// How many connections the server allows to this role and database. Some of them are reserved for superusers.
    pub limit: i64,
    /// How many more connections were possible when this one was made.
    pub room: i64,
}

// There are limits for all connections, for the role and for the database; the narrowest counts. Only the first one
// applies to a superuser, and connections that are reserved for superusers are not for a Sotto server. Connections that
// were made later do not count, so that the first ones of several concurrent connections find room.
const SESSION: &str = "
    WITH sessions AS (
        SELECT usesysid, datid FROM pg_stat_activity
        WHERE datid IS NOT NULL AND (backend_start IS NULL OR (backend_start, pid) <=
            (SELECT own.backend_start, own.pid FROM pg_stat_activity own WHERE own.pid = pg_backend_pid()))
    ),
    limits (allowed, used) AS (
        SELECT current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
            - coalesce(current_setting('reserved_connections', true)::bigint, 0), (SELECT count(*) FROM sessions)
        UNION ALL
        SELECT rolconnlimit, (SELECT count(*) FROM sessions WHERE usesysid = r.oid)
        FROM pg_roles r WHERE rolname = session_user AND rolconnlimit >= 0 AND NOT rolsuper
        UNION ALL
        SELECT datconnlimit, (SELECT count(*) FROM sessions WHERE datid = d.oid)
        FROM pg_database d WHERE datname = current_database() AND datconnlimit >= 0
            AND NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = session_user AND rolsuper)
    )
    SELECT coalesce(current_setting('sotto.connection', true) = 'direct', false), min(allowed), min(allowed - used)
    FROM limits";

impl Session {
    /// Queries the server. Nothing is prepared, because it is not yet known whether that is safe.
    pub async fn read(client: &Client) -> std::result::Result<Self, Error> {
        let [direct, limit, room] = row(client, SESSION).await?;
        let number = |text: String| text.parse().unwrap_or(i64::MAX);
        Ok(Self { direct: direct == "t", limit: number(limit), room: number(room) })
    }
}

/// The encoding and the character type of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    name: String,
    encoding: String,
    character_type: String,
}

const TEXT: &str =
    "SELECT datname, pg_encoding_to_char(encoding), datctype FROM pg_database WHERE datname = current_database()";

impl Text {
    pub async fn read(client: &Client) -> std::result::Result<Self, Error> {
        let [name, encoding, character_type] = row(client, TEXT).await?;
        Ok(Self { name, encoding, character_type })
    }

    /// Rejects a database that cannot store every text.
    pub fn refuse_other_encodings(&self) -> std::result::Result<(), String> {
        if self.encoding == "UTF8" {
            return Ok(());
        }
        Err(format!(
            "it keeps text as {}, which cannot hold every character: Sotto needs UTF-8. Make a database with CREATE \
             DATABASE {} ENCODING 'UTF8' TEMPLATE template0, and bring what this one holds there with `sotto db copy`",
            self.encoding,
            quoted(&format!("{}_utf8", self.name)),
        ))
    }

    /// What an operator should know about a database that Sotto can use nevertheless.
    pub fn warning(&self) -> Option<String> {
        let ascii_only = ["C", "POSIX"].contains(&self.character_type.as_str());
        ascii_only.then(|| {
            format!(
                "the database has the locale {}, which knows no letters beyond A to Z: a search finds other letters, such \
                 as Ä or Ж, only in the case in which they were written. Make a database with CREATE DATABASE {} ENCODING \
                 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0, and bring what this one holds there with `sotto db copy`",
                self.character_type,
                quoted(&format!("{}_utf8", self.name)),
            )
        })
    }
}

/// Checks a new connection before the first call: rejects the database, or logs warnings about it.
pub async fn check(client: &Client, connections: usize) -> Result<()> {
    let unusable = |error: Error| StorageError::Unavailable(error::sentence(&error));
    let text = Text::read(client).await.map_err(unusable)?;
    text.refuse_other_encodings().map_err(StorageError::Unavailable)?;
    if let Some(warning) = text.warning() {
        tracing::warn!("{warning}");
    }
    let Session { direct, limit, .. } = Session::read(client).await.map_err(unusable)?;
    let usable = (limit - RESERVED_CONNECTIONS).max(1);
    if direct && i64::try_from(connections).unwrap_or(i64::MAX) > usable {
        tracing::warn!(
            "up to {connections} database connections are configured, but the server allows {limit} to all programs \
             together, of which {RESERVED_CONNECTIONS} are left to others: this one makes do with {usable} at most. Lower \
             SOTTO_DATABASE_CONNECTIONS, or raise max_connections of the server or the limit of the role"
        );
    }
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns the only row of a response.
async fn row<const N: usize>(client: &Client, sql: &str) -> std::result::Result<[String; N], Error> {
    let messages = client.simple_query(sql).await?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(std::array::from_fn(|place| row.and_then(|row| row.get(place)).unwrap_or_default().to_owned()))
}
