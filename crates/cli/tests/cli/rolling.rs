//! Stopping behind a load balancer: rolling restarts behind `HAProxy` and nginx fail no request.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use sotto_storage::testing::wait_until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::program::{Home, RunningServer, rounds};

/// Seconds of a server's drain: many times the balancer's interval of 100 ms between checks.
const DRAIN: &str = "5";

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restarts_behind_haproxy_fail_no_request() {
    for homes in [[Home::sqlite(), Home::sqlite()], [Home::postgres().await, Home::sqlite()]] {
        no_request_fails(&homes, Balancer::haproxy).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restarts_behind_nginx_fail_no_request() {
    for homes in [[Home::sqlite(), Home::sqlite()], [Home::postgres().await, Home::sqlite()]] {
        no_request_fails(&homes, Balancer::nginx).await;
    }
}

/// Two servers on one PostgreSQL share all data. Two servers on SQLite have separate journals, so clients only send
/// requests that need no account.
async fn no_request_fails(homes: &[Home; 2], balance: fn([u16; 2]) -> Balancer) {
    let shared = homes[0].file().is_none();
    let homes = if shared { [&homes[0], &homes[0]] } else { [&homes[0], &homes[1]] };
    let ports = [free_port(), free_port()];
    let mut servers = [start(homes[0], ports[0]), start(homes[1], ports[1])];
    let token = if shared { servers[0].person("ada@example.org").await } else { String::new() };
    let balancer = balance(ports);
    balancer.sees_both().await;

    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..6)
        .map(|client| tokio::spawn(send_requests(balancer.url.clone(), token.clone(), client, stop.clone())))
        .collect();
    for _ in 0..rounds(1) {
        for (server, (home, port)) in servers.iter_mut().zip(homes.into_iter().zip(ports)) {
            server.signal("TERM");
            wait_until("the server stops", async || server.child.try_wait().unwrap().is_some()).await;
            *server = start(home, port);
            balancer.sees_both().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut written = Vec::new();
    for client in clients {
        let (ids, failures, count) = client.await.unwrap();
        assert!(failures.is_empty(), "{} of {count}: {failures:?}", failures.len());
        assert!(count > 20, "only {count} requests were sent");
        written.extend(ids);
    }
    if shared {
        let mut kept = Vec::new();
        let mut next = Some("/api/journals/?limit=1000".to_owned());
        while let Some(path) = next {
            let page = servers[0].request(Method::GET, &path).bearer_auth(&token).send().await.unwrap();
            let link = page.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
            next = link.map(|link| link[1..link.find('>').unwrap()].to_owned());
            let list: Value = page.json().await.unwrap();
            kept.extend(list.as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()));
        }
        written.sort();
        kept.sort();
        assert_eq!(written, kept, "each entry is kept once");
    }
}

/// Sends one request after another. Returns the ids of created entries, the errors, and the number of requests.
async fn send_requests(
    url: String,
    token: String,
    client: usize,
    stop: Arc<AtomicBool>,
) -> (Vec<String>, Vec<String>, usize) {
    let http = Client::new();
    let (mut ids, mut failures, mut count) = (Vec::new(), Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let writes = !token.is_empty() && count % 2 == 0;
        let (request, expected) = if writes {
            let id = format!("0190b5a4-1111-7222-8333-{client:04x}{count:08x}");
            let entry = json!({"id": id, "content": "kept", "entry_date": "2025-01-22T10:00:00Z"});
            ids.push(id);
            (http.post(format!("{url}/api/journals/")).bearer_auth(&token).json(&entry), 201)
        } else {
            (http.get(format!("{url}/api/server")), 200)
        };
        count += 1;
        match request.send().await {
            Ok(response) if response.status() == expected => drop(response.bytes().await),
            // If the balancer repeats a request, the response is that of the second one.
            Ok(response) if writes && response.status() == 200 => {}
            Ok(response) => {
                failures.push(format!("{} {}", response.status(), response.text().await.unwrap_or_default()));
            }
            Err(error) => failures.push(format!("{error:?}")),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (ids, failures, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_server_is_not_ready_and_serves() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let mut server = RunningServer::start(&home, &["--drain-seconds", "3600"]);
        let token = server.person("ada@example.org").await;
        let before = server.request(Method::GET, "/health/ready").send().await.unwrap();
        assert!(before.status() == 200 && !before.headers().contains_key("connection"));
        server.signal("TERM");
        wait_until("the server drains", async || {
            server.request(Method::GET, "/health/ready").send().await.unwrap().status() == 503
        })
        .await;
        let ready = server.request(Method::GET, "/health/ready").send().await.unwrap();
        assert!(ready.headers().contains_key("retry-after"));
        assert_eq!(ready.json::<Value>().await.unwrap()["code"], "stopping");
        // The process is alive and serves requests, and closes each connection after its response.
        let live = server.request(Method::GET, "/health/live").send().await.unwrap();
        assert!(live.status() == 200 && live.headers()["connection"] == "close");
        assert!(server.write(&token, "written while draining").await);
        assert_eq!(server.contents(&token).await, ["written while draining"]);
        // A second signal ends the drain of an hour.
        server.signal("TERM");
        wait_until("the server stops", async || server.child.try_wait().unwrap().is_some()).await;
        assert!(server.child.wait().unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_does_not_drain_and_a_second_one_stops_at_once() {
    let home = Home::sqlite();
    let mut server = RunningServer::start(&home, &["--drain-seconds", "3600"]);
    let address = server.url.trim_start_matches("http://").to_owned();
    // A client that never finishes its request would hold the server for 20 seconds.
    let mut slow = TcpStream::connect(&address).await.unwrap();
    let head = "POST /api/auth/login HTTP/1.1\r\nhost: sotto\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\
                expect: 100-continue\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    // The server has accepted the request when it asks for the body.
    let mut asked_for = [0; 21];
    slow.read_exact(&mut asked_for).await.unwrap();
    assert_eq!(&asked_for, b"HTTP/1.1 100 Continue");
    server.signal("INT");
    wait_until("the listener is closed", async || TcpStream::connect(&address).await.is_err()).await;
    assert!(server.child.try_wait().unwrap().is_none(), "it waits for the request under way");
    let asked = Instant::now();
    server.signal("INT");
    wait_until("the server stops", async || server.child.try_wait().unwrap().is_some()).await;
    assert!(server.child.wait().unwrap().success());
    let mut log = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("requests under way were cut off"), "after {:?}: {log}", asked.elapsed());
}

fn start(home: &Home, port: u16) -> RunningServer {
    let listen = format!("127.0.0.1:{port}");
    RunningServer::start_at(home, &listen, &["--drain-seconds", DRAIN, "--rate-limits", "off"])
}

/// A load balancer process in front of two servers. It is killed when this value is dropped.
struct Balancer {
    child: Child,
    url: String,
    /// The page of `HAProxy` with the servers that it considers up.
    statistics: Option<String>,
    _folder: tempfile::TempDir,
}

impl Balancer {
    fn haproxy(servers: [u16; 2]) -> Self {
        let (port, statistics) = (free_port(), free_port());
        let config = format!(
            "global
    maxconn 256
defaults
    mode http
    timeout check 30s
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend journal
    bind 127.0.0.1:{port}
    default_backend sotto
frontend statistics
    bind 127.0.0.1:{statistics}
    stats enable
    stats uri /statistics
backend sotto
    option httpchk GET /health/ready
    http-check expect status 200
    default-server check inter 100ms fall 1 rise 1
    server a 127.0.0.1:{}
    server b 127.0.0.1:{}
",
            servers[0], servers[1]
        );
        let statistics = Some(format!("http://127.0.0.1:{statistics}/statistics;csv"));
        Self::start("haproxy", &["-db", "-f"], port, statistics, |_| config)
    }

    /// nginx notices a stopped server only by trying, so each refused connection goes to the other server.
    fn nginx(servers: [u16; 2]) -> Self {
        let port = free_port();
        Self::start("nginx", &["-c"], port, None, |folder| {
            let folder = folder.display();
            let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n"))
                .concat();
            format!(
                "daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
{temporary}    upstream sotto {{
        server 127.0.0.1:{} max_fails=0;
        server 127.0.0.1:{} max_fails=0;
        keepalive 16;
        keepalive_timeout 20s;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://sotto;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_next_upstream error timeout non_idempotent;
        }}
    }}
}}
",
                servers[0], servers[1]
            )
        })
    }

    fn start(
        program: &str,
        arguments: &[&str],
        port: u16,
        statistics: Option<String>,
        config: impl FnOnce(&std::path::Path) -> String,
    ) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("config");
        std::fs::File::create(&file).unwrap().write_all(config(folder.path()).as_bytes()).unwrap();
        let mut command = Command::new(find(program));
        command.args(arguments).arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Its warnings are part of a failed test's output, and a full pipe would stop it.
        let mut warnings = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut warnings, &mut std::io::stderr()));
        Self { child, url: format!("http://127.0.0.1:{port}"), statistics, _folder: folder }
    }

    /// Waits until requests can go to both servers.
    async fn sees_both(&self) {
        let http = Client::new();
        wait_until("the balancer serves", async || {
            http.get(format!("{}/health/ready", self.url)).send().await.is_ok_and(|response| response.status() == 200)
        })
        .await;
        if let Some(statistics) = &self.statistics {
            wait_until("HAProxy sees both servers", async || {
                let Ok(response) = http.get(statistics).send().await else { return false };
                let table = response.text().await.unwrap_or_default();
                let up =
                    |line: &&str| line.starts_with("sotto,") && !line.contains(",BACKEND,") && line.contains(",UP,");
                table.lines().filter(up).count() == 2
            })
            .await;
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // nginx ends its worker after SIGTERM, but not when it is killed.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Debian keeps servers in a folder that is not on an ordinary user's path.
fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{program} is needed: run `scripts/tools proxies`"))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
