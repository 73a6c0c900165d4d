//! Runs `pgbench` with prepared statements, with 32 clients on two threads.

use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use super::DISTINCT_TEXTS;
use crate::Result;
use crate::scenarios::PAGE;
use crate::seed::{Author, ENTRIES};
use crate::suite::PARALLEL_CLIENTS;

/// The start of the ids of new entries, in the range of `UUIDv7` in 2026.
const FIRST_SERIAL: u64 = 1_780_000_000_000;

/// Lists per second.
pub async fn lists(url: &str, authors: u64, duration: Duration) -> Result<f64> {
    run(url, vec![include_str!("list.pgbench.sql").to_owned()], authors, duration).await
}

/// Durable creates per second.
pub async fn creates(url: &str, authors: u64, duration: Duration) -> Result<f64> {
    let create = |n| include_str!("create.pgbench.sql").replace("{text}", &Author(0).text(ENTRIES + n));
    run(url, (0..DISTINCT_TEXTS).map(create).collect(), authors, duration).await
}

async fn run(url: &str, scripts: Vec<String>, authors: u64, duration: Duration) -> Result<f64> {
    let folder = TempDir::with_prefix("sotto-bench-pgbench.")?;
    let seconds = duration.as_secs_f64().ceil().to_string();
    let mut pgbench = Command::new("pgbench");
    pgbench.args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--define=ready=0"]);
    pgbench.arg(format!("--define=last={}", authors - 1)).arg(format!("--define=page={PAGE}"));
    pgbench.arg(format!("--define=serial={FIRST_SERIAL}"));
    pgbench.arg(format!("--client={PARALLEL_CLIENTS}")).arg("-T").arg(seconds);
    for (number, script) in scripts.iter().enumerate() {
        let file = folder.path().join(format!("{number}.sql"));
        std::fs::write(&file, format!("{}{script}", include_str!("author.pgbench.sql")))?;
        pgbench.arg("--file").arg(file);
    }
    let output = pgbench.arg(url).stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|error| format!("cannot start pgbench, which comes with PostgreSQL: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match rate(&text) {
        Some(rate) if output.status.success() => Ok(rate),
        _ => Err(format!("pgbench failed:\n{text}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// Parses the line `tps = 123.4 (without initial connection time)`; `None` if a transaction failed.
fn rate(output: &str) -> Option<f64> {
    let value = |name: &str| output.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    let failed = value("number of failed transactions:")?;
    value("tps =")?.parse().ok().filter(|_| failed == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_parsed_unless_a_transaction_failed() {
        let output = "number of transactions actually processed: 5\nnumber of failed transactions: 0 (0.000%)\n\
                      latency average = 6.4 ms\ntps = 4966.5 (without initial connection time)\n";
        assert_eq!(rate(output), Some(4966.5));
        assert_eq!(rate(&output.replace("transactions: 0", "transactions: 3")), None);
        assert_eq!(rate("pgbench: error\n"), None);
    }
}
