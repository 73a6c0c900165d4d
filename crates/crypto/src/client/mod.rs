//! The client's side: everything that a browser does.
//!
//! ```text
//! Phrase → Registration::start() → RegistrationRequest … RegistrationResponse → finish() → record, ExportKey
//! Phrase → Login::start()        → LoginRequest … LoginResponse → finish() → LoginFinish, SessionKey, ExportKey
//! ExportKey, WrappedMasterKey → Vault: seals and opens entries and metadata
//! RecoveryKey, RecoveryWrap   → Vault, if the phrase is lost
//! AudioKey → Recording: seals and opens the recording of an entry
//! ```

mod exchange;
mod fields;
mod phrase;
mod recording;
mod recovery;
mod text;
mod vault;

pub(crate) use exchange::Stretching;
pub use exchange::{ExportKey, LoggedIn, Login, Registered, Registration};
pub use phrase::Phrase;
pub use recording::Recording;
pub use recovery::RecoveryKey;
pub use text::{AudioKey, EntryText, Metadata};
pub use vault::Vault;
