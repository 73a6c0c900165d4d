//! What every handler works with.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use moka::sync::Cache;
use sotto_domain::account::Standing;
use sotto_domain::api_token::ApiTokenStanding;
use sotto_domain::storage::Storage;
use sotto_domain::{Clock, Random, SessionId, Timestamp};
use tokio::sync::Semaphore;

use crate::config::{Config, STANDING_SECONDS};
use crate::cursor::CursorKey;
use crate::handlers::export;
use crate::jobs::monitor::Monitor;
use crate::keys::{Keys, SecretTagKeys};
use crate::limits::Limits;
use crate::metrics;
use crate::oidc::Providers;
use crate::password::Hasher;
use crate::recordings::Recordings;
use crate::tokens::Tokens;

/// The state of a server; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// What is behind an [`App`].
pub struct Inner {
    /// Where everything is kept.
    pub storage: Arc<dyn Storage>,
    /// Where recordings are kept.
    pub recordings: Recordings,
    /// What an operator has set.
    pub config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) tokens: Tokens,
    pub(crate) cursors: CursorKey,
    pub(crate) secret_tag_keys: Arc<SecretTagKeys>,
    pub(crate) hasher: Hasher,
    pub(crate) limits: Limits,
    pub(crate) providers: Providers,
    pub(crate) standings: Cache<SessionId, Arc<Standing>>,
    /// Places of exports.
    pub(crate) exports: Arc<Semaphore>,
    pub(crate) token_standings: Cache<[u8; 32], Arc<ApiTokenStanding>>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) monitor: Monitor,
}

impl App {
    /// Puts a server together.
    pub fn new(
        storage: Arc<dyn Storage>,
        recordings: Recordings,
        keys: &Keys,
        config: Config,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self(Arc::new(Inner {
            storage,
            recordings,
            limits: Limits::new(config.rate_limits),
            providers: Providers::new(&config, &keys.token_signing),
            config,
            tokens: Tokens::new(&keys.token_signing),
            cursors: CursorKey::new(&keys.token_signing),
            secret_tag_keys: keys.secret_tags.clone(),
            hasher: Hasher::new(random.clone()),
            clock,
            random,
            standings: short_memory(),
            token_standings: short_memory(),
            exports: Arc::new(Semaphore::new(export::AT_ONCE)),
            metrics: metrics::recorder(),
            monitor: Monitor::new(),
        }))
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Forgets what it was told [`STANDING_SECONDS`] ago.
fn short_memory<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>() -> Cache<K, V> {
    Cache::builder().max_capacity(100_000).time_to_live(Duration::from_secs(STANDING_SECONDS)).build()
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
