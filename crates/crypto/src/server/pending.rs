//! The server's state between the two halves of a login.

use opaque_ke::{ServerLogin, ServerLoginParameters};
use sotto_domain::{OpaqueSessionId, Random, Timestamp};
use zeroize::{Zeroize, Zeroizing};

use crate::cipher::{BOX, KEY, Key};
use crate::error::Error;
use crate::message::LoginFinish;
use crate::scope::Scope;
use crate::session_key::SessionKey;
use crate::suite::Suite;
use crate::wire::hidden;

/// Session key ‖ expected proof, 64 bytes each.
const STATE: usize = 64 + 64;

/// A login that was started and not finished.
pub struct PendingLogin(ServerLogin<Suite>);

/// The row that stores a pending login. The sealed login can be opened only as part of this row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginSession {
    /// The id of the row.
    pub id: OpaqueSessionId,
    /// The secret tag that is being unlocked.
    pub scope: Scope,
    /// The moment from which the login cannot be finished.
    pub expires_at: Timestamp,
}

/// Seals pending logins, which contain a session key in the clear. It is kept outside of the database.
#[derive(Clone)]
pub struct SealingKey(Key);

impl PendingLogin {
    /// Length of the sealed form in bytes.
    pub const SEALED_LENGTH: usize = BOX + STATE;

    pub(crate) fn new(state: ServerLogin<Suite>) -> Self {
        Self(state)
    }

    /// Returns the sealed form, to be stored: version ‖ iv ‖ ciphertext ‖ tag of AES-256-GCM.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn seal(self, key: &SealingKey, session: &LoginSession, random: &dyn Random) -> Result<Vec<u8>, Error> {
        let mut state = self.0.serialize();
        let sealed = key.0.seal_box(&session.aad(), &state, random);
        state.as_mut_slice().zeroize();
        sealed
    }

    /// Opens the sealed form.
    ///
    /// # Errors
    /// [`Error::Expired`] after the expiry; [`Error::Refused`] if it was changed, or sealed for another row or with
    /// another key.
    pub fn open(key: &SealingKey, session: &LoginSession, sealed: &[u8], now: Timestamp) -> Result<Self, Error> {
        const REFUSED: Error = Error::Refused("login");
        if now >= session.expires_at {
            return Err(Error::Expired);
        }
        if sealed.len() != Self::SEALED_LENGTH {
            return Err(REFUSED);
        }
        let state = key.0.open_box(&session.aad(), sealed).ok_or(REFUSED)?;
        ServerLogin::deserialize(&state).map(Self).map_err(|_| REFUSED)
    }

    /// Checks the client's proof. This ends the login, whether the proof is right or not.
    ///
    /// # Errors
    /// [`Error::WrongPhrase`].
    pub fn finish(self, finish: &LoginFinish) -> Result<SessionKey, Error> {
        // Identifiers and context became part of the state when the login was started.
        self.0
            .finish(finish.0.clone(), ServerLoginParameters::default())
            .map(|finished| SessionKey::new(&Zeroizing::new(finished.session_key)))
            .map_err(|_| Error::WrongPhrase)
    }
}

impl LoginSession {
    /// `sotto/v1/opaque-session` ‖ session ‖ user ‖ tag ‖ expiry in microseconds since 1970, 8 bytes, big-endian.
    fn aad(&self) -> Vec<u8> {
        [
            b"sotto/v1/opaque-session".as_slice(),
            self.id.0.as_bytes(),
            &self.scope.to_bytes(),
            &self.expires_at.as_micros().to_be_bytes(),
        ]
        .concat()
    }
}

impl SealingKey {
    /// Length in bytes.
    pub const LENGTH: usize = KEY;

    /// Generates a new key.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Key::generate(random))
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Key::from_bytes(bytes).map(Self).ok_or(Error::Length { name: "the sealing key", min: KEY, max: KEY })
    }

    /// The stored form.
    pub fn as_bytes(&self) -> &[u8; KEY] {
        self.0.as_bytes()
    }
}

hidden!(PendingLogin, SealingKey);
