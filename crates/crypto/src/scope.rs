//! Which secret tag it is about.

use opaque_ke::Identifiers;
use sotto_domain::{SecretTagId, UserId};

/// How the server names itself in every exchange.
const SERVER_IDENTITY: &[u8] = b"sotto/opaque/v1";

/// A secret tag and whose it is. Every exchange, key and ciphertext is bound to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Whose it is.
    pub user: UserId,
    /// Which secret tag.
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

/// What both sides of an exchange have to agree on (RFC 9807, sections 4 and 6): made from a [`Scope`].
pub struct Binding {
    /// What the server derives the tag's OPRF key from. It never leaves the server.
    pub(crate) credential_identifier: Vec<u8>,
    pub(crate) client: Option<Vec<u8>>,
    pub(crate) server: Option<Vec<u8>>,
    pub(crate) context: &'static [u8],
    /// False in the RFC's vectors only.
    #[cfg(feature = "client")]
    pub(crate) stretch: bool,
}

impl Binding {
    /// Without stretching, which a server cannot tell: for a client that measures one, and has no phrase to protect.
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
