//! What the server keeps between the two halves of a login.

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

/// Session key ‖ the proof that is expected, 64 bytes each.
const STATE: usize = 64 + 64;

/// A login that was started and not finished.
pub struct PendingLogin(ServerLogin<Suite>);

/// The row that a pending login is kept in. It can be opened as part of this row only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginSession {
    /// The row's id.
    pub id: OpaqueSessionId,
    /// Who opens which secret tag.
    pub scope: Scope,
    /// From when on it is worthless.
    pub expires_at: Timestamp,
}

/// Seals pending logins, which hold a session key in plain. It is not kept in the database.
#[derive(Clone)]
pub struct SealingKey(Key);

impl PendingLogin {
    /// Bytes of the sealed form.
    pub const SEALED_LENGTH: usize = BOX + STATE;

    pub(crate) fn new(state: ServerLogin<Suite>) -> Self {
        Self(state)
    }

    /// The sealed form, to be stored: version ‖ iv ‖ ciphertext ‖ tag of AES-256-GCM.
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
    /// [`Error::Expired`] if it is too late; [`Error::Refused`] if it was sealed for another row, with another key, or
    /// changed.
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

    /// Checks the client's proof. Whatever comes of it, this login is over.
    ///
    /// # Errors
    /// [`Error::WrongPhrase`].
    pub fn finish(self, finish: &LoginFinish) -> Result<SessionKey, Error> {
        // Identifiers and context went into the state when the login was started.
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
    /// Bytes.
    pub const LENGTH: usize = KEY;

    /// A new key.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Key::generate(random))
    }

    /// # Errors
    /// [`Error::Length`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Key::from_bytes(bytes).map(Self).ok_or(Error::Length { name: "the sealing key", min: KEY, max: KEY })
    }

    /// The bytes, as they are stored.
    pub fn as_bytes(&self) -> &[u8; KEY] {
        self.0.as_bytes()
    }
}

hidden!(PendingLogin, SealingKey);
