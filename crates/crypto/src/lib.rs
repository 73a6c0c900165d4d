//! Secret tags: what the server cannot read.
//!
//! A phrase opens a secret tag through OPAQUE (RFC 9807) without reaching the server. What the exchange gives the client
//! opens a master key, and that opens entries. `docs/protocol.md` has every byte.
//!
//! * Both sides: [`message`] are the six messages of OPAQUE, [`sealed`] what is stored. The server only checks their lengths.
//! * [`server`] (feature `server`): [`server::ServerKeys`] answers registrations and logins.
//! * [`client`] (feature `client`): [`client::Registration`] and [`client::Login`] are the other side of them, and
//!   [`client::Vault`] is an open secret tag. It does all that a browser does.
//!
//! Secrets are overwritten when they are dropped, print as `…`, and are compared in constant time. Randomness is a
//! parameter ([`sotto_domain::Random`]).

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
