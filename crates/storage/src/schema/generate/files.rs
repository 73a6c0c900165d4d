//! Names, numbers and writes the files of new migrations without overwriting any file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::RevisionError;
use super::migration::NewMigration;
use crate::DatabaseUrl;
use crate::migrate::source::{Migration, Source};
use crate::schema::Engine;

/// The longest message, in characters. It becomes part of file names.
pub const LONGEST_MESSAGE: usize = 72;

/// A locked folder of migrations. The lock is released when this value is dropped.
pub(super) struct Folder {
    path: PathBuf,
    /// The newest version in the folder.
    newest: u32,
    _lock: File,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, RevisionError> {
        let failed = |reason| RevisionError::File { path: path.to_owned(), verb: "read", reason };
        // Locking the folder itself leaves no lock file behind.
        let lock = File::open(path).map_err(failed)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => RevisionError::Busy(path.to_owned()),
            TryLockError::Error(reason) => failed(reason),
        })?;
        let folder = Self { path: path.to_owned(), newest: 0, _lock: lock };
        let (sqlite, postgres) = (folder.source(Engine::Sqlite)?, folder.source(Engine::Postgres)?);
        let revisions = |source: &Source| source.migrations().iter().map(Migration::revision).collect::<Vec<_>>();
        let (sqlite, postgres) = (revisions(&sqlite), revisions(&postgres));
        if sqlite != postgres {
            let newest = |mut list: Vec<String>| list.pop().unwrap_or_else(|| "none".to_owned());
            return Err(RevisionError::Uneven { sqlite: newest(sqlite), postgres: newest(postgres) });
        }
        Ok(Self { newest: u32::try_from(sqlite.len()).unwrap_or(u32::MAX), ..folder })
    }

    pub(super) fn source(&self, engine: Engine) -> Result<Source, RevisionError> {
        // The address only names the engine.
        let url = match engine {
            Engine::Sqlite => DatabaseUrl::Sqlite(self.path.clone()),
            Engine::Postgres => DatabaseUrl::Postgres(String::new()),
        };
        Ok(Source::directory(&url, &self.path)?)
    }

    /// Writes all files of the migrations in their order, or none.
    pub(super) fn write(&self, new_migrations: &[NewMigration]) -> Result<Vec<PathBuf>, RevisionError> {
        let mut written = Vec::new();
        for (number, draft) in (self.newest + 1..).zip(new_migrations) {
            for engine in Engine::BOTH {
                let pair = draft.pair(engine);
                for (direction, text) in [("up", &pair.up), ("down", &pair.down)] {
                    let name = format!("{number:04}_{}.{direction}.sql", draft.name);
                    let path = self.path.join(engine.folder()).join(name);
                    if let Err(reason) = write_new(&path, text, &mut written) {
                        for path in &written {
                            // A file that remains does no harm: without its counterpart it is rejected.
                            let _ = fs::remove_file(path);
                        }
                        return Err(RevisionError::File { path, verb: "written", reason });
                    }
                }
            }
        }
        Ok(written)
    }
}

/// Never overwrites an existing file.
fn write_new(path: &Path, text: &str, written: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    written.push(path.to_owned());
    file.write_all(text.as_bytes())
}

/// The file name for a message: `Add moods!` becomes `add_moods`.
pub(super) fn name(message: &str) -> Result<String, RevisionError> {
    let message = message.trim();
    if message.is_empty() {
        return Err(RevisionError::Message("is empty"));
    }
    if message.chars().count() > LONGEST_MESSAGE {
        return Err(RevisionError::Message("has more than 72 characters"));
    }
    if message.chars().any(char::is_control) {
        return Err(RevisionError::Message("has more than one line, or characters that cannot be seen"));
    }
    if message.chars().any(|c| c.is_alphanumeric() && !c.is_ascii()) {
        return Err(RevisionError::Message("has letters other than a to z, and it names files"));
    }
    let words = message.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("_").to_ascii_lowercase();
    if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        Ok(name)
    } else {
        Err(RevisionError::Message("does not begin with a letter"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::migration::skeleton;
    use super::*;

    /// A file that another process created without taking the lock.
    #[test]
    fn an_existing_file_is_kept_and_no_draft_remains() {
        let home = tempfile::TempDir::new().unwrap();
        for engine in Engine::BOTH {
            fs::create_dir(home.path().join(engine.folder())).unwrap();
        }
        let folder = Folder::open(home.path()).unwrap();
        let theirs = home.path().join("postgres/0001_moods.down.sql");
        fs::write(&theirs, "theirs").unwrap();
        let refused = folder.write(&[skeleton("moods", "Moods")]).unwrap_err().to_string();
        assert!(refused.contains("0001_moods.down.sql cannot be written") && refused.contains("exists"), "{refused}");
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
        assert_eq!(fs::read_dir(home.path().join("sqlite")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(home.path().join("postgres")).unwrap().count(), 1);

        fs::remove_file(&theirs).unwrap();
        fs::remove_dir(home.path().join("postgres")).unwrap();
        let refused = folder.write(&[skeleton("moods", "Moods")]).unwrap_err().to_string();
        assert!(refused.contains("postgres/0001_moods.up.sql cannot be written"), "{refused}");
        assert_eq!(fs::read_dir(home.path().join("sqlite")).unwrap().count(), 0);
    }
}
