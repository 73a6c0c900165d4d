//! The attacks.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::ValueEnum;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::http::{render, render_bytes};

/// An attack. Connections come from up to 250 addresses of 127.0.1.0/24; the normal load comes from 127.0.0.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Attack {
    /// Connections that ask for pages again and again and never read.
    UnreadConnections,
    /// Connections that send 390 kB of a request head, and no end of it.
    UnfinishedHeads,
    /// Sign-ins with 4 MiB of body, all but the last byte.
    UnfinishedSignIns,
    /// Wrong passwords for many accounts, from many addresses.
    SignInFlood,
    /// The longest pages, requested and not read.
    UnreadPages,
    /// Recordings that stop half-way.
    StalledUploads,
    /// Entries with a million tag names.
    MillionTags,
    /// Searches for many single letters.
    Searches,
    /// Exports that nobody reads.
    UnreadExports,
}

/// The server, and the account that an attacker has on it.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub token: String,
    /// One of the attacker's entries.
    pub entry: Uuid,
}

impl Attack {
    pub fn all() -> impl Iterator<Item = Self> {
        Self::value_variants().iter().copied()
    }

    /// What the attacker does, for the table.
    pub fn description(self) -> &'static str {
        match self {
            Self::UnreadConnections => "4,200 connections that request pages and never read",
            Self::UnfinishedHeads => "400 connections with 390 kB of an unfinished head",
            Self::UnfinishedSignIns => "120 sign-ins with 4 MiB of an unfinished body",
            Self::SignInFlood => "60 clients with wrong passwords, from 250 addresses",
            Self::UnreadPages => "60 pages of 2 MiB that are not read",
            Self::StalledUploads => "100 recordings of 4 MiB that stop half-way",
            Self::MillionTags => "8 clients with entries of 1,000,000 tag names",
            Self::Searches => "24 clients with searches for 16 single letters",
            Self::UnreadExports => "16 exports of one user that are not read",
        }
    }

    /// Starts the attack, which ends after this time, or when the returned tasks are dropped.
    pub fn start(self, target: Target, duration: Duration) -> JoinSet<()> {
        let end = Instant::now() + duration;
        let token = Some(target.token.as_str());
        let get = |path: &str| render("GET", path, token, None);
        let (clients, form) = match self {
            Self::UnreadConnections => (4200, Form::Hold(get("/api/journals/?limit=100").repeat(20))),
            Self::UnfinishedHeads => {
                let head = format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {}", "x".repeat(390_000));
                (400, Form::Hold(head.into_bytes()))
            }
            Self::UnfinishedSignIns => {
                let body = json!({ "email": "a@example.org", "password": "x".repeat(4 << 20) }).to_string();
                let whole = render("POST", "/api/auth/login", None, Some(&body));
                (120, Form::Hold(whole[..whole.len() - 1].to_vec()))
            }
            Self::SignInFlood => (60, Form::SignIns),
            Self::UnreadPages => (60, Form::Hold(get("/api/journals/?limit=1000"))),
            Self::StalledUploads => {
                let mut wav = b"RIFF\x24\0\0\0WAVEfmt ".to_vec();
                wav.resize(4 << 20, 1);
                let path = format!("/api/journals/{}/audio", target.entry);
                let whole = render_bytes("PUT", &path, token, Some(("audio/wav", &wav)));
                (100, Form::Hold(whole[..whole.len() / 2].to_vec()))
            }
            Self::MillionTags => {
                let tags: Vec<String> = (0..1_000_000_u32).map(|n| n.to_string()).collect();
                let body = json!({ "content": "x", "entry_date": "2026-02-01T20:00:00Z", "tags": tags });
                (8, Form::Repeat(render("POST", "/api/journals/", token, Some(&body.to_string()))))
            }
            Self::Searches => {
                let letters = "a+b+c+d+e+f+g+h+i+k+l+m+n+o+p+r";
                (24, Form::Repeat(get(&format!("/api/journals/?q={letters}"))))
            }
            Self::UnreadExports => (16, Form::Hold(get("/api/users/me/export"))),
        };
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let (form, address) = (form.clone(), target.address);
            tasks.spawn(async move {
                // The attack is over at its end, or when the server refuses the client for good.
                let _ = tokio::time::timeout_at(end, form.run(address, client)).await;
            });
        }
        tasks
    }
}

/// What one client does.
#[derive(Clone)]
enum Form {
    /// Sends these bytes and waits, without reading. Starts again if the server closes the connection.
    Hold(Vec<u8>),
    /// Sends this request again and again, and reads the responses.
    Repeat(Vec<u8>),
    /// Signs in with wrong passwords.
    SignIns,
}

impl Form {
    async fn run(self, address: SocketAddr, client: u32) {
        for round in 0_u32.. {
            let outcome = match &self {
                Self::Hold(bytes) => hold(address, client, bytes).await,
                Self::Repeat(request) => exchange(address, client, request).await,
                Self::SignIns => {
                    let email = format!("author{}@example.org", (client + round) % 5000);
                    let body = json!({ "email": email, "password": format!("wrong {client} {round}") }).to_string();
                    exchange(address, client + round, &render("POST", "/api/auth/login", None, Some(&body))).await
                }
            };
            if outcome.is_err() {
                // Refused or closed: the client comes back.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connect(address: SocketAddr, client: u32) -> std::io::Result<TcpStream> {
    let [.., last] = (client % 250 + 1).to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    socket.bind((IpAddr::from(Ipv4Addr::new(127, 0, 1, last)), 0).into())?;
    socket.connect(address).await
}

/// Sends bytes, and returns when the server has reset the connection. Responses are not read.
async fn hold(address: SocketAddr, client: u32, bytes: &[u8]) -> std::io::Result<()> {
    let mut stream = connect(address, client).await?;
    stream.write_all(bytes).await?;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
    }
}

/// Sends a request, and waits for the beginning of the response.
async fn exchange(address: SocketAddr, client: u32, request: &[u8]) -> std::io::Result<()> {
    let mut stream = connect(address, client).await?;
    stream.write_all(request).await?;
    let mut buffer = vec![0; 64 << 10];
    match stream.read(&mut buffer).await? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
