//! Connects to a server: chooses the host, sets up TLS and limits the time that each attempt may take.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::Connect;
use sotto_domain::storage::{Result, StorageError};
use tokio::task::JoinHandle;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;
use super::{error, pooler, server};

/// The hosts of a connection URL.
pub struct Servers {
    hosts: Vec<Host>,
    /// The host of the last connection. It is tried first, so that a host that does not respond delays only one call.
    preferred: AtomicUsize,
    tls: MakeRustlsConnect,
    connect_timeout: Duration,
    /// How long the server runs a statement at most. Not for poolers.
    statement_timeout: Option<Duration>,
}

struct Host {
    config: Config,
    /// Whether the host has rejected `server::DIRECT`, as poolers do.
    refuses_options: AtomicBool,
}

type Connected = std::result::Result<(Client, JoinHandle<()>), tokio_postgres::Error>;

impl Servers {
    /// Parses a `postgres://` URL. `connect_timeout` is the time for all hosts together in which one has to respond.
    pub fn parse(url: &str, connect_timeout: Duration) -> Result<Self> {
        let address = Address::parse(url).ok_or_else(|| unreadable(url))?;
        let configs = address.each_host().iter().map(|url| config(url)).collect::<Result<Vec<_>>>()?;
        let encrypted = configs.iter().any(|config| config.get_ssl_mode() == SslMode::Require);
        let tls = if encrypted { trusting_this_machine()? } else { tls_without_trusted_roots()? };
        let hosts = configs.into_iter().map(|config| Host { config, refuses_options: AtomicBool::new(false) });
        Ok(Self {
            hosts: hosts.collect(),
            preferred: AtomicUsize::new(0),
            tls,
            connect_timeout,
            statement_timeout: None,
        })
    }

    /// The TLS configuration of the connections.
    pub fn tls(&self) -> MakeRustlsConnect {
        self.tls.clone()
    }

    /// Makes the server interrupt statements after this time, unless the URL sets `statement_timeout` itself.
    pub fn limit_statements(&mut self, timeout: Duration) {
        self.statement_timeout = Some(timeout);
    }

    /// The configuration of the first host.
    pub fn first(&self) -> Config {
        self.hosts.first().map(|host| host.config.clone()).unwrap_or_default()
    }

    /// Tries each host in turn, beginning with the host of the last connection. The driver can do the same, but it
    /// waits forever for a host that accepts a connection and then sends nothing.
    pub async fn connect_to_any(&self) -> Connected {
        let count = self.hosts.len();
        let share = self.connect_timeout / u32::try_from(count).unwrap_or(u32::MAX);
        let first = self.preferred.load(Ordering::Relaxed);
        for place in (first..first + count - 1).map(|place| place % count) {
            match tokio::time::timeout(share, self.connect_to(place)).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => tracing::warn!(error = %error::sentence(&error), "a database server was passed over"),
                Err(_) => tracing::warn!("a database server that did not answer was passed over"),
            }
        }
        self.connect_to((first + count - 1) % count).await
    }

    /// Connects with the option that distinguishes a server from a pooler. A pooler may reject this option; then the
    /// connection is made without it.
    async fn connect_to(&self, place: usize) -> Connected {
        let host = &self.hosts[place];
        let mut connected = Err(None);
        if !host.refuses_options.load(Ordering::Relaxed) {
            connected =
                self.connect_with(&server::with_options(&host.config, self.statement_timeout)).await.map_err(Some);
        }
        let connected = match connected {
            Err(Some(error)) if !may_be_about_options(&error) => return Err(error),
            Err(_) => {
                let connected = self.connect_with(&host.config).await?;
                host.refuses_options.store(true, Ordering::Relaxed);
                connected
            }
            Ok(connected) => connected,
        };
        self.preferred.store(place, Ordering::Relaxed);
        Ok(connected)
    }

    async fn connect_with(&self, config: &Config) -> Connected {
        let (client, connection) = config.connect(self.tls.clone()).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = %error::sentence(&error), "a database connection was lost");
            }
        });
        Ok((client, task))
    }
}

/// Whether a rejected connection may be due to an option in the address. Not if the code is about the role, the
/// database, or a server that is starting, stopping or full. The messages and codes of poolers differ.
fn may_be_about_options(error: &tokio_postgres::Error) -> bool {
    error
        .as_db_error()
        .is_some_and(|refusal| !["28", "3D", "53", "57"].iter().any(|class| refusal.code().code().starts_with(class)))
}

/// Why a connection could not be made.
pub struct Refusal {
    /// The SQLSTATE, if the server responded.
    pub code: Option<SqlState>,
    /// A sentence for the operator.
    pub reason: String,
}

/// Opens a connection outside of every pool, to the first host of `url` that accepts writes. The connection is closed
/// when the client is dropped.
pub async fn alone(url: &str, connect_timeout: Duration) -> std::result::Result<Client, Refusal> {
    let mut servers = Servers::parse(url, connect_timeout).map_err(Refusal::from)?;
    for host in &mut servers.hosts {
        host.config.application_name(COMMAND);
    }
    let connect = async {
        let (client, _) = servers.connect_to_any().await?;
        let found = server::Session::read(&client).await?;
        if !found.direct {
            pooler::check(&client, &servers).await?;
        }
        Ok(client)
    };
    let connected = tokio::time::timeout(connect_timeout, connect).await;
    connected.unwrap_or_else(|_| Err(Refusal { code: None, reason: "the server did not answer in time".into() }))
}

impl From<tokio_postgres::Error> for Refusal {
    fn from(error: tokio_postgres::Error) -> Self {
        Self { code: error.code().cloned(), reason: error::sentence(&error) }
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        let reason = match error {
            StorageError::Unavailable(reason) => reason,
            other => other.to_string(),
        };
        Self { code: None, reason }
    }
}

/// Waits up to 3 seconds for the connections of Sotto's servers to end, such as those of a process that was just
/// stopped. Returns a description of the connections if some remain.
///
/// Servers are recognised by the application name of their connections. `PgBouncer` passes this name on, and keeps the
/// connections of a stopped server for its `server_idle_timeout`.
pub async fn without_servers(client: &Client) -> std::result::Result<Option<String>, tokio_postgres::Error> {
    let start = Instant::now();
    loop {
        let row = client.query_one(CONNECTED, &[&SERVER]).await?;
        let (count, places): (i64, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        if count == 0 {
            return Ok(None);
        }
        if start.elapsed() >= SERVER_EXIT_TIMEOUT {
            let unit = if count == 1 { "connection" } else { "connections" };
            let places = places.unwrap_or_else(|| "an address that this role may not see".into());
            return Ok(Some(format!(
                "a running server or another command ({count} {unit} from {places}; RECONNECT ends those that a \
                 PgBouncer has kept)"
            )));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

const SERVER_EXIT_TIMEOUT: Duration = Duration::from_secs(3);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The application name of a server's connections, alone or before a name from the URL.
const SERVER: &str = "sotto";
/// The application name of connections outside of the pool.
const COMMAND: &str = "sotto command";
const CONNECTED: &str = "SELECT count(*), string_agg(DISTINCT coalesce(host(client_addr), 'this machine'), ', ')
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND (application_name = $1 OR application_name LIKE $1 || ': %')";

/// Connects on behalf of the pool.
pub struct Connector(pub Arc<Servers>);

type Connecting<'a> = Pin<Box<dyn Future<Output = Connected> + Send + 'a>>;

impl Connect for Connector {
    fn connect(&self, _: &Config) -> Connecting<'_> {
        Box::pin(self.0.connect_to_any())
    }
}

fn config(url: &str) -> Result<Config> {
    let mut config: Config = url.parse().map_err(|error| malformed(Some(&error)))?;
    let name = config.get_application_name().map_or_else(|| SERVER.to_owned(), |name| format!("{SERVER}: {name}"));
    config.application_name(name);
    if config.get_ssl_mode() != SslMode::Require {
        config.ssl_mode(SslMode::Disable);
    }
    // Sotto has to write, so a read-only server such as a standby is of no use.
    if config.get_target_session_attrs() == TargetSessionAttrs::Any {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    // A lost peer is noticed within a minute instead of the system's default of two hours.
    config.keepalives_idle(Duration::from_secs(30)).keepalives_interval(Duration::from_secs(10)).keepalives_retries(3);
    Ok(config)
}

/// The driver's message names an unknown option. If the `?` may be a part of the password, this name may be so too, and
/// is left out.
fn unreadable(url: &str) -> StorageError {
    let safe = url
        .split_once('?')
        .is_none_or(|(address, options)| Address::parse(address).is_some() && !options.contains('@'));
    malformed(url.parse::<Config>().err().filter(|_| safe).as_ref())
}

fn malformed(error: Option<&tokio_postgres::Error>) -> StorageError {
    let shape = "an address is postgres://USER:PASSWORD@HOST:PORT/NAME, with characters such as @ / ? in the \
                 password percent-encoded";
    StorageError::Unavailable(match error {
        Some(error) => format!("{}; {shape}", error::sentence(error)),
        None => shape.to_owned(),
    })
}

fn trusting_this_machine() -> Result<MakeRustlsConnect> {
    // The connector uses the process-wide provider. If one has been installed already, it stays.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (tls, unreadable) = MakeRustlsConnect::with_native_certs().map_err(|errors| {
        let reasons: Vec<_> = errors.iter().map(ToString::to_string).collect();
        StorageError::Unavailable(format!("this machine has no trusted certificates. {}", reasons.join("; ")))
    })?;
    for error in unreadable {
        tracing::warn!(%error, "a trusted certificate cannot be read");
    }
    Ok(tls)
}

/// For connections that are not encrypted.
fn tls_without_trusted_roots() -> Result<MakeRustlsConnect> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| StorageError::Other(Box::new(error)))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stricter_ssl_modes_of_libpq_use_tls() {
        let url = "postgres://ada:pw@one:1,two:2,[::1]:3/sotto?sslmode=verify-full";
        let servers = Servers::parse(url, Duration::from_secs(1)).unwrap();
        assert_eq!(servers.hosts.len(), 3);
        assert!(servers.hosts.iter().all(|host| host.config.get_ssl_mode() == SslMode::Require));
        assert!(Servers::parse("postgres:///sotto?host=/run/pg", Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn encryption_is_used_only_when_requested() {
        let mode = |query: &str| {
            let url = format!("postgres://h/d{query}");
            Servers::parse(&url, Duration::from_secs(1)).unwrap().first().get_ssl_mode()
        };
        for query in ["?sslmode=require", "?sslmode=verify-ca", "?application_name=x&sslmode=verify-full"] {
            assert_eq!(mode(query), SslMode::Require, "{query}");
        }
        for query in ["", "?sslmode=prefer", "?sslmode=disable"] {
            assert_eq!(mode(query), SslMode::Disable, "{query}");
        }
    }

    #[test]
    fn a_malformed_address_is_reported_without_its_password() {
        let rejection = |url: &str| match Servers::parse(url, Duration::from_secs(1)) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{url} was accepted"),
        };
        assert!(rejection("postgres://ada:s3cret@db/sotto?sslrootcert=/ca").contains("`sslrootcert`"));
        assert!(rejection("postgres://ada:s3cret@db/sotto?sslmode=maybe").contains("`sslmode`"));
        assert!(rejection("postgres://ada:s3cret@db:port/sotto").contains("`port`"));
        for url in [
            "postgres://ada:s3cret@db:port/sotto",
            "postgres://ada:p@w?s3cret=x@db:port/sotto",
            "postgres://ada:p@w?s3cret=x@db/sotto?sslrootcert=/ca",
            "postgres://ada:p?s3cret=x",
            "postgres://ada:p?s3cret",
        ] {
            assert!(
                rejection(url).contains("percent-encoded") && !rejection(url).contains("s3cret"),
                "{}",
                rejection(url)
            );
        }
    }
}
