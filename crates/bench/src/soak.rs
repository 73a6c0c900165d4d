//! `make soak`: one server under mixed load for some minutes, its use of resources minute by minute, and what it
//! releases after the load.
//!
//! No limit is a duration. Memory and the write-ahead log of a healthy server level off, on a fast machine and on a
//! slow one.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::Result;
use crate::api::{self, SignedIn};
use crate::database::{Database, Engine, Location};
use crate::http::{Connection, render, render_bytes};
use crate::load::{self, Load, Request, Shape, Workload};
use crate::process::Server;
use crate::scenarios::Scenario;
use crate::seed::{Author, ENTRIES};
use crate::suite;

/// Authors whose journals are read and written.
const AUTHORS: u64 = 20;
/// Connections. Each sends its next request as soon as it has the last response.
const CLIENTS: usize = 16;
/// Bytes of a recording: about a minute of speech.
const RECORDING: usize = 1 << 20;
/// The number of long entries of one author, and the bytes of each. Their page ends with the entry that brings it to 2
/// MiB, so it is the longest possible page.
const LONG_ENTRIES: u64 = 90;
const LONG_TEXT: usize = 100 << 10;
/// How long the server is left idle at the end.
const IDLE_TIME: Duration = Duration::from_mins(1);

const MIB: u64 = 1 << 20;
/// Limit of resident memory. An idle server needs about 20 MiB. Five SQLite connections cache 16 MiB each, and half
/// of the cores hash one password each in 19 MiB. When all 16 clients receive the longest page at once, each page of 2
/// MiB is in memory as rows and as JSON, together 64 MiB. The sum is 183 MiB on two cores; the rest is what the
/// allocator keeps.
const MEMORY_LIMIT: u64 = 384 * MIB;
/// Limit of the write-ahead log. From 32 MiB on, the writer waits for readers after each group of commits, and then
/// truncates the log. If a reader stays for longer than a second, the log may grow by the same amount again.
const LOG_LIMIT: u64 = 64 * MIB;
/// Limit of memory in the second half of the minutes: a factor of that in the first half, plus the longest page as
/// rows, as JSON, and twice while that grows, for one more client. More would be a leak.
const GROWTH_LIMIT: f64 = 1.25;
const GROWTH_SLACK: u64 = 32 * MIB;
/// Limit of descriptors that a server may keep after the load, for pooled database connections.
const DESCRIPTOR_LIMIT: usize = 64;

/// The options of a soak test.
#[derive(Args)]
pub struct SoakArgs {
    /// The program to measure [default: the `sotto` next to this program].
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Minutes of load.
    #[arg(long, env = "SOTTO_SOAK_MINUTES", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    minutes: u32,
    /// The database engine.
    #[arg(long, env = "SOTTO_SOAK_ENGINE", value_enum, default_value_t = Engine::Sqlite)]
    engine: Engine,
}

/// The server's use of resources in a minute; sizes in bytes.
#[derive(Clone, Copy, Default)]
struct Minute {
    /// Resident memory at the end.
    resident: u64,
    /// Peak of resident memory.
    resident_peak: u64,
    /// Peak of SQLite's write-ahead log.
    log_peak: u64,
    /// Open files and connections at the end.
    descriptors: usize,
    /// Correct responses.
    responses: u64,
    /// The latency that 99 % of them did not exceed, in milliseconds.
    p99: f64,
    /// Wrong and missing responses.
    errors: u64,
}

/// Prints a line for each minute, and a sentence for each exceeded limit. Returns whether no limit was exceeded.
///
/// # Errors
/// If the server cannot be put under load.
pub async fn run(soak: SoakArgs) -> Result<bool> {
    let beside = std::env::current_exe()?.with_file_name("sotto");
    let binary = soak.server.unwrap_or(beside);
    let database = suite::prepare(soak.engine, &binary, 0..AUTHORS).await?;
    let server = Server::sotto(&binary, &database).await?;
    prepare(&server).await?;
    println!("{}, {CLIENTS} clients, {} minutes of load", database.description().await?, soak.minutes);
    println!(
        "{:>6} {:>12} {:>9} {:>8} {:>11} {:>9} {:>8} {:>6}",
        "minute", "memory MiB", "peak MiB", "log MiB", "descriptors", "responses", "p99 ms", "errors"
    );
    let before = observe(&server, &database)?;
    println!("{:>6} {before}", "start");
    let mut minutes = vec![];
    for number in 1..=soak.minutes {
        // Access tokens are valid for 15 minutes.
        let authors = api::sign_in(server.address, (0..AUTHORS).map(Author)).await?;
        let load = Load { clients: CLIENTS, warm_up: Duration::ZERO, duration: Duration::from_mins(1) };
        let workload = Arc::new(workload(&authors));
        let address = server.address;
        let running = tokio::spawn(async move { load::run(address, &workload, load).await });
        let mut minute = Minute::default();
        while !running.is_finished() {
            tokio::time::sleep(Duration::from_millis(250)).await;
            minute.add(observe(&server, &database)?);
        }
        let outcome = running.await??;
        (minute.responses, minute.errors) = (outcome.responses(), outcome.error_count());
        minute.p99 = outcome.latency(0.99);
        println!("{number:>6} {minute}");
        for (error, count) in &outcome.errors {
            println!("{count} times: {error}");
        }
        minutes.push(minute);
    }
    tokio::time::sleep(IDLE_TIME).await;
    let quiet = observe(&server, &database)?;
    println!("{:>6} {quiet}", "quiet");
    server.stop().await?;
    let exceeded = exceeded(&before, &minutes, &quiet);
    for sentence in &exceeded {
        println!("{sentence}");
    }
    Ok(exceeded.is_empty())
}

/// A sentence for each exceeded limit.
fn exceeded(before: &Minute, minutes: &[Minute], quiet: &Minute) -> Vec<String> {
    let mut exceeded = vec![];
    let most = |of: fn(&Minute) -> u64, minutes: &[Minute]| minutes.iter().map(of).max().unwrap_or_default();
    let memory = most(|minute| minute.resident_peak, minutes);
    if memory > MEMORY_LIMIT {
        exceeded.push(format!("Memory grew to {} MiB; the bound is {} MiB.", memory / MIB, MEMORY_LIMIT / MIB));
    }
    // Half of a single minute would be meaningless.
    let (first, second) = minutes.split_at(minutes.len() / 2);
    let halves = [first, second].map(|half| most(|minute| minute.resident_peak, half));
    if !first.is_empty() && halves[1] as f64 > halves[0] as f64 * GROWTH_LIMIT + GROWTH_SLACK as f64 {
        exceeded.push(format!(
            "Memory did not level off: it took {} MiB in the first half of the load and {} MiB in the second.",
            halves[0] / MIB,
            halves[1] / MIB
        ));
    }
    let log = most(|minute| minute.log_peak, minutes);
    if log > LOG_LIMIT {
        exceeded.push(format!("The write-ahead log grew to {} MiB; the bound is {} MiB.", log / MIB, LOG_LIMIT / MIB));
    }
    if quiet.descriptors > before.descriptors + DESCRIPTOR_LIMIT {
        exceeded.push(format!(
            "The server keeps {} descriptors after the load; it had {} before.",
            quiet.descriptors, before.descriptors
        ));
    }
    let errors: u64 = minutes.iter().map(|minute| minute.errors).sum();
    if errors > 0 {
        exceeded.push(format!("{errors} responses were wrong or missing."));
    }
    exceeded
}

impl Minute {
    /// Adds a later observation in the same minute.
    fn add(&mut self, later: Self) {
        self.resident = later.resident;
        self.resident_peak = self.resident_peak.max(later.resident);
        self.log_peak = self.log_peak.max(later.log_peak);
        self.descriptors = later.descriptors;
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / MIB as f64;
        write!(
            f,
            "{:>12.1} {:>9.1} {:>8.1} {:>11} {:>9} {:>8.1} {:>6}",
            mib(self.resident),
            mib(self.resident_peak),
            mib(self.log_peak),
            self.descriptors,
            self.responses,
            self.p99,
            self.errors
        )
    }
}

/// The server's present use of resources.
fn observe(server: &Server, database: &Database) -> Result<Minute> {
    let resident = server.memory()?.resident;
    let log_peak = match database.location() {
        // The log is missing before the first write, and after the last connection.
        Location::Sqlite(path) => std::fs::metadata(path.with_extension("db-wal")).map_or(0, |log| log.len()),
        Location::Postgres(_) => 0,
    };
    let descriptors = server.descriptors()?;
    Ok(Minute { resident, resident_peak: resident, log_peak, descriptors, ..Minute::default() })
}

/// Creates long entries of the first author, and a recording for each author, which later requests replace.
async fn prepare(server: &Server) -> Result<()> {
    let authors = api::sign_in(server.address, (0..AUTHORS).map(Author)).await?;
    let mut connection = Connection::open(server.address).await?;
    for n in 0..LONG_ENTRIES {
        let body = json!({ "content": long_text(n), "entry_date": "2026-02-01T20:00:00Z", "tags": [] });
        api::post(&mut connection, "/api/journals/", Some(&authors[0].token), &body, 201).await?;
    }
    for author in &authors {
        api::send(&mut connection, "recording", &recording(author), 201).await?;
    }
    Ok(())
}

/// The mix of `make bench`, and rarer requests that need more memory: long lists, searches, sign-ins, recordings.
fn workload(authors: &[SignedIn]) -> Workload {
    let each = |request: &dyn Fn(&SignedIn) -> Request| authors.iter().map(request).collect::<Vec<_>>();
    let get = |path: &'static str, shape: Shape| {
        each(&|author| Request { bytes: render("GET", path, Some(&author.token), None), status: 200, shape })
    };
    let sign_ins = each(&|author| {
        let bytes = render("POST", "/api/auth/login", None, Some(&api::credentials(author.author).to_string()));
        Request { bytes, status: 200, shape: Shape::Json }
    });
    let uploads = each(&|author| Request { bytes: recording(author), status: 200, shape: Shape::Json });
    let downloads = each(&|author| Request {
        bytes: render("GET", &audio(author.author), Some(&author.token), None),
        status: 200,
        shape: Shape::Bytes(RECORDING),
    });
    let long_writes = (0..4).map(|n| {
        let body = json!({ "content": long_text(n), "entry_date": "2020-02-01T20:00:00Z", "tags": [] }).to_string();
        let bytes = render("POST", "/api/journals/", Some(&authors[1].token), Some(&body));
        Request { bytes, status: 201, shape: Shape::Entry }
    });
    let mut groups = Scenario::Mix.workload(authors).0;
    for (weight, _) in &mut groups {
        *weight *= 3;
    }
    let long_page = vec![get("/api/journals/?limit=1000", Shape::Json).swap_remove(0)];
    groups.extend([
        (4, get("/api/journals/?limit=1000", Shape::Json)),
        (4, get("/api/journals/?q=a", Shape::Json)),
        (2, get("/api/journals/stats", Shape::Json)),
        (2, get("/api/tags/", Shape::Json)),
        (1, long_page),
        (1, long_writes.collect()),
        (1, sign_ins),
        (1, uploads),
        (1, downloads),
    ]);
    Workload(groups)
}

/// A text of words, so that there is something to index.
fn long_text(n: u64) -> String {
    let mut text = String::with_capacity(LONG_TEXT + 1024);
    for part in 0.. {
        if text.len() >= LONG_TEXT {
            break;
        }
        text.push_str(&Author(n).text(ENTRIES + part));
        text.push('\n');
    }
    text
}

fn audio(author: Author) -> String {
    format!("/api/journals/{}/audio", author.entry_id(0))
}

/// A request that stores a recording.
fn recording(author: &SignedIn) -> Vec<u8> {
    let mut wav = b"RIFF\x24\0\0\0WAVEfmt ".to_vec();
    wav.resize(RECORDING, 1);
    render_bytes("PUT", &audio(author.author), Some(&author.token), Some(("audio/wav", wav.as_slice())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(resident: u64, log: u64) -> Minute {
        Minute { resident, resident_peak: resident * MIB, log_peak: log * MIB, descriptors: 40, ..Minute::default() }
    }

    #[test]
    fn a_stable_server_exceeds_no_limit() {
        let minutes = [minute(140, 32), minute(160, 36), minute(150, 33), minute(165, 35)];
        assert_eq!(exceeded(&minute(30, 0), &minutes, &minute(90, 0)), Vec::<String>::new());
        assert_eq!(exceeded(&minute(30, 0), &minutes[..1], &minute(90, 0)), Vec::<String>::new());
    }

    #[test]
    fn each_exceeded_limit_is_explained() {
        let start = minute(30, 0);
        let one = |minutes: &[Minute], quiet: Minute, sentence: &str| {
            let exceeded = exceeded(&start, minutes, &quiet);
            assert!(matches!(exceeded.as_slice(), [only] if only.starts_with(sentence)), "{exceeded:?}");
        };
        one(&[minute(828, 32), minute(828, 32)], start, "Memory grew to 828 MiB");
        one(&[minute(100, 0), minute(158, 0)], start, "Memory did not level off: it took 100 MiB");
        one(&[minute(100, 90), minute(100, 2)], start, "The write-ahead log grew to 90 MiB");
        one(&[minute(100, 0)], Minute { descriptors: 200, ..start }, "The server keeps 200 descriptors");
        one(&[Minute { errors: 3, ..minute(100, 0) }], start, "3 responses");
    }
}
