//! The program `sotto`.

#![allow(clippy::doc_markdown, reason = "doc comments of arguments are help texts")]

mod attachments;
mod commands;
mod error;
mod logging;
mod progress;
mod settings;
mod stop;

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser};

use commands::Command;
use error::Result;
use settings::{CommonSettings, refuse_unknown_variables};

/// The C library's allocator keeps memory of large responses and password hashes: hundreds of MiB after some minutes of
/// load. This one returns it within seconds (docs/adr/0017-allocator.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A self-hosted private journal.
#[derive(Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = "Settings can also be variables (SOTTO_…) or keys in sotto.toml. Flags override variables, and \
                  variables override the file."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: CommonSettings,
}

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| without_secret(error).exit());
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error::print(&error);
            error.code().into()
        }
    }
}

/// Removes the value from an error about a setting that may contain a secret, such as an address with a password.
fn without_secret(mut error: clap::Error) -> clap::Error {
    let mut command = Cli::command();
    // Before `build`, an argument has no text form to compare.
    command.build();
    let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    if argument.is_some_and(|argument| is_secret(&command, &argument)) {
        error.insert(ContextKind::InvalidValue, ContextValue::String("…".into()));
    }
    error
}

fn is_secret(command: &clap::Command, argument: &str) -> bool {
    let here = command.get_arguments().any(|one| one.is_hide_env_values_set() && one.to_string() == argument);
    here || command.get_subcommands().any(|inner| is_secret(inner, argument))
}

fn run(cli: Cli) -> Result<()> {
    // Libraries create files too: recordings, and temporary files of the database engine. No other user may read them.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    refuse_unknown_variables(&Cli::command())?;
    let (common, file) = cli.common.with_file()?;
    logging::start(&common);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(error::CliError::Runtime)?;
    runtime.block_on(cli.command.run(&common, file))
}
