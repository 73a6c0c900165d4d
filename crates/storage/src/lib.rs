//! The storage contract of `sotto-domain` on two engines, and the migrations of their schemas.
//!
//! `sqlite/` and `postgres/` hold one file per repository, with the same names on both sides. `conformance/` holds
//! the one suite of tests that both must pass.

pub mod database;
mod health;
mod hex;
pub mod migrate;
pub mod postgres;
pub mod schema;
pub mod sqlite;
mod statements;
pub mod transfer;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod plans;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use database::DatabaseUrl;
