//! A copy of the project's migrations and desired schemas, which a test can change.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Database;
use crate::DatabaseUrl;
use crate::migrate::source::Source;
use crate::migrate::{Migrator, Target};
use crate::schema::generate::{RevisionError, WrittenFiles, autogenerate, missing};
use crate::schema::{self, Engine};

/// A copy of the project's migrations and desired schemas.
pub(super) struct Project(pub(super) TempDir);

impl Project {
    /// One migration for each engine, which declares the loss `loses`, and a desired schema.
    pub(super) fn with_migration(up: [&str; 2], loses: &str, desired: [&str; 2]) -> Self {
        let project = Self(TempDir::new().unwrap());
        fs::create_dir(project.desired()).unwrap();
        for (at, engine) in ["sqlite", "postgres"].into_iter().enumerate() {
            let folder = project.migrations().join(engine);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("0001_first.up.sql"), up[at]).unwrap();
            fs::write(folder.join("0001_first.down.sql"), format!("-- loses: {loses}\nSELECT 1;")).unwrap();
            fs::write(project.desired().join(format!("{engine}.sql")), desired[at]).unwrap();
        }
        project
    }

    /// No migrations, and the project's desired schema.
    pub(super) fn from_nothing() -> Self {
        let project = Self::new();
        for engine in ["sqlite", "postgres"] {
            fs::remove_dir_all(project.migrations().join(engine)).unwrap();
            fs::create_dir(project.migrations().join(engine)).unwrap();
        }
        project
    }

    pub(super) fn new() -> Self {
        let project = Self(TempDir::new().unwrap());
        let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir(project.desired()).unwrap();
        for engine in ["sqlite", "postgres"] {
            let folder = project.migrations().join(engine);
            fs::create_dir_all(&folder).unwrap();
            for file in fs::read_dir(crates.join("migrations").join(engine)).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), folder.join(file.file_name())).unwrap();
            }
            let file = format!("{engine}.sql");
            fs::copy(crates.join("schema").join(&file), project.desired().join(&file)).unwrap();
        }
        project
    }

    pub(super) fn migrations(&self) -> PathBuf {
        self.0.path().join("migrations")
    }

    pub(super) fn desired(&self) -> PathBuf {
        self.0.path().join("schema")
    }

    /// Replaces texts in the desired schema.
    pub(super) fn edit(&self, engine: Engine, changes: &[(&str, &str)]) {
        let path = self.desired().join(format!("{}.sql", engine.folder()));
        let mut text = fs::read_to_string(&path).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{engine}: {from}");
            text = text.replacen(from, to, 1);
        }
        fs::write(path, text).unwrap();
    }

    pub(super) fn edit_both(&self, changes: &[(&str, &str)]) {
        for engine in Engine::BOTH {
            self.edit(engine, changes);
        }
    }

    pub(super) async fn generate(&self, server: &DatabaseUrl) -> Result<WrittenFiles, RevisionError> {
        autogenerate("Change it", &self.migrations(), &self.desired(), server).await
    }

    pub(super) fn migrator(&self, database: &Database) -> Migrator {
        Migrator::with_directory(&database.scratch.url, &self.migrations()).unwrap()
    }

    /// The number of shipped migrations.
    pub(super) fn shipped() -> usize {
        Source::embedded(&DatabaseUrl::Sqlite(PathBuf::new())).unwrap().migrations().len()
    }

    /// A file of the `place`-th migration after the shipped ones, such as `postgres`, 1, `change_it.up`.
    pub(super) fn path(&self, engine: &str, place: usize, name: &str) -> PathBuf {
        self.migrations().join(engine).join(format!("{:04}_{name}.sql", Self::shipped() + place))
    }

    pub(super) fn read(&self, engine: &str, place: usize, name: &str) -> String {
        fs::read_to_string(self.path(engine, place, name)).unwrap()
    }

    /// The names of all files that are not shipped.
    pub(super) fn files(&self) -> Vec<String> {
        let of = |engine: &str| fs::read_dir(self.migrations().join(engine)).unwrap();
        let names = of("sqlite").chain(of("postgres")).map(|file| file.unwrap().file_name().into_string().unwrap());
        let number = |name: &String| name[..4].parse::<usize>().unwrap();
        let mut names: Vec<String> = names.filter(|name| number(name) > Self::shipped()).collect();
        names.sort();
        names
    }

    /// Upgrades, compares, downgrades and upgrades again.
    pub(super) async fn there_and_back(&self, database: &Database) {
        let url = &database.scratch.url;
        let before = schema::read(url).await.unwrap();
        let migrator = self.migrator(database);
        migrator.upgrade(&Target::Head).await.unwrap();
        assert_eq!(missing(&self.migrations(), &self.desired(), url).await.unwrap(), [], "{url}");
        let drift = schema::check(url, &migrator).await.unwrap().differences;
        assert_eq!(drift, [], "{url}");
        let after = schema::read(url).await.unwrap();
        migrator.downgrade(&Self::shipped().to_string().parse().unwrap(), true).await.unwrap();
        assert_eq!(before.differences(&schema::read(url).await.unwrap()), [], "{url}");
        migrator.upgrade(&Target::Head).await.unwrap();
        assert_eq!(after.differences(&schema::read(url).await.unwrap()), [], "{url}");
    }
}
