//! `make abuse`: attacks on a running server, and what its other users notice.
//!
//! Each attack runs beside a normal load from another address. The load and the server's memory are measured before,
//! during and after the attack, in one run. An attack ends after its seconds, whatever the server does.

mod attack;
mod table;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use self::attack::{Attack, Target};
use self::table::Table;
use crate::Result;
use crate::api::{self, SignedIn};
use crate::database::Engine;
use crate::http::{Connection, render};
use crate::load::{self, Load, Request, Shape, Workload};
use crate::process::Server;
use crate::scenarios::Scenario;
use crate::seed::{Author, ENTRIES};
use crate::suite;

/// Users of the normal load.
const USERS: u64 = 4;
/// The attacker's account, which is a valid one.
const ATTACKER: Author = Author(USERS);
/// Connections of the normal load, each with one request at a time.
const CLIENTS: usize = 4;
/// Of the attacker's journal: entries, and the bytes of each. Their page is the longest possible one, 2 MiB.
const LONG_ENTRIES: u64 = 90;
const LONG_TEXT: usize = 100 << 10;
/// How long the server may take to free what an attack has used, before it is measured again.
const RECOVERY: Duration = Duration::from_secs(5);

/// The options of a run.
#[derive(Args)]
pub struct AbuseArgs {
    /// The program to attack [default: the `sotto` next to this program].
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Seconds of each phase: before, during and after an attack.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=300))]
    seconds: u64,
    /// Attack only this engine.
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// Run only this attack.
    #[arg(long, value_enum)]
    only: Option<Attack>,
    /// Also write the table into this Markdown file, between its markers.
    #[arg(long, value_name = "FILE", conflicts_with = "only")]
    markdown: Option<PathBuf>,
}

/// The normal load and the server in one phase.
#[derive(Clone, Copy, Default)]
pub struct Phase {
    /// The latency that 99 % of the correct responses did not exceed, in milliseconds.
    pub p99: f64,
    /// Correct responses.
    pub responses: u64,
    /// Wrong and missing responses.
    pub failed: u64,
    /// The peak of the server's resident memory, in bytes.
    pub memory: u64,
}

/// What one attack did on one engine.
pub struct Outcome {
    pub engine: Engine,
    pub attack: Attack,
    pub before: Phase,
    pub during: Phase,
    pub after: Phase,
}

/// Runs the attacks and prints their table. Returns whether no normal request failed and no limit of memory was
/// exceeded.
///
/// # Errors
/// If the server cannot be started or prepared, or if it ends.
pub async fn run(abuse: AbuseArgs) -> Result<bool> {
    let beside = std::env::current_exe()?.with_file_name("sotto");
    let binary = abuse.server.unwrap_or(beside);
    if let Some(file) = &abuse.markdown {
        table::MARKERS.check(file)?;
    }
    let mut outcomes = vec![];
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if abuse.engine.is_some_and(|only| only != engine) {
            continue;
        }
        for attack in Attack::all().filter(|attack| abuse.only.is_none_or(|only| only == *attack)) {
            // Each attack gets a fresh server, so that none is measured with what another has left.
            let database = suite::prepare(engine, &binary, 0..USERS + 1).await?;
            // Otherwise the whole machine would be exempt from the limits of connections.
            let settings = [("SOTTO_RATE_LIMITS", "on"), ("SOTTO_TRUSTED_PROXIES", "127.0.0.1/32")];
            let server = Server::sotto_with(&binary, &database, &settings).await?;
            let outcome = measure(&server, engine, attack, Duration::from_secs(abuse.seconds)).await?;
            eprintln!("{outcome}");
            outcomes.push(outcome);
            server.stop().await?;
        }
    }
    let table = Table { seconds: abuse.seconds, outcomes: &outcomes };
    println!("{table}");
    if let Some(file) = &abuse.markdown {
        table::MARKERS.write(file, &table.to_string())?;
    }
    for outcome in &outcomes {
        for sentence in outcome.exceeded() {
            println!("{sentence}");
        }
    }
    Ok(outcomes.iter().all(|outcome| outcome.exceeded().is_empty()))
}

async fn measure(server: &Server, engine: Engine, attack: Attack, seconds: Duration) -> Result<Outcome> {
    let users = api::sign_in(server.address, (0..USERS).map(Author)).await?;
    let attacker = api::sign_in(server.address, [ATTACKER].into_iter()).await?.swap_remove(0);
    write_long_entries(server, &attacker).await?;
    let workload = Arc::new(workload(&users));
    let before = phase(server, &workload, seconds).await?;
    let target = Target { address: server.address, token: attacker.token, entry: ATTACKER.entry_id(0) };
    let under_way = attack.start(target, seconds + Duration::from_secs(2));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let during = phase(server, &workload, seconds).await?;
    // Dropping the attack closes its connections.
    drop(under_way);
    tokio::time::sleep(RECOVERY).await;
    let after = phase(server, &workload, seconds).await?;
    Ok(Outcome { engine, attack, before, during, after })
}

/// Measures the normal load, and watches the server's memory.
async fn phase(server: &Server, workload: &Arc<Workload>, duration: Duration) -> Result<Phase> {
    let load = Load { clients: CLIENTS, warm_up: Duration::ZERO, duration };
    let (address, workload) = (server.address, Arc::clone(workload));
    let running = tokio::spawn(async move { load::run(address, &workload, load).await });
    let mut memory = server.memory()?.resident;
    while !running.is_finished() {
        tokio::time::sleep(Duration::from_millis(200)).await;
        memory = memory.max(server.memory()?.resident);
    }
    let outcome = running.await??;
    for (error, count) in &outcome.errors {
        eprintln!("{count} times: {error}");
    }
    Ok(Phase { p99: outcome.latency(0.99), responses: outcome.responses(), failed: outcome.error_count(), memory })
}

/// Reads and writes of people who use their journal, and now and then a sign-in: too few to decide the p99.
fn workload(users: &[SignedIn]) -> Workload {
    let mut groups = Scenario::Mix.workload(users).0;
    for (weight, _) in &mut groups {
        *weight *= 20;
    }
    let sign_ins = users.iter().map(|user| {
        let bytes = render("POST", "/api/auth/login", None, Some(&api::credentials(user.author).to_string()));
        Request { bytes, status: 200, shape: Shape::Json }
    });
    groups.push((1, sign_ins.collect()));
    Workload(groups)
}

async fn write_long_entries(server: &Server, attacker: &SignedIn) -> Result<()> {
    let mut connection = Connection::open(server.address).await?;
    for n in 0..LONG_ENTRIES {
        let text: String = (0..).map(|part| attacker.author.text(ENTRIES + n + part)).take(LONG_TEXT / 500).collect();
        let body = json!({ "content": text, "entry_date": "2026-02-01T20:00:00Z", "tags": [] });
        api::post(&mut connection, "/api/journals/", Some(&attacker.token), &body, 201).await?;
    }
    Ok(())
}
