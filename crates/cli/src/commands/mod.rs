//! What the program can do.

mod backup;
mod db;
mod keys;
mod restore;
mod serve;
mod user;

use std::io::{self, Write};

use clap::Subcommand;
use sotto_storage::migrate::{Migrator, State};

use crate::error::{CliError, Result};
use crate::settings::{Common, Serving};

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Serve the journal
    Serve(Box<Serving>),
    /// Upgrade, downgrade and inspect the database's schema
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Make a backup, or check one: the database, the attachments and, if asked for, the keys
    Backup(backup::BackupCommand),
    /// Restore a backup into an empty database
    Restore(restore::RestoreCommand),
    /// Make and manage accounts
    #[command(subcommand)]
    User(user::UserCommand),
    /// Make, show, replace and hand on the server's secret keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Print the API's specification
    #[command(hide = true)]
    Openapi,
}

impl Command {
    /// Does it.
    pub async fn run(self, common: &Common, file: Serving) -> Result<()> {
        match self {
            Self::Serve(flags) => serve::run(common, &(*flags).or(file)).await,
            Self::Db(command) => command.run(common).await,
            Self::Backup(command) => command.run(common, &file).await,
            Self::Restore(command) => command.run(common, &file).await,
            Self::User(command) => command.run(common).await,
            Self::Keys(command) => command.run(common, file).await,
            Self::Openapi => say(sotto_server::openapi::to_json().map_err(io::Error::from)?.trim_end()),
        }
    }
}

/// Makes sure that the database has the schema that this program works with. An empty one gets it; an older one only
/// if asked to.
pub async fn ensure_schema(common: &Common, upgrade: bool) -> Result<()> {
    let migrator = Migrator::new(&common.database())?;
    let state = migrator.state().await?;
    if let Some(unfinished) = sotto_storage::transfer::explain(&common.database(), &state) {
        return Err(CliError::Refused(unfinished));
    }
    match state {
        State::Head => Ok(()),
        State::Empty => sotto_storage::migrate::upgrade(&common.database()).await.map(drop).map_err(CliError::from),
        State::Behind { .. } if upgrade => {
            let report = sotto_storage::migrate::upgrade(&common.database()).await?;
            tracing::info!(from = report.from, to = report.to, snapshot = ?report.snapshot, "the database was upgraded");
            Ok(())
        }
        state @ (State::Behind { .. } | State::Ahead { .. }) => Err(CliError::Refused(state.to_string())),
    }
}

/// Prints a line; a reader that has gone away is no error.
pub fn say(line: &str) -> Result<()> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub fn say_json(value: &serde_json::Value) -> Result<()> {
    say(&serde_json::to_string_pretty(value).map_err(io::Error::from)?)
}
