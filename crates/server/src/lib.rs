//! The HTTP API.
//!
//! A request flows [`router`] → [`handlers`] → a rule of `sotto-domain` → its storage contract, and back. This crate
//! names no engine.

mod app;
pub mod auth;
mod base64url;
pub mod config;
mod cursor;
pub mod error;
mod extract;
mod handlers;
mod jobs;
pub mod keys;
mod limits;
mod listen;
mod metrics;
mod middleware;
pub mod openapi;
pub mod password;
mod router;
pub mod system;
mod tokens;
mod unlocks;
pub mod web_files;

pub use app::App;
pub use config::{Config, Monitoring, Provider, Registration, Webhook};
pub use jobs::monitor::take_reading;
pub use keys::Keys;
pub use listen::{accept, serve};
pub use middleware::layered;
pub use router::router;
