//! The real binary, as an operator uses it, on both engines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

mod advise;
mod backup;
mod bucket;
mod check;
mod db;
mod faults;
mod interruptions;
mod keys;
mod obstacles;
mod program;
mod runbook;
mod serve;
mod settings;
mod user;
