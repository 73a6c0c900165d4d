//! The server's side of OPAQUE. It never sees a phrase, and nothing that it holds opens an entry.
//!
//! ```text
//! registration   RegistrationRequest → keys.register() → RegistrationResponse … RegistrationRecord, which is stored
//! login          LoginRequest → keys.start_login() → LoginResponse, and PendingLogin, which is stored sealed
//!                LoginFinish, PendingLogin::open() → pending.finish() → SessionKey
//! ```

mod keys;
mod pending;

pub use keys::ServerKeys;
pub use pending::{LoginSession, PendingLogin, SealingKey};
