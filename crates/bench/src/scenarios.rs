//! The requests of clients, measured side by side with their limits.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::Result;
use crate::api::SignedIn;
use crate::engine::Statements;
use crate::http::render;
use crate::load::{self, Load, Outcome, Request, Shape, Workload};
use crate::seed::{Author, ENTRIES};

/// Numbers of parallel clients.
pub const CLIENTS: [usize; 3] = [1, 32, 128];
/// Entries in a list.
pub const PAGE: u32 = 20;
/// The number of prepared requests of each kind per author.
const VARIANTS: u64 = 8;

/// The requests that a client repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scenario {
    /// The 20 newest entries.
    List,
    /// One entry by its id.
    Get,
    /// A new entry with two tags, durable before the response.
    Create,
    /// A new text for an entry, durable before the response.
    Update,
    /// 90 % reads (lists and gets), 10 % writes (creates and updates).
    Mix,
}

impl Scenario {
    /// All scenarios, reads first.
    pub const ALL: [Self; 5] = [Self::List, Self::Get, Self::Create, Self::Update, Self::Mix];

    /// The requests of these authors.
    pub fn workload(self, authors: &[SignedIn]) -> Workload {
        let requests = |scenario: Self| {
            authors.iter().flat_map(|author| (0..VARIANTS).map(|n| scenario.request(author, n))).collect()
        };
        match self {
            Self::Mix => Workload(vec![
                (9, requests(Self::List)),
                (9, requests(Self::Get)),
                (1, requests(Self::Create)),
                (1, requests(Self::Update)),
            ]),
            single => Workload(vec![(1, requests(single))]),
        }
    }

    /// Request number `n` of an author.
    pub fn request(self, signed_in: &SignedIn, n: u64) -> Request {
        let author = signed_in.author;
        let token = Some(signed_in.token.as_str());
        // The variants are spread over the whole journal.
        let entry = |n: u64| format!("/api/journals/{}", author.entry_id(n * ENTRIES / VARIANTS));
        match self {
            Self::List | Self::Mix => {
                let bytes = render("GET", &format!("/api/journals/?limit={PAGE}"), token, None);
                Request { bytes, status: 200, shape: Shape::Entries(PAGE as usize) }
            }
            Self::Get => {
                let bytes = render("GET", &entry(n), token, None);
                Request { bytes, status: 200, shape: Shape::Entry }
            }
            Self::Create => {
                let bytes = render("POST", "/api/journals/", token, Some(&new_entry(author, ENTRIES + n)));
                Request { bytes, status: 201, shape: Shape::Entry }
            }
            Self::Update => {
                // Two variants update one entry (`n / 2`) with different texts, so that every update changes something.
                // The generated journals end before text number `2 * ENTRIES`, so the texts are new as well.
                let body = json!({ "content": author.text(2 * ENTRIES + n) }).to_string();
                let bytes = render("PUT", &entry(n / 2), token, Some(&body));
                Request { bytes, status: 200, shape: Shape::Entry }
            }
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list 20 newest",
            Self::Get => "get by id",
            Self::Create => "durable create",
            Self::Update => "update",
            Self::Mix => "90/10 mix",
        })
    }
}

fn new_entry(author: Author, n: u64) -> String {
    json!({
        "title": "An evening",
        "content": author.text(n),
        "entry_date": "2026-01-22T20:00:00Z",
        "tags": author.tag_names(n),
    })
    .to_string()
}

/// A scenario with a number of clients: Sotto and its limits.
pub struct Cell {
    pub scenario: Scenario,
    /// The number of parallel clients.
    pub clients: usize,
    /// Sotto's figures.
    pub sotto: Outcome,
    /// The same responses from the same HTTP stack without a database.
    pub ceiling: Outcome,
    /// The same statements directly on the engine, per second.
    pub engine: Option<f64>,
}

/// The servers to measure side by side.
#[derive(Clone, Copy)]
pub struct SideBySide {
    /// The address of Sotto.
    pub sotto: SocketAddr,
    /// The address of the server of recorded responses.
    pub ceiling: SocketAddr,
    /// How long to measure each side of a cell.
    pub duration: Duration,
}

/// Rounds of a cell. The sides take turns, so that a slow moment of the machine affects all.
pub const ROUNDS: u32 = 2;

impl SideBySide {
    /// Measures one cell; with `engine`, also the engine alone.
    ///
    /// # Errors
    /// If a side cannot be measured.
    pub async fn measure(
        &self,
        scenario: Scenario,
        clients: usize,
        authors: &[SignedIn],
        engine: Option<&Statements>,
    ) -> Result<Cell> {
        let workload = Arc::new(scenario.workload(authors));
        let duration = self.duration / ROUNDS;
        let load = Load { clients, warm_up: duration / 4, duration };
        let mut cell = Cell { scenario, clients, sotto: Outcome::default(), ceiling: Outcome::default(), engine: None };
        for _ in 0..ROUNDS {
            cell.sotto.add(load::run(self.sotto, &workload, load).await?);
            cell.ceiling.add(load::run(self.ceiling, &workload, load).await?);
            if let Some(engine) = engine {
                let rate = engine.rate(duration).await? / f64::from(ROUNDS);
                cell.engine = Some(cell.engine.unwrap_or_default() + rate);
            }
        }
        Ok(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author() -> SignedIn {
        SignedIn { author: Author(1), token: "t".into() }
    }

    #[test]
    fn the_mix_has_nine_reads_per_write() {
        let Workload(groups) = Scenario::Mix.workload(&[author()]);
        let weight = |method: &[u8]| -> usize {
            groups.iter().filter(|(_, requests)| requests[0].bytes.starts_with(method)).map(|(weight, _)| weight).sum()
        };
        assert_eq!(weight(b"GET"), 9 * (weight(b"POST") + weight(b"PUT")));
        assert!(weight(b"POST") > 0 && weight(b"PUT") > 0);
    }

    #[test]
    fn updates_alternate_texts_of_existing_entries() {
        let [first, second] = [0, 1].map(|n| Scenario::Update.request(&author(), n).bytes);
        let line = |bytes: &[u8]| bytes.split(|byte| *byte == b'\r').next().map(<[u8]>::to_vec);
        assert_eq!(line(&first), line(&second));
        assert_ne!(first, second);
        let last = Author(1).entry_id((VARIANTS - 1) * ENTRIES / VARIANTS);
        let request = Scenario::Get.request(&author(), VARIANTS - 1).bytes;
        assert!(String::from_utf8(request).unwrap().contains(&last.to_string()));
    }
}
