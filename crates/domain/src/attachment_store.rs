//! The identity of attachment stores. A database and its store share a random id, and nothing is ever deleted from a
//! store with another id.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::StoreId;

/// The object that holds the store's [`StoreMark`], beside the attachments.
pub const MARK: &str = "sotto-store.json";

/// The first part of the names of objects in quarantine, where a sweep moves objects that no row names:
/// `quarantine/YYYY-MM-DD/USER/ID`, with the day of the sweep in UTC.
pub const QUARANTINE: &str = "quarantine";

/// The version of the format of [`StoreMark`].
const FORMAT: u32 = 1;

/// The database's record of its attachment store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The store identity.
    pub id: StoreId,
    /// The number of sweeps that this database has begun.
    pub sweeps: u32,
    /// When the next sweep is due.
    pub next_sweep_at: Timestamp,
    /// Why the last sweep was refused or failed, in sentences; `None` if it was completed.
    pub trouble: Option<String>,
}

/// The record that an attachment store has of its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreMark {
    format: u32,
    /// The store identity.
    pub id: StoreId,
    /// The number of sweeps that the database had begun when it last swept this store. An older copy of the database
    /// has a lower number.
    pub sweeps: u32,
}

impl StoreMark {
    /// Creates the mark of a store that belongs to this database.
    pub fn new(id: StoreId, sweeps: u32) -> Self {
        Self { format: FORMAT, id, sweeps }
    }

    /// The stored form: JSON and a line feed.
    pub fn to_text(self) -> String {
        format!("{{\"format\": {}, \"id\": \"{}\", \"sweeps\": {}}}\n", self.format, self.id, self.sweeps)
    }

    /// Parses the text that [`Self::to_text`] returns.
    ///
    /// # Errors
    /// A clause that says what is wrong. An unreadable mark is never treated as a missing one.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let mark: Self = serde_json::from_slice(text).map_err(|error| format!("is damaged: {error}"))?;
        if mark.format == FORMAT { Ok(mark) } else { Err(format!("is of format {}, not {FORMAT}", mark.format)) }
    }
}

/// Whether the object of this name is part of the store's bookkeeping and not an attachment.
pub fn is_bookkeeping(name: &str) -> bool {
    name == MARK || name.split('/').next() == Some(QUARANTINE)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_a_valid_store_mark_is_parsed() {
        let mark = StoreMark::new(StoreId(Uuid::from_u128(7)), 3);
        assert_eq!(StoreMark::parse(mark.to_text().as_bytes()), Ok(mark));
        let newer = mark.to_text().replace("\"format\": 1", "\"format\": 2");
        for wrong in ["", "{}", "[]", &mark.to_text()[..20], &newer] {
            assert!(StoreMark::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn notes_are_distinguished_from_attachments() {
        for name in ["sotto-store.json", "quarantine/2025-01-22/a/b", "quarantine"] {
            assert!(is_bookkeeping(name), "{name}");
        }
        for name in ["a/b", "a/sotto-store.json", "quarantined/x", "a/quarantine/b"] {
            assert!(!is_bookkeeping(name), "{name}");
        }
    }
}
