//! The time of the last backup: a note in the data folder, which `sotto backup` writes and the server reads.

use std::io;
use std::path::Path;
use std::{fmt, fs};

use serde::{Deserialize, Serialize};
use sotto_domain::Timestamp;
use sotto_files::{Draft, FileError};

/// The name of the note in the data folder.
pub const NAME: &str = "last-backup.json";
const FORMAT: &str = "sotto-last-backup";
const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastBackup {
    /// There is no note: no backup was made with this data folder.
    Never,
    /// The moment whose data the last backup contains.
    At(Timestamp),
    /// The note cannot be used; the text is the reason.
    Unreadable(String),
}

#[derive(Serialize, Deserialize)]
struct Note {
    format: String,
    version: u32,
    /// The moment whose data the backup contains, in RFC 3339.
    made_at: String,
}

impl LastBackup {
    pub fn read(folder: &Path) -> Self {
        let text = match fs::read_to_string(folder.join(NAME)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::Never,
            Err(error) => return Self::Unreadable(error.to_string()),
        };
        parse(&text).map_or_else(Self::Unreadable, Self::At)
    }

    /// Notes a complete backup of the data at `made_at`. A missing data folder is not created.
    ///
    /// # Errors
    /// If the note cannot be written.
    pub fn write(folder: &Path, made_at: Timestamp) -> sotto_files::Result<()> {
        let path = folder.join(NAME);
        let note = Note { format: FORMAT.to_owned(), version: VERSION, made_at: made_at.to_string() };
        let failed =
            |error: serde_json::Error| FileError::Io { path: path.clone(), doing: "written", source: error.into() };
        let text = serde_json::to_string_pretty(&note).map_err(failed)? + "\n";
        Draft::replacing(&path)?.publish_with(text.as_bytes())
    }
}

impl fmt::Display for LastBackup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => write!(f, "No backup was made with this data folder."),
            Self::At(moment) => write!(f, "The last backup was made at {moment}."),
            Self::Unreadable(reason) => write!(f, "{NAME} in the data folder cannot be used: {reason}."),
        }
    }
}

fn parse(text: &str) -> Result<Timestamp, String> {
    let note: Note = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if (note.format.as_str(), note.version) != (FORMAT, VERSION) {
        return Err(format!("it does not have the format {FORMAT}, version {VERSION}"));
    }
    Timestamp::parse(&note.made_at).map_err(|_| format!("{} is not a time", note.made_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_absent_complete_or_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(LastBackup::read(folder.path()), LastBackup::Never);
        let moment = Timestamp::parse("2026-11-23T10:00:00Z").unwrap();
        LastBackup::write(folder.path(), moment).unwrap();
        assert_eq!(LastBackup::read(folder.path()), LastBackup::At(moment));
        let whole = fs::read_to_string(folder.path().join(NAME)).unwrap();
        for content in ["", &whole[..30], &whole.replace("version\": 1", "version\": 9"), &whole.replace("2026", "now")]
        {
            fs::write(folder.path().join(NAME), content).unwrap();
            assert!(matches!(LastBackup::read(folder.path()), LastBackup::Unreadable(_)), "{content}");
        }
        assert!(LastBackup::write(&folder.path().join("missing"), moment).is_err());
        assert!(!folder.path().join("missing").exists());
    }
}
