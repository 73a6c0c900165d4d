//! Databases for one run of the benchmark.

use std::fmt;
use std::path::{Path, PathBuf};

use sotto_storage::DatabaseUrl;
use sotto_storage::testing::Scratch;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::Result;

/// The database engine.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// A database, and the data folder of its server. Both are deleted when this value is dropped.
pub struct Database {
    folder: TempDir,
    location: Location,
    _scratch: Option<Scratch>,
}

/// The location of a database.
#[derive(Clone)]
pub enum Location {
    /// The path of the file.
    Sqlite(PathBuf),
    /// The address of the server.
    Postgres(String),
}

impl Database {
    /// Creates an empty database, without a schema.
    ///
    /// # Errors
    /// If the database cannot be created, or no PostgreSQL server is configured.
    pub async fn create(engine: Engine) -> Result<Self> {
        let folder = TempDir::with_prefix("sotto-bench.")?;
        let (location, scratch) = match engine {
            Engine::Sqlite => (Location::Sqlite(folder.path().join("journal.db")), None),
            Engine::Postgres => {
                if std::env::var_os("SOTTO_TEST_POSTGRES").is_none() {
                    return Err("PostgreSQL is needed: run this as `make bench`, or under scripts/with-postgres".into());
                }
                let scratch = Scratch::postgres().await;
                match scratch.url.clone() {
                    DatabaseUrl::Postgres(url) => (Location::Postgres(url), Some(scratch)),
                    DatabaseUrl::Sqlite(_) => return Err("a scratch PostgreSQL that is SQLite".into()),
                }
            }
        };
        Ok(Self { folder, location, _scratch: scratch })
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The data folder of the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The value for `SOTTO_DATABASE`.
    pub fn url(&self) -> String {
        match &self.location {
            Location::Sqlite(path) => format!("sqlite:{}", path.display()),
            Location::Postgres(url) => url.clone(),
        }
    }

    /// The engine's name and version, and the settings that determine its speed.
    pub async fn description(&self) -> Result<String> {
        match &self.location {
            Location::Sqlite(_) => Ok(format!("SQLite {}", rusqlite::version())),
            Location::Postgres(url) => {
                let client = connect(url).await?;
                let mut shown = vec![];
                for setting in ["server_version", "shared_buffers", "fsync", "synchronous_commit"] {
                    let value: String = client.query_one(&format!("SHOW {setting}"), &[]).await?.get(0);
                    shown.push(value);
                }
                Ok(format!(
                    "PostgreSQL {} (shared_buffers {}, fsync {}, synchronous_commit {})",
                    shown[0], shown[1], shown[2], shown[3]
                ))
            }
        }
    }

    /// Bytes on disk: the files of the data folder and, on PostgreSQL, the database with its indexes, without the log.
    pub async fn bytes(&self) -> Result<u64> {
        let mut total = folder_size(self.folder())?;
        if let Location::Postgres(url) = &self.location {
            let size: i64 =
                connect(url).await?.query_one("SELECT pg_database_size(current_database())", &[]).await?.get(0);
            total += u64::try_from(size)?;
        }
        Ok(total)
    }
}

/// Opens a connection for the benchmark itself.
///
/// # Errors
/// If the server does not respond.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn folder_size(folder: &Path) -> std::io::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() { folder_size(&entry.path())? } else { metadata.len() };
    }
    Ok(total)
}
