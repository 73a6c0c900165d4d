//! Databases made for one run of the benchmark.

use std::fmt;
use std::path::{Path, PathBuf};

use sotto_storage::DatabaseUrl;
use sotto_storage::testing::Scratch;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::Result;

/// What keeps the rows.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// A server.
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

/// A database and the data folder of the server in front of it; both go when this value is dropped.
pub struct Database {
    folder: TempDir,
    place: Place,
    _scratch: Option<Scratch>,
}

/// Where the rows are.
#[derive(Clone)]
pub enum Place {
    /// In a file.
    Sqlite(PathBuf),
    /// At an address.
    Postgres(String),
}

impl Database {
    /// An empty database, without a schema.
    ///
    /// # Errors
    /// If there is no room for it, or no PostgreSQL was given.
    pub async fn create(engine: Engine) -> Result<Self> {
        let folder = TempDir::with_prefix("sotto-bench.")?;
        let (place, scratch) = match engine {
            Engine::Sqlite => (Place::Sqlite(folder.path().join("journal.db")), None),
            Engine::Postgres => {
                if std::env::var_os("SOTTO_TEST_POSTGRES").is_none() {
                    return Err("PostgreSQL is needed: run this as `make bench`, or under scripts/with-postgres".into());
                }
                let scratch = Scratch::postgres().await;
                match scratch.url.clone() {
                    DatabaseUrl::Postgres(url) => (Place::Postgres(url), Some(scratch)),
                    DatabaseUrl::Sqlite(_) => return Err("a scratch PostgreSQL that is SQLite".into()),
                }
            }
        };
        Ok(Self { folder, place, _scratch: scratch })
    }

    /// Where the rows are.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The data folder of the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// As `SOTTO_DATABASE` wants it.
    pub fn url(&self) -> String {
        match &self.place {
            Place::Sqlite(path) => format!("sqlite:{}", path.display()),
            Place::Postgres(url) => url.clone(),
        }
    }

    /// The engine's name and version, and the settings that decide how fast it may be.
    pub async fn description(&self) -> Result<String> {
        match &self.place {
            Place::Sqlite(_) => Ok(format!("SQLite {}", rusqlite::version())),
            Place::Postgres(url) => {
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

    /// Bytes on disk: the files of the data folder and, of PostgreSQL, the database with its indexes, without the log.
    pub async fn bytes(&self) -> Result<u64> {
        let mut total = folder_size(self.folder())?;
        if let Place::Postgres(url) = &self.place {
            let size: i64 =
                connect(url).await?.query_one("SELECT pg_database_size(current_database())", &[]).await?.get(0);
            total += u64::try_from(size)?;
        }
        Ok(total)
    }
}

/// A connection of the benchmark's own.
///
/// # Errors
/// If the server does not answer.
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
