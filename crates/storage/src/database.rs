//! The address of a database: a SQLite file, or a PostgreSQL server.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sotto_domain::storage::{self, Storage, StorageError};
use sotto_files::{Claim, FileError};

use crate::postgres::address::Address;
use crate::postgres::{PoolOptions, Postgres};
use crate::sqlite::Sqlite;
use crate::sqlite::files::claim_for_server;

/// The address of a database: `sqlite:PATH` or `postgres://…`.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file, created if it does not exist.
    Sqlite(PathBuf),
    /// A libpq connection string or URL; several hosts are tried in turn.
    Postgres(String),
}

impl DatabaseUrl {
    /// Opens the database without changing its schema.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be opened or no server responds.
    pub async fn open(&self) -> storage::Result<Arc<dyn Storage>> {
        self.open_with(PoolOptions::default()).await
    }

    /// Like [`Self::open`], with these options for connections to a server.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with(&self, options: PoolOptions) -> storage::Result<Arc<dyn Storage>> {
        Ok(match self {
            Self::Sqlite(path) => Arc::new(Sqlite::open(path).await?),
            Self::Postgres(url) => Arc::new(Postgres::connect_with(url, options).await?),
        })
    }

    /// Waits until a database server responds. Returns at once for a file.
    ///
    /// # Errors
    /// `Unavailable` with the server's last error if it does not respond within `max_wait`; without waiting if waiting
    /// cannot help, as with a wrong password.
    pub async fn wait_until_reachable(&self, max_wait: Duration) -> storage::Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(url) => crate::postgres::wait_until_reachable(url, max_wait).await,
        }
    }
}

impl DatabaseUrl {
    /// Claims a database file for a server, until the claim is dropped. Two servers cannot share a file, because each
    /// keeps limits, sessions and schedules in memory. Servers can share a PostgreSQL database. The claim excludes
    /// commands that replace the file or downgrade its schema; all others may use the file while the server runs.
    ///
    /// # Errors
    /// `Unavailable` if another server, or such a command, holds the claim.
    pub async fn claim_for_server(&self) -> storage::Result<Option<Claim>> {
        let Self::Sqlite(path) = self else { return Ok(None) };
        let path = path.clone();
        let claim = tokio::task::spawn_blocking(move || claim_for_server(&path)).await;
        let claim = claim.map_err(|stopped| StorageError::Other(Box::new(stopped)))?;
        claim.map(Some).map_err(|error| {
            StorageError::Unavailable(match error {
                FileError::Held { holder, .. } => {
                    format!("{self} is in use by {holder}: stop that first, or name another database")
                }
                other => other.to_string(),
            })
        })
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite(path.into()));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        Err("a database is sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME".into())
    }
}

impl fmt::Display for DatabaseUrl {
    /// Leaves out the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// In an address that cannot be parsed, any part may be the password.
fn without_password(url: &str) -> String {
    Address::parse(url).map_or_else(|| "postgres://…".to_owned(), |address| address.without_password())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "postgres://ada:s3cret@db.example:5432/sotto",
            "postgres://ada:s3@cret@db.example:5432/sotto?password=s3cret",
            "postgres://ada:s3?cret@db.example:5432/sotto",
            "postgres://ada:s3/c?ret=cret@db.example:5432/sotto",
            "postgres://db.example:5432/sotto?user=ada&password=s3cret",
        ] {
            let shown = format!("{:?}", url.parse::<DatabaseUrl>().unwrap());
            assert!(!shown.contains("cret"), "{shown}");
            assert!(shown.ends_with("db.example:5432/sotto"), "{shown}");
        }
        for url in ["postgres://ada:cret", "postgres://ada:cret?x@db:port/sotto", "postgres://db/sotto?cret"] {
            assert_eq!(url.parse::<DatabaseUrl>().unwrap().to_string(), "postgres://…");
        }
    }

    #[test]
    fn addresses_of_other_schemes_are_rejected() {
        for bad in ["", "sqlite:", "mysql://x", "journal.db"] {
            assert!(bad.parse::<DatabaseUrl>().is_err(), "{bad}");
        }
    }
}
