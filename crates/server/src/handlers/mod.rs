//! The handlers: one file or folder per resource, named like its routes, with the schemas of its requests and
//! responses.

pub mod activity;
pub mod admin;
pub mod api_tokens;
pub mod auth;
pub mod docs;
pub mod export;
pub mod health;
pub mod identities;
pub mod journals;
pub mod opaque_sessions;
pub mod recordings;
pub mod reminders;
pub mod secret_tags;
pub mod server;
pub mod sessions;
pub mod tags;
pub mod users;
pub mod web;

use serde::Serialize;
use utoipa::ToSchema;

/// A sentence that confirms what was done.
#[derive(Serialize, ToSchema)]
pub struct Message {
    message: &'static str,
}

pub fn message(message: &'static str) -> axum::Json<Message> {
    axum::Json(Message { message })
}
