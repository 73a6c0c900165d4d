//! Checks whether prepared statements are safe behind a pooler.
//!
//! The driver names its prepared statements `s0`, `s1`, … A pooler in transaction mode gives the same connection to the
//! server to different clients, one transaction after the other. If it does not rename the statements (`PgBouncer`
//! before 1.21, or with `max_prepared_statements = 0`), a client runs the statement that another client has prepared
//! under the same name.

use std::time::Duration;

use sotto_domain::storage::{Result, StorageError};
use tokio::time::timeout;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::connect::Servers;
use super::error;

/// The message about an unsafe pooler.
pub const UNSAFE: &str = "the address leads to a pooler that shares connections between clients and does not keep their \
     prepared statements apart, such as PgBouncer before 1.21 in transaction mode: it would run other clients' \
     statements. Use PgBouncer 1.21 or newer with max_prepared_statements above 0, or pool_mode = session, or the \
     address of the server itself";

/// How often two connections are compared. Behind a busy pooler, two clients may get different connections to the
/// server by chance, but hardly every time.
const COMPARISONS: usize = 20;
/// In session mode, a second client waits while all connections to the server are in use.
const SECOND_CLIENT_TIMEOUT: Duration = Duration::from_secs(2);

/// Rejects a pooler behind which prepared statements are not safe.
///
/// # Errors
/// `Unavailable` with [`UNSAFE`], or if the pooler does not respond.
pub async fn check(client: &Client, servers: &Servers) -> Result<()> {
    let failed = |error: Error| StorageError::Unavailable(error::sentence(&error));
    if renames_statements(client).await.map_err(failed)? {
        return Ok(());
    }
    match timeout(SECOND_CLIENT_TIMEOUT, shares_connections(client, servers)).await {
        Ok(Ok(true)) => Err(StorageError::Unavailable(UNSAFE.into())),
        Ok(Err(error)) => Err(failed(error)),
        Ok(Ok(false)) | Err(_) => Ok(()),
    }
}

/// Whether the pooler renames prepared statements on their way to the server.
///
/// The statement is prepared, executed and closed in one transaction, during which every pooler keeps the same
/// connection to the server: nothing is left on this connection, and no other client is affected.
async fn renames_statements(client: &Client) -> std::result::Result<bool, Error> {
    const OWN_NAME: &str = "SELECT coalesce(bool_and(name !~ '^s[0-9]+$'), false) FROM pg_prepared_statements
                            WHERE statement LIKE '%sotto: the name of this statement%'";
    client.batch_execute("BEGIN").await?;
    let renamed = async { client.query_one(OWN_NAME, &[]).await?.try_get(0) }.await;
    client.batch_execute("ROLLBACK").await?;
    // The transaction fails if another client has left a statement of the same name on the connection, so names are not
    // kept apart.
    Ok(renamed.unwrap_or(false))
}

/// Whether two clients, one after the other, get the same connection to the server.
async fn shares_connections(client: &Client, servers: &Servers) -> std::result::Result<bool, Error> {
    let (other, _) = servers.connect_to_any().await?;
    let own = backend(client).await?;
    for _ in 0..COMPARISONS {
        if backend(&other).await? == own || backend(client).await? != own {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The process id of the server process that currently serves a connection.
async fn backend(client: &Client) -> std::result::Result<Option<String>, Error> {
    let messages = client.simple_query("SELECT pg_backend_pid()").await?;
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}
