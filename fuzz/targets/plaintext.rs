#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto_crypto::client::{EntryText, Metadata};

// What another client sealed with the right key: each text has one layout.
fuzz_target!(|data: &[u8]| {
    if let Ok(text) = EntryText::from_bytes(data) {
        assert_eq!(text.to_bytes().unwrap().as_slice(), data);
    }
    if let Ok(metadata) = Metadata::from_bytes(data) {
        assert_eq!(metadata.to_bytes().unwrap().as_slice(), data);
    }
});
