//! A closed loop of clients: each sends its next request as soon as it has the last response.
//!
//! All clients run on one thread, so that the generator uses at most one core. The outcome includes the used share of
//! that core: near 100 % the generator was the limit, and the server could have done more.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinSet;

use crate::Result;
use crate::http::{Connection, Response};
use crate::random::Random;

/// How long after the end of a run the generator waits for the last responses.
const LATE_RESPONSE_TIMEOUT: Duration = Duration::from_mins(1);
/// One body in this many responses of a client is parsed and checked, starting with the first one. Checking each body
/// would cost the generator too much processor time.
const RESPONSES_PER_CHECK: u64 = 512;

/// A rendered request, and its expected response.
pub struct Request {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// The expected status.
    pub status: u16,
    /// The expected body.
    pub shape: Shape,
}

/// An expected body.
#[derive(Clone, Copy)]
pub enum Shape {
    /// An array of this many entries.
    Entries(usize),
    Entry,
    /// Any JSON.
    Json,
    /// This many bytes of any kind.
    Bytes(usize),
}

/// Groups of requests with weights, to choose from at random.
pub struct Workload(pub Vec<(usize, Vec<Request>)>);

/// The intensity and duration of a load.
#[derive(Clone, Copy)]
pub struct Load {
    /// Connections, each with one request at a time.
    pub clients: usize,
    /// How long to run before measuring.
    pub warm_up: Duration,
    /// How long to measure.
    pub duration: Duration,
}

/// The measurements of a run.
#[derive(Default)]
pub struct Outcome {
    /// The latencies of all correct responses after the warm-up in nanoseconds, including late ones.
    latencies: Vec<u64>,
    /// Correct responses between the warm-up and the end.
    responses: u64,
    /// The time between the warm-up and the end.
    duration: Duration,
    /// Errors at any time, with their counts.
    pub errors: BTreeMap<String, u64>,
    /// The processor time of the generator during the measured duration, assuming a constant load.
    generator: Duration,
}

impl Outcome {
    /// The number of correct responses.
    pub fn responses(&self) -> u64 {
        self.responses
    }

    /// Correct responses per second.
    pub fn rate(&self) -> f64 {
        self.responses as f64 / self.duration.as_secs_f64().max(f64::EPSILON)
    }

    /// The latency that this share of the correct responses did not exceed, in milliseconds; 0 without responses.
    pub fn latency(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
        let index = (share * last as f64).round() as usize;
        self.latencies.get(index).map_or(0.0, |nanos| *nanos as f64 / 1e6)
    }

    /// The number of wrong or missing responses.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    /// The share of one core that the generator used.
    pub fn generator_share(&self) -> f64 {
        self.generator.as_secs_f64() / self.duration.as_secs_f64().max(f64::EPSILON)
    }

    /// Adds another run of the same load.
    pub fn add(&mut self, other: Self) {
        self.duration += other.duration;
        self.generator += other.generator;
        self.collect(other);
        self.latencies.sort_unstable();
    }

    fn collect(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.responses += other.responses;
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }

    fn fail(&mut self, error: impl Into<String>) {
        *self.errors.entry(error.into()).or_default() += 1;
    }
}

/// Puts a server under load.
///
/// # Errors
/// If the load cannot be generated. Failed requests are part of the outcome.
pub async fn run(address: SocketAddr, workload: &Arc<Workload>, load: Load) -> Result<Outcome> {
    let workload = Arc::clone(workload);
    let outcome = tokio::task::spawn_blocking(move || -> io::Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (began, processor_time_before) = (Instant::now(), processor_time()?);
        let mut outcome = runtime.block_on(run_clients(address, workload, load));
        let share =
            processor_time()?.saturating_sub(processor_time_before).as_secs_f64() / began.elapsed().as_secs_f64();
        outcome.generator = load.duration.mul_f64(share);
        Ok(outcome)
    });
    Ok(outcome.await??)
}

async fn run_clients(address: SocketAddr, workload: Arc<Workload>, load: Load) -> Outcome {
    let measure_from = Instant::now() + load.warm_up;
    let end = measure_from + load.duration;
    let mut clients = JoinSet::new();
    for number in 0..load.clients {
        clients.spawn(client(address, Arc::clone(&workload), number as u64, measure_from, end));
    }
    let mut total = Outcome { duration: load.duration, ..Outcome::default() };
    let deadline = tokio::time::Instant::from_std(end + LATE_RESPONSE_TIMEOUT);
    loop {
        match tokio::time::timeout_at(deadline, clients.join_next()).await {
            Ok(Some(Ok(outcome))) => total.collect(outcome),
            Ok(Some(Err(panic))) => total.fail(format!("a client panicked: {panic}")),
            Ok(None) => break,
            Err(_) => {
                for _ in 0..clients.len() {
                    total.fail(format!("no response {} s after the end", LATE_RESPONSE_TIMEOUT.as_secs()));
                }
                break;
            }
        }
    }
    total.latencies.sort_unstable();
    total
}

async fn client(
    address: SocketAddr,
    workload: Arc<Workload>,
    number: u64,
    measure_from: Instant,
    end: Instant,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut random = Random::from_seed(&[number]);
    let mut connection = None;
    let mut count = 0_u64;
    loop {
        let start = Instant::now();
        if start >= end {
            return outcome;
        }
        let connected = match &mut connection {
            Some(connected) => connected,
            None => match Connection::open(address).await {
                Ok(opened) => connection.insert(opened),
                Err(error) => {
                    outcome.fail(format!("cannot connect: {error}"));
                    // A busy loop would take the processor from the server.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let request = workload.pick(&mut random);
        match connected.exchange(&request.bytes).await {
            Ok(response) => {
                let now = Instant::now();
                let check_body = count.is_multiple_of(RESPONSES_PER_CHECK);
                count += 1;
                match request.check(&response, check_body) {
                    Ok(()) if now < measure_from => {}
                    Ok(()) => {
                        outcome.latencies.push(u64::try_from((now - start).as_nanos()).unwrap_or(u64::MAX));
                        outcome.responses += u64::from(now <= end);
                    }
                    Err(error) => outcome.fail(error),
                }
            }
            Err(error) => {
                outcome.fail(error.to_string());
                connection = None;
            }
        }
    }
}

impl Workload {
    fn pick(&self, random: &mut Random) -> &Request {
        let total = self.0.iter().map(|(weight, _)| weight).sum();
        let mut point = random.below(total);
        for (weight, requests) in &self.0 {
            if point < *weight {
                return random.pick(requests);
            }
            point -= weight;
        }
        &self.0[0].1[0]
    }
}

impl Request {
    /// Checks a response; its body only if `check_body`.
    fn check(&self, response: &Response<'_>, check_body: bool) -> std::result::Result<(), String> {
        if response.status != self.status {
            return Err(format!("status {} instead of {}", response.status, self.status));
        }
        if check_body { self.shape.check(response.body) } else { Ok(()) }
    }
}

impl Shape {
    /// Checks a body.
    ///
    /// # Errors
    /// The actual body.
    pub fn check(self, body: &[u8]) -> std::result::Result<(), String> {
        if let Self::Bytes(wanted) = self {
            let is_whole = body.len() == wanted;
            return if is_whole { Ok(()) } else { Err(format!("{} bytes instead of {wanted}", body.len())) };
        }
        let value: Value = serde_json::from_slice(body).map_err(|_| "a body that is not JSON".to_owned())?;
        let is_entry = |value: &Value| {
            value["id"].is_string()
                && value["content"].is_string()
                && value["entry_date"].is_string()
                && value["tags"].is_array()
        };
        match self {
            Self::Json | Self::Bytes(_) => Ok(()),
            Self::Entry if is_entry(&value) => Ok(()),
            Self::Entry => Err("a body that is not an entry".into()),
            Self::Entries(wanted) => match value.as_array() {
                Some(entries) if entries.len() == wanted && entries.iter().all(is_entry) => Ok(()),
                Some(entries) => Err(format!("{} entries instead of {wanted}", entries.len())),
                None => Err("a body that is not a list".into()),
            },
        }
    }
}

/// Processor time of this thread (proc(5), `/proc/PID/task/TID/schedstat`: nanoseconds).
pub fn processor_time() -> io::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split_whitespace().next().and_then(|number| number.parse().ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| io::Error::other("the kernel does not count processor time"))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::routing::get;

    use super::*;
    use crate::http::render;

    async fn serve(router: axum::Router) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    fn gets(paths: &[(usize, &str)]) -> Arc<Workload> {
        let request = |path: &str| Request { bytes: render("GET", path, None, None), status: 200, shape: Shape::Entry };
        Arc::new(Workload(paths.iter().map(|(weight, path)| (*weight, vec![request(path)])).collect()))
    }

    const SHORT_LOAD: Load =
        Load { clients: 8, warm_up: Duration::from_millis(50), duration: Duration::from_millis(300) };

    const ENTRY: &str = r#"{"id":"x","content":"c","entry_date":"d","tags":[]}"#;

    #[tokio::test(flavor = "multi_thread")]
    async fn correct_responses_are_counted_and_timed() {
        let address = serve(axum::Router::new().route("/", get(async || ENTRY))).await;
        let outcome = run(address, &gets(&[(1, "/")]), SHORT_LOAD).await.unwrap();
        assert_eq!(outcome.errors, BTreeMap::new());
        assert!(outcome.rate() > 0.0);
        assert!(outcome.latency(0.5) > 0.0);
        assert!(outcome.latency(0.5) <= outcome.latency(0.99));
        assert!(outcome.generator_share() > 0.0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_wrong_response_is_counted_under_its_reason() {
        let router = axum::Router::new()
            .route("/", get(async || ENTRY))
            .route("/busy", get(async || (StatusCode::SERVICE_UNAVAILABLE, "later")))
            .route("/empty", get(async || "[]"));
        let address = serve(router).await;
        let outcome = run(address, &gets(&[(9, "/"), (1, "/busy")]), SHORT_LOAD).await.unwrap();
        let wrong = outcome.errors["status 503 instead of 200"];
        assert_eq!(wrong, outcome.error_count());
        assert!(outcome.rate() > 0.0);
        let outcome = run(address, &gets(&[(1, "/empty")]), SHORT_LOAD).await.unwrap();
        assert!(outcome.errors["a body that is not an entry"] >= 8);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_missing_server_is_an_error() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let outcome = run(address, &gets(&[(1, "/")]), SHORT_LOAD).await.unwrap();
        assert!(outcome.errors.keys().all(|error| error.contains("cannot connect")));
        assert!(outcome.error_count() > 0);
        assert_eq!((outcome.rate(), outcome.latency(0.99)), (0.0, 0.0));
    }

    #[test]
    fn bodies_are_checked() {
        assert_eq!(Shape::Entry.check(ENTRY.as_bytes()), Ok(()));
        assert!(Shape::Entry.check(b"{}").is_err());
        assert!(Shape::Entry.check(b"<html>").is_err());
        assert_eq!(Shape::Entries(2).check(format!("[{ENTRY},{ENTRY}]").as_bytes()), Ok(()));
        assert!(Shape::Entries(1).check(format!("[{ENTRY},{ENTRY}]").as_bytes()).is_err());
        assert!(Shape::Entries(1).check(b"[1]").is_err());
        assert_eq!(Shape::Json.check(b"{}"), Ok(()));
        assert!(Shape::Json.check(b"<html>").is_err());
        assert_eq!(Shape::Bytes(6).check(b"<html>"), Ok(()));
        assert!(Shape::Bytes(7).check(b"<html>").is_err());
    }

    #[test]
    fn quantiles_cover_all_runs() {
        let part = |range: std::ops::RangeInclusive<u64>| Outcome {
            responses: range.clone().count() as u64,
            latencies: range.map(|millis| millis * 1_000_000).collect(),
            duration: Duration::from_secs(1),
            ..Outcome::default()
        };
        let mut outcome = part(51..=101);
        outcome.add(part(1..=50));
        assert!((outcome.latency(0.5) - 51.0).abs() < 1e-9);
        assert!((outcome.latency(0.99) - 100.0).abs() < 1e-9);
        assert!((outcome.rate() - 50.5).abs() < 1e-9);
    }
}
