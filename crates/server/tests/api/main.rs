//! Tests of the API over real HTTP, on both engines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

mod account_deletion;
mod accounts;
mod activity;
mod addresses;
mod admin;
mod admin_users;
mod api_tokens;
mod audio;
mod audio_sealed;
mod audio_store;
mod authorization;
mod clocks;
mod confirm;
mod cookies;
mod errors;
mod export;
mod health;
mod idempotency;
mod isolation;
mod journals;
mod limits;
mod listing;
mod malformed_requests;
mod oidc;
mod passwords;
mod reads;
mod registration;
mod reminders;
mod sealed_entries;
mod secret_tags;
mod secret_tags_input;
mod secret_tags_interop;
mod secret_tags_leaks;
mod secret_tags_resistance;
mod server;
mod sign_out;
mod specification;
mod tags;
mod unread;
mod vault;
mod web;
mod zones;

/// Runs each of these functions on SQLite and on PostgreSQL, with a separate server.
macro_rules! on_both_engines {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::server::Server::on_sqlite().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::server::Server::on_postgres().await).await;
            })+
        }
    };
}
use on_both_engines;
