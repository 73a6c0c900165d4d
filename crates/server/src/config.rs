//! What an operator can set about the HTTP side.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;
use sotto_domain::health::Thresholds;
use utoipa::ToSchema;

use crate::oidc::ProviderSettings;

/// Settings of a running server; the command line makes it from flags, variables and `sotto.toml`.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address that people type, such as `https://journal.example.org`. With `https`, cookies are `Secure` and
    /// browsers are told to stay on HTTPS.
    pub public_url: Option<String>,
    /// Who may sign up.
    pub registration: Registration,
    /// Whether sign-up and login are limited. Off for load tests only.
    pub rate_limits: bool,
    /// Proxies whose `X-Forwarded-For` and `X-Request-Id` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// If set, `/metrics` asks for it as a bearer token.
    pub metrics_token: Option<String>,
    /// The longest recording, in bytes; at most [`sotto_domain::attachment::MAX_BYTES`].
    pub audio_limit: u32,
    /// How many bytes of recordings one user may have; `None` for any number.
    pub audio_quota: Option<u64>,
    /// How the database is watched.
    pub monitoring: Monitoring,
    /// Where the web app is, if not in the binary.
    pub web_dir: Option<PathBuf>,
    /// Who people may sign in with, besides their password. They need `public_url`.
    pub providers: Vec<ProviderSettings>,
}

/// How the database is watched, and when that raises an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitoring {
    /// How often a reading is taken; 1 minute by default.
    pub every: Duration,
    /// What makes a reading bad; the roadmap's figures by default.
    pub thresholds: Thresholds,
    /// After so many bad readings in a row an alert about speed is raised; 3 by default.
    pub raise_after: u32,
    /// After so many good readings in a row an alert is cleared; 5 by default.
    pub clear_after: u32,
    /// Who is told.
    pub webhook: Option<Webhook>,
}

/// Where to post a notice when an alert is raised or cleared.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// An http(s) address. It may hold a secret, and is never shown.
    pub url: String,
    /// How long one try may take.
    pub timeout: Duration,
    /// How long to wait after each try that fails; when there is no next pause, the notice is given up.
    pub back_off: Vec<Duration>,
}

/// Who may sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody who can reach the server.
    Open,
    /// Nobody: accounts are made with `sotto user create`.
    Closed,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: None,
            registration: Registration::Open,
            rate_limits: true,
            trusted_proxies: Vec::new(),
            metrics_token: None,
            audio_limit: AUDIO_LIMIT,
            audio_quota: None,
            monitoring: Monitoring::default(),
            web_dir: None,
            providers: Vec::new(),
        }
    }
}

impl Default for Monitoring {
    fn default() -> Self {
        let thresholds = Thresholds::default();
        Self { every: Duration::from_mins(1), thresholds, raise_after: 3, clear_after: 5, webhook: None }
    }
}

impl Webhook {
    /// With 5 seconds for each of four tries in a minute and a half.
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
    /// Whether people reach this server by HTTPS.
    pub fn is_https(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}

/// How long an access token is good, in seconds: 15 minutes.
pub const ACCESS_SECONDS: i64 = 15 * 60;
/// How long a login lasts without being used, in seconds: 30 days.
pub const SESSION_SECONDS: i64 = 30 * 24 * 3600;
/// How long somebody may take to sign in at a provider, in seconds: 10 minutes.
pub const HANDSHAKE_SECONDS: i64 = 10 * 60;
/// How long a node trusts what it last read about an account or an API token, in seconds: the upper bound on how long
/// somebody who was deactivated, or a token that was deleted, stays in.
pub const STANDING_SECONDS: u64 = 5;
/// The longest recording unless an operator says otherwise, in bytes: 64 MiB, more than an hour of speech.
pub const AUDIO_LIMIT: u32 = 64 << 20;
/// Bytes in a request body, at most: 4 MiB, since 1 MiB of text can grow on its way into JSON.
pub const BODY_LIMIT: usize = 4 << 20;
