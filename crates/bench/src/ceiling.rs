//! Measures the limit of the HTTP stack: a server with the same layers that sends recorded responses and has no
//! database.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::routing::get;
use serde_json::{Value, json};
use sotto_server::system::{SystemClock, SystemRandom};
use sotto_server::{App, AttachmentStore, Config, ConnectionLimits, Keys, Stage, with_middleware};
use sotto_storage::DatabaseUrl;
use tempfile::{NamedTempFile, TempDir};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Result;
use crate::api::SignedIn;
use crate::http::Connection;
use crate::process::Server;
use crate::scenarios::Scenario;

/// Headers that a handler sets. The layers set all others.
const HEADERS: [&str; 6] = ["content-type", "etag", "link", "location", "cache-control", "last-modified"];

/// The server of recorded responses; stop it with [`Server::stop`].
pub struct Ceiling {
    pub server: Server,
    _responses: NamedTempFile,
}

impl Ceiling {
    /// Records one response of each kind from Sotto, and starts a server that sends them.
    ///
    /// # Errors
    /// If Sotto does not respond as expected, or the other server does not start.
    pub async fn record(sotto: SocketAddr, author: &SignedIn) -> Result<Self> {
        let mut connection = Connection::open(sotto).await?;
        let mut recorded = BTreeMap::new();
        for scenario in [Scenario::List, Scenario::Get, Scenario::Create, Scenario::Update] {
            let request = scenario.request(author, 0);
            let response = connection.exchange(&request.bytes).await?;
            let body = std::str::from_utf8(response.body)?;
            if response.status != request.status {
                return Err(format!("{scenario} responded {}: {body}", response.status).into());
            }
            request.shape.check(response.body).map_err(|error| format!("{scenario}: {error}"))?;
            let headers: BTreeMap<_, _> =
                HEADERS.iter().filter_map(|name| Some((*name, response.header(name)?))).collect();
            let recording = json!({ "status": response.status, "headers": headers, "body": body });
            recorded.insert(format!("{scenario:?}"), recording);
        }
        let responses = NamedTempFile::with_prefix("sotto-bench-responses.")?;
        serde_json::to_writer(&responses, &recorded)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve-recorded").arg(responses.path());
        Ok(Self { server: Server::start(command).await?, _responses: responses })
    }
}

/// Serves recorded responses at the address in `SOTTO_LISTEN`, until `end` resolves.
///
/// # Errors
/// If the recording cannot be read, or the server cannot listen on the address.
pub async fn serve(recording: &Path, end: impl Future<Output = ()>) -> Result<()> {
    let recorded: Value = serde_json::from_slice(&std::fs::read(recording)?)?;
    let response = |scenario: Scenario| RecordedResponse::read(&recorded[format!("{scenario:?}")]);
    let (list, one) = (response(Scenario::List)?, response(Scenario::Get)?);
    let (create, update) = (response(Scenario::Create)?, response(Scenario::Update)?);
    let routes = Router::new()
        .route("/health/live", get(async || "live"))
        .route("/api/journals/", get(async move || list.into_parts()).post(async move |_: Bytes| create.into_parts()))
        .route(
            "/api/journals/{id}",
            get(async move || one.into_parts()).put(async move |_: Bytes| update.into_parts()),
        );
    let folder = TempDir::with_prefix("sotto-bench-ceiling.")?;
    let listener = TcpListener::bind(std::env::var("SOTTO_LISTEN")?).await?;
    let (stage, stages) = watch::channel(Stage::Serving);
    let stack = with_middleware(routes, &app(folder.path()).await?);
    tokio::join!(sotto_server::accept(listener, stack, ConnectionLimits::default(), stages), async {
        end.await;
        stage.send_replace(Stage::Finishing);
    });
    Ok(())
}

/// The state that the layers need, with an unused database.
async fn app(folder: &Path) -> Result<App> {
    let storage = DatabaseUrl::Sqlite(folder.join("empty.db")).open().await?;
    let keys = Keys::generate(&SystemRandom);
    let recordings = AttachmentStore::in_folder(&folder.join("attachments"))?;
    Ok(App::new(storage, recordings, &keys, Config::default(), Arc::new(SystemClock), Arc::new(SystemRandom)))
}

#[derive(Clone)]
struct RecordedResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl RecordedResponse {
    fn read(recorded: &Value) -> Result<Self> {
        let status = recorded["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        let mut headers = HeaderMap::new();
        for (name, value) in recorded["headers"].as_object().into_iter().flatten() {
            let value = HeaderValue::from_str(value.as_str().unwrap_or_default())?;
            headers.insert(HeaderName::try_from(name)?, value);
        }
        let body = recorded["body"].as_str().ok_or("a recording without a body")?.to_owned();
        Ok(Self { status: StatusCode::from_u16(status.unwrap_or_default())?, headers, body: body.into() })
    }

    fn into_parts(self) -> (StatusCode, HeaderMap, Bytes) {
        (self.status, self.headers, self.body)
    }
}
