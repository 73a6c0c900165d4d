//! Tests behind a real `PgBouncer`.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use sotto_domain::storage::{Health, Storage, Users};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{Journal, now, unavailable};
use crate::DatabaseUrl;
use crate::migrate::{Migrator, State};
use crate::postgres::Postgres;
use crate::testing::wait_until;

/// A `PgBouncer` in front of a journal's database.
struct Pooler {
    process: Child,
    url: String,
    _folder: TempDir,
}

impl Pooler {
    async fn before(journal: &Journal, settings: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::at(port, journal, settings).await
    }

    async fn at(port: u16, journal: &Journal, settings: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let server: tokio_postgres::Config = journal.url.parse().unwrap();
        let password = server.get_password().map(String::from_utf8_lossy);
        let password = password.map(|password| format!(" password={password}")).unwrap_or_default();
        let (_, host) = journal.url.rsplit_once('@').unwrap();
        let configuration = format!(
            "[databases]\n* = host={} port={} user={}{password}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n{settings}\n",
            host.split(':').next().unwrap(),
            server.get_ports()[0],
            server.get_user().unwrap(),
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, configuration).unwrap();
        let mut command = program();
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(user) = unprivileged() {
            command.uid(user);
        }
        let process = command.spawn().expect("PgBouncer is installed: `make tools` does that");
        wait_until("PgBouncer listens", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        let database = journal.url.rsplit('/').next().unwrap();
        Self { process, url: format!("postgres://sotto@127.0.0.1:{port}/{database}"), _folder: folder }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("pgbouncer");
    // Debian installs the program outside of an ordinary user's PATH.
    command.env("PATH", format!("{path}:/usr/sbin"));
    command
}

/// The user id to run the program with, since it refuses to run as root.
fn unprivileged() -> Option<u32> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().ok()
    };
    (id(&["-u"]) == Some(0)).then(|| id(&["-u", "nobody"]).unwrap())
}

/// Since version 1.21, `PgBouncer` can rename the statements of its clients.
fn keeps_statements_apart() -> bool {
    let output = program().arg("--version").output().expect("PgBouncer is installed: `make tools` does that");
    let text = String::from_utf8(output.stdout).unwrap();
    let version = text.split_whitespace().nth(1).unwrap();
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or_default());
    (numbers.next(), numbers.next()) >= (Some(1), Some(21))
}

async fn works(url: &str, journal: &Journal) {
    let storage = Postgres::connect(url).await.unwrap();
    assert!(Users::get(&storage, journal.user).await.unwrap().is_some());
    // A lock could stay with a connection that other clients use, so each server inspects for itself and holds no lock.
    let snapshot = storage.snapshot(now()).await.unwrap();
    assert!(snapshot.inspected_at == Some(now()) && snapshot.notes.is_empty(), "{:?}", snapshot.notes);
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(journal.admin.query_one(held, &[]).await.unwrap().get::<_, i64>(0), 0);
    let state = Migrator::new(&DatabaseUrl::Postgres(url.to_owned())).unwrap().state().await.unwrap();
    assert_eq!(state, State::Head);
    storage.close().await;
}

#[tokio::test]
async fn a_pooler_that_mixes_up_statements_is_rejected() {
    let journal = Journal::new().await;
    let apart = keeps_statements_apart();
    let mixing = if apart { "max_prepared_statements = 0\n" } else { "" };
    for more in ["", "ignore_startup_parameters = options\n", "server_round_robin = 1\ndefault_pool_size = 3\n"] {
        let pooler = Pooler::before(&journal, &format!("pool_mode = transaction\n{mixing}{more}")).await;
        let migrator = Migrator::new(&DatabaseUrl::Postgres(pooler.url.clone())).unwrap();
        for sentence in
            [unavailable(Postgres::connect(&pooler.url).await), migrator.state().await.unwrap_err().to_string()]
        {
            assert!(sentence.contains("other clients' statements") && sentence.contains("1.21"), "{more}: {sentence}");
        }
    }
    if apart {
        let pooler = Pooler::before(&journal, "pool_mode = transaction\nmax_prepared_statements = 50\n").await;
        works(&pooler.url, &journal).await;
    }
}

#[tokio::test]
async fn a_pooler_in_session_mode_is_accepted() {
    let journal = Journal::new().await;
    for more in ["", "ignore_startup_parameters = options\n"] {
        let pooler = Pooler::before(&journal, &format!("pool_mode = session\n{more}")).await;
        works(&pooler.url, &journal).await;
    }
}

#[tokio::test]
async fn a_pooler_that_is_added_later_is_detected() {
    let journal = Journal::new().await;
    let mut session = Pooler::before(&journal, "pool_mode = session").await;
    let storage = Postgres::connect(&session.url).await.unwrap();
    let port: u16 = session.url.rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
    session.process.kill().unwrap();
    session.process.wait().unwrap();
    wait_until("the connection is lost", async || storage.ping().await.is_err()).await;
    let mixing = if keeps_statements_apart() { "max_prepared_statements = 0\n" } else { "" };
    let _transaction = Pooler::at(port, &journal, &format!("pool_mode = transaction\n{mixing}")).await;
    let mut refusal = String::new();
    wait_until("the pooler is refused", async || {
        refusal = unavailable(storage.ping().await);
        refusal.contains("other clients' statements")
    })
    .await;
}
