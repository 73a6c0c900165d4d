//! Measures the speed of `sotto restore`: a whole backup into an empty database, compared with writing the same rows
//! through the plain driver.
//!
//! The limit is one transaction from memory into the same schema with its indexes and triggers. It reads no backup,
//! checks no checksum and compares nothing at the end.

use std::fmt;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use sotto_storage::transfer::{Observer, Package, Table, verify};
use tokio::process::Command;

use crate::Result;
use crate::database::{Database, Engine, Location, connect};
use crate::report::{percent, table, thousands};
use crate::scenarios::ROUNDS;
use crate::seed::ENTRIES;
use crate::suite;

/// The figures of one engine.
pub struct RestoreFigures {
    pub engine: Engine,
    entries: u64,
    rows: u64,
    restore: Duration,
    driver: Duration,
}

/// Measures one engine with the journals of this many authors. Restore and limit take turns.
///
/// # Errors
/// If a database cannot be created, or the program fails.
pub async fn measure(engine: Engine, binary: &Path, authors: u64) -> Result<RestoreFigures> {
    let source = suite::prepare(engine, binary, 0..authors).await?;
    let backup = source.folder().join("backup.tar");
    let archive = backup.to_str().ok_or("a temporary folder whose name is not UTF-8")?;
    sotto(binary, &source, &["backup", archive]).await?;
    let manifest = verify(&Package::from_path(&backup), &Observer::default()).await?;
    let content = Content::read(&source, &manifest.header.layout.tables).await?;
    let (mut restore, mut driver) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        let target = Database::create(engine).await?;
        restore += sotto(binary, &target, &["restore", archive]).await?;
        let target = Database::create(engine).await?;
        sotto(binary, &target, &["db", "upgrade"]).await?;
        driver += content.write(&target).await?;
    }
    Ok(RestoreFigures {
        engine,
        entries: authors * ENTRIES,
        rows: manifest.rows(),
        restore: restore / ROUNDS,
        driver: driver / ROUNDS,
    })
}

impl RestoreFigures {
    /// The speed of a restore as a share of the limit.
    pub fn share(&self) -> f64 {
        self.driver.as_secs_f64() / self.restore.as_secs_f64().max(1e-9)
    }

    fn rate(&self, time: Duration) -> String {
        thousands(self.entries as f64 / time.as_secs_f64().max(1e-9))
    }
}

/// The figures of all engines in one table.
pub struct RestoreTable<'r>(pub &'r [RestoreFigures]);

impl fmt::Display for RestoreTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.0.iter().map(|one| {
            vec![
                one.engine.to_string(),
                thousands(one.entries as f64),
                thousands(one.rows as f64),
                one.rate(one.restore),
                one.rate(one.driver),
                percent(one.share()),
            ]
        });
        f.write_str(&table(&["", "entries", "rows", "restore, entries/s", "driver only", "% of limit"], rows))
    }
}

/// All rows in memory, as values that the driver accepts, with the insert statement of each table.
enum Content {
    Sqlite(Vec<(String, Vec<Vec<Value>>)>),
    Postgres(Vec<(String, Vec<Bytes>)>),
}

impl Content {
    async fn read(source: &Database, tables: &[Table]) -> Result<Self> {
        match source.location() {
            Location::Sqlite(path) => {
                let connection = Connection::open(path)?;
                let content = tables.iter().map(|table| read_sqlite(&connection, table));
                Ok(Self::Sqlite(content.collect::<rusqlite::Result<_>>()?))
            }
            Location::Postgres(url) => {
                let (client, mut content) = (connect(url).await?, vec![]);
                for table in tables {
                    let (columns, key) = (columns(table), table.key.join(", "));
                    let name = &table.name;
                    let rows = format!("COPY (SELECT {columns} FROM {name} ORDER BY {key}) TO STDOUT BINARY");
                    let rows = client.copy_out(&rows).await?.try_collect().await?;
                    content.push((format!("COPY {name} ({columns}) FROM STDIN BINARY"), rows));
                }
                Ok(Self::Postgres(content))
            }
        }
    }

    /// Stores all rows in one transaction, and returns the duration.
    async fn write(&self, target: &Database) -> Result<Duration> {
        match (self, target.location()) {
            (Self::Sqlite(content), Location::Sqlite(path)) => {
                let mut connection = Connection::open(path)?;
                connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL")?;
                let began = Instant::now();
                let transaction = connection.transaction()?;
                for (sql, rows) in content {
                    let mut insert = transaction.prepare(sql)?;
                    for row in rows {
                        insert.execute(params_from_iter(row))?;
                    }
                }
                transaction.commit()?;
                Ok(began.elapsed())
            }
            (Self::Postgres(content), Location::Postgres(url)) => {
                let mut client = connect(url).await?;
                let began = Instant::now();
                let transaction = client.transaction().await?;
                for (sql, rows) in content {
                    let mut sink = pin!(transaction.copy_in(sql).await?);
                    for bytes in rows {
                        sink.send(bytes.clone()).await?;
                    }
                    sink.finish().await?;
                }
                transaction.commit().await?;
                Ok(began.elapsed())
            }
            _ => Err("the rows are those of the other engine".into()),
        }
    }
}

fn read_sqlite(connection: &Connection, table: &Table) -> rusqlite::Result<(String, Vec<Vec<Value>>)> {
    let (columns, count) = (columns(table), table.columns.len());
    let sql = format!("SELECT {columns} FROM {} ORDER BY {}", table.name, table.key.join(", "));
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| (0..count).map(|index| row.get(index)).collect())?;
    let rows = rows.collect::<rusqlite::Result<_>>()?;
    let placeholders = vec!["?"; count].join(", ");
    Ok((format!("INSERT INTO {} ({columns}) VALUES ({placeholders})", table.name), rows))
}

fn columns(table: &Table) -> String {
    table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Runs a command of the program to its end, and returns the duration.
async fn sotto(binary: &Path, database: &Database, arguments: &[&str]) -> Result<Duration> {
    let began = Instant::now();
    let finished = Command::new(binary)
        .args(arguments)
        .current_dir(database.folder())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("SOTTO_DATA_DIR", database.folder())
        .env("SOTTO_DATABASE", database.url())
        .output()
        .await?;
    if !finished.status.success() {
        let message = String::from_utf8_lossy(&finished.stderr);
        return Err(format!("sotto {} failed: {message}", arguments.join(" ")).into());
    }
    Ok(began.elapsed())
}
