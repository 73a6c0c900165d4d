//! Clients that write during a fault, and the responses that they received for each entry.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::program::RunningServer;

/// Much longer than anything here takes, even on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(3);

/// The server's deadline for a request is a minute. A response that is missing after two never arrives.
const RESPONSE_TIMEOUT: Duration = Duration::from_mins(2);

/// The ids of sent entries by outcome.
#[derive(Debug, Default, Clone)]
pub struct Outcomes {
    /// The server confirmed the entry.
    pub stored: Vec<String>,
    /// The server reported that nothing was changed, with this code.
    pub refused: BTreeMap<String, Vec<String>>,
    /// `outcome_unknown`, or the connection ended without a response.
    pub unknown: Vec<String>,
    /// Responses that no fault excuses, with their ids.
    pub unexpected: Vec<String>,
}

impl Outcomes {
    pub fn refused_with(&self, code: &str) -> usize {
        self.refused.get(code).map_or(0, Vec::len)
    }

    /// Asserts that confirmed entries exist, refused ones do not, and those with an unknown outcome can be sent again.
    pub async fn holds(&self, server: &RunningServer, token: &str) {
        assert!(self.unexpected.is_empty(), "{:?}", self.unexpected);
        let kept = entries(server, token).await;
        for (place, id) in self.stored.iter().enumerate() {
            let place = format!("{id}, number {place} of {} that were acknowledged", self.stored.len());
            let found = kept.get(id).unwrap_or_else(|| panic!("the entry {place} is not there"));
            assert!(*found == text(id), "the entry {place} is not as it was written");
        }
        for (code, ids) in &self.refused {
            for id in ids {
                assert!(!kept.contains_key(id), "the entry {id} was refused ({code}) and is there");
            }
        }
        for id in &self.unknown {
            let response = server.request(Method::POST, "/api/journals/").bearer_auth(token).json(&entry(id));
            let status = response.send().await.unwrap().status().as_u16();
            let before = kept.contains_key(id);
            // An entry that exists may have been stored after the list was read.
            assert!(status == 200 || (status == 201 && !before), "{id}: {status}, there before: {before}");
        }
        let kept = entries(server, token).await;
        for id in &self.unknown {
            assert!(kept.get(id) == Some(&text(id)), "the entry {id} was sent again and is not there");
        }
    }

    /// A summary of the counts.
    pub fn counts(&self) -> String {
        let refused: Vec<_> = self.refused.iter().map(|(code, ids)| format!("{} {code}", ids.len())).collect();
        let (stored, unknown) = (self.stored.len(), self.unknown.len());
        format!("{stored} stored, {unknown} unknown, {}; {:?}", refused.join(", "), self.unexpected)
    }

    pub fn add(&mut self, other: Self) {
        self.stored.extend(other.stored);
        self.unknown.extend(other.unknown);
        self.unexpected.extend(other.unexpected);
        for (code, ids) in other.refused {
            self.refused.entry(code).or_default().extend(ids);
        }
    }

    fn note(&mut self, id: String, outcome: Outcome) {
        match outcome {
            Outcome::Stored => self.stored.push(id),
            Outcome::Refused(code) => self.refused.entry(code).or_default().push(id),
            Outcome::Unknown => self.unknown.push(id),
            Outcome::Unexpected(response) => self.unexpected.push(format!("{id}: {response}")),
        }
    }
}

/// Writing clients.
pub struct Load {
    outcomes: Arc<Mutex<Outcomes>>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(server: &RunningServer, token: &str, clients: usize) -> Self {
        let (outcomes, stop) = (Arc::<Mutex<Outcomes>>::default(), Arc::<AtomicBool>::default());
        let clients = (0..clients).map(|_| {
            let (url, token) = (format!("{}/api/journals/", server.url), token.to_owned());
            let (outcomes, stop) = (outcomes.clone(), stop.clone());
            tokio::spawn(async move {
                let http = Client::builder().timeout(RESPONSE_TIMEOUT).build().unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let id = fresh_id();
                    let outcome = write(&http, &url, &token, &id).await;
                    let pause = if matches!(outcome, Outcome::Stored) { 1 } else { 50 };
                    outcomes.lock().unwrap().note(id, outcome);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            })
        });
        Self { clients: clients.collect(), outcomes, stop }
    }

    pub fn outcomes(&self) -> Outcomes {
        self.outcomes.lock().unwrap().clone()
    }

    /// Waits until the responses satisfy a condition.
    pub async fn until(&self, what: &str, condition: impl Fn(&Outcomes) -> bool) {
        let began = Instant::now();
        while !condition(&self.outcomes.lock().unwrap()) {
            assert!(began.elapsed() < TIMEOUT, "waited in vain until {what}: {}", self.outcomes().counts());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until this many more entries are stored.
    pub async fn stores(&self, more: usize) {
        let before = self.outcomes().stored.len();
        self.until("entries are stored", |outcomes| outcomes.stored.len() >= before + more).await;
    }

    /// Waits for the open requests.
    pub async fn end(self) -> Outcomes {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        Arc::into_inner(self.outcomes).unwrap().into_inner().unwrap()
    }
}

enum Outcome {
    Stored,
    Refused(String),
    Unknown,
    Unexpected(String),
}

async fn write(http: &Client, url: &str, token: &str, id: &str) -> Outcome {
    let response = match http.post(url).bearer_auth(token).json(&entry(id)).send().await {
        Ok(response) => response,
        Err(error) if error.is_timeout() => return Outcome::Unexpected(format!("no response: {error:?}")),
        Err(error) if error.is_connect() => return Outcome::Refused("no connection".into()),
        Err(_) => return Outcome::Unknown,
    };
    let status = response.status().as_u16();
    // The status confirms the entry, even if the body is cut off.
    if status == 201 {
        return Outcome::Stored;
    }
    let has_wait = response.headers().contains_key("retry-after");
    let Ok(body) = response.json::<Value>().await else { return Outcome::Unknown };
    match body["code"].as_str() {
        Some("outcome_unknown") if status == 503 => Outcome::Unknown,
        Some(code @ ("busy" | "unavailable" | "disk_full" | "stopping")) if status == 503 && has_wait => {
            Outcome::Refused(code.to_owned())
        }
        _ => Outcome::Unexpected(format!("{status} {body}")),
    }
}

fn fresh_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("0190b5a4-1111-7222-8333-{:012x}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn entry(id: &str) -> Value {
    json!({"id": id, "content": text(id), "entry_date": "2025-01-22T10:00:00Z"})
}

/// About 4 KB of text, different for each entry.
fn text(id: &str) -> String {
    format!("{id} An ordinary day. ").repeat(75)
}

/// All entries, by id.
async fn entries(server: &RunningServer, token: &str) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    let mut next = Some("/api/journals/?limit=1000".to_owned());
    while let Some(path) = next {
        let page = server.request(Method::GET, &path).bearer_auth(token).send().await.unwrap();
        assert_eq!(page.status(), 200);
        let link = page.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        next = link.map(|link| link[1..link.find('>').unwrap()].to_owned());
        let list: Value = page.json().await.unwrap();
        kept.extend(list.as_array().unwrap().iter().map(|entry| {
            let field = |name: &str| entry[name].as_str().unwrap().to_owned();
            (field("id"), field("content"))
        }));
    }
    kept
}
