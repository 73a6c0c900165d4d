//! Cursors: the position where a page ended, signed so that it cannot be forged or used for another list.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sotto_domain::account::Email;
use sotto_domain::storage::Position;
use sotto_domain::{Timestamp, UserId};
use uuid::Uuid;

/// Bytes kept of the HMAC-SHA-256 over user, position and list.
const MAC_BYTES: usize = 16;

/// The position of a row: the columns that a list is sorted by.
pub trait SortKey: Sized {
    fn to_bytes(&self) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// 8 bytes of the instant and 16 bytes of the id.
impl SortKey for Position {
    fn to_bytes(&self) -> Vec<u8> {
        [&self.0.as_micros().to_be_bytes()[..], self.1.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (micros, id) = bytes.split_first_chunk::<8>()?;
        Some((Timestamp::from_micros(i64::from_be_bytes(*micros))?, Uuid::from_slice(id).ok()?))
    }
}

impl SortKey for Email {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_str().into()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_stored(str::from_utf8(bytes).ok()?.to_owned()))
    }
}

/// Signs and verifies cursors.
pub struct CursorKey(hmac::Key);

impl CursorKey {
    /// Derived from the token key, so that a cursor can never be used as a token.
    pub fn new(key: &[u8; 32]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = hmac::sign(&root, b"sotto/v1/cursor");
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// A cursor for the rows after `sort_key` in the user's `list`, which is its path and all filters of the query.
    pub fn write(&self, user: UserId, list: &str, sort_key: &impl SortKey) -> String {
        let mut bytes = sort_key.to_bytes();
        let mac = self.mac(user, list, &bytes);
        bytes.extend(&mac.as_ref()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position, if the cursor was signed for the same user and list.
    pub fn read<P: SortKey>(&self, user: UserId, list: &str, cursor: &str) -> Option<P> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (sort_key, mac) = bytes.split_last_chunk::<MAC_BYTES>()?;
        let expected = self.mac(user, list, sort_key);
        aws_lc_rs::constant_time::verify_slices_are_equal(mac, &expected.as_ref()[..MAC_BYTES]).ok()?;
        P::from_bytes(sort_key)
    }

    fn mac(&self, user: UserId, list: &str, sort_key: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(user.0.as_bytes());
        // Without its length, bytes could move from the position to the list.
        context.update(&(sort_key.len() as u64).to_be_bytes());
        context.update(sort_key);
        context.update(list.as_bytes());
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_is_valid_only_for_its_user_and_list() {
        let key = CursorKey::new(&[1; 32]);
        let (ada, ben) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let position = (Timestamp::from_micros(-5).unwrap(), Uuid::from_u128(9));
        let cursor = key.write(ada, "journals?tag=a", &position);
        assert_eq!(key.read(ada, "journals?tag=a", &cursor), Some(position));
        assert_eq!(key.read::<Position>(ben, "journals?tag=a", &cursor), None);
        assert_eq!(key.read::<Position>(ada, "journals?tag=b", &cursor), None);
        assert_eq!(CursorKey::new(&[2; 32]).read::<Position>(ada, "journals?tag=a", &cursor), None);
        for bad in ["", "AAAA", &cursor[1..], &format!("{cursor}A"), "////"] {
            assert_eq!(key.read::<Position>(ada, "journals?tag=a", bad), None);
        }
    }

    #[test]
    fn a_cursor_can_be_an_address() {
        let (key, ada) = (CursorKey::new(&[1; 32]), UserId(Uuid::from_u128(1)));
        let sort_key = Email::parse("ben@example.org").unwrap();
        let cursor = key.write(ada, "users?", &sort_key);
        assert_eq!(key.read(ada, "users?", &cursor), Some(sort_key));
        assert_eq!(key.read::<Position>(ada, "users?", &cursor), None);
        assert_eq!(key.read::<Email>(ada, "users?q=a", &cursor), None);
    }
    proptest! {
        #[test]
        fn a_cursor_returns_its_position_and_no_other_text_does(
            micros in Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros(),
            id in any::<u128>(),
            user in any::<u128>(),
            list in "\\PC{0,40}",
            at in any::<prop::sample::Index>(),
            letter in "[A-Za-z0-9_-]",
        ) {
            let (key, user) = (CursorKey::new(&[7; 32]), UserId(Uuid::from_u128(user)));
            let position = (Timestamp::from_micros(micros).unwrap(), Uuid::from_u128(id));
            let cursor = key.write(user, &list, &position);
            prop_assert_eq!(key.read(user, &list, &cursor), Some(position));
            let at = at.index(cursor.len());
            let changed = format!("{}{letter}{}", &cursor[..at], &cursor[at + 1..]);
            prop_assert_eq!(key.read::<Position>(user, &list, &changed).is_some(), changed == cursor);
            prop_assert_eq!(key.read::<Position>(user, &list, &cursor[..at]), None);
        }

        #[test]
        fn any_text_is_refused_as_a_cursor(text in "\\PC{0,120}") {
            let key = CursorKey::new(&[7; 32]);
            prop_assert_eq!(key.read::<Position>(UserId(Uuid::nil()), "journals?", &text), None);
            prop_assert_eq!(key.read::<Email>(UserId(Uuid::nil()), "users?", &text), None);
        }
    }
}
