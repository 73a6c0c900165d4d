//! Compares attachments with rows: each row of `attachments` gives the name, length and SHA-256 of an object.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use tokio::runtime::Handle;

use super::attachments::Attachments;
use super::error::Result;
use super::layout::{Layout, Table};
use super::manifest::FileSum;
use super::on_a_thread;
use super::package::ATTACHMENTS;
use super::snapshot::{Migrations, snapshot};
use super::value::{Row, Value};
use crate::DatabaseUrl;
use crate::hex::hex;

/// An attachment that is missing or different from its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The name: the ids of the owner and of the attachment, separated by `/`.
    pub name: String,
    pub problem: Problem,
}

/// How an attachment differs from its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// The attachment does not exist.
    Missing,
    /// The length differs from the row.
    Length,
    /// The length is right and the SHA-256 differs.
    Content,
}

/// Compares a store with the rows of a database: names and lengths, and with `hashes` the SHA-256 of all content.
/// `migrations` are the known revisions. An attachment in quarantine counts as present, because the next sweep restores
/// it. Database and store may be in use.
///
/// # Errors
/// If the rows or the store cannot be read, or the tables are not those of a known revision.
pub async fn compare(
    url: &DatabaseUrl,
    attachments: &Attachments,
    migrations: &Migrations,
    hashes: bool,
) -> Result<Comparison> {
    let (url, attachments, migrations) = (url.clone(), attachments.clone(), migrations.clone());
    on_a_thread(move |runtime| {
        let layout = migrations.open(&url, runtime)?.layout;
        let named = NamedAttachments::read(&url, &layout, runtime)?;
        let places = attachments.places(|name| named.has(name), runtime)?;
        let mut gaps = Vec::new();
        for (name, (length, hash)) in &named.0 {
            let place = places.get(name).unwrap_or(name);
            let problem = match attachments.length(place, runtime)? {
                None => Some(Problem::Missing),
                Some(found) if found != *length => Some(Problem::Length),
                Some(_) if hashes => match attachments.sum(place, runtime)? {
                    None => Some(Problem::Missing),
                    Some(found) => (found.sha256 != *hash).then_some(Problem::Content),
                },
                Some(_) => None,
            };
            gaps.extend(problem.map(|problem| Gap { name: name.clone(), problem }));
        }
        let deleted = deleted_meanwhile(&url, &layout, &gaps, runtime)?;
        gaps.retain(|gap| !deleted.contains(&gap.name));
        Ok(Comparison { named: named.0.len(), gaps })
    })
    .await
}

/// The missing attachments whose rows were deleted after the comparison had read them.
pub(super) fn deleted_meanwhile(
    url: &DatabaseUrl,
    layout: &Layout,
    gaps: &[Gap],
    runtime: &Handle,
) -> Result<Vec<String>> {
    let mut missing: Vec<_> = gaps.iter().filter(|gap| gap.problem == Problem::Missing).collect();
    if !missing.is_empty() {
        let now = NamedAttachments::read(url, layout, runtime)?;
        missing.retain(|gap| !now.has(&gap.name));
    }
    Ok(missing.into_iter().map(|gap| gap.name.clone()).collect())
}

/// The result of [`compare`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The number of attachments that rows name.
    pub named: usize,
    /// The missing and different attachments.
    pub gaps: Vec<Gap>,
}

/// The attachments that rows name: length and SHA-256, by name.
#[derive(Debug, Default)]
pub(super) struct NamedAttachments(BTreeMap<String, (u64, String)>);

impl NamedAttachments {
    /// Reads the current rows.
    fn read(url: &DatabaseUrl, layout: &Layout, runtime: &Handle) -> Result<Self> {
        let mut named = Self::default();
        let mut snapshot = snapshot(url, layout, runtime)?;
        for table in layout.tables.iter().filter(|table| table.name == "attachments") {
            snapshot.rows(table, &mut |row| {
                named.note(table, &row);
                Ok(())
            })?;
        }
        Ok(named)
    }

    /// Adds the attachment of a row; ignores rows of other tables.
    pub fn note(&mut self, table: &Table, row: &Row) {
        if table.name != "attachments" {
            return;
        }
        let value = |name: &str| {
            let place = table.columns.iter().position(|column| column.name == name)?;
            row.get(place)
        };
        if let (
            Some(Value::Uuid(user)),
            Some(Value::Uuid(id)),
            Some(Value::Integer(length)),
            Some(Value::Bytes(hash)),
        ) = (value("user_id"), value("id"), value("byte_length"), value("sha256"))
        {
            self.0.insert(format!("{user}/{id}"), (u64::try_from(*length).unwrap_or_default(), hex(hash)));
        }
    }

    /// Whether a row names this attachment.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The missing and different attachments, by name. Surplus attachments are ignored.
    pub fn gaps(&self, found: &[FileSum]) -> Vec<Gap> {
        let found: BTreeMap<&str, &FileSum> =
            found.iter().map(|file| (file.name.trim_start_matches(ATTACHMENTS), file)).collect();
        let gap = |(name, (length, hash)): (&String, &(u64, String))| {
            let problem = match found.get(name.as_str()) {
                None => Problem::Missing,
                Some(file) if file.size != *length => Problem::Length,
                Some(file) if file.sha256 != *hash => Problem::Content,
                Some(_) => return None,
            };
            Some(Gap { name: name.clone(), problem })
        };
        self.0.iter().filter_map(gap).collect()
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::Missing => "is missing",
            Problem::Length => "has another length than its row says",
            Problem::Content => "has another content than its row says",
        };
        write!(f, "{} {problem}", self.name)
    }
}
