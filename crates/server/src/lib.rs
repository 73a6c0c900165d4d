//! The HTTP API.
//!
//! A request flows [`router`] → [`handlers`] → a rule of `sotto-domain` → its storage contract, and back. This crate
//! names no engine.

mod api_token;
mod app;
pub mod auth;
mod base64url;
pub mod config;
mod cookies;
mod cursor;
pub mod error;
mod etag;
mod extract;
mod handlers;
mod jobs;
pub mod keys;
mod limits;
mod listen;
mod metrics;
mod middleware;
mod oidc;
pub mod openapi;
pub mod password;
pub mod recordings;
mod router;
mod sha256;
pub mod system;
mod tokens;
mod unlocks;
pub mod web_files;

pub use app::App;
pub use config::{Config, Monitoring, Registration, Webhook};
pub use jobs::monitor::take_reading;
pub use keys::Keys;
pub use listen::{accept, serve};
pub use middleware::layered;
pub use oidc::ProviderSettings;
pub use recordings::Recordings;
pub use router::router;
