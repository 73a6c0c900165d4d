//! The client's side of an OPAQUE registration and login.

use opaque_ke::argon2::{Algorithm, Argon2, Params, Version};
use opaque_ke::errors::InternalError;
use opaque_ke::generic_array::{ArrayLength, GenericArray};
use opaque_ke::ksf::Ksf;
use opaque_ke::{ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters};
use sotto_domain::Random;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::client::Phrase;
use crate::error::Error;
use crate::fingerprint::Fingerprint;
use crate::message::{
    LoginFinish, LoginRequest, LoginResponse, RegistrationRecord, RegistrationRequest, RegistrationResponse,
};
use crate::scope::Binding;
use crate::session_key::SessionKey;
use crate::suite::{Rng, Suite};
use crate::wire::hidden;

/// A registration that waits for the server's response.
pub struct Registration {
    state: ClientRegistration<Suite>,
    phrase: Phrase,
    binding: Binding,
}

/// The result of a registration.
#[derive(Debug)]
pub struct Registered {
    /// Sent to the server.
    pub record: RegistrationRecord,
    /// Opens the vault; the same at every login with this phrase and record.
    pub export_key: ExportKey,
    /// Identifies the keys that the server used in its response.
    pub server: Fingerprint,
}

/// A login that waits for the server's response.
pub struct Login {
    state: ClientLogin<Suite>,
    phrase: Phrase,
    binding: Binding,
}

/// The result of a login.
#[derive(Debug)]
pub struct LoggedIn {
    /// Sent to the server: the proof that the phrase was right.
    pub finish: LoginFinish,
    /// Shared with the server; new at every login.
    pub session_key: SessionKey,
    /// Opens the vault; the same at every login with this phrase and record.
    pub export_key: ExportKey,
    /// Identifies the keys that the server used in its response. The server has proven that it holds them.
    pub server: Fingerprint,
}

/// 64 bytes that follow from the phrase, and that the server never learns.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ExportKey([u8; 64]);

impl Registration {
    /// Starts the registration of a first or a changed phrase.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn start(
        binding: impl Into<Binding>,
        phrase: Phrase,
        random: &dyn Random,
    ) -> Result<(RegistrationRequest, Self), Error> {
        let started = ClientRegistration::start(&mut Rng(random), phrase.as_bytes()).map_err(|_| Error::Library)?;
        let registration = Self { state: started.state, phrase, binding: binding.into() };
        Ok((RegistrationRequest(started.message), registration))
    }

    /// Finishes the registration. Takes about as long as a login: the phrase is stretched with Argon2id in 64 MiB.
    ///
    /// # Errors
    /// [`Error::Refused`] if the server sent the request back.
    pub fn finish(self, response: &RegistrationResponse, random: &dyn Random) -> Result<Registered, Error> {
        let ksf = Stretching::for_binding(&self.binding);
        let parameters = ClientRegistrationFinishParameters::new(self.binding.identifiers(), Some(&ksf));
        let finished = self
            .state
            .finish(&mut Rng(random), self.phrase.as_bytes(), response.0.clone(), parameters)
            .map_err(|_| Error::Refused("registration response"))?;
        Ok(Registered {
            record: RegistrationRecord(finished.message),
            export_key: ExportKey::new(&Zeroizing::new(finished.export_key)),
            server: Fingerprint::from_public_key(&finished.server_s_pk.serialize()),
        })
    }
}

impl Login {
    /// Starts a login.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn start(
        binding: impl Into<Binding>,
        phrase: Phrase,
        random: &dyn Random,
    ) -> Result<(LoginRequest, Self), Error> {
        let started = ClientLogin::start(&mut Rng(random), phrase.as_bytes()).map_err(|_| Error::Library)?;
        let login = Self { state: started.state, phrase, binding: binding.into() };
        Ok((LoginRequest(started.message), login))
    }

    /// Checks the server's proof and creates the client's.
    ///
    /// # Errors
    /// [`Error::WrongPhrase`], also if the secret tag does not exist, or if another server than the one with the record
    /// responded.
    pub fn finish(self, response: &LoginResponse, random: &dyn Random) -> Result<LoggedIn, Error> {
        let ksf = Stretching::for_binding(&self.binding);
        let parameters =
            ClientLoginFinishParameters::new(Some(self.binding.context), self.binding.identifiers(), Some(&ksf));
        let finished = self
            .state
            .finish(&mut Rng(random), self.phrase.as_bytes(), response.0.clone(), parameters)
            .map_err(|_| Error::WrongPhrase)?;
        Ok(LoggedIn {
            finish: LoginFinish(finished.message),
            session_key: SessionKey::new(&Zeroizing::new(finished.session_key)),
            export_key: ExportKey::new(&Zeroizing::new(finished.export_key)),
            server: Fingerprint::from_public_key(&finished.server_s_pk.serialize()),
        })
    }
}

impl ExportKey {
    fn new(bytes: &[u8]) -> Self {
        let mut key = [0; 64];
        key.copy_from_slice(bytes);
        Self(key)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The bytes 80, 81, … bf, for the example in the documentation.
    #[cfg(test)]
    pub(crate) const fn counting() -> Self {
        let mut key = [0x80; 64];
        let mut place = 0;
        while place < 64 {
            key[place as usize] += place;
            place += 1;
        }
        Self(key)
    }
}

/// Argon2id with 64 MiB, 3 passes, 4 lanes and a salt of 16 zeros (RFC 9106, section 4, second choice; RFC 9807,
/// section 7): `memory-constrained` in `@serenity-kit/opaque`.
#[derive(Default)]
pub(crate) enum Stretching {
    #[default]
    Argon2id,
    /// For the test vectors of the RFC.
    Identity,
}

impl Stretching {
    fn for_binding(binding: &Binding) -> Self {
        if binding.stretch { Self::Argon2id } else { Self::Identity }
    }
}

impl Ksf for Stretching {
    fn hash<L: ArrayLength<u8>>(&self, input: GenericArray<u8, L>) -> Result<GenericArray<u8, L>, InternalError> {
        match self {
            Self::Identity => Ok(input),
            Self::Argon2id => {
                let parameters = Params::new(64 * 1024, 3, 4, None).map_err(|_| InternalError::KsfError)?;
                Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters).hash(input)
            }
        }
    }
}

hidden!(Registration, Login, ExportKey);
