//! `make bench`: Sotto under load over real HTTP, on both engines, beside what the machine could do at best.
//!
//! Everything is measured in one run, side by side: Sotto, the same bytes from the same HTTP stack with no database,
//! and the same statements straight on the engine.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it measures")]
#![allow(clippy::cast_precision_loss, reason = "figures are rounded when they are shown")]

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
mod scenarios;
mod secret_tags;
mod seed;
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

/// Whatever stops a run; it is only ever shown.
type Failure = Box<dyn Error + Send + Sync>;
type Result<T> = std::result::Result<T, Failure>;

/// Measures Sotto.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Command {
    /// Answers with recorded bytes; started by the run itself.
    #[command(hide = true)]
    ServeRecorded { recording: PathBuf },
}

#[derive(Args)]
struct Run {
    /// The program to measure; by default the `sotto` beside this one.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Seconds for each side of each cell.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// One second for each side, and a growth test of 100,000 entries: enough to see that all works.
    #[arg(long)]
    quick: bool,
    /// Measure this engine only.
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// Measure this part only.
    #[arg(long, value_enum, conflicts_with = "markdown")]
    only: Option<Part>,
    /// Also write the report into this Markdown file, between its markers if it has them.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// A part that can be measured alone.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// What the indexes are worth; needs no server.
    Indexes,
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
    let outcome = runtime.block_on(obey(arguments));
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn obey(arguments: Arguments) -> Result<ExitCode> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let told_to_end = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    match arguments.command {
        Some(Command::ServeRecorded { recording }) => {
            ceiling::serve(&recording, told_to_end).await?;
            Ok(ExitCode::SUCCESS)
        }
        // What is left of an interrupted run is dropped, and its servers and databases with it.
        None => tokio::select! {
            outcome = run(arguments.run) => outcome,
            () = told_to_end => {
                eprintln!("interrupted");
                Ok(ExitCode::from(130))
            }
        },
    }
}

async fn run(run: Run) -> Result<ExitCode> {
    let beside = std::env::current_exe()?.with_file_name("sotto");
    let plan = Plan {
        binary: run.server.unwrap_or(beside),
        duration: Duration::from_secs(if run.quick { 1 } else { run.seconds }),
        rest: Duration::from_secs(if run.quick { 1 } else { 5 }),
        growth_entries: if run.quick { 100_000 } else { 2_000_000 },
        index_authors: if run.quick { 8 } else { 40 },
    };
    if run.only.is_none() && !plan.binary.is_file() {
        return Err("there is no program to measure: build `sotto` first, or name it with --server".into());
    }
    if let Some(file) = &run.markdown {
        report::check(file)?;
    }
    let machine = Machine::describe(&std::env::temp_dir());
    let (mut figures, mut indexes) = (vec![], vec![]);
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if run.engine.is_none_or(|only| only == engine) {
            if run.only.is_none() {
                figures.push(suite::measure(engine, &plan).await?);
            }
            indexes.push(suite::indexes(engine, &plan).await?);
        }
    }
    let report = Report { machine, duration: plan.duration, figures, indexes };
    println!("{report}");
    if let Some(file) = &run.markdown {
        report.write(file)?;
    }
    // Aims that are missed are told; answers that are wrong make the figures worthless.
    Ok(if report.errors() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
