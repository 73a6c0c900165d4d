//! SHA-256 (FIPS 180-4) as 32 bytes.

use aws_lc_rs::digest::{self, Context};

/// The hash of all parts, concatenated.
pub fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = new_context();
    for part in parts {
        context.update(part);
    }
    finish(context)
}

/// For content that arrives in chunks.
pub fn new_context() -> Context {
    Context::new(&digest::SHA256)
}

pub fn finish(context: Context) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
