//! Cursors: where a page ended, signed, so that they can be neither made up nor used for another list.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sotto_domain::storage::Position;
use sotto_domain::{Timestamp, UserId};
use uuid::Uuid;

/// The position (8 + 16 bytes) and the first 16 bytes of its HMAC-SHA-256 over user, list and position.
const LENGTH: usize = 8 + 16 + 16;

/// Signs and reads cursors.
pub struct CursorKey(hmac::Key);

impl CursorKey {
    /// Derived from the token key, so that a cursor is never a token.
    pub fn new(key: &[u8; 32]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = hmac::sign(&root, b"sotto/v1/cursor");
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// The cursor for what comes after `position` in this user's `list`: its name and every filter of the query.
    pub fn write(&self, user: UserId, list: &str, (instant, id): Position) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend(instant.as_micros().to_be_bytes());
        bytes.extend(id.as_bytes());
        let mac = self.mac(user, list, &bytes);
        bytes.extend(&mac.as_ref()[..16]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position, if this cursor was written for the same user and list.
    pub fn read(&self, user: UserId, list: &str, cursor: &str) -> Option<Position> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().filter(|bytes| bytes.len() == LENGTH)?;
        let (position, mac) = bytes.split_at(8 + 16);
        let expected = self.mac(user, list, position);
        aws_lc_rs::constant_time::verify_slices_are_equal(mac, &expected.as_ref()[..16]).ok()?;
        let (micros, id) = position.split_at(8);
        let instant = Timestamp::from_micros(i64::from_be_bytes(micros.try_into().ok()?))?;
        Some((instant, Uuid::from_slice(id).ok()?))
    }

    fn mac(&self, user: UserId, list: &str, position: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(user.0.as_bytes());
        context.update(position);
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
        let cursor = key.write(ada, "journals?tag=a", position);
        assert_eq!(key.read(ada, "journals?tag=a", &cursor), Some(position));
        assert_eq!(key.read(ben, "journals?tag=a", &cursor), None);
        assert_eq!(key.read(ada, "journals?tag=b", &cursor), None);
        assert_eq!(CursorKey::new(&[2; 32]).read(ada, "journals?tag=a", &cursor), None);
        for bad in ["", "AAAA", &cursor[1..], &format!("{cursor}A"), "////"] {
            assert_eq!(key.read(ada, "journals?tag=a", bad), None);
        }
    }
}
