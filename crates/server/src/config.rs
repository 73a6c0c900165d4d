//! The settings of the HTTP server.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;
use sotto_domain::health::Thresholds;
use utoipa::ToSchema;

use crate::auth::oidc::ProviderSettings;
use crate::http::listen::ConnectionLimits;
use crate::http::share::ShareLimits;

/// The settings of a running server. The command line makes them from flags, variables and `sotto.toml`.
#[derive(Debug, Clone)]
pub struct Config {
    /// The public address, such as `https://journal.example.org`. With `https`, cookies are `Secure` and browsers are
    /// instructed to stay on HTTPS.
    pub public_url: Option<String>,
    /// Whether browsers are to use HTTPS for all subdomains of the public address too.
    pub hsts_subdomains: bool,
    /// Who may sign up; [`Registration::First`] by default.
    pub registration: Registration,
    /// Whether sign-up and sign-in are rate limited. Off for load tests only.
    pub rate_limits: bool,
    /// Whether the audit log contains e-mail addresses and whole client addresses.
    pub audit_addresses: bool,
    /// Proxies whose `X-Forwarded-For` and `X-Request-Id` are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Limits on connections. [`Self::trusted_proxies`] are exempt from those per client; without any, this machine is.
    pub connections: ConnectionLimits,
    /// What requests may take of the server, together and per user.
    pub shares: ShareLimits,
    /// The bearer token that `/metrics` requires, if set.
    pub metrics_token: Option<String>,
    /// The longest recording, in bytes; at most [`sotto_domain::attachment::MAX_BYTES`].
    pub audio_limit: u32,
    /// Bytes of recordings per user, or `None` for no limit.
    pub audio_quota: Option<u64>,
    /// How long an export waits for a client that does not read; [`EXPORT_TIMEOUT`], except in tests.
    pub export_timeout: Duration,
    pub monitoring: Monitoring,
    /// The folder of the web app, if it is not the one in the binary.
    pub web_dir: Option<PathBuf>,
    /// Identity providers for sign-in. They need `public_url`.
    pub providers: Vec<ProviderSettings>,
}

/// How the database is watched, and when alerts are raised.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitoring {
    /// Time between two readings; 1 minute by default.
    pub every: Duration,
    /// Limits above which a reading is bad.
    pub thresholds: Thresholds,
    /// Bad readings in a row that raise an alert about speed; 3 by default.
    pub raise_after: u32,
    /// Good readings in a row that clear an alert; 5 by default.
    pub clear_after: u32,
    pub webhook: Option<Webhook>,
    /// Days without a backup after which an alert is raised. `None`, the default: backups are not watched.
    pub backup_days: Option<u32>,
    /// The data folder. It keeps the raised alerts and the time of the last backup, and its free space is measured.
    /// `None` for a server without one.
    pub data_dir: Option<PathBuf>,
    /// The folder of a database file, whose free space is measured too.
    pub database_dir: Option<PathBuf>,
}

/// Where to post a notice when an alert is raised or cleared.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// An http(s) address. It may contain a secret and is never logged.
    pub url: String,
    /// Deadline of one attempt.
    pub timeout: Duration,
    /// Pauses after failed attempts. After the last one the notice is dropped.
    pub back_off: Vec<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody who can reach the server, until there is an account. The first account is a superuser's.
    First,
    /// Everybody who can reach the server.
    Open,
    /// Nobody: accounts are created with `sotto user create`.
    Closed,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: None,
            hsts_subdomains: false,
            registration: Registration::First,
            rate_limits: true,
            audit_addresses: false,
            trusted_proxies: Vec::new(),
            connections: ConnectionLimits::default(),
            shares: ShareLimits::default(),
            metrics_token: None,
            audio_limit: AUDIO_LIMIT,
            audio_quota: None,
            export_timeout: EXPORT_TIMEOUT,
            monitoring: Monitoring::default(),
            web_dir: None,
            providers: Vec::new(),
        }
    }
}

impl Default for Monitoring {
    fn default() -> Self {
        let thresholds = Thresholds::default();
        Self {
            every: Duration::from_mins(1),
            thresholds,
            raise_after: 3,
            clear_after: 5,
            webhook: None,
            backup_days: None,
            data_dir: None,
            database_dir: None,
        }
    }
}

impl Webhook {
    /// Four attempts within a minute and a half, 5 seconds each.
    pub fn new(url: String) -> Self {
        Self { url, timeout: Duration::from_secs(5), back_off: [1, 10, 60].map(Duration::from_secs).to_vec() }
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Config {
    /// Whether users reach this server by HTTPS.
    pub fn is_https(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}

/// Lifetime of an access token, in seconds: 15 minutes.
pub const ACCESS_SECONDS: i64 = 15 * 60;
/// Time for a sign-in at a provider, in seconds: 10 minutes.
pub const HANDSHAKE_SECONDS: i64 = 10 * 60;
/// Seconds that a node caches an account, a session or an API token. A deactivated user or a deleted token is accepted
/// for at most this long.
pub const CREDENTIAL_CACHE_SECONDS: u64 = 5;
/// The longest recording by default, in bytes: 64 MiB, more than an hour of speech.
pub const AUDIO_LIMIT: u32 = 64 << 20;
/// Bytes in a request body, at most: 4 MiB, because 1 MiB of text can grow when it is written as JSON.
pub const BODY_LIMIT: usize = 4 << 20;
/// How long an export waits for a client that does not read.
pub const EXPORT_TIMEOUT: Duration = Duration::from_mins(1);
/// Exports that a node writes at the same time. Each holds a page of entries in memory, and a thread.
pub const CONCURRENT_EXPORTS: usize = 8;
/// Reads (`GET` and `HEAD` requests) of one user that a node carries out at the same time. Further ones wait. There are
/// more readers and connections than this, so a user's slow searches never occupy all of them.
pub const READS_PER_USER: usize = 2;
/// Deadline for a read to get its turn. A read itself may take 5 seconds.
pub const READ_TURN_TIMEOUT: Duration = Duration::from_secs(10);
/// Large responses of one user that wait in a node's memory until their clients have read them.
pub const LARGE_RESPONSES_PER_USER: usize = 4;
