//! The HTTP server. A request goes from [`mod@router`] to a handler, from there to the rules in `sotto-domain`, and to its
//! storage contract. This crate does not know which database engine implements that.

mod app;
pub mod attachments;
pub mod audit;
pub mod auth;
pub mod config;
mod disk_space;
mod handlers;
mod http;
mod jobs;
pub mod keys;
pub mod last_backup;
mod metrics;
pub mod monitoring;
pub mod openapi;
mod router;
mod serve;
mod sha256;
pub mod system;
mod user_slots;
pub mod web_files;

pub use app::App;
pub use attachments::AttachmentStore;
pub use auth::oidc::ProviderSettings;
pub use config::{Config, Monitoring, Registration, Webhook};
pub use http::listen::{ConnectionLimits, Stage, accept, raise_descriptor_limit};
pub use http::middleware::with_middleware;
pub use http::share::ShareLimits;
pub use keys::Keys;
pub use monitoring::monitor::take_reading;
pub use router::router;
pub use serve::serve;
