//! The order of measurements of each engine.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Result;
use crate::api::{self, SignedIn};
use crate::ceiling::Ceiling;
use crate::database::{Database, Engine};
use crate::engine::Statements;
use crate::indexes::{self, IndexBenefit, Journals};
use crate::load::{self, Load, Outcome};
use crate::process::{Memory, Server};
use crate::restore::{self, RestoreFigures};
use crate::scenarios::{CLIENTS, Cell, ROUNDS, Scenario, SideBySide};
use crate::secret_tags::{self, SecretTags};
use crate::seed::{self, Author, ENTRIES};

/// Authors of the scenarios.
const AUTHORS: u64 = 200;
/// Authors in the smaller database of the growth test, whose lists are read in both databases: 10,000 entries.
const GROWTH_AUTHORS: u64 = 20;
/// The number of clients for measuring the engine alone, and growth.
pub const PARALLEL_CLIENTS: usize = 32;
/// Entries of an author who writes every day.
const TEN_YEARS: u64 = 3650;
/// Number of starts, of which the median counts.
const STARTS: usize = 10;
/// How long tokens are used. Access tokens are valid for 15 minutes.
const TOKEN_USE: Duration = Duration::from_mins(8);
/// The account whose password hash all authors share.
const TEMPLATE_EMAIL: &str = "pattern@example.org";

/// The parameters of a run.
pub struct Plan {
    /// The `sotto` program.
    pub binary: PathBuf,
    /// How long to measure each side of a cell.
    pub duration: Duration,
    /// How long a server idles before its memory is read.
    pub rest: Duration,
    /// Entries in the larger database of the growth test.
    pub growth_entries: u64,
    /// Authors in the databases with and without indexes.
    pub index_authors: u64,
    /// Authors in the backup that is restored.
    pub restore_authors: u64,
}

/// The figures of one engine.
pub struct Figures {
    pub engine: Engine,
    /// The engine's version and settings.
    pub description: String,
    /// The scenarios.
    pub cells: Vec<Cell>,
    pub secret_tags: SecretTags,
    /// The median time from the start of the process to the first response.
    pub start_time: Duration,
    /// Memory before any load.
    pub idle: Memory,
    /// Memory after all load.
    pub loaded: Memory,
    /// Bytes on disk before any load.
    pub bytes: u64,
    /// Entries in these bytes.
    pub entries: u64,
    pub growth: Growth,
}

/// The same lists in a small and a large database.
pub struct Growth {
    pub small_entries: u64,
    pub large_entries: u64,
    pub small: Outcome,
    pub large: Outcome,
    /// Bytes on disk of the large database.
    pub large_bytes: u64,
}

/// Measures one engine.
///
/// # Errors
/// If something cannot be measured. Failed requests are part of the figures.
pub async fn measure(engine: Engine, plan: &Plan) -> Result<Figures> {
    print_progress(&format!("{engine}: writing {} entries", AUTHORS * ENTRIES));
    let database = prepare(engine, &plan.binary, 0..AUTHORS).await?;
    let description = database.description().await?;
    let bytes = database.bytes().await?;
    let start_time = start_time(&plan.binary, &database).await?;

    let server = Server::sotto(&plan.binary, &database).await?;
    tokio::time::sleep(plan.rest).await;
    let idle = server.memory()?;
    let cells = scenarios(&server, &database, plan).await?;
    let loaded = server.memory()?;
    print_progress("secret tags");
    let authors = api::sign_in(server.address, (0..PARALLEL_CLIENTS as u64).map(Author)).await?;
    let secret_tags = secret_tags::measure(&server, &authors, plan.duration).await?;
    server.stop().await?;
    drop(database);

    let growth = growth(engine, plan).await?;
    Ok(Figures {
        engine,
        description,
        cells,
        secret_tags,
        start_time,
        idle,
        loaded,
        bytes,
        entries: AUTHORS * ENTRIES,
        growth,
    })
}

/// Measures the benefit of the indexes on one engine.
///
/// # Errors
/// If it cannot be measured.
pub async fn indexes(engine: Engine, plan: &Plan) -> Result<IndexBenefit> {
    print_progress(&format!("{engine}: with and without indexes, {} journals of ten years", plan.index_authors));
    let journals = Journals { authors: plan.index_authors, entries: TEN_YEARS };
    indexes::measure(engine, journals, plan.duration).await
}

/// Measures the speed of a restore on one engine.
///
/// # Errors
/// If it cannot be measured.
pub async fn restores(engine: Engine, plan: &Plan) -> Result<RestoreFigures> {
    print_progress(&format!("{engine}: restoring {} entries", plan.restore_authors * ENTRIES));
    restore::measure(engine, &plan.binary, plan.restore_authors).await
}

/// Creates a database with the journals of these authors, while no server uses it.
///
/// # Errors
/// If it cannot be written.
pub async fn prepare(engine: Engine, binary: &Path, authors: Range<u64>) -> Result<Database> {
    let database = Database::create(engine).await?;
    let server = Server::sotto(binary, &database).await?;
    api::register(server.address, TEMPLATE_EMAIL).await?;
    server.stop().await?;
    seed::write(&database, authors, ENTRIES, TEMPLATE_EMAIL).await?;
    Ok(database)
}

async fn start_time(binary: &Path, database: &Database) -> Result<Duration> {
    let mut times = vec![];
    for _ in 0..STARTS {
        let server = Server::sotto(binary, database).await?;
        times.push(server.start_time);
        server.stop().await?;
    }
    times.sort_unstable();
    Ok((times[STARTS / 2 - 1] + times[STARTS / 2]) / 2)
}

async fn scenarios(server: &Server, database: &Database, plan: &Plan) -> Result<Vec<Cell>> {
    let sign_in = || api::sign_in(server.address, (0..AUTHORS).map(Author));
    let mut authors: Vec<SignedIn> = sign_in().await?;
    let mut signed_in = Instant::now();
    let ceiling = Ceiling::record(server.address, &authors[0]).await?;
    let bench = SideBySide { sotto: server.address, ceiling: ceiling.server.address, duration: plan.duration };
    let mut cells = vec![];
    for scenario in Scenario::ALL {
        for clients in CLIENTS {
            if signed_in.elapsed() > TOKEN_USE {
                authors = sign_in().await?;
                signed_in = Instant::now();
            }
            print_progress(&format!("{scenario}, {clients} clients"));
            let alone = Statements::for_scenario(scenario, database.location(), AUTHORS)
                .filter(|_| clients == PARALLEL_CLIENTS);
            cells.push(bench.measure(scenario, clients, &authors, alone.as_ref()).await?);
        }
    }
    ceiling.server.stop().await?;
    Ok(cells)
}

async fn growth(engine: Engine, plan: &Plan) -> Result<Growth> {
    let large_authors = (plan.growth_entries / ENTRIES).max(GROWTH_AUTHORS);
    let (small_entries, large_entries) = (GROWTH_AUTHORS * ENTRIES, large_authors * ENTRIES);
    print_progress(&format!("{engine}: writing {large_entries} entries"));
    let small = prepare(engine, &plan.binary, 0..GROWTH_AUTHORS).await?;
    let large = prepare(engine, &plan.binary, 0..large_authors).await?;
    let large_bytes = large.bytes().await?;
    print_progress(&format!("lists out of {small_entries} and {large_entries} entries"));

    let mut sides = vec![];
    for database in [&small, &large] {
        let server = Server::sotto(&plan.binary, database).await?;
        let authors = api::sign_in(server.address, (0..GROWTH_AUTHORS).map(Author)).await?;
        let workload = Arc::new(Scenario::List.workload(&authors));
        sides.push((server, workload, Outcome::default()));
    }
    let duration = plan.duration / ROUNDS;
    let load = Load { clients: PARALLEL_CLIENTS, warm_up: duration / 4, duration };
    for _ in 0..2 * ROUNDS {
        for (server, workload, outcome) in &mut sides {
            outcome.add(load::run(server.address, workload, load).await?);
        }
    }
    let mut outcomes = vec![];
    for (server, _, outcome) in sides {
        server.stop().await?;
        outcomes.push(outcome);
    }
    let [small, large] = <[Outcome; 2]>::try_from(outcomes).map_err(|_| "two sides")?;
    Ok(Growth { small_entries, large_entries, small, large, large_bytes })
}

/// Prints progress to standard error.
fn print_progress(text: &str) {
    eprintln!("{text} …");
}
