//! Computes the example of `docs/protocol.md` and compares it with the page.

use super::*;
use crate::client::{AudioKey, EntryText, Metadata, Recording, RecoveryKey, Vault};
use crate::sealed::{MAX_ENCRYPTED_CONTENT, MAX_METADATA, MIN_ENCRYPTED_CONTENT, MIN_METADATA};

pub const SCOPE: Scope = Scope {
    user: UserId(Uuid::from_u128(0x0199_0a4e_7000_7000_8000_0000_0000_0001)),
    tag: SecretTagId(Uuid::from_u128(0x0199_0a4e_7000_7000_8000_0000_0000_0002)),
};
pub const ENTRY: EntryId = EntryId(Uuid::from_u128(0x0199_0a4e_7000_7000_8000_0000_0000_0003));
pub const TITLE: &str = "Tuesday";
pub const CONTENT: &str = "Nobody knows.";
pub const TAG: &str = "rain";
pub const NAME: &str = "Therapy";
pub const COLOR: &str = "#1e90ff";
const PHRASE: &str = "correct horse battery staple";

/// The bytes 80, 81, … bf.
pub const EXPORT_KEY: ExportKey = ExportKey::counting();

type Lines = Vec<(&'static str, String)>;

/// The sealed values, with randomness that counts from 00, in this order.
pub fn sealed() -> Lines {
    let random = Counting(AtomicU64::new(0));
    let vault = Vault::create(SCOPE, &random).unwrap();
    let wrapped = vault.wrap(&EXPORT_KEY, &random).unwrap();
    let entry = vault.seal_entry(ENTRY, 1, &entry_text(), &random).unwrap();
    let metadata = vault.seal_metadata(&metadata(), &random).unwrap();
    let key = RecoveryKey::generate(&random);
    let wrap = vault.wrap_for_recovery(&key, &random).unwrap();
    let proof = key.proof().unwrap();
    vec![
        ("wrapped_master_key", hex(wrapped.as_bytes())),
        ("wrapped_key", hex(&entry.wrapped_key)),
        ("wrap_iv", hex(&entry.wrap_iv)),
        ("encrypted_content", hex(&entry.encrypted_content)),
        ("encryption_iv", hex(&entry.encryption_iv)),
        ("metadata", hex(metadata.as_bytes())),
        ("recovery_key", key.reveal().to_string()),
        ("recovery_wrap", hex(wrap.as_bytes())),
        ("recovery_proof", hex(proof.as_bytes())),
        ("recovery_verifier", hex(proof.verifier().as_bytes())),
    ]
}

/// A recording of 8 bytes, with a key that counts from 00.
pub fn recording() -> String {
    let random = Counting(AtomicU64::new(0));
    hex(&Recording::seal_all(SCOPE.user, ENTRY, "audio/ogg", &[0, 1, 2, 3, 4, 5, 6, 7], &random).unwrap().0)
}

/// A registration and a login with randomness that counts from 00 on the client and from 90 on the server.
fn exchange() -> Lines {
    let (client, server) = (Counting(AtomicU64::new(0)), Counting(AtomicU64::new(0x90)));
    let keys = ServerKeys::generate(&server);
    let (request, registration) = Registration::start(SCOPE, phrase(PHRASE), &client).unwrap();
    let response = keys.register(SCOPE, &request).unwrap();
    let registered = registration.finish(&response, &client).unwrap();
    let (ke1, login) = Login::start(SCOPE, phrase(PHRASE), &client).unwrap();
    let (ke2, pending) = keys.start_login(SCOPE, Some(&registered.record), &ke1, &server).unwrap();
    let logged_in = login.finish(&ke2, &client).unwrap();
    assert_eq!(logged_in.export_key.as_bytes(), registered.export_key.as_bytes());
    assert_eq!(pending.finish(&logged_in.finish).unwrap(), logged_in.session_key);
    vec![
        ("server_keys", hex(keys.to_bytes().as_slice())),
        ("fingerprint", keys.fingerprint().to_string()),
        ("registration_request", request.to_string()),
        ("registration_response", response.to_string()),
        ("registration_record", registered.record.to_string()),
        ("login_request", ke1.to_string()),
        ("login_response", ke2.to_string()),
        ("login_finish", logged_in.finish.to_string()),
        ("session_key", hex(logged_in.session_key.as_bytes())),
        ("export_key", hex(logged_in.export_key.as_bytes())),
    ]
}

fn entry_text() -> EntryText {
    EntryText {
        title: Some(TITLE.into()),
        content: CONTENT.into(),
        tags: vec![TAG.into()],
        audio_key: None,
        former_audio_key: None,
    }
}

fn replacing() -> EntryText {
    let mut text = entry_text();
    text.audio_key = Some(AudioKey([8; 32]));
    text.former_audio_key = Some(AudioKey([7; 32]));
    text
}

fn metadata() -> Metadata {
    Metadata { name: NAME.into(), color: Some(COLOR.into()) }
}

#[test]
fn the_documented_example_is_computed() {
    let documentation = include_str!("../../../../docs/protocol.md");
    for (min, max) in [(MIN_ENCRYPTED_CONTENT, MAX_ENCRYPTED_CONTENT), (MIN_METADATA, MAX_METADATA)] {
        assert!(documentation.contains(&format!("| {min} to {max} |")), "{min} to {max}");
    }
    let plaintexts = vec![
        ("entry plaintext", hex(&entry_text().to_bytes().unwrap())),
        ("entry plaintext of version 2", hex(&replacing().to_bytes().unwrap())),
        ("metadata plaintext", hex(&metadata().to_bytes().unwrap())),
    ];
    let blocks = [exchange(), plaintexts, sealed(), vec![("recording", recording())]]
        .map(|lines| lines.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<Vec<_>>().concat());
    let missing: Vec<String> = blocks.into_iter().filter(|block| !documentation.contains(block)).collect();
    assert!(missing.is_empty(), "docs/protocol.md does not have this:\n{}", missing.join("\n"));
}
