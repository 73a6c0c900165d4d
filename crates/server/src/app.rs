//! The state that every handler shares.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use moka::sync::Cache;
use sotto_domain::api_token::ApiTokenWithUser;
use sotto_domain::session::SessionWithUser;
use sotto_domain::storage::Storage;
use sotto_domain::{Clock, Random, SessionId, Timestamp};
use tokio::sync::Semaphore;

use crate::attachments::AttachmentStore;
use crate::auth::oidc::Providers;
use crate::auth::password::Hasher;
use crate::auth::rate_limits::RateLimits;
use crate::auth::session_tokens::SessionTokens;
use crate::config::{CONCURRENT_EXPORTS, CREDENTIAL_CACHE_SECONDS, Config, LARGE_RESPONSES_PER_USER, READS_PER_USER};
use crate::disk_space::DiskSpace;
use crate::http::cursor::CursorKey;
use crate::http::idempotency::IdempotencySecret;
use crate::http::share::Shares;
use crate::keys::{Keys, SecretTagKeys};
use crate::metrics;
use crate::monitoring::clock::{ClockHealth, ClockMonitor};
use crate::monitoring::monitor::Monitor;
use crate::user_slots::UserSlots;

/// The state of a server. Clones share it.
#[derive(Clone)]
pub struct App(Arc<Inner>);

pub struct Inner {
    pub storage: Arc<dyn Storage>,
    pub attachments: AttachmentStore,
    pub config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) session_tokens: SessionTokens,
    pub(crate) cursors: CursorKey,
    pub(crate) idempotency: IdempotencySecret,
    pub(crate) secret_tag_keys: Arc<SecretTagKeys>,
    pub(crate) hasher: Hasher,
    pub(crate) rate_limits: RateLimits,
    pub(crate) providers: Providers,
    pub(crate) session_cache: Cache<SessionId, Arc<SessionWithUser>>,
    /// The reads of each user that run at the same time.
    pub(crate) read_turns: UserSlots,
    /// The large responses of each user that its clients have not read yet.
    pub(crate) large_responses: UserSlots,
    /// The users who have an export, one each.
    pub(crate) exporting_users: UserSlots,
    /// One permit for each export that may run at the same time.
    pub(crate) exports: Arc<Semaphore>,
    pub(crate) api_token_cache: Cache<[u8; 32], Arc<ApiTokenWithUser>>,
    pub(crate) shares: Shares,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) monitor: Monitor,
    pub(crate) disk_space: DiskSpace,
    pub(crate) clock_monitor: ClockMonitor,
}

impl App {
    pub fn new(
        storage: Arc<dyn Storage>,
        attachments: AttachmentStore,
        keys: &Keys,
        config: Config,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self(Arc::new(Inner {
            storage,
            attachments,
            rate_limits: RateLimits::new(config.rate_limits, clock.clone()),
            providers: Providers::new(&config, &keys.token_signing),
            shares: Shares::new(config.shares.clone()),
            monitor: Monitor::new(config.monitoring.data_dir.as_deref()),
            config,
            session_tokens: SessionTokens::new(&keys.token_signing),
            cursors: CursorKey::new(&keys.token_signing),
            idempotency: IdempotencySecret::new(&keys.token_signing),
            secret_tag_keys: keys.secret_tags.clone(),
            hasher: Hasher::new(random.clone()),
            clock,
            random,
            session_cache: short_lived_cache(),
            api_token_cache: short_lived_cache(),
            read_turns: UserSlots::new(READS_PER_USER),
            large_responses: UserSlots::new(LARGE_RESPONSES_PER_USER),
            exporting_users: UserSlots::new(1),
            exports: Arc::new(Semaphore::new(CONCURRENT_EXPORTS)),
            metrics: metrics::recorder(),
            disk_space: DiskSpace::default(),
            clock_monitor: ClockMonitor::default(),
        }))
    }

    pub fn clock_health(&self) -> ClockHealth {
        self.clock_monitor.health(self.clock.as_ref())
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Entries expire after [`CREDENTIAL_CACHE_SECONDS`], so a revoked session or token works on this node for at most that
/// long.
fn short_lived_cache<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>() -> Cache<K, V> {
    Cache::builder().max_capacity(100_000).time_to_live(Duration::from_secs(CREDENTIAL_CACHE_SECONDS)).build()
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
