//! The table of `make abuse`.

use std::fmt;

use super::{Outcome, Phase};
use crate::report::{Markers, table};

/// Where the table is in docs/reliability.md.
pub const MARKERS: Markers = Markers { begin: "<!-- begin: make abuse -->", end: "<!-- end: make abuse -->" };

const MIB: f64 = (1 << 20) as f64;
/// Limit of resident memory during an attack, more than half of what docs/reliability.md computes for all at once.
const MEMORY_LIMIT: u64 = 512 << 20;

pub struct Table<'o> {
    pub seconds: u64,
    pub outcomes: &'o [Outcome],
}

impl Outcome {
    /// A sentence for each exceeded limit. Latencies are only shown, because they depend on the machine.
    pub fn exceeded(&self) -> Vec<String> {
        let Self { engine, attack, before, during, after } = self;
        let mut sentences = vec![];
        let failed = before.failed + during.failed + after.failed;
        if failed > 0 {
            sentences.push(format!("{engine}, {attack:?}: {failed} normal requests failed."));
        }
        if during.memory > MEMORY_LIMIT {
            let (used, limit) = (during.memory >> 20, MEMORY_LIMIT >> 20);
            sentences.push(format!("{engine}, {attack:?}: the server used {used} MiB; the limit is {limit} MiB."));
        }
        sentences
    }

    fn columns(&self) -> [String; 7] {
        let phases = [&self.before, &self.during, &self.after];
        let three = |of: &dyn Fn(&Phase) -> String| phases.map(of).join(" / ");
        [
            self.attack.description().to_owned(),
            self.engine.to_string(),
            three(&|phase| format!("{:.0}", phase.memory as f64 / MIB)),
            three(&|phase| format!("{:.1}", phase.p99)),
            format!("{:.1}", self.during.p99 / self.before.p99.max(f64::EPSILON)),
            three(&|phase| phase.responses.to_string()),
            three(&|phase| phase.failed.to_string()),
        ]
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.columns().join(" | "))
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Each attack lasted {} s. Three values are those before, during and after it.\n", self.seconds)?;
        let head =
            ["attack", "engine", "memory, MiB", "p99, ms", "p99 during ÷ before", "normal requests", "of which failed"];
        f.write_str(&table(&head, self.outcomes.iter().map(|outcome| outcome.columns().to_vec())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::attack::Attack;
    use super::*;
    use crate::database::Engine;

    fn outcome(failed: u64, memory: u64) -> Outcome {
        let quiet = Phase { p99: 5.0, responses: 100, failed: 0, memory: 40 << 20 };
        let during = Phase { p99: 7.5, responses: 90, failed, memory: memory << 20 };
        Outcome { engine: Engine::Sqlite, attack: Attack::Searches, before: quiet, during, after: quiet }
    }

    #[test]
    fn failed_requests_and_too_much_memory_are_explained() {
        assert_eq!(outcome(0, 100).exceeded(), Vec::<String>::new());
        assert!(outcome(3, 100).exceeded()[0].contains("3 normal requests failed"));
        assert!(outcome(0, 900).exceeded()[0].contains("the server used 900 MiB"));
    }

    #[test]
    fn a_row_has_the_values_of_all_phases() {
        let outcomes = [outcome(2, 100)];
        let text = Table { seconds: 20, outcomes: &outcomes }.to_string();
        for part in ["40 / 100 / 40", "5.0 / 7.5 / 5.0", "1.5", "0 / 2 / 0", "SQLite"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
