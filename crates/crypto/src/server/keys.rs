//! The server's long-term OPAQUE keys, and the two responses that need them.

use std::fmt;

use opaque_ke::{ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup};
use sotto_domain::Random;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::fingerprint::Fingerprint;
use crate::message::{LoginRequest, LoginResponse, RegistrationRecord, RegistrationRequest, RegistrationResponse};
use crate::scope::Binding;
use crate::server::PendingLogin;
use crate::suite::{Rng, Suite};

/// The seed of the OPRF keys, the server's key pair, and the public key for users that do not exist. Without them every
/// registration record is worthless.
#[derive(Clone)]
pub struct ServerKeys(ServerSetup<Suite>);

impl ServerKeys {
    /// Length of the stored form in bytes.
    pub const LENGTH: usize = 64 + 32 + 32;

    /// Generates new keys.
    pub fn generate(random: &dyn Random) -> Self {
        Self(ServerSetup::new(&mut Rng(random)))
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`Error::ServerKeys`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() != Self::LENGTH {
            return Err(Error::ServerKeys);
        }
        ServerSetup::deserialize(bytes).map(Self).map_err(|_| Error::ServerKeys)
    }

    /// The stored form: OPRF seed (64 bytes) ‖ private key (32) ‖ public key of users that do not exist (32).
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LENGTH]> {
        let mut bytes = Zeroizing::new([0; Self::LENGTH]);
        let mut stored = self.0.serialize();
        bytes.copy_from_slice(&stored);
        zeroize::Zeroize::zeroize(stored.as_mut_slice());
        bytes
    }

    /// Identifies these keys. Not secret.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::from_public_key(&self.0.keypair().public().serialize())
    }

    /// Answers the first message of a registration. The second message, a [`RegistrationRecord`], is stored as it is.
    ///
    /// # Errors
    /// [`Error::Library`], never because of the request.
    pub fn register(
        &self,
        binding: impl Into<Binding>,
        request: &RegistrationRequest,
    ) -> Result<RegistrationResponse, Error> {
        let binding = binding.into();
        ServerRegistration::start(&self.0, request.0.clone(), &binding.credential_identifier)
            .map(|started| RegistrationResponse(started.message))
            .map_err(|_| Error::Library)
    }

    /// Answers the first message of a login. Without a record, for a secret tag that does not exist, it does the same
    /// work and returns a response that is indistinguishable from a real one (RFC 9807, section 6.3.2.2). Finishing
    /// such a login always fails.
    ///
    /// # Errors
    /// [`Error::Library`], never because of the request.
    pub fn start_login(
        &self,
        binding: impl Into<Binding>,
        record: Option<&RegistrationRecord>,
        request: &LoginRequest,
        random: &dyn Random,
    ) -> Result<(LoginResponse, PendingLogin), Error> {
        let binding = binding.into();
        if record.is_none() {
            self.read_a_record();
        }
        let parameters = ServerLoginParameters { context: Some(binding.context), identifiers: binding.identifiers() };
        ServerLogin::start(
            &mut Rng(random),
            &self.0,
            record.map(|record| ServerRegistration::finish(record.0.clone())),
            request.0.clone(),
            &binding.credential_identifier,
            parameters,
        )
        .map(|started| (LoginResponse(started.message), PendingLogin::new(started.state)))
        .map_err(|_| Error::Library)
    }

    /// Spends the time that parsing a record takes, because it decompresses a point: an unknown tag must take as long
    /// as a known one.
    fn read_a_record(&self) {
        let mut record = [0; RegistrationRecord::LENGTH];
        record[..32].copy_from_slice(&self.0.keypair().public().serialize());
        let _ = std::hint::black_box(RegistrationRecord::from_bytes(std::hint::black_box(&record)));
    }
}

impl fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerKeys({})", self.fingerprint())
    }
}
