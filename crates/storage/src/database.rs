//! Which database: SQLite in a file, or PostgreSQL at an address.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use sotto_domain::storage::{self, Storage};

use crate::postgres::Postgres;
use crate::sqlite::Sqlite;

/// Where a journal is kept: `sqlite:PATH` or `postgres://…`.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file, made when it is missing.
    Sqlite(PathBuf),
    /// A libpq connection string or URL; several hosts are tried in turn.
    Postgres(String),
}

impl DatabaseUrl {
    /// Opens the database. Its schema is left as it is.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be opened or no server answers.
    pub async fn open(&self) -> storage::Result<Arc<dyn Storage>> {
        Ok(match self {
            Self::Sqlite(path) => Arc::new(Sqlite::open(path).await?),
            Self::Postgres(url) => Arc::new(Postgres::connect(url).await?),
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
    /// Never shows the password.
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

/// Keeps scheme, user, hosts and database name. The query may hold a password as well, so it goes.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let rest = rest.split('?').next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((user, host)) => format!("{scheme}://{}@{host}", user.split(':').next().unwrap_or_default()),
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "postgres://ada:s3cret@db.example:5432/sotto",
            "postgres://ada:s3@cret@db.example:5432/sotto?password=s3cret",
            "postgres://db.example:5432/sotto?user=ada&password=s3cret",
        ] {
            let shown = format!("{:?}", url.parse::<DatabaseUrl>().unwrap());
            assert!(!shown.contains("cret"), "{shown}");
            assert!(shown.ends_with("db.example:5432/sotto"), "{shown}");
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for bad in ["", "sqlite:", "mysql://x", "journal.db"] {
            assert!(bad.parse::<DatabaseUrl>().is_err(), "{bad}");
        }
    }
}
