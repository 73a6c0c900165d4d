//! For superusers.

pub mod database;
pub mod users;
