//! A running server, and its users.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sotto_domain::account::AccountPatch;
use sotto_domain::{Clock, Timestamp, UserId};
use sotto_server::system::{SystemClock, SystemRandom};
use sotto_server::{App, AttachmentStore, Config, Keys, Registration, Stage};
use sotto_storage::DatabaseUrl;
use sotto_storage::testing::{Scratch, wait_until};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A server on a free port, with a separate empty database.
pub struct Server {
    pub address: SocketAddr,
    pub app: App,
    pub clock: Arc<ShiftedClock>,
    pub client: Client,
    pub keys: Keys,
    /// The addresses that requests are sent to, in turn.
    nodes: Mutex<VecDeque<SocketAddr>>,
    stop: Option<watch::Sender<Stage>>,
    task: Option<JoinHandle<()>>,
    pub scratch: Scratch,
    /// The folder of its recordings.
    pub recordings: TempDir,
}

/// The machine's clock, some seconds ahead.
#[derive(Default)]
pub struct ShiftedClock {
    shown: AtomicI64,
    passed: AtomicU64,
}

impl ShiftedClock {
    /// Lets time pass.
    pub fn advance(&self, seconds: i64) {
        self.set(seconds);
        self.passed.fetch_add(u64::try_from(seconds).unwrap_or_default(), Ordering::SeqCst);
    }

    /// Sets the clock forward or back, while no time passes.
    pub fn set(&self, seconds: i64) {
        self.shown.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_seconds(self.shown.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Duration {
        SystemClock.uptime() + Duration::from_secs(self.passed.load(Ordering::SeqCst))
    }
}

impl Server {
    pub async fn on_sqlite() -> Self {
        Self::start(Scratch::sqlite(), lenient()).await
    }

    pub async fn on_postgres() -> Self {
        Self::start(Scratch::postgres().await, lenient()).await
    }

    pub async fn start(scratch: Scratch, config: Config) -> Self {
        Self::start_on(free_port().await, scratch, config).await
    }

    /// For a configuration that needs the port.
    pub async fn start_on(listener: TcpListener, scratch: Scratch, config: Config) -> Self {
        sotto_storage::migrate::upgrade(&scratch.url).await.expect("the schema can be made");
        let clock = Arc::new(ShiftedClock::default());
        let keys = Keys::generate(&SystemRandom);
        let recordings = TempDir::new().unwrap();
        let (address, app, stage, task) =
            listen(listener, &scratch.url, recordings.path(), &keys, config, &clock).await;
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let nodes = Mutex::new([address].into());
        Self { address, app, clock, client, keys, nodes, stop: Some(stage), task: Some(task), scratch, recordings }
    }

    /// Three servers on one database. Each request goes to the next server.
    pub async fn on_three_nodes() -> Self {
        let server = Self::on_postgres().await;
        for _ in 0..2 {
            let address = server.another(&server.keys).await;
            server.nodes.lock().unwrap().push_back(address);
        }
        server
    }

    /// A second server on the same database. It has the same keys only if `keys` is true.
    pub async fn another(&self, keys: &Keys) -> SocketAddr {
        self.another_with(keys, self.app.config.clone()).await
    }

    /// The same with other settings.
    pub async fn another_with(&self, keys: &Keys, config: Config) -> SocketAddr {
        self.another_at(keys, config, &self.clock).await.0
    }

    /// The same with a separate clock.
    pub async fn another_at(&self, keys: &Keys, config: Config, clock: &Arc<ShiftedClock>) -> (SocketAddr, App) {
        let (address, app, stop, _) =
            listen(free_port().await, &self.scratch.url, self.recordings.path(), keys, config, clock).await;
        // The server runs until the test's runtime ends.
        std::mem::forget(stop);
        (address, app)
    }

    /// The database without its server, which has to be stopped.
    pub fn into_scratch(self) -> Scratch {
        self.scratch
    }

    /// Stops the server like a signal would, and waits for its end.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        self.task.take().unwrap().await.unwrap();
    }

    /// Starts again on the same database.
    pub async fn restart(mut self, keys: &Keys) -> Self {
        self.stop().await;
        let (address, app, stage, task) =
            listen(free_port().await, &self.scratch.url, self.recordings.path(), keys, lenient(), &self.clock).await;
        let nodes = Mutex::new([address].into());
        Self { address, app, keys: keys.clone(), nodes, stop: Some(stage), task: Some(task), ..self }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut nodes = self.nodes.lock().unwrap();
        nodes.rotate_left(1);
        self.client.request(method, format!("http://{}{path}", nodes[0]))
    }

    /// Makes the sessions that exist an hour older, so that none is recent. A session that a request has used stays
    /// recent while the server has it in its cache.
    pub async fn age_sessions(&self) {
        let an_hour = if self.app.storage.engine() == "postgres" { "interval '1 hour'" } else { "3600000000" };
        self.scratch.execute(&format!("UPDATE login_sessions SET created_at = created_at - {an_hour}")).await.unwrap();
    }

    /// Signs a user up and in.
    pub async fn person(&self, name: &str) -> Person<'_> {
        self.person_in(name, "UTC").await
    }

    /// Signs a superuser up and in, as `sotto user create --superuser` would.
    pub async fn superuser(&self, name: &str) -> Person<'_> {
        let person = self.person(name).await;
        let id = UserId(person.id.parse().unwrap());
        let patch = AccountPatch { is_superuser: Some(true), ..AccountPatch::default() };
        self.app.storage.users().administer(id, &patch, self.clock.now()).await.unwrap();
        // No request has used the account yet, so no server has cached it.
        person
    }

    pub async fn person_in(&self, name: &str, time_zone: &str) -> Person<'_> {
        let email = format!("{name}@example.org");
        let account = json!({"email": email, "password": PASSWORD, "full_name": name, "time_zone": time_zone});
        let user = self.request(Method::POST, "/api/auth/register").json(&account).send().await.unwrap();
        assert_eq!(user.status(), StatusCode::CREATED);
        let user: Value = user.json().await.unwrap();
        let tokens = self.login(&email, PASSWORD).await;
        let (access, refresh) = (tokens["access_token"].clone(), tokens["refresh_token"].clone());
        Person {
            server: self,
            id: user["id"].as_str().unwrap().to_owned(),
            email,
            token: access.as_str().unwrap().to_owned(),
            refresh_token: refresh.as_str().unwrap().to_owned(),
        }
    }

    pub async fn login(&self, email: &str, password: &str) -> Value {
        let body = json!({"email": email, "password": password});
        let response = self.request(Method::POST, "/api/auth/login").json(&body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }
}

pub const PASSWORD: &str = "correct horse battery";

/// A signed-in user.
#[derive(Clone)]
pub struct Person<'a> {
    pub server: &'a Server,
    pub id: String,
    pub email: String,
    pub token: String,
    pub refresh_token: String,
}

impl Person<'_> {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.server.request(method, path).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> ApiResponse {
        ApiResponse::receive(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> ApiResponse {
        ApiResponse::receive(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> ApiResponse {
        ApiResponse::receive(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> ApiResponse {
        ApiResponse::receive(self.request(Method::DELETE, path)).await
    }

    pub async fn delete_with(&self, path: &str, body: Value) -> ApiResponse {
        ApiResponse::receive(self.request(Method::DELETE, path).json(&body)).await
    }

    /// Writes an entry and returns it.
    pub async fn write(&self, content: &str, date: &str, tags: &[&str]) -> Value {
        let entry = json!({"content": content, "entry_date": date, "tags": tags});
        self.post("/api/journals/", entry).await.expect(StatusCode::CREATED)
    }

    /// The texts of a list.
    pub async fn contents(&self, path: &str) -> Vec<String> {
        let list = self.get(path).await.expect(StatusCode::OK);
        list.as_array().unwrap().iter().map(|entry| entry["content"].as_str().unwrap().to_owned()).collect()
    }
}

/// A complete response of the API.
#[derive(Debug)]
pub struct ApiResponse {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl ApiResponse {
    pub async fn receive(request: RequestBuilder) -> Self {
        Self::read(request.send().await.unwrap()).await
    }

    async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let response = Self { status, headers, body };
        if status.is_client_error() || status.is_server_error() {
            assert_eq!(response.header("content-type"), Some("application/problem+json"), "{response:?}");
            assert_eq!(response.body["status"], status.as_u16());
            assert!(response.body["detail"].as_str().is_some_and(|detail| detail.len() > 5), "{response:?}");
            let errors = response.body["errors"].as_array();
            assert!(errors.into_iter().flatten().all(|error| error["code"].is_string()), "{response:?}");
        }
        assert!(response.header("x-request-id").is_some());
        response
    }

    /// The body, which must have this status.
    #[track_caller]
    pub fn expect(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The `loc` of the only error of a 422, joined by dots.
    #[track_caller]
    pub fn refused(self) -> String {
        let body = self.expect(StatusCode::UNPROCESSABLE_ENTITY);
        let [error] = body["errors"].as_array().unwrap().as_slice() else { panic!("one error expected: {body}") };
        let loc: Vec<_> = error["loc"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
        loc.join(".")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The address of the next page.
    pub fn next(&self) -> Option<String> {
        let link = self.header("link")?;
        let (address, relation) = link.split_once("; ").unwrap();
        assert_eq!(relation, "rel=\"next\"");
        Some(address.trim_start_matches('<').trim_end_matches('>').to_owned())
    }
}

/// A path of the specification, with an id for each parameter.
pub fn fill(path: &str) -> String {
    let parts =
        path.split('/').map(|part| if part.starts_with('{') { "0190b5a4-1111-7222-8333-444455556666" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Without rate limits, because tests create many accounts from one address.
pub fn lenient() -> Config {
    Config { registration: Registration::Open, rate_limits: false, ..Config::default() }
}

/// Waits until requests are refused with 401. A node may have accounts and tokens in its cache for 5 seconds, so that
/// much more than a minute means another lifetime, even on a busy machine.
pub async fn wait_until_unauthorized(send: impl AsyncFn() -> StatusCode) {
    let start = Instant::now();
    wait_until("the node refuses with 401", async || send().await == StatusCode::UNAUTHORIZED).await;
    assert!(start.elapsed() < Duration::from_mins(1), "401 came after {:?}", start.elapsed());
}

pub async fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn listen(
    listener: TcpListener,
    url: &DatabaseUrl,
    recordings: &Path,
    keys: &Keys,
    config: Config,
    clock: &Arc<ShiftedClock>,
) -> (SocketAddr, App, watch::Sender<Stage>, JoinHandle<()>) {
    let storage = url.open().await.expect("the database opens");
    let recordings = AttachmentStore::in_folder(recordings).unwrap();
    let app = App::new(storage, recordings, keys, config, clock.clone(), Arc::new(SystemRandom));
    let address = listener.local_addr().unwrap();
    let (stage, stages) = watch::channel(Stage::Serving);
    let task = tokio::spawn(sotto_server::serve(listener, app.clone(), stages));
    (address, app, stage, task)
}
