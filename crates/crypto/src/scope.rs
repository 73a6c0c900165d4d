//! The secret tag that an exchange, a key or a ciphertext belongs to.

use opaque_ke::Identifiers;
use sotto_domain::{SecretTagId, UserId};

/// The server's identity in every exchange.
const SERVER_IDENTITY: &[u8] = b"sotto/opaque/v1";

/// A secret tag and its owner. Every exchange, key and ciphertext is bound to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// The owner.
    pub user: UserId,
    /// The secret tag.
    pub tag: SecretTagId,
}

impl Scope {
    /// 32 bytes: user ‖ tag, each as the 16 bytes of its UUID.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(self.user.0.as_bytes());
        bytes[16..].copy_from_slice(self.tag.0.as_bytes());
        bytes
    }
}

/// The parameters that both sides of an exchange must agree on (RFC 9807, sections 4 and 6), derived from a [`Scope`].
pub struct Binding {
    /// The server derives the tag's OPRF key from it. It never leaves the server.
    pub(crate) credential_identifier: Vec<u8>,
    pub(crate) client: Option<Vec<u8>>,
    pub(crate) server: Option<Vec<u8>>,
    pub(crate) context: &'static [u8],
    /// False only in tests with the RFC's vectors, and for benchmarks.
    #[cfg(feature = "client")]
    pub(crate) stretch: bool,
}

impl Binding {
    /// Without stretching, which a server cannot notice: for a benchmark client, which has no phrase to protect.
    #[cfg(feature = "unstretched")]
    pub fn unstretched(scope: Scope) -> Self {
        Self { stretch: false, ..Self::from(scope) }
    }

    pub(crate) fn identifiers(&self) -> Identifiers<'_> {
        Identifiers { client: self.client.as_deref(), server: self.server.as_deref() }
    }
}

impl From<Scope> for Binding {
    fn from(scope: Scope) -> Self {
        Self {
            credential_identifier: scope.to_bytes().to_vec(),
            client: Some(scope.tag.0.hyphenated().to_string().into_bytes()),
            server: Some(SERVER_IDENTITY.to_vec()),
            context: b"",
            #[cfg(feature = "client")]
            stretch: true,
        }
    }
}
