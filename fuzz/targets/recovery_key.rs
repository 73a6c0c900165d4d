#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto_crypto::client::{Phrase, RecoveryKey};

// What a person types.
fuzz_target!(|typed: &str| {
    if let Ok(key) = typed.parse::<RecoveryKey>() {
        let shown = key.reveal();
        assert_eq!(shown.parse::<RecoveryKey>().unwrap().reveal(), shown);
    }
    assert_eq!(Phrase::new(typed).is_ok(), (1..=1024).contains(&typed.len()));
});
