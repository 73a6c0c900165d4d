//! How a database says that it does not hold everything yet.
//!
//! While rows are being written, `schema_migrations` has a row of a version that no program knows. Every version of Sotto,
//! old ones too, refuses to start on such a database or to migrate it. The same row says what is being written,
//! so that it can be continued.

use super::draft::draft_name;
use super::error::{Result, TransferError};
use crate::DatabaseUrl;
use crate::migrate::{Applied, State};

/// The version of the row: greater than that of any migration.
pub const VERSION: u32 = 9999;

/// What is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What the operator called for: `restore` or `copy`.
    pub purpose: &'static str,
    /// Tells the same source from another: the checksum of a backup's manifest, or the address of a database.
    pub identity: String,
    /// What messages call the source.
    pub source: String,
}

impl Mark {
    /// The name in the row.
    pub fn name(&self) -> String {
        format!("unfinished_{}", self.purpose)
    }

    /// Whether to go on with what a database says it is in the middle of.
    pub fn refuse_other(&self, url: &DatabaseUrl, found: &Applied) -> Result<()> {
        if found.name == self.name() && found.up_checksum == self.identity {
            return Ok(());
        }
        Err(TransferError::Refused(format!(
            "{} Or add --restart, which deletes that part and begins with {}",
            unfinished(url, found),
            self.source
        )))
    }
}

/// Whether this row is such a mark.
pub fn is_mark(row: &Applied) -> bool {
    row.version == VERSION && row.name.starts_with("unfinished_")
}

/// A sentence about a database with such a mark.
pub fn unfinished(url: &DatabaseUrl, mark: &Applied) -> TransferError {
    let purpose = mark.name.trim_start_matches("unfinished_");
    TransferError::Refused(format!(
        "the database {url} holds a part of a {purpose} of {} that has not ended: run the same {purpose} again, and it \
         continues where it stopped.",
        mark.down_checksum
    ))
}

/// What to say of a database that a server must not start on because a restore or a copy into it has not ended; `None`
/// if there is none.
pub fn explain(url: &DatabaseUrl, state: &State) -> Option<String> {
    match (url, state) {
        (DatabaseUrl::Sqlite(path), _) => {
            let draft = draft_name(path);
            let begun = draft.metadata().is_ok_and(|metadata| metadata.len() > 0);
            begun.then(|| {
                format!(
                    "a restore or a copy into {url} has not ended: run the same command again, and it continues where it \
                     stopped; or, to give it up, delete {}",
                    draft.display()
                )
            })
        }
        (DatabaseUrl::Postgres(_), State::Ahead { current, .. }) => {
            let purpose = current.strip_prefix(&format!("{VERSION}_unfinished_"))?;
            Some(format!(
                "the database {url} holds a part of a {purpose} that has not ended: run the same {purpose} again, and it \
                 continues where it stopped"
            ))
        }
        _ => None,
    }
}
