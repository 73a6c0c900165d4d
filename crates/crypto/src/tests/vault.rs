//! Sealed values open unchanged in their own place, and nowhere else.

use super::*;
use crate::Error;
use crate::client::{AudioKey, EntryText, Metadata, Vault};
use crate::sealed::{
    MAX_ENCRYPTED_CONTENT, MAX_METADATA, MIN_ENCRYPTED_CONTENT, MIN_METADATA, SealedEntry, SealedMetadata,
    WrappedMasterKey,
};

const REFUSED: Error = Error::Refused("entry");

pub(super) fn text() -> EntryText {
    EntryText {
        title: Some("Tuesday".into()),
        content: "Nobody knows. 🌧".into(),
        tags: vec!["rain".into(), "père".into()],
        audio_key: Some(AudioKey([7; 32])),
        former_audio_key: None,
    }
}

/// An entry whose recording is being replaced.
fn replacing() -> EntryText {
    let mut replacing = text();
    replacing.former_audio_key = Some(AudioKey([6; 32]));
    replacing
}

/// Every way to damage one of the fields.
fn damaged(sealed: &SealedEntry) -> Vec<SealedEntry> {
    let fields = [
        sealed.encrypted_content.clone(),
        sealed.encryption_iv.to_vec(),
        sealed.wrapped_key.to_vec(),
        sealed.wrap_iv.to_vec(),
    ];
    let mut all = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        for place in 0..field.len() * 8 {
            let mut fields = fields.clone();
            fields[index][place / 8] ^= 1 << (place % 8);
            let [content, iv, key, wrap_iv] = fields;
            all.push(SealedEntry::from_parts(content, &iv, &key, &wrap_iv).unwrap());
        }
    }
    all
}

#[test]
fn any_flipped_bit_is_rejected() {
    let random = Seeded::new(40);
    let vault = Vault::create(scope(1, 2), &random).unwrap();
    let sealed = vault.seal_entry(entry(3), 4, &text(), &random).unwrap();
    assert!(vault.open_entry(entry(3), 4, &sealed).unwrap() == text());
    let damaged = damaged(&sealed);
    assert_eq!(damaged.len(), (sealed.encrypted_content.len() + 12 + 48 + 12) * 8);
    for (index, damaged) in damaged.iter().enumerate() {
        let error = vault.open_entry(entry(3), 4, damaged).unwrap_err();
        // The version is checked before anything is opened.
        assert_eq!(error, if index < 8 { Error::Layout("entry") } else { REFUSED }, "bit {index}");
    }
}

#[test]
fn a_sealed_row_opens_only_in_its_own_place() {
    let random = Seeded::new(41);
    let (home, export) = (scope(1, 2), register(&ServerKeys::generate(&random), scope(1, 2), "x", &random).export_key);
    let vault = Vault::create(home, &random).unwrap();
    let sealed = vault.seal_entry(entry(3), 4, &text(), &random).unwrap();
    // Another entry, an old revision, and a revision that does not exist yet.
    for (id, revision) in [(entry(5), 4), (entry(3), 3), (entry(3), 5), (entry(3), 4 << 8), (entry(0), 0)] {
        assert_eq!(vault.open_entry(id, revision, &sealed).unwrap_err(), REFUSED);
    }
    // The same keys under another user or tag: a server could move a row with everything that belongs to it.
    let wrapped = vault.wrap(&export, &random).unwrap();
    for elsewhere in [scope(3, 2), scope(1, 3), scope(2, 1)] {
        assert_eq!(Vault::unlock(elsewhere, &export, &wrapped).unwrap_err(), Error::Refused("master key"));
        let moved = vault.under(elsewhere);
        assert_eq!(moved.open_entry(entry(3), 4, &sealed).unwrap_err(), REFUSED);
        let metadata = vault.seal_metadata(&name(), &random).unwrap();
        assert_eq!(moved.open_metadata(&metadata).unwrap_err(), Error::Refused("metadata"));
    }
    let stranger = Vault::create(home, &random).unwrap();
    assert_eq!(stranger.open_entry(entry(3), 4, &sealed).unwrap_err(), REFUSED);
}

#[test]
fn parts_of_two_rows_cannot_be_combined() {
    let random = Seeded::new(42);
    let vault = Vault::create(scope(1, 2), &random).unwrap();
    let first = vault.seal_entry(entry(3), 4, &text(), &random).unwrap();
    let again = vault.seal_entry(entry(3), 4, &text(), &random).unwrap();
    // Each save uses new keys and ivs, though text and place are the same.
    assert!(first.encrypted_content[1..] != again.encrypted_content[1..]);
    assert!(first.wrapped_key != again.wrapped_key && first.wrap_iv != again.wrap_iv);
    assert!(first.encryption_iv != again.encryption_iv && first.wrap_iv != first.encryption_iv);
    for mixed in [
        SealedEntry { encrypted_content: again.encrypted_content.clone(), ..first.clone() },
        SealedEntry { encryption_iv: again.encryption_iv, ..first.clone() },
        SealedEntry { wrapped_key: again.wrapped_key, ..first.clone() },
        SealedEntry { wrapped_key: again.wrapped_key, wrap_iv: again.wrap_iv, ..first.clone() },
        SealedEntry { encryption_iv: first.wrap_iv, wrap_iv: first.encryption_iv, ..first.clone() },
    ] {
        assert_eq!(vault.open_entry(entry(3), 4, &mixed).unwrap_err(), REFUSED);
    }
}

#[test]
fn truncated_and_extended_texts_are_rejected() {
    let random = Seeded::new(43);
    let vault = Vault::create(scope(1, 2), &random).unwrap();
    let sealed = vault.seal_entry(entry(3), 4, &text(), &random).unwrap();
    for length in MIN_ENCRYPTED_CONTENT..sealed.encrypted_content.len() {
        let cut = SealedEntry { encrypted_content: sealed.encrypted_content[..length].to_vec(), ..sealed.clone() };
        assert_eq!(vault.open_entry(entry(3), 4, &cut).unwrap_err(), REFUSED);
    }
    for more in 1..70 {
        let mut longer = sealed.clone();
        longer.encrypted_content.extend(vec![0; more]);
        assert_eq!(vault.open_entry(entry(3), 4, &longer).unwrap_err(), REFUSED);
    }
    // Values of these lengths are rejected before they become a row.
    let part = |content: usize, iv: usize, key: usize, wrap_iv: usize| {
        SealedEntry::from_parts(vec![0; content], &vec![0; iv], &vec![0; key], &vec![0; wrap_iv]).map(drop)
    };
    assert_eq!(part(MIN_ENCRYPTED_CONTENT, 12, 48, 12), Ok(()));
    assert_eq!(part(MAX_ENCRYPTED_CONTENT, 12, 48, 12), Ok(()));
    let length = |name, min, max| Err(Error::Length { name, min, max });
    let content = length("encrypted_content", MIN_ENCRYPTED_CONTENT, MAX_ENCRYPTED_CONTENT);
    assert_eq!(part(0, 12, 48, 12), content);
    assert_eq!(part(MIN_ENCRYPTED_CONTENT - 1, 12, 48, 12), content);
    assert_eq!(part(MAX_ENCRYPTED_CONTENT + 1, 12, 48, 12), content);
    assert_eq!(part(100, 11, 48, 12), length("encryption_iv", 12, 12));
    assert_eq!(part(100, 12, 49, 12), length("wrapped_key", 48, 48));
    assert_eq!(part(100, 12, 48, 0), length("wrap_iv", 12, 12));
}

#[test]
fn every_text_round_trips_with_at_most_150_extra_bytes() {
    let random = Seeded::new(44);
    let vault = Vault::create(scope(1, 2), &random).unwrap();
    let letters: Vec<char> = "aé🌧\0\n \u{feff}漢\"\\".chars().collect();
    let word =
        |max: usize| -> String { (0..random.below(max + 1)).map(|_| letters[random.below(letters.len())]).collect() };
    for round in 0..500 {
        let text = EntryText {
            title: (random.below(2) == 1).then(|| word(100)),
            content: word(round),
            tags: (0..random.below(4)).map(|_| word(25)).collect(),
            audio_key: (random.below(2) == 1).then(|| AudioKey::generate(&random)),
            former_audio_key: None,
        };
        let sealed = vault.seal_entry(entry(3), 4, &text, &random).unwrap();
        assert!(vault.open_entry(entry(3), 4, &sealed).unwrap() == text);
        let plain = text.title.as_deref().map_or(0, str::len)
            + text.content.len()
            + text.tags.iter().map(String::len).sum::<usize>()
            + if text.audio_key.is_some() { 32 } else { 0 };
        assert!(sealed.encrypted_content.len() + 12 + 48 + 12 <= plain + 150);
    }
}

#[test]
fn an_entry_whose_recording_is_replaced_has_both_keys_and_another_version() {
    let random = Seeded::new(50);
    let vault = Vault::create(scope(1, 2), &random).unwrap();
    let versions = [text(), replacing()].map(|text| {
        let sealed = vault.seal_entry(entry(3), 4, &text, &random).unwrap();
        assert!(vault.open_entry(entry(3), 4, &sealed).unwrap() == text);
        // Under the other version it does not open.
        let mut other = sealed.clone();
        other.encrypted_content[0] ^= 3;
        assert_eq!(vault.open_entry(entry(3), 4, &other).unwrap_err(), REFUSED);
        sealed.encrypted_content[0]
    });
    assert_eq!(versions, [1, 2]);
    let mut alone = replacing();
    alone.audio_key = None;
    assert_eq!(alone.to_bytes().unwrap_err(), Error::Layout("entry"));
}

#[test]
fn ciphertext_reveals_lengths_in_steps_of_32_bytes() {
    let random = Seeded::new(45);
    let vault = Vault::create(scope(1, 2), &random).unwrap();
    let length = |content: usize| {
        let text = EntryText {
            title: None,
            content: "x".repeat(content),
            tags: Vec::new(),
            audio_key: None,
            former_audio_key: None,
        };
        vault.seal_entry(entry(3), 4, &text, &random).unwrap().encrypted_content.len()
    };
    assert_eq!(
        (length(0), length(27), length(28)),
        (MIN_ENCRYPTED_CONTENT, MIN_ENCRYPTED_CONTENT, MIN_ENCRYPTED_CONTENT + 32)
    );
}

#[test]
fn the_largest_entry_fits_and_a_larger_one_is_refused() {
    let random = Seeded::new(46);
    let vault = Vault::create(scope(1, 2), &random).unwrap();
    let largest = || EntryText {
        title: Some("x".repeat(500)),
        content: "x".repeat(1 << 20),
        tags: vec!["x".repeat(100); 100],
        audio_key: Some(AudioKey([0; 32])),
        former_audio_key: Some(AudioKey([1; 32])),
    };
    let sealed = vault.seal_entry(entry(3), 4, &largest(), &random).unwrap();
    assert_eq!(sealed.encrypted_content.len(), MAX_ENCRYPTED_CONTENT);
    assert!(vault.open_entry(entry(3), 4, &sealed).unwrap() == largest());
    let larger = |change: fn(&mut EntryText)| {
        let mut text = largest();
        change(&mut text);
        vault.seal_entry(entry(3), 4, &text, &random).unwrap_err()
    };
    assert_eq!(larger(|text| text.content.push('x')), Error::TooLong { name: "content", max: 1 << 20 });
    assert_eq!(larger(|text| text.title = Some("x".repeat(501))), Error::TooLong { name: "title", max: 500 });
    assert_eq!(larger(|text| text.tags.push(String::new())), Error::TooLong { name: "list of tags", max: 100 });
    assert_eq!(larger(|text| text.tags[0].push('x')), Error::TooLong { name: "name of a tag", max: 100 });
}

#[test]
fn a_plaintext_is_unambiguous() {
    for good in [text(), replacing()].map(|text| text.to_bytes().unwrap()) {
        assert_eq!(EntryText::from_bytes(&good).unwrap().to_bytes().unwrap(), good);
        // After any change of a byte the layout is rejected, or reads as another text with exactly this layout.
        for place in 0..good.len() * 8 {
            let mut changed = good.to_vec();
            changed[place / 8] ^= 1 << (place % 8);
            if let Ok(read) = EntryText::from_bytes(&changed) {
                assert_eq!(read.to_bytes().unwrap().as_slice(), changed);
            }
        }
    }
    let padded = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes
    };
    let content = [2, 0, 0, 0, 1, b'x'];
    assert!(EntryText::from_bytes(&padded(&content)).is_ok());
    for bad in [
        Vec::new(),
        vec![0; 32],
        content.to_vec(),
        // One block of padding too many.
        [padded(&content), vec![0; 32]].concat(),
        // No content; content twice; a title after it; an unknown field; an invalid key; invalid text.
        padded(&[1, 0, 0, 0, 1, b'x']),
        padded(&[content, content].concat()),
        padded(&[content, [1, 0, 0, 0, 1, b'x']].concat()),
        padded(&[content, [5, 0, 0, 0, 1, b'x']].concat()),
        padded(&[content, [4, 0, 0, 0, 1, b'x']].concat()),
        // A former key without a key.
        padded(&[content.as_slice(), &[5, 0, 0, 0, 32], &[7; 32]].concat()),
        padded(&[2, 0, 0, 0, 1, 0xff]),
        padded(&[2, 0xff, 0xff, 0xff, 0xff, b'x']),
        // Padding that is not zero.
        [content.as_slice(), &[0; 25], &[1]].concat(),
    ] {
        assert_eq!(EntryText::from_bytes(&bad).unwrap_err(), Error::Layout("entry"), "{}", hex(&bad));
    }
}

fn name() -> Metadata {
    Metadata { name: "Therapy".into(), color: Some("#1e90ff".into()) }
}

#[test]
fn the_name_of_a_tag_is_sealed() {
    let random = Seeded::new(47);
    let vault = Vault::create(scope(1, 2), &random).unwrap();
    let plain = || Metadata { color: None, name: "x".into() };
    let longest = || Metadata { name: "x".repeat(100), color: Some("#1e90ff".into()) };
    for (metadata, length) in [(plain(), MIN_METADATA), (name(), MIN_METADATA), (longest(), MAX_METADATA)] {
        let sealed = vault.seal_metadata(&metadata, &random).unwrap();
        assert_eq!(sealed.as_bytes().len(), length);
        assert!(vault.open_metadata(&sealed).unwrap() == metadata);
        for place in 0..sealed.as_bytes().len() * 8 {
            let mut changed = sealed.as_bytes().to_vec();
            changed[place / 8] ^= 1 << (place % 8);
            let changed = SealedMetadata::from_bytes(changed).unwrap();
            assert_eq!(vault.open_metadata(&changed).unwrap_err(), Error::Refused("metadata"));
        }
    }
    let too_long = Metadata { name: "x".repeat(101), color: None };
    assert_eq!(vault.seal_metadata(&too_long, &random).unwrap_err(), Error::TooLong { name: "name", max: 100 });
    let length = Err(Error::Length { name: "metadata", min: MIN_METADATA, max: MAX_METADATA });
    assert_eq!(SealedMetadata::from_bytes(vec![0; MIN_METADATA - 1]), length);
    assert_eq!(SealedMetadata::from_bytes(vec![0; MAX_METADATA + 1]), length);
}

#[test]
fn a_new_phrase_wraps_the_same_master_key() {
    let random = Seeded::new(48);
    let (keys, home) = (ServerKeys::generate(&random), scope(1, 2));
    let old = register(&keys, home, "old", &random);
    let vault = Vault::create(home, &random).unwrap();
    let old_wrap = vault.wrap(&old.export_key, &random).unwrap();
    let sealed = vault.seal_entry(entry(3), 1, &text(), &random).unwrap();

    let open = Vault::unlock(home, &log_in(&keys, home, &old.record, "old", &random), &old_wrap).unwrap();
    let new = register(&keys, home, "new", &random);
    let new_wrap = open.wrap(&new.export_key, &random).unwrap();
    let vault = Vault::unlock(home, &log_in(&keys, home, &new.record, "new", &random), &new_wrap).unwrap();
    assert!(vault.open_entry(entry(3), 1, &sealed).unwrap() == text());

    let refused = Error::Refused("master key");
    assert_eq!(Vault::unlock(home, &old.export_key, &new_wrap).unwrap_err(), refused);
    assert_eq!(Vault::unlock(home, &new.export_key, &old_wrap).unwrap_err(), refused);
    for place in 0..WrappedMasterKey::LENGTH * 8 {
        let mut changed = *new_wrap.as_bytes();
        changed[place / 8] ^= 1 << (place % 8);
        let changed = WrappedMasterKey::from_bytes(&changed).unwrap();
        assert_eq!(Vault::unlock(home, &new.export_key, &changed).unwrap_err(), refused);
    }
}

#[test]
fn secrets_do_not_appear_in_debug_output() {
    let random = Seeded::new(49);
    let vault = Vault::create(scope(1, 2), &random).unwrap();
    let printed = format!("{:?} {:?} {:?} {:?}", text(), name(), AudioKey([7; 32]), vault);
    assert_eq!(printed, format!("EntryText(…) Metadata(…) AudioKey(…) Vault({}, …)", scope(1, 2).tag));
}
