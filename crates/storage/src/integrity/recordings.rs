//! Checks that the attachment store has the recordings that rows name.

use super::{FindingKind, Integrity};
use crate::DatabaseUrl;
use crate::transfer::{Attachments, Comparison, Migrations, Problem, compare};

/// The most recordings that are listed one by one. In the wrong store, all recordings are missing.
const MAX_LISTED: usize = 100;

/// Compares the recordings in `attachments` with the rows of the database at `url`: names and lengths, and with
/// `hashes` also the SHA-256 of all content. Changes nothing.
pub async fn check_recordings(
    url: &DatabaseUrl,
    attachments: &Attachments,
    migrations: &Migrations,
    hashes: bool,
) -> Integrity {
    let mut found = Integrity::default();
    let Comparison { named, gaps } = match compare(url, attachments, migrations, hashes).await {
        Ok(compared) => compared,
        Err(error) => {
            found
                .add(FindingKind::Unchecked, "attachments", "")
                .differs("recordings that can be read", error.to_string());
            return found;
        }
    };
    for gap in gaps.iter().take(MAX_LISTED) {
        let problem = match gap.problem {
            Problem::Missing => "none of this name",
            Problem::Length => "a recording of another length",
            Problem::Content => "a recording with other content",
        };
        found
            .add(FindingKind::Recording, "attachments", &gap.name)
            .differs("the recording that its row names", problem);
    }
    if let Some(more) = gaps.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
        found
            .add(FindingKind::Recording, "attachments", "")
            .differs("the recordings that their rows name", format!("{more} more that are missing or different"));
    }
    if named > 0 && !hashes {
        found
            .notes
            .push("the content of the recordings; --hashes compares it with the SHA-256 in their rows.".to_owned());
    }
    found
}
