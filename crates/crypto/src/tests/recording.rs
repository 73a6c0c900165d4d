//! Encrypted recordings open, whole and in chunks, and every manipulation is refused.

use super::*;
use crate::client::{AudioKey, Recording};
use crate::error::Error;
use crate::recording::{CHUNK, HEAD, SEALED_CHUNK, VERSION, chunks, plain_length, sealed_length};

const USER: UserId = UserId(Uuid::from_u128(1));
const ENTRY: EntryId = EntryId(Uuid::from_u128(3));
const OPUS: &str = "audio/webm;codecs=opus";
const REFUSED: Error = Error::Refused("recording");

/// Lengths around the ends of chunks.
pub const LENGTHS: [usize; 7] = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7];

pub fn noise(length: usize) -> Vec<u8> {
    let mut noise = vec![0; length];
    Seeded::new(9).fill(&mut noise);
    noise
}

fn seal(plaintext: &[u8]) -> (Vec<u8>, AudioKey) {
    Recording::seal_all(USER, ENTRY, OPUS, plaintext, &Seeded::new(1)).unwrap()
}

fn open(key: &AudioKey, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    Recording::open_all(USER, ENTRY, key, sealed).map(|(_, plaintext)| plaintext.to_vec())
}

#[test]
fn a_sealed_recording_opens_and_has_the_expected_length() {
    for length in LENGTHS {
        let plaintext = noise(length);
        let (sealed, key) = seal(&plaintext);
        let (recording, opened) = Recording::open_all(USER, ENTRY, &key, &sealed).unwrap();
        assert!(*opened == plaintext, "{length}");
        assert_eq!((recording.media_type(), recording.byte_length()), (OPUS, length as u64));
        assert_eq!(sealed_length(length as u64), sealed.len() as u64);
        assert_eq!(plain_length(sealed.len() as u64), Some(length as u64));
        // Any chunk opens by itself.
        let last = recording.chunks() - 1;
        assert_eq!(u64::from(last) + 1, chunks(length as u64));
        let start = HEAD + last as usize * SEALED_CHUNK;
        assert!(recording.open_chunk(last, &sealed[start..]).unwrap()[..] == plaintext[last as usize * CHUNK..]);
    }
}

#[test]
fn impossible_lengths_are_recognised() {
    let (head, chunk) = (HEAD as u64, SEALED_CHUNK as u64);
    for none in [0, head, head + 15, head + chunk + 1, head + chunk + 16, head + 2 * chunk + 15] {
        assert_eq!(plain_length(none), None, "{none}");
    }
    for length in 0..3 * CHUNK as u64 {
        assert_eq!(plain_length(sealed_length(length)), Some(length));
    }
}

#[test]
fn any_changed_bit_is_rejected() {
    let (sealed, key) = seal(&noise(CHUNK + 100));
    for place in (0..HEAD).chain((HEAD..sealed.len()).step_by(997)).chain(sealed.len() - 20..sealed.len()) {
        let mut changed = sealed.clone();
        changed[place] ^= 1 << (place % 8);
        let expected = if place == 0 { Error::Layout("recording") } else { REFUSED };
        assert_eq!(open(&key, &changed), Err(expected), "{place}");
    }
}

#[test]
fn truncated_extended_and_reordered_recordings_are_rejected() {
    let (sealed, key) = seal(&noise(3 * CHUNK));
    let chunk = |number: usize| &sealed[HEAD + number * SEALED_CHUNK..][..SEALED_CHUNK];
    let head = &sealed[..HEAD];
    for wrong in [
        [head, chunk(0), chunk(1)].concat(),
        [head, chunk(0), chunk(2)].concat(),
        [head, chunk(1), chunk(0), chunk(2)].concat(),
        [head, chunk(0), chunk(0), chunk(2)].concat(),
        [head, chunk(0), chunk(1), chunk(1)].concat(),
        [head, chunk(0), chunk(1), chunk(2), chunk(2)].concat(),
        [head, chunk(0), chunk(1), chunk(2), &[0]].concat(),
        [head, chunk(0), chunk(1), &chunk(2)[..100]].concat(),
        sealed[..sealed.len() - 1].to_vec(),
        head.to_vec(),
        head[..HEAD - 1].to_vec(),
        vec![],
    ] {
        assert_eq!(open(&key, &wrong), Err(REFUSED), "{}", wrong.len());
    }
    // The chunks of one recording under the head of another with the same key, which no client would create.
    let shorter = Recording::seal_all(USER, ENTRY, OPUS, &noise(2 * CHUNK), &Seeded::new(1)).unwrap();
    assert!(shorter.1 == key);
    assert_eq!(open(&key, &[&shorter.0[..HEAD], chunk(0), chunk(1)].concat()), Err(REFUSED));
}

#[test]
fn a_recording_is_bound_to_its_user_entry_and_key() {
    let (sealed, key) = seal(&noise(10));
    let other_key = AudioKey::generate(&Seeded::new(2));
    let open = |user, entry, key| Recording::open_all(user, entry, key, &sealed).map(drop);
    assert_eq!(open(USER, ENTRY, &key), Ok(()));
    assert_eq!(open(UserId(ENTRY.0), ENTRY, &key), Err(REFUSED));
    assert_eq!(open(USER, EntryId(USER.0), &key), Err(REFUSED));
    assert_eq!(open(USER, ENTRY, &other_key), Err(REFUSED));
}

#[test]
fn each_recording_has_its_own_key_and_full_chunks() {
    let random = Seeded::new(3);
    let create = |media_type: &str| Recording::create(USER, ENTRY, media_type, CHUNK as u64 + 1, &random);
    let ((recording, one), (_, other)) = (create(OPUS).unwrap(), create(OPUS).unwrap());
    assert!(one != other);
    assert_eq!(recording.head().unwrap()[0], VERSION);
    for (number, length) in [(0, CHUNK - 1), (0, 1), (1, 0), (1, 2), (2, 0), (2, 1)] {
        assert!(matches!(recording.seal_chunk(number, &noise(length)), Err(Error::Length { .. })), "{number} {length}");
    }
    assert_eq!(create(&"x".repeat(57)).map(drop), Err(Error::TooLong { name: "media type", max: 56 }));
    let (recording, key) = create(&"x".repeat(56)).unwrap();
    let opened = Recording::open(USER, ENTRY, &key, &recording.head().unwrap()).unwrap();
    assert_eq!(opened.media_type(), "x".repeat(56));
}
