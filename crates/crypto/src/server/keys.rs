//! The server's long-term keys of OPAQUE, and the two answers that need them.

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

/// The seed of the OPRF keys, the server's key pair, and the public key of users that do not exist. Without them every
/// registration record is worthless.
#[derive(Clone)]
pub struct ServerKeys(ServerSetup<Suite>);

impl ServerKeys {
    /// Bytes of the stored form.
    pub const LENGTH: usize = 64 + 32 + 32;

    /// New keys.
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

    /// Tells these keys from others. Not secret.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.0.keypair().public().serialize())
    }

    /// Answers the first message of a registration. The second one, a [`RegistrationRecord`], is stored as it is.
    ///
    /// # Errors
    /// [`Error::Library`], never for a reason that lies in the request.
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

    /// Answers the first message of a login. Without a record, because there is no such secret tag, it does the same
    /// work and gives an answer that cannot be told from a real one (RFC 9807, section 6.3.2.2); finishing it always fails.
    ///
    /// # Errors
    /// [`Error::Library`], never for a reason that lies in the request.
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

    /// A record was read before it came here, which decompresses a point. An unknown tag costs that time as well.
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
