//! What the targets share.

use sotto_crypto::Scope;
use sotto_domain::{EntryId, Random, SecretTagId, UserId};
use uuid::Uuid;

/// Reads bytes and text as a message. What is read has one form, and is handed to the rest.
#[macro_export]
macro_rules! message {
    ($type:ty, $then:expr) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            let then: fn($type) = $then;
            if let Ok(message) = <$type>::from_bytes(data) {
                assert_eq!(message.to_bytes().as_slice(), data);
                let text = message.to_string();
                assert_eq!(text.parse::<$type>().unwrap().to_bytes().as_slice(), data);
                then(message);
            }
            if let Ok(text) = std::str::from_utf8(data)
                && let Ok(message) = text.parse::<$type>()
            {
                assert_eq!(message.to_string(), text);
            }
        });
    };
}

/// Counts: what is drawn has no part in how a parser answers.
pub struct Counting;

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().zip((1..=255).cycle()).for_each(|(byte, count)| *byte = count);
    }
}

pub const SCOPE: Scope = Scope { user: UserId(Uuid::from_u128(1)), tag: SecretTagId(Uuid::from_u128(2)) };
pub const ENTRY: EntryId = EntryId(Uuid::from_u128(3));
