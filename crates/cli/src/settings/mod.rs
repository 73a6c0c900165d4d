//! Settings from flags, `SOTTO_*` variables and `sotto.toml`, in that order of precedence, and defaults. Unknown
//! settings are errors, so that a typing mistake does not silently become a default.

mod alerts;
mod checks;
mod file;
mod oidc;

use std::collections::BTreeSet;
use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Command, ValueEnum};
use ipnet::IpNet;
use serde::Deserialize;
use sotto_domain::attachment::MAX_BYTES;
use sotto_server::config::{AUDIO_LIMIT, EXPORT_TIMEOUT};
use sotto_server::{Config, ConnectionLimits, Registration, ShareLimits};
use sotto_storage::DatabaseUrl;
use sotto_storage::postgres::PoolOptions;

use crate::attachments::AttachmentLocation;
use crate::error::{CliError, Result};
use alerts::AlertSettings;
use checks::{in_file, listen, network, token, web_address, web_app};
use file::SettingsFile;
use oidc::OidcSettings;

/// The settings of every command.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
pub struct CommonSettings {
    /// The settings file [default: sotto.toml in the current folder or, if there is none, /etc/sotto/sotto.toml]
    #[arg(long, env = "SOTTO_CONFIG", global = true, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// The settings file that was read.
    #[arg(skip)]
    #[serde(skip)]
    settings_file: Option<PathBuf>,
    /// The data folder, which contains the database and the keys [default: ./sotto-data]
    #[arg(long, env = "SOTTO_DATA_DIR", global = true, value_name = "DIR")]
    #[serde(deserialize_with = "in_file::path")]
    data_dir: Option<PathBuf>,
    /// The database: sqlite:PATH or postgres://… [default: journal.db in the data folder]
    #[arg(long, env = "SOTTO_DATABASE", global = true, value_name = "URL", hide_env_values = true)]
    #[serde(deserialize_with = "in_file::parsed")]
    database: Option<DatabaseUrl>,
    /// The attachment store: a folder, or s3://bucket/prefix with the usual AWS_ variables [default: attachments in the
    /// data folder]
    #[arg(long, env = "SOTTO_ATTACHMENTS", global = true, value_name = "PLACE")]
    #[serde(deserialize_with = "in_file::parsed")]
    attachments: Option<AttachmentLocation>,
    /// The log level (error, warn, info, debug), or a filter such as info,sotto_server=debug [default: info]
    #[arg(long, env = "SOTTO_LOG", global = true, value_name = "FILTER", value_parser = checks::filter)]
    #[serde(deserialize_with = "in_file::filter")]
    pub log: Option<String>,
    /// The log format [default: text]
    #[arg(long, env = "SOTTO_LOG_FORMAT", global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Write e-mail addresses and whole client addresses to the audit log [default: false]
    #[arg(long, env = "SOTTO_AUDIT_ADDRESSES", global = true, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    audit_addresses: Option<bool>,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// The longest drain in seconds. It is longer than any load balancer needs, so a larger value is a typing mistake.
const MAX_DRAIN: i64 = 3600;

/// The settings of `sotto serve`.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
pub struct ServeSettings {
    /// The IP address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "SOTTO_LISTEN", value_name = "ADDRESS:PORT", value_parser = listen)]
    #[serde(deserialize_with = "in_file::listen")]
    pub listen: Option<SocketAddr>,
    /// How many seconds to keep serving after SIGTERM, while /health/ready returns 503, so that a load balancer can
    /// react [default: 0]
    #[arg(long, env = "SOTTO_DRAIN_SECONDS", value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(0..=MAX_DRAIN))]
    #[serde(deserialize_with = "in_file::drain_seconds")]
    drain_seconds: Option<u16>,
    /// The server's public address, such as https://journal.example.org
    #[arg(long, env = "SOTTO_PUBLIC_URL", value_name = "URL", value_parser = web_address)]
    #[serde(deserialize_with = "in_file::web_address")]
    public_url: Option<String>,
    /// Tell browsers to use HTTPS for all subdomains of the public address too [default: false]
    #[arg(long, env = "SOTTO_HSTS_SUBDOMAINS", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    hsts_subdomains: Option<bool>,
    /// Who can sign up [default: first]
    #[arg(long, env = "SOTTO_REGISTRATION", value_name = "WHO")]
    registration: Option<SignUp>,
    /// The networks of reverse proxies whose X-Forwarded-For is trusted, separated by commas
    #[arg(long, env = "SOTTO_TRUSTED_PROXIES", value_name = "NETWORKS", value_delimiter = ',', value_parser = network)]
    #[serde(deserialize_with = "in_file::networks")]
    trusted_proxies: Option<Vec<IpNet>>,
    /// The largest number of connections at once from one client network, an IPv4 address or an IPv6 /56; trusted
    /// proxies are exempt [default: 256]
    #[arg(long, env = "SOTTO_CONNECTIONS_PER_CLIENT", value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    #[serde(deserialize_with = "in_file::connections_per_client")]
    connections_per_client: Option<u16>,
    /// The bearer token that /metrics requires [default: none is required]
    #[arg(long, env = "SOTTO_METRICS_TOKEN", value_name = "TOKEN", value_parser = token, hide_env_values = true)]
    #[serde(deserialize_with = "in_file::token")]
    metrics_token: Option<String>,
    /// Rate limits on sign-up and login; turn them off only for load tests [default: on]
    #[arg(long, env = "SOTTO_RATE_LIMITS", value_name = "ON|OFF")]
    rate_limits: Option<Switch>,
    /// The largest recording in bytes [default: 67108864, which is 64 MiB]
    #[arg(long, env = "SOTTO_AUDIO_LIMIT", value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_BYTES)))]
    #[serde(deserialize_with = "in_file::audio_limit")]
    audio_limit: Option<u32>,
    /// The total size of one user's recordings in bytes [default: unlimited]
    #[arg(long, env = "SOTTO_AUDIO_QUOTA", value_name = "BYTES")]
    audio_quota: Option<u64>,
    /// The largest number of connections to a PostgreSQL server [default: 16]
    #[arg(long, env = "SOTTO_DATABASE_CONNECTIONS", value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1000))]
    #[serde(deserialize_with = "in_file::database_connections")]
    database_connections: Option<u16>,
    /// How many seconds to wait at the start for a PostgreSQL server that cannot be reached [default: 60]
    #[arg(long, env = "SOTTO_DATABASE_WAIT", value_name = "SECONDS")]
    database_wait: Option<u16>,
    /// The server's secret keys, created at the first start [default: keys.json in the data folder]
    #[arg(long, env = "SOTTO_KEY_FILE", value_name = "FILE")]
    #[serde(deserialize_with = "in_file::path")]
    pub key_file: Option<PathBuf>,
    /// Start even if secret tags need keys that are lost; such tags can only be opened with their recovery keys
    /// [default: false]
    #[arg(long, env = "SOTTO_ACCEPT_LOST_KEYS", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub accept_lost_keys: Option<bool>,
    /// Upgrade an older schema at the start [default: false]
    #[arg(long, env = "SOTTO_AUTO_UPGRADE", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub auto_upgrade: Option<bool>,
    /// A folder to serve the web app from, instead of the built-in one
    #[arg(long, env = "SOTTO_WEB_DIR", value_name = "DIR", value_parser = web_app)]
    #[serde(deserialize_with = "in_file::web_app")]
    web_dir: Option<PathBuf>,
    #[command(flatten)]
    #[serde(skip)]
    alerts: AlertSettings,
    /// The provider from flags and variables.
    #[command(flatten)]
    #[serde(skip)]
    oidc: OidcSettings,
    /// The providers from the settings file.
    #[arg(skip)]
    #[serde(rename = "oidc")]
    providers: Vec<OidcSettings>,
}

/// Who can sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SignUp {
    /// Everyone who can reach the server, until there is an account; the first account is a superuser's
    First,
    /// Everyone who can reach the server
    Open,
    /// Nobody; create accounts with `sotto user create`
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Switch {
    On,
    Off,
}

impl CommonSettings {
    /// Adds the settings of the file where flags and variables set nothing, and returns the file's settings for
    /// `serve`.
    pub fn with_file(self) -> Result<(Self, ServeSettings)> {
        let SettingsFile { path, common: file, serving } = SettingsFile::read(self.config.as_deref())?;
        let common = Self {
            config: self.config,
            settings_file: path,
            data_dir: self.data_dir.or(file.data_dir),
            database: self.database.or(file.database),
            attachments: self.attachments.or(file.attachments),
            log: self.log.or(file.log),
            log_format: self.log_format.or(file.log_format),
            audit_addresses: self.audit_addresses.or(file.audit_addresses),
        };
        Ok((common, serving))
    }

    /// The settings file that was read; `None` if there was none.
    pub fn settings_file(&self) -> Option<&Path> {
        self.settings_file.as_deref()
    }

    /// The data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| PathBuf::from("sotto-data"))
    }

    /// The database. A file has its absolute path, so that messages identify it.
    pub fn database(&self) -> DatabaseUrl {
        let database = self.database.clone();
        match database.unwrap_or_else(|| DatabaseUrl::Sqlite(self.data_dir().join("journal.db"))) {
            DatabaseUrl::Sqlite(path) => DatabaseUrl::Sqlite(std::path::absolute(&path).unwrap_or(path)),
            postgres @ DatabaseUrl::Postgres(_) => postgres,
        }
    }

    /// The location of attachments.
    pub fn attachments(&self) -> AttachmentLocation {
        self.attachments.clone().unwrap_or_else(|| AttachmentLocation::Folder(self.data_dir().join("attachments")))
    }

    /// Whether the audit log contains e-mail addresses and whole client addresses.
    pub fn audit_addresses(&self) -> bool {
        self.audit_addresses.unwrap_or(false)
    }

    /// Creates the data folder, if it is missing, for its owner only.
    pub fn make_data_dir(&self) -> Result<()> {
        self.make_folder("").map(drop)
    }

    /// Creates a folder in the data folder, if it is missing, for its owner only.
    pub fn make_folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.data_dir().join(name);
        match sotto_files::make_folder(&path) {
            Ok(()) => Ok(path),
            Err(error) => Err(CliError::DataFolder { path, source: error.into() }),
        }
    }
}

impl ServeSettings {
    /// Adds the settings of the file where flags and variables set nothing.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        Self {
            listen: self.listen.or(file.listen),
            drain_seconds: self.drain_seconds.or(file.drain_seconds),
            public_url: self.public_url.or(file.public_url),
            hsts_subdomains: self.hsts_subdomains.or(file.hsts_subdomains),
            registration: self.registration.or(file.registration),
            trusted_proxies: self.trusted_proxies.or(file.trusted_proxies),
            connections_per_client: self.connections_per_client.or(file.connections_per_client),
            metrics_token: self.metrics_token.or(file.metrics_token),
            rate_limits: self.rate_limits.or(file.rate_limits),
            audio_limit: self.audio_limit.or(file.audio_limit),
            audio_quota: self.audio_quota.or(file.audio_quota),
            database_connections: self.database_connections.or(file.database_connections),
            database_wait: self.database_wait.or(file.database_wait),
            key_file: self.key_file.or(file.key_file),
            accept_lost_keys: self.accept_lost_keys.or(file.accept_lost_keys),
            auto_upgrade: self.auto_upgrade.or(file.auto_upgrade),
            web_dir: self.web_dir.or(file.web_dir),
            alerts: self.alerts.or(file.alerts),
            oidc: self.oidc,
            providers: file.providers,
        }
    }

    /// The address to listen on.
    pub fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 8080).into())
    }

    /// How long to keep serving after SIGTERM.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.unwrap_or(0).into())
    }

    /// The settings of the connections to a PostgreSQL server.
    pub fn pool(&self) -> PoolOptions {
        let usual = PoolOptions::default();
        PoolOptions { connections: self.database_connections.map_or(usual.connections, usize::from), ..usual }
    }

    /// How long to wait for the database at the start.
    pub fn database_wait(&self) -> Duration {
        Duration::from_secs(self.database_wait.unwrap_or(60).into())
    }

    /// The path of the key file.
    pub fn key_file(&self, common: &CommonSettings) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| common.data_dir().join("keys.json"))
    }

    /// The limits on connections, for any number of file descriptors.
    fn connections(&self) -> ConnectionLimits {
        let usual = ConnectionLimits::default();
        let per_client = self.connections_per_client.map_or(usual.per_client, usize::from);
        ConnectionLimits { per_client, ..usual }
    }

    /// The configuration of the server.
    pub fn to_config(&self) -> Result<Config> {
        Ok(Config {
            public_url: self.public_url.clone(),
            hsts_subdomains: self.hsts_subdomains.unwrap_or(false),
            registration: match self.registration {
                Some(SignUp::Closed) => Registration::Closed,
                Some(SignUp::Open) => Registration::Open,
                Some(SignUp::First) | None => Registration::First,
            },
            rate_limits: self.rate_limits != Some(Switch::Off),
            // A setting of every command, so `serve` sets it.
            audit_addresses: false,
            shares: match self.rate_limits {
                Some(Switch::Off) => ShareLimits::for_load_tests(),
                Some(Switch::On) | None => ShareLimits::default(),
            },
            trusted_proxies: self.trusted_proxies.clone().unwrap_or_default(),
            connections: self.connections(),
            metrics_token: self.metrics_token.clone(),
            audio_limit: self.audio_limit.unwrap_or(AUDIO_LIMIT),
            audio_quota: self.audio_quota,
            export_timeout: EXPORT_TIMEOUT,
            monitoring: self.alerts.to_monitoring(),
            web_dir: self.web_dir.clone(),
            providers: oidc::providers(self.oidc.clone(), self.providers.clone(), self.public_url.as_deref())?,
        })
    }
}

/// Variables with the prefix `SOTTO_` that are no settings: the keys, and those of the tests.
const OTHER_VARIABLES: [&str; 5] =
    ["SOTTO_KEYS", "SOTTO_TEST_POSTGRES", "SOTTO_POSTGRES_BIN", "SOTTO_POSTGRES_BUFFERS", "SOTTO_POSTGRES_OPTIONS"];

/// Refuses unknown variables with the prefix `SOTTO_`.
pub fn refuse_unknown_variables(command: &Command) -> Result<()> {
    let mut known: BTreeSet<String> = OTHER_VARIABLES.into_iter().map(str::to_owned).collect();
    collect_variables(command, &mut known);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("SOTTO_") && !known.contains(name.as_ref()) {
            return Err(unknown("the variable", &name, known.iter().map(String::as_str)));
        }
    }
    Ok(())
}

fn collect_variables(command: &Command, known: &mut BTreeSet<String>) {
    known.extend(command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_string_lossy().into_owned())));
    command.get_subcommands().for_each(|inner| collect_variables(inner, known));
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> CliError {
    let closest = known.map(|known| (strsim::jaro_winkler(name, known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match closest {
        Some((likeness, known)) if likeness > 0.8 => format!("; did you mean {known}?"),
        _ => String::new(),
    };
    CliError::Settings(format!("{what} {name} is not a setting{hint}"))
}
