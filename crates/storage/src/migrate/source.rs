//! Reads migrations: pairs of files `NNNN_name.up.sql` and `NNNN_name.down.sql` for each engine.
//!
//! The comments at the top of a file may contain directives, one per line:
//!
//! * `-- loses: table, table.column` declares what a down file destroys; `-- loses: nothing` that it destroys nothing.
//!   Every down file needs this line.
//! * `-- no-transaction` (PostgreSQL) marks a file with exactly one statement, `CREATE INDEX CONCURRENTLY name …` or
//!   `DROP INDEX CONCURRENTLY IF EXISTS name`, which cannot run inside of a transaction.
//!
//! Anywhere in a file, a line `-- decide: question` marks a question that a person must answer first. Files with such a
//! line are refused.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::error::{MigrateError, Result};
use super::plan::Direction;
use super::sql;
use crate::DatabaseUrl;
use crate::hex::hex;

#[derive(RustEmbed)]
#[folder = "migrations/sqlite"]
struct SqliteFiles;

#[derive(RustEmbed)]
#[folder = "migrations/postgres"]
struct PostgresFiles;

/// All migrations of one engine, from version 1 on without gaps.
#[derive(Debug, Clone)]
pub struct Source(Vec<Migration>);

/// One migration.
#[derive(Debug, Clone)]
pub struct Migration {
    /// The number, from 1.
    pub version: u32,
    /// The name in `snake_case`.
    pub name: String,
    pub up: Script,
    pub down: Script,
    /// What the down file destroys.
    pub loses: Vec<Loss>,
}

/// A migration file.
#[derive(Debug, Clone)]
pub struct Script {
    /// The file's name.
    pub file: String,
    /// The contents, with `\n` as line ends.
    pub sql: String,
    /// SHA-256 of `sql` in lower-case hexadecimal. The line ends of the file do not matter.
    pub checksum: String,
    /// For a file with `-- no-transaction`: the index that it creates or drops.
    pub concurrent_index: Option<String>,
}

/// A table or column that a down file destroys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    pub table: String,
    /// The column; `None` for the whole table.
    pub column: Option<String>,
}

impl Source {
    /// The built-in migrations.
    ///
    /// # Errors
    /// If they break the rules above.
    pub fn embedded(url: &DatabaseUrl) -> Result<Self> {
        match url {
            DatabaseUrl::Sqlite(_) => Self::from_files(embedded_files::<SqliteFiles>()?),
            DatabaseUrl::Postgres(_) => Self::from_files(embedded_files::<PostgresFiles>()?),
        }
    }

    /// The migrations in the folder `sqlite` or `postgres` of `folder`, for developers and tests.
    ///
    /// # Errors
    /// If they cannot be read, or break the rules above.
    pub fn directory(url: &DatabaseUrl, folder: &Path) -> Result<Self> {
        let path = folder.join(match url {
            DatabaseUrl::Sqlite(_) => "sqlite",
            DatabaseUrl::Postgres(_) => "postgres",
        });
        let failed = |error: std::io::Error| MigrateError::Folder { path: path.clone(), reason: error.to_string() };
        let mut files = BTreeMap::new();
        for item in std::fs::read_dir(&path).map_err(failed)? {
            let item = item.map_err(failed)?;
            let name = item.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                let bytes = std::fs::read(item.path()).map_err(failed)?;
                files.insert(name.clone(), text(&name, bytes.into())?);
            }
        }
        Self::from_files(files)
    }

    /// All migrations, oldest first.
    pub fn migrations(&self) -> &[Migration] {
        &self.0
    }

    fn from_files(files: BTreeMap<String, String>) -> Result<Self> {
        let mut migrations = Vec::new();
        for file in files.keys() {
            let Some((version, name, direction)) = parse_name(file) else {
                return Err(refuse(
                    file,
                    "is not named like 0001_create_something.up.sql or 0001_create_something.down.sql",
                ));
            };
            let other = format!("{version:04}_{name}.{}.sql", if direction == "up" { "down" } else { "up" });
            if !files.contains_key(&other) {
                return Err(refuse(
                    &other,
                    &format!("is missing: every migration needs a down file, and {file} has no counterpart"),
                ));
            }
            if direction == "up" {
                migrations.push(Migration::parse(version, name, file, &other, &files)?);
            }
        }
        migrations.sort_by_key(|migration| migration.version);
        for (index, migration) in migrations.iter().enumerate() {
            let expected = u32::try_from(index + 1).unwrap_or(u32::MAX);
            if migration.version < expected {
                return Err(refuse(
                    &migration.up.file,
                    &format!("has the same number as {}", migrations[index - 1].up.file),
                ));
            }
            if migration.version > expected {
                return Err(refuse(&migration.up.file, &format!("leaves a gap: there is no migration {expected:04}")));
            }
        }
        Ok(Self(migrations))
    }
}

impl Migration {
    /// The file for a direction.
    pub fn script(&self, direction: Direction) -> &Script {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    /// Number and name, as in `sotto db history`: `0001_create_standardized_schema`.
    pub fn revision(&self) -> String {
        revision(self.version, &self.name)
    }

    fn parse(version: u32, name: &str, up: &str, down: &str, files: &BTreeMap<String, String>) -> Result<Self> {
        let loses = loses(down, &files[down])?;
        Ok(Self {
            version,
            name: name.to_owned(),
            up: Script::parse(up, &files[up])?,
            down: Script::parse(down, &files[down])?,
            loses,
        })
    }
}

impl Script {
    /// Fails for a file that only PostgreSQL can run.
    pub(super) fn refuse_concurrent(&self) -> Result<()> {
        match self.concurrent_index {
            Some(_) => Err(refuse(&self.file, "is marked `-- no-transaction`, which only PostgreSQL needs")),
            None => Ok(()),
        }
    }

    fn parse(file: &str, sql: &str) -> Result<Self> {
        if let Some((line, what)) = open_decision(sql) {
            return Err(refuse(
                file,
                &format!(
                    "waits for a decision in line {line}: {what}. Write the statements there, then remove the line"
                ),
            ));
        }
        let statements = sql::split(sql, ';');
        if statements.is_empty() {
            return Err(refuse(file, "is empty: every migration needs SQL for both directions"));
        }
        for statement in &statements {
            let word = statement.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            if ["BEGIN", "START", "COMMIT", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"].contains(&word.as_str()) {
                return Err(refuse(
                    file,
                    &format!("must not contain {word}: the migration runner begins and commits transactions"),
                ));
            }
        }
        let concurrent_index = match directive(sql, "no-transaction") {
            Some(_) => Some(concurrent_index(file, &statements)?),
            None => None,
        };
        let checksum = hex(&Sha256::digest(sql));
        Ok(Self { file: file.to_owned(), sql: sql.to_owned(), checksum, concurrent_index })
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table)?;
        self.column.as_ref().map_or(Ok(()), |column| write!(f, ".{column}"))
    }
}

/// The displayed form of a revision.
pub(super) fn revision(version: u32, name: &str) -> String {
    format!("{version:04}_{name}")
}

fn embedded_files<F: RustEmbed>() -> Result<BTreeMap<String, String>> {
    F::iter()
        .filter_map(|name| F::get(&name).map(|file| (name.into_owned(), file.data)))
        .map(|(name, data)| text(&name, data).map(|text| (name, text)))
        .collect()
}

/// The text of a file, with `\n` as line ends and without a byte order mark.
fn text(file: &str, bytes: Cow<'_, [u8]>) -> Result<String> {
    let text = std::str::from_utf8(&bytes).map_err(|_| refuse(file, "is not UTF-8"))?;
    Ok(text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n"))
}

/// `0001_name.up.sql` → `(1, "name", "up")`.
fn parse_name(file: &str) -> Option<(u32, &str, &str)> {
    let (stem, direction) = file.strip_suffix(".sql")?.rsplit_once('.')?;
    let (digits, name) = stem.split_once('_')?;
    let good = digits.len() == 4
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && is_identifier(name)
        && ["up", "down"].contains(&direction);
    good.then(|| digits.parse().ok()).flatten().filter(|version| *version > 0).map(|version| (version, name, direction))
}

/// The value of `-- name: value` (empty for `-- name`) in the comments at the top.
fn directive<'a>(sql: &'a str, name: &str) -> Option<&'a str> {
    sql.lines()
        .map(str::trim)
        .take_while(|line| line.is_empty() || line.starts_with("--"))
        .filter_map(|line| line.strip_prefix("--").map(str::trim).and_then(|line| line.strip_prefix(name)))
        .find_map(|rest| if rest.is_empty() { Some(rest) } else { rest.strip_prefix(':').map(str::trim) })
}

/// The line number, counted from 1, and text of the first `-- decide:` line.
fn open_decision(sql: &str) -> Option<(usize, &str)> {
    sql.lines().enumerate().find_map(|(at, line)| Some((at + 1, line.trim().strip_prefix("-- decide:")?.trim())))
}

fn loses(file: &str, sql: &str) -> Result<Vec<Loss>> {
    const HOW: &str =
        "must declare what it destroys in a line such as `-- loses: tags, users.time_zone` or `-- loses: nothing`";
    let list = directive(sql, "loses").ok_or_else(|| refuse(file, HOW))?;
    if list == "nothing" {
        return Ok(Vec::new());
    }
    list.split(',')
        .map(|item| {
            let (table, column) = match item.trim().split_once('.') {
                Some((table, column)) => (table, Some(column)),
                None => (item.trim(), None),
            };
            let good = is_identifier(table) && column.is_none_or(is_identifier);
            good.then(|| Loss { table: table.to_owned(), column: column.map(str::to_owned) })
                .ok_or_else(|| refuse(file, HOW))
        })
        .collect()
}

/// The index that the single statement of a `-- no-transaction` file creates or drops.
fn concurrent_index(file: &str, statements: &[String]) -> Result<String> {
    let words: Vec<String> =
        statements.first().into_iter().flat_map(|sql| sql.split_whitespace()).map(str::to_owned).collect();
    let keywords: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
    let keywords: Vec<&str> = keywords.iter().map(String::as_str).collect();
    let name = match keywords.as_slice() {
        ["CREATE", "INDEX", "CONCURRENTLY", _, "ON", ..] => words.get(3),
        ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", _, "ON", ..] => words.get(4),
        ["DROP", "INDEX", "CONCURRENTLY", "IF", "EXISTS", _] => words.get(5),
        _ => None,
    };
    name.filter(|name| is_identifier(name) && statements.len() == 1).cloned().ok_or_else(|| {
        refuse(
            file,
            "is marked `-- no-transaction`, so it must hold exactly one statement: CREATE INDEX CONCURRENTLY name ON … \
             (without IF NOT EXISTS, which would keep a half-built index) or DROP INDEX CONCURRENTLY IF EXISTS name",
        )
    })
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn refuse(file: &str, reason: &str) -> MigrateError {
    MigrateError::File { file: file.to_owned(), reason: reason.to_owned() }
}
