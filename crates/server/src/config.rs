//! What an operator can set about the HTTP side.

use ipnet::IpNet;

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
}

/// Who may sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        }
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
/// How long a node trusts what it last read about an account, in seconds: the upper bound on how long somebody who was
/// deactivated stays in.
pub const STANDING_SECONDS: u64 = 5;
/// Bytes in a request body, at most: 4 MiB, since 1 MiB of text can grow on its way into JSON.
pub const BODY_LIMIT: usize = 4 << 20;
