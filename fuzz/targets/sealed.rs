#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto_crypto::client::{RecoveryKey, Vault};
use sotto_crypto::sealed::{RecoveryWrap, SealedEntry, SealedMetadata, WrappedMasterKey};
use sotto_fuzz::{Counting, ENTRY, SCOPE};

// What a server could hand out: nothing that was not sealed is opened.
fuzz_target!(|data: &[u8]| {
    let vault = Vault::create(SCOPE, &Counting).unwrap();
    if let Ok(wrap) = RecoveryWrap::from_bytes(data) {
        assert!(Vault::recover(SCOPE, &RecoveryKey::generate(&Counting), &wrap).is_err());
    }
    if let Ok(wrapped) = std::str::from_utf8(data).unwrap_or_default().parse::<WrappedMasterKey>() {
        assert_eq!(wrapped.to_string().as_bytes(), data);
    }
    if let Ok(metadata) = SealedMetadata::from_bytes(data.to_vec()) {
        assert!(vault.open_metadata(&metadata).is_err());
    }
    if let Some((parts, content)) = data.split_at_checked(72)
        && let Ok(sealed) = SealedEntry::from_parts(content.to_vec(), &parts[..12], &parts[12..60], &parts[60..])
    {
        assert!(vault.open_entry(ENTRY, 1, &sealed).is_err());
    }
});
