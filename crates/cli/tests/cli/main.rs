//! The real binary, as an operator uses it, on both engines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

mod db;
mod keys;
mod program;
mod serve;
mod settings;
mod user;
