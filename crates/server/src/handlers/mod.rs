//! One file per resource: what it takes, what it answers, and how.

pub mod admin;
pub mod api_tokens;
pub mod audio;
pub mod auth;
pub mod docs;
pub mod export;
pub mod health;
pub mod identities;
pub mod journals;
pub mod oidc;
pub mod opaque_sessions;
pub mod page;
pub mod reminders;
pub mod secret_tags;
pub mod server;
pub mod tags;
pub mod users;
pub mod web;

use serde::Serialize;
use utoipa::ToSchema;

/// A sentence that says what was done.
#[derive(Serialize, ToSchema)]
pub struct Message {
    message: &'static str,
}

/// The answer that says what was done.
pub fn message(message: &'static str) -> axum::Json<Message> {
    axum::Json(Message { message })
}
