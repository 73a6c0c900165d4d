//! SHA-256 (FIPS 180-4), as the 32 bytes that storage keeps.

use aws_lc_rs::digest::{self, Context};

/// Of all of these, one after the other.
pub fn of(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = begin();
    for part in parts {
        context.update(part);
    }
    end(context)
}

/// Of what comes bit by bit.
pub fn begin() -> Context {
    Context::new(&digest::SHA256)
}

/// Of all that the context was given.
pub fn end(context: Context) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
