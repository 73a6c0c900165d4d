//! The file of raised alerts in the data folder: after a restart, the server still reports when one is cleared.
//!
//! Servers may share a data folder, and each assesses for itself. So each has its own file: the first one that no
//! running server has locked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sotto_domain::Timestamp;
use sotto_files::{Claim, Draft, FileError};

use super::alerts::Alert;

/// Servers that may share a data folder.
const MAX_FILES: u32 = 64;
/// The format's name in the file.
const FORMAT: &str = "sotto-raised-alerts";
const VERSION: u32 = 1;
/// Far more than all alerts take. The program has never written a larger file.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq)]
pub struct Raised {
    pub alert: Alert,
    pub since: Timestamp,
    /// The measurement.
    pub figure: f64,
    /// Why it was raised.
    pub sentence: String,
}

#[derive(Debug)]
pub struct RaisedFile {
    path: PathBuf,
    /// Held while the server runs.
    _claim: Claim,
}

#[derive(Serialize, Deserialize)]
struct Content {
    format: String,
    version: u32,
    alerts: Vec<StoredAlert>,
}

#[derive(Serialize, Deserialize)]
struct StoredAlert {
    alert: String,
    since: String,
    figure: f64,
    sentence: String,
}

impl RaisedFile {
    /// Claims a file in the data folder and reads it. Problems with file or folder are logged, and the server starts
    /// with no alert raised.
    pub fn open(folder: &Path) -> (Option<Self>, Vec<Raised>) {
        let file = match Self::claim(folder) {
            Ok(file) => file,
            Err(error) => {
                tracing::warn!(%error, "raised alerts are not saved: after a restart, no notice is sent when they are cleared");
                return (None, Vec::new());
            }
        };
        let raised = file.read().unwrap_or_else(|reason| {
            let path = file.path.display();
            tracing::warn!(%path, reason, "the file of raised alerts is not used, so no alert counts as raised");
            Vec::new()
        });
        (Some(file), raised)
    }

    fn claim(folder: &Path) -> sotto_files::Result<Self> {
        let mut number = 1;
        loop {
            let name = if number == 1 { "raised-alerts".to_owned() } else { format!("raised-alerts-{number}") };
            match Claim::alone(&folder.join(format!(".{name}.lock")), "sotto serve", Duration::ZERO) {
                Ok(claim) => return Ok(Self { path: folder.join(name + ".json"), _claim: claim }),
                Err(FileError::Held { .. }) if number < MAX_FILES => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn read(&self) -> Result<Vec<Raised>, String> {
        let text = match fs::metadata(&self.path) {
            Ok(metadata) if metadata.len() > MAX_BYTES => Err("it is too large".to_owned()),
            Ok(_) => fs::read_to_string(&self.path).map_err(|error| error.to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        }?;
        let content: Content = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if (content.format.as_str(), content.version) != (FORMAT, VERSION) {
            return Err(format!("it does not have the format {FORMAT}, version {VERSION}"));
        }
        content.alerts.into_iter().map(StoredAlert::into_alert).collect()
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// If the folder does not accept it; then the file is unchanged.
    pub fn write(&self, raised: &[Raised]) -> sotto_files::Result<()> {
        let alerts = raised.iter().map(StoredAlert::from_alert).collect();
        let content = Content { format: FORMAT.to_owned(), version: VERSION, alerts };
        let failed = |error: serde_json::Error| FileError::Io {
            path: self.path.clone(),
            doing: "written",
            source: error.into(),
        };
        let text = serde_json::to_string_pretty(&content).map_err(failed)? + "\n";
        Draft::replacing(&self.path)?.publish_with(text.as_bytes())
    }
}

impl StoredAlert {
    fn from_alert(raised: &Raised) -> Self {
        let Raised { alert, since, figure, sentence } = raised;
        Self { alert: alert.name().to_owned(), since: since.to_string(), figure: *figure, sentence: sentence.clone() }
    }

    fn into_alert(self) -> Result<Raised, String> {
        let alert = Alert::ALL.into_iter().find(|alert| alert.name() == self.alert);
        let alert = alert.ok_or_else(|| format!("it names an unknown alert: {}", self.alert))?;
        let since = Timestamp::parse(&self.since).map_err(|_| format!("{} is not a time", self.since))?;
        Ok(Raised { alert, since, figure: self.figure, sentence: self.sentence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised() -> Raised {
        let since = Timestamp::parse("2026-11-23T10:00:00.123456Z").unwrap();
        Raised { alert: Alert::SlowStatement, since, figure: 162.4, sentence: "It took 162.4 ms.".into() }
    }

    fn open(folder: &Path) -> (RaisedFile, Vec<Raised>) {
        let (file, raised) = RaisedFile::open(folder);
        (file.unwrap(), raised)
    }

    #[test]
    fn raised_alerts_are_loaded_by_the_next_server() {
        let folder = tempfile::tempdir().unwrap();
        for alerts in [vec![raised()], vec![]] {
            open(folder.path()).0.write(&alerts).unwrap();
            assert_eq!(open(folder.path()).1, alerts);
        }
    }

    #[test]
    fn servers_that_share_a_folder_have_separate_files() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = open(folder.path());
        first.write(&[raised()]).unwrap();
        let (second, alerts) = open(folder.path());
        assert_eq!(alerts, []);
        second.write(&[]).unwrap();
        drop(first);
        assert_eq!(open(folder.path()).1, [raised()]);
    }

    #[test]
    fn a_missing_truncated_or_foreign_file_means_no_raised_alerts() {
        let folder = tempfile::tempdir().unwrap();
        let path = open(folder.path()).0.path;
        assert_eq!(open(folder.path()).1, []);
        open(folder.path()).0.write(&[raised()]).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        for content in [
            "",
            &whole[..whole.len() / 2],
            "{}",
            "\u{0}",
            &whole.replace("\"version\": 1", "\"version\": 2"),
            &whole.replace(FORMAT, "shopping-list"),
            &whole.replace("slow_statement", "slow_cooker"),
            &whole.replace("2026-11-23", "yesterday"),
            &" ".repeat(usize::try_from(MAX_BYTES).unwrap() + 1),
        ] {
            fs::write(&path, content).unwrap();
            let (file, alerts) = open(folder.path());
            assert_eq!(alerts, [], "{content}");
            // The next change replaces the file.
            file.write(&[raised()]).unwrap();
            drop(file);
            assert_eq!(open(folder.path()).1, [raised()]);
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(open(folder.path()).1, []);
        assert!(RaisedFile::open(&folder.path().join("missing")).0.is_none());
    }
}
