//! Watches the database, the disks and the clock, and raises alerts.

pub(crate) mod alerts;
pub mod clock;
mod disks;
pub(crate) mod monitor;
mod raised_alerts;
pub(crate) mod webhook;
