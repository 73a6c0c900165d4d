//! Cursors: where a page ended, signed, so that they can be neither made up nor used for another list.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sotto_domain::account::Email;
use sotto_domain::storage::Position;
use sotto_domain::{Timestamp, UserId};
use uuid::Uuid;

/// Bytes of the HMAC-SHA-256 over user, place and list that are kept.
const MAC: usize = 16;

/// Where a list can be cut: what orders its rows.
pub trait Place: Sized {
    /// As bytes.
    fn to_bytes(&self) -> Vec<u8>;
    /// What [`Self::to_bytes`] wrote.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// 8 bytes of the instant and 16 of the id.
impl Place for Position {
    fn to_bytes(&self) -> Vec<u8> {
        [&self.0.as_micros().to_be_bytes()[..], self.1.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (micros, id) = bytes.split_first_chunk::<8>()?;
        Some((Timestamp::from_micros(i64::from_be_bytes(*micros))?, Uuid::from_slice(id).ok()?))
    }
}

impl Place for Email {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_str().into()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::parse(str::from_utf8(bytes).ok()?).ok()
    }
}

/// Signs and reads cursors.
pub struct CursorKey(hmac::Key);

impl CursorKey {
    /// Derived from the token key, so that a cursor is never a token.
    pub fn new(key: &[u8; 32]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = hmac::sign(&root, b"sotto/v1/cursor");
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// The cursor for what comes after `place` in this user's `list`: its name and every filter of the query.
    pub fn write(&self, user: UserId, list: &str, place: &impl Place) -> String {
        let mut bytes = place.to_bytes();
        let mac = self.mac(user, list, &bytes);
        bytes.extend(&mac.as_ref()[..MAC]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place, if this cursor was written for the same user and list.
    pub fn read<P: Place>(&self, user: UserId, list: &str, cursor: &str) -> Option<P> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (place, mac) = bytes.split_last_chunk::<MAC>()?;
        let expected = self.mac(user, list, place);
        aws_lc_rs::constant_time::verify_slices_are_equal(mac, &expected.as_ref()[..MAC]).ok()?;
        P::from_bytes(place)
    }

    fn mac(&self, user: UserId, list: &str, place: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(user.0.as_bytes());
        // Without its length, bytes could pass from the place to the list.
        context.update(&(place.len() as u64).to_be_bytes());
        context.update(place);
        context.update(list.as_bytes());
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_user_and_list_only() {
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
        let place = Email::parse("ben@example.org").unwrap();
        let cursor = key.write(ada, "users?", &place);
        assert_eq!(key.read(ada, "users?", &cursor), Some(place));
        assert_eq!(key.read::<Position>(ada, "users?", &cursor), None);
        assert_eq!(key.read::<Email>(ada, "users?q=a", &cursor), None);
    }
}
