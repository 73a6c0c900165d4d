//! The key that both sides share after a login.

use aws_lc_rs::constant_time;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::wire::hidden;

/// 64 bytes that client and server share after a login. `==` takes constant time.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionKey([u8; 64]);

impl SessionKey {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut key = [0; 64];
        key.copy_from_slice(bytes);
        Self(key)
    }

    /// The raw 64 bytes.
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
