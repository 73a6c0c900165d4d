//! `make bench`: measures Sotto under load over HTTP, on both engines, next to the limits of the machine.
//!
//! Everything is measured side by side in one run: Sotto, the same responses from the same HTTP stack without a
//! database, and the same statements directly on the engine.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it measures")]
#![allow(clippy::cast_precision_loss, reason = "figures are rounded when they are shown")]

mod abuse;
mod api;
mod ceiling;
mod database;
mod engine;
mod http;
mod indexes;
mod load;
mod machine;
mod process;
mod random;
mod report;
mod restore;
mod scenarios;
mod secret_tags;
mod seed;
mod soak;
mod suite;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::database::Engine;
use crate::machine::Machine;
use crate::report::Report;
use crate::suite::Plan;

/// Any error that ends a run. It is only printed.
type Failure = Box<dyn Error + Send + Sync>;
type Result<T> = std::result::Result<T, Failure>;

/// Measures Sotto.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Serves recorded responses; started by the benchmark itself.
    #[command(hide = true)]
    ServeRecorded { recording: PathBuf },
    /// Puts one server under mixed load for some minutes, and prints its use of memory and other resources.
    Soak(soak::SoakArgs),
    /// Attacks a server on each engine, and prints what its other users notice.
    Abuse(abuse::AbuseArgs),
}

#[derive(Args)]
struct RunArgs {
    /// The program to measure [default: the `sotto` next to this program].
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Seconds for each side of each cell.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// A short run to see that everything works: one second for each side, and a growth test of 100,000 entries.
    #[arg(long)]
    quick: bool,
    /// Measure only this engine.
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// Measure only this part.
    #[arg(long, value_enum, conflicts_with = "markdown")]
    only: Option<ReportPart>,
    /// Also write the report into this Markdown file, between its markers if it has them.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// A part that can be measured alone.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ReportPart {
    /// The benefit of the indexes; needs no server.
    Indexes,
    /// The speed of restoring a backup.
    Restore,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(execute(arguments));
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(arguments: Arguments) -> Result<ExitCode> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let interrupted = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    match arguments.command {
        Some(Command::ServeRecorded { recording }) => {
            ceiling::serve(&recording, interrupted).await?;
            Ok(ExitCode::SUCCESS)
        }
        command => tokio::select! {
            // Dropping the interrupted run also drops its servers and databases.
            sound = async {
                match command {
                    Some(Command::Soak(soak)) => soak::run(soak).await,
                    Some(Command::Abuse(abuse)) => abuse::run(abuse).await,
                    _ => run(arguments.run).await,
                }
            } => Ok(if sound? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
            () = interrupted => {
                eprintln!("interrupted");
                Ok(ExitCode::from(130))
            }
        },
    }
}

/// Measures, and returns whether all responses were right.
async fn run(run: RunArgs) -> Result<bool> {
    let beside = std::env::current_exe()?.with_file_name("sotto");
    let plan = Plan {
        binary: run.server.unwrap_or(beside),
        duration: Duration::from_secs(if run.quick { 1 } else { run.seconds }),
        rest: Duration::from_secs(if run.quick { 1 } else { 5 }),
        growth_entries: if run.quick { 100_000 } else { 2_000_000 },
        index_authors: if run.quick { 8 } else { 40 },
        restore_authors: if run.quick { 20 } else { 200 },
    };
    if run.only != Some(ReportPart::Indexes) && !plan.binary.is_file() {
        return Err("there is no program to measure: build `sotto` first, or name it with --server".into());
    }
    if let Some(file) = &run.markdown {
        report::MARKERS.check(file)?;
    }
    let machine = Machine::describe(&std::env::temp_dir());
    let (mut figures, mut indexes, mut restores) = (vec![], vec![], vec![]);
    let wanted = |part: ReportPart| run.only.is_none_or(|only| only == part);
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if run.engine.is_none_or(|only| only == engine) {
            if run.only.is_none() {
                figures.push(suite::measure(engine, &plan).await?);
            }
            if wanted(ReportPart::Indexes) {
                indexes.push(suite::indexes(engine, &plan).await?);
            }
            if wanted(ReportPart::Restore) {
                restores.push(suite::restores(engine, &plan).await?);
            }
        }
    }
    let report = Report { machine, duration: plan.duration, figures, indexes, restores };
    println!("{report}");
    if let Some(file) = &run.markdown {
        report::MARKERS.write(file, &report.to_string())?;
    }
    // A missed aim is only reported, but wrong responses make the figures worthless.
    Ok(report.errors() == 0)
}
