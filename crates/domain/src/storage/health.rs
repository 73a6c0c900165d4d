//! The storage contract of the database's health.

use async_trait::async_trait;

use super::Result;
use crate::clock::Timestamp;
use crate::health::{SchemaHealth, Snapshot, WriteCost};

/// The database's health, for operators. None of the results contains data of users.
#[async_trait]
pub trait Health: Send + Sync {
    /// Returns the engine's current statistics, with counters since it began to count. Cheap enough to call every
    /// minute: costly parts (the sizes and the integrity of a SQLite file) are measured again only after an hour.
    async fn snapshot(&self, now: Timestamp) -> Result<Snapshot>;
    /// Returns the state of the schema according to the table of migrations. Reads a few rows, so it is cheap enough
    /// for every health check.
    async fn schema(&self) -> Result<SchemaHealth>;
    /// Returns the newest migration that this program works with, such as `0003_web_app`.
    fn newest_revision(&self) -> String;
    /// Measures what an index costs writers, with generated rows in an empty scratch copy of its table. Blocks no
    /// writer and changes nothing. Returns `None` if there is no such index, or if the table requires the index.
    async fn write_cost(&self, index: &str) -> Result<Option<WriteCost>>;
    /// Returns the time of the database server's own clock, or `None` if the engine runs in this process and has no
    /// separate clock.
    async fn clock(&self) -> Result<Option<Timestamp>>;
}
