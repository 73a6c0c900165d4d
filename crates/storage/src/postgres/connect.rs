//! How a connection is made: which hosts are tried, with or without TLS, and for how long.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use deadpool_postgres::Connect;
use sotto_domain::storage::{Result, StorageError};
use tokio::task::JoinHandle;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error;

/// The servers of a connection URL, in the order in which they are tried.
pub struct Servers {
    configs: Vec<Config>,
    tls: MakeRustlsConnect,
    patience: Duration,
}

impl Servers {
    /// Reads a `postgres://` URL; to find a server that answers may take `patience` in all.
    pub fn parse(url: &str, patience: Duration) -> Result<Self> {
        let configs = each_host(url).iter().map(|url| config(url)).collect::<Result<Vec<_>>>()?;
        let encrypted = configs.iter().any(|config| config.get_ssl_mode() == SslMode::Require);
        let tls = if encrypted { trusting_this_machine()? } else { trusting_nobody()? };
        Ok(Self { configs, tls, patience })
    }

    /// What connections are encrypted with.
    pub fn tls(&self) -> MakeRustlsConnect {
        self.tls.clone()
    }

    /// The first server.
    pub fn first(&self) -> Config {
        self.configs.first().cloned().unwrap_or_default()
    }

    /// Tries each server in turn. The driver would do so as well, but wait forever for one that accepts a connection
    /// and then says nothing.
    async fn connect_to_any(&self) -> std::result::Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let Some((last, others)) = self.configs.split_last() else { return self.connect_to(&Config::new()).await };
        let share = self.patience / u32::try_from(self.configs.len()).unwrap_or(u32::MAX);
        for config in others {
            match tokio::time::timeout(share, self.connect_to(config)).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => tracing::warn!(error = %error::sentence(&error), "a database server was passed over"),
                Err(_) => tracing::warn!("a database server that did not answer was passed over"),
            }
        }
        self.connect_to(last).await
    }

    async fn connect_to(
        &self,
        config: &Config,
    ) -> std::result::Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let (client, connection) = config.connect(self.tls.clone()).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = %error::sentence(&error), "a database connection was lost");
            }
        });
        Ok((client, task))
    }
}

/// A connection outside of every pool, to the first server of `url` that takes writes. It is closed when the client is
/// dropped.
pub async fn alone(url: &str, patience: Duration) -> Result<Client> {
    let servers = Servers::parse(url, patience)?;
    match tokio::time::timeout(patience, servers.connect_to_any()).await {
        Ok(Ok((client, _))) => Ok(client),
        Ok(Err(error)) => Err(StorageError::Unavailable(error::sentence(&error))),
        Err(_) => Err(StorageError::Unavailable("the server did not answer in time".into())),
    }
}

type Connecting<'a> =
    Pin<Box<dyn Future<Output = std::result::Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + 'a>>;

impl Connect for Servers {
    fn connect(&self, _: &Config) -> Connecting<'_> {
        Box::pin(self.connect_to_any())
    }
}

/// The same URL once for each of its hosts.
fn each_host(url: &str) -> Vec<String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    // The first @ ends the credentials, for the driver as well.
    let (credentials, rest) = rest.split_at(rest.find('@').map_or(0, |at| at + 1));
    let (hosts, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // libpq's two stricter names for what this connector does whenever it uses TLS.
    let tail = tail.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
    hosts.split(',').map(|host| format!("{scheme}://{credentials}{host}{tail}")).collect()
}

fn config(url: &str) -> Result<Config> {
    let mut config: Config = url.parse().map_err(|error| malformed(url, &error))?;
    if config.get_application_name().is_none() {
        config.application_name("sotto");
    }
    if config.get_ssl_mode() != SslMode::Require {
        config.ssl_mode(SslMode::Disable);
    }
    // A journal is written to: a server that only reads, such as a standby, is of no use.
    if config.get_target_session_attrs() == TargetSessionAttrs::Any {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    // A peer that is gone without a word is noticed within a minute, where the system's default is two hours.
    config.keepalives_idle(Duration::from_secs(30)).keepalives_interval(Duration::from_secs(10)).keepalives_retries(3);
    Ok(config)
}

/// The driver names the option that it does not know. In a URL whose password holds a bare `@` and `?`, that would be
/// a part of the password.
fn malformed(url: &str, error: &tokio_postgres::Error) -> StorageError {
    let shape = "an address is postgres://USER:PASSWORD@HOST:PORT/NAME, with characters such as @ / ? in the \
                 password percent-encoded";
    let password_in_query = url.find('?').is_some_and(|query| url[query..].contains('@'));
    StorageError::Unavailable(if password_in_query {
        shape.to_owned()
    } else {
        format!("{}; {shape}", error::sentence(error))
    })
}

fn trusting_this_machine() -> Result<MakeRustlsConnect> {
    // The connector takes the process's provider; if that is chosen already, it stays.
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
fn trusting_nobody() -> Result<MakeRustlsConnect> {
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
    fn each_host_gets_a_url_of_its_own() {
        assert_eq!(
            each_host("postgres://ada:pw@one:1,two:2,[::1]:3/sotto?sslmode=verify-full"),
            [
                "postgres://ada:pw@one:1/sotto?sslmode=require",
                "postgres://ada:pw@two:2/sotto?sslmode=require",
                "postgres://ada:pw@[::1]:3/sotto?sslmode=require",
            ]
        );
        assert_eq!(each_host("postgres:///sotto?host=/run/pg"), ["postgres:///sotto?host=/run/pg"]);
    }

    #[test]
    fn encryption_is_used_when_asked_for_and_only_then() {
        let mode = |query: &str| config(&each_host(&format!("postgres://h/d{query}"))[0]).unwrap().get_ssl_mode();
        for query in ["?sslmode=require", "?sslmode=verify-ca", "?application_name=x&sslmode=verify-full"] {
            assert_eq!(mode(query), SslMode::Require, "{query}");
        }
        for query in ["", "?sslmode=prefer", "?sslmode=disable"] {
            assert_eq!(mode(query), SslMode::Disable, "{query}");
        }
    }

    #[test]
    fn a_malformed_address_is_told_without_its_password() {
        let told = |url: &str| match Servers::parse(url, Duration::from_secs(1)) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{url} was accepted"),
        };
        assert!(told("postgres://ada:s3cret@db/sotto?sslrootcert=/ca").contains("`sslrootcert`"));
        assert!(told("postgres://ada:s3cret@db/sotto?sslmode=maybe").contains("`sslmode`"));
        assert!(told("postgres://ada:s3cret@db:port/sotto").contains("`port`"));
        for url in ["postgres://ada:p@w?s3cret=x@db/sotto", "postgres://ada:s3cret@db:port/sotto"] {
            assert!(!told(url).contains("s3cret"), "{}", told(url));
        }
    }
}
