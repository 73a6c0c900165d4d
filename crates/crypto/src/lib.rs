//! The cryptography of secret tags, whose entries the server cannot read.
//!
//! A phrase unlocks a secret tag through OPAQUE (RFC 9807) without reaching the server. The exchange gives the client
//! an export key, which opens a master key, which opens entries. `docs/protocol.md` specifies every byte.
//!
//! * Both sides: [`message`] has the six messages of OPAQUE, [`sealed`] the stored values. The server only checks their
//!   lengths.
//! * [`server`] (feature `server`): [`server::ServerKeys`] responds to registrations and logins.
//! * [`client`] (feature `client`): [`client::Registration`] and [`client::Login`] are the client's side, and
//!   [`client::Vault`] is an unlocked secret tag. This is all that a browser does.
//!
//! Secrets are overwritten when they are dropped, print as `…`, and are compared in constant time. Randomness is a
//! parameter ([`sotto_domain::Random`]).

#![warn(missing_docs)]
#![cfg_attr(
    not(all(feature = "server", feature = "client")),
    allow(dead_code, reason = "each side uses its own half of what they share")
)]

mod cipher;
#[cfg(feature = "client")]
pub mod client;
mod error;
mod fingerprint;
pub mod message;
pub mod recording;
mod scope;
pub mod sealed;
#[cfg(feature = "server")]
pub mod server;
mod session_key;
mod suite;
#[cfg(test)]
mod tests;
mod wire;

pub use error::Error;
pub use fingerprint::Fingerprint;
pub use scope::{Binding, Scope};
pub use session_key::SessionKey;
