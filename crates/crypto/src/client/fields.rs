//! The layout of a plaintext: fields, then zeros up to a multiple of 32 bytes. Each text has exactly one layout, and
//! each layout one reading.
//!
//! ```text
//! field:   type (1 byte, not 0) ‖ length (4 bytes, big-endian) ‖ value
//! ```

use zeroize::Zeroizing;

use crate::error::Error;
use crate::sealed::{FIELD, PADDING, padded};

/// Writes fields.
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// Allocates room for `fields` fields whose values have `bytes` bytes in all, so that growing the buffer leaves no
    /// copy of a secret in memory.
    pub fn new(fields: usize, bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(padded(fields * FIELD + bytes))))
    }

    pub fn field(&mut self, kind: u8, value: &[u8]) -> Result<(), Error> {
        let length = u32::try_from(value.len()).map_err(|_| Error::Library)?;
        self.0.push(kind);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(value);
        Ok(())
    }

    pub fn finish(mut self) -> Zeroizing<Vec<u8>> {
        let length = padded(self.0.len());
        self.0.resize(length, 0);
        self.0
    }
}

/// Reads fields.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(plaintext: &'a [u8]) -> Option<Self> {
        (!plaintext.is_empty() && plaintext.len().is_multiple_of(PADDING)).then_some(Self(plaintext))
    }

    /// Returns the next field's value, if it has this type.
    pub fn next(&mut self, kind: u8) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_first_chunk::<FIELD>()?;
        let [found, length @ ..] = *head;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        if found != kind || rest.len() < length {
            return None;
        }
        let (value, rest) = rest.split_at(length);
        self.0 = rest;
        Some(value)
    }

    /// Returns the next field's value as text, if it has this type and is UTF-8.
    pub fn text(&mut self, kind: u8) -> Option<String> {
        let mut ahead = Self(self.0);
        let text = std::str::from_utf8(ahead.next(kind)?).ok()?.to_owned();
        self.0 = ahead.0;
        Some(text)
    }

    /// Whether nothing but the padding is left.
    pub fn is_at_end(&self) -> bool {
        self.0.len() < PADDING && self.0.iter().all(|byte| *byte == 0)
    }
}
