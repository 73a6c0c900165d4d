//! The cipher suite (RFC 9807, section 7): ristretto255, 3DH, SHA-512, and Argon2id on the client.

use opaque_ke::rand::{CryptoRng, Error, RngCore};
use opaque_ke::{CipherSuite, Ristretto255, TripleDh};
use sha2_for_opaque::Sha512;
use sotto_domain::Random;

pub(crate) struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    #[cfg(feature = "client")]
    type Ksf = crate::client::Stretching;
    /// The server does not stretch.
    #[cfg(not(feature = "client"))]
    type Ksf = opaque_ke::ksf::Identity;
}

/// Adapts a [`Random`] to opaque-ke.
pub(crate) struct Rng<'a>(pub &'a dyn Random);

impl RngCore for Rng<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl CryptoRng for Rng<'_> {}
