//! `sotto`, the one binary.

#![allow(clippy::doc_markdown, reason = "doc comments of arguments are help texts")]

mod attachments;
mod commands;
mod error;
mod logging;
mod progress;
mod settings;
mod stop;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use commands::Command;
use error::Result;
use settings::{Common, refuse_unknown_variables};

/// A private journal that you host yourself.
#[derive(Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = "Settings can also be variables (SOTTO_…) or keys in sotto.toml; flags come first, then variables, then the file."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error::print(&error);
            error.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    refuse_unknown_variables(&Cli::command())?;
    let (common, file) = cli.common.with_file()?;
    logging::start(&common);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(error::CliError::Runtime)?;
    runtime.block_on(cli.command.run(&common, file))
}
