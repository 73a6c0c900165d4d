//! The storage contract of `sotto-domain` on two engines, and the migrations of their schemas.
//!
//! `sqlite/` and `postgres/` have one file for each part of the contract, with the same names in both folders.
//! `conformance/` has the suite of tests that both engines must pass.

pub mod database;
mod health;
mod hex;
pub mod integrity;
pub mod migrate;
pub mod postgres;
mod rows;
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
