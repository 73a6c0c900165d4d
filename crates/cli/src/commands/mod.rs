//! The commands of the program.

pub mod attachments;
mod backup;
mod db;
mod keys;
mod restore;
mod serve;
mod user;

use std::io::{self, Write};

use clap::Subcommand;
use sotto_storage::DatabaseUrl;
use sotto_storage::migrate::{Migrator, State};

use crate::error::{CliError, Result};
use crate::settings::{CommonSettings, LogFormat, ServeSettings};

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Start the server
    Serve(Box<ServeSettings>),
    /// Upgrade, downgrade, check and copy the database
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Make or verify a backup of the database, the attachments and, if requested, the keys
    Backup(backup::BackupCommand),
    /// Sweep the attachment store, or assign it to a database
    #[command(subcommand)]
    Attachments(attachments::AttachmentsCommand),
    /// Restore a backup into an empty database
    Restore(restore::RestoreCommand),
    /// Create and manage accounts
    #[command(subcommand)]
    User(user::UserCommand),
    /// Create, show, rotate, export and import the server's secret keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Print the OpenAPI specification of the API
    #[command(hide = true)]
    Openapi,
}

impl Command {
    pub async fn run(self, common: &CommonSettings, file_settings: ServeSettings) -> Result<()> {
        match self {
            Self::Serve(flags) => serve::run(common, &(*flags).or(file_settings)).await,
            Self::Db(command) => command.run(common).await,
            Self::Backup(command) => command.run(common, &file_settings).await,
            Self::Attachments(command) => command.run(common).await,
            Self::Restore(command) => command.run(common, &file_settings).await,
            Self::User(command) => command.run(common).await,
            Self::Keys(command) => command.run(common, file_settings).await,
            Self::Openapi => print_line(sotto_server::openapi::to_json().map_err(io::Error::from)?.trim_end()),
        }
    }
}

/// Makes sure that a server's database has the schema of this program. Creates the schema of a missing or empty
/// database; upgrades an older one only if `upgrade` is set.
pub async fn ensure_schema(common: &CommonSettings, upgrade: bool) -> Result<()> {
    match state(common).await? {
        State::Head => Ok(()),
        State::Missing | State::Empty => {
            sotto_storage::migrate::upgrade(&common.database()).await.map(drop).map_err(CliError::from)
        }
        State::Behind { .. } if upgrade => {
            let report = sotto_storage::migrate::upgrade(&common.database()).await?;
            tracing::info!(from = report.from, to = report.to, snapshot = ?report.snapshot, "the database was upgraded");
            Ok(())
        }
        state @ (State::Behind { .. } | State::Ahead { .. } | State::Unfinished { .. }) => {
            Err(CliError::Refused(state.to_string()))
        }
    }
}

/// Refuses a database with another schema. Creates and changes nothing.
pub async fn expect_schema(common: &CommonSettings) -> Result<()> {
    match state(common).await?.with_tables(&common.database())? {
        State::Head => Ok(()),
        state => Err(CliError::Refused(state.to_string())),
    }
}

/// The state of the database. Refuses a database with an unfinished restore or copy.
pub async fn state(common: &CommonSettings) -> Result<State> {
    let state = Migrator::new(&common.database())?.state().await?;
    match sotto_storage::transfer::explain_unfinished(&common.database(), &state) {
        Some(unfinished) => Err(CliError::Refused(unfinished)),
        None => Ok(state),
    }
}

/// Prints the database that a command will use to standard error, so that programs that read standard output do not see
/// it.
#[expect(clippy::print_stderr, reason = "a message for the terminal, not a log line")]
pub fn announce(common: &CommonSettings, database: &DatabaseUrl) {
    let settings = common.settings_file().map(|path| path.display().to_string());
    match (common.log_format.unwrap_or_default(), settings) {
        (LogFormat::Json, settings) => tracing::info!(%database, settings, "using this database"),
        (LogFormat::Text, None) => eprintln!("Using the database {database}."),
        (LogFormat::Text, Some(settings)) => {
            eprintln!("Using the database {database}, with the settings of {settings}.");
        }
    }
}

/// Prints a line. A closed pipe is no error.
pub fn print_line(line: &str) -> Result<()> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub fn print_json(value: &serde_json::Value) -> Result<()> {
    print_line(&serde_json::to_string_pretty(value).map_err(io::Error::from)?)
}
