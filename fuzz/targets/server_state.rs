#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto_crypto::Fingerprint;
use sotto_crypto::server::{LoginSession, PendingLogin, SealingKey, ServerKeys};
use sotto_domain::{OpaqueSessionId, Timestamp};
use sotto_fuzz::{Counting, SCOPE};
use uuid::Uuid;

// What comes from the key file, the environment and the database.
fuzz_target!(|data: &[u8]| {
    if let Ok(keys) = ServerKeys::from_bytes(data) {
        assert_eq!(keys.to_bytes().as_slice(), data);
    }
    let session = LoginSession { id: OpaqueSessionId(Uuid::nil()), scope: SCOPE, expires_at: Timestamp::MAX };
    assert!(PendingLogin::open(&SealingKey::generate(&Counting), &session, data, Timestamp::MIN).is_err());
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(fingerprint) = text.parse::<Fingerprint>()
    {
        assert_eq!(fingerprint.to_string(), text);
    }
});
