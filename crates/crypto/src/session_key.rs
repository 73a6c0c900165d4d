//! What both sides of a login know, and nobody else.

use aws_lc_rs::constant_time;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::wire::hidden;

/// The 64 bytes that client and server share after a login. `==` takes the same time whatever they are.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionKey([u8; 64]);

impl SessionKey {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut key = [0; 64];
        key.copy_from_slice(bytes);
        Self(key)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl PartialEq for SessionKey {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for SessionKey {}

hidden!(SessionKey);
