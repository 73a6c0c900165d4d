//! The mark of a database that does not contain all rows yet.
//!
//! While rows are being written, `schema_migrations` has a row with a version that no program knows. Every version of
//! Sotto, including old ones, refuses to start on such a database or to migrate it. The row also names the source, so
//! that the run can continue.

use sotto_files::draft_name;

use super::error::{Result, TransferError};
use crate::DatabaseUrl;
use crate::migrate::{Applied, State};

/// The version of the row, greater than that of any migration.
pub const VERSION: u32 = 9999;

/// The run that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedMark {
    /// The operator's command: `restore` or `copy`.
    pub purpose: &'static str,
    /// Identifies the source: the checksum of a backup's manifest, or the address of a database.
    pub identity: String,
    /// The name of the source in messages.
    pub source: String,
}

impl UnfinishedMark {
    /// The name in the row.
    pub fn name(&self) -> String {
        format!("unfinished_{}", self.purpose)
    }

    /// Refuses to continue the run of another source.
    pub fn refuse_other(&self, url: &DatabaseUrl, found: &Applied) -> Result<()> {
        if found.name == self.name() && found.up_checksum == self.identity {
            return Ok(());
        }
        Err(TransferError::Refused(format!(
            "{} Or add --restart to delete that part and start with {}",
            unfinished(url, found),
            self.source
        )))
    }
}

/// Whether this row is such a mark.
pub fn is_mark(row: &Applied) -> bool {
    row.version == VERSION && row.name.starts_with("unfinished_")
}

/// The purpose and the source of a mark; `None` for any other row.
pub fn purpose_and_source(row: &Applied) -> Option<(&str, &str)> {
    is_mark(row).then(|| (row.name.trim_start_matches("unfinished_"), row.down_checksum.as_str()))
}

/// The refusal of a database with such a mark.
pub fn unfinished(url: &DatabaseUrl, mark: &Applied) -> TransferError {
    let purpose = mark.name.trim_start_matches("unfinished_");
    TransferError::Refused(format!(
        "the database {url} contains part of a {purpose} of {} that has not ended: run the same {purpose} again to \
         continue it.",
        mark.down_checksum
    ))
}

/// The reason why a server must not start on a database with an unfinished restore or copy; `None` if there is none.
pub fn explain_unfinished(url: &DatabaseUrl, state: &State) -> Option<String> {
    match (url, state) {
        (DatabaseUrl::Sqlite(path), _) => {
            let draft = draft_name(path);
            let begun = draft.metadata().is_ok_and(|metadata| metadata.len() > 0);
            begun.then(|| {
                format!(
                    "a restore or a copy into {url} has not ended: run the same command again to continue it or, to \
                     give it up, delete {}",
                    draft.display()
                )
            })
        }
        (DatabaseUrl::Postgres(_), state @ State::Unfinished { .. }) => Some(state.to_string()),
        _ => None,
    }
}
