//! Texts and JSON about a backup and the recordings that are missing in it.

use std::io;
use std::path::Path;

use serde_json::Value;
use sotto_storage::transfer::{Gap, Manifest};

use crate::error::{CliError, Result};

/// How many recordings a message names.
const MAX_LISTED: usize = 5;

/// A clause about recordings that have a row but are not in the backup; `None` if there are none, or if attachments
/// were left out on purpose.
pub fn missing_recordings(manifest: &Manifest) -> Option<String> {
    (!manifest.without_attachments && !manifest.gaps.is_empty()).then(|| {
        let named = manifest.tables.iter().find(|table| table.name == "attachments").map_or(0, |table| table.sum.rows);
        format!("lacks {} of the {named} recordings that its rows name: {}", manifest.gaps.len(), list(&manifest.gaps))
    })
}

/// The first gaps as a list.
pub fn list(gaps: &[Gap]) -> String {
    let first = gaps.iter().take(MAX_LISTED).map(Gap::to_string).collect::<Vec<_>>().join(", ");
    if gaps.len() > MAX_LISTED { format!("{first}, and {} more", gaps.len() - MAX_LISTED) } else { first }
}

/// The error of a backup in which recordings are missing.
pub fn incomplete(path: &Path, missing: &str) -> CliError {
    CliError::Incomplete(format!(
        "the backup {} {missing}. It contains all rows and is kept, but check that SOTTO_ATTACHMENTS (--attachments) is \
         the store that the server uses",
        path.display()
    ))
}

/// A summary such as `5 rows of 8 tables and 2 attachments`.
pub fn summary(manifest: &Manifest) -> String {
    let keys = if manifest.keys.is_some() { ", with the keys" } else { "" };
    let keys = if manifest.without_attachments { ", without the attachments, as requested" } else { keys };
    let counted = |count: u64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    format!(
        "{} of {} and {}{keys}",
        counted(manifest.rows(), "row"),
        counted(manifest.tables.len() as u64, "table"),
        counted(manifest.attachments.len() as u64, "attachment")
    )
}

/// The manifest as JSON, without the details of each file.
pub fn manifest_json(manifest: &Manifest) -> Result<Value> {
    let mut value = serde_json::to_value(manifest).map_err(io::Error::from)?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("layout");
        fields.insert("gaps".into(), serde_json::to_value(&manifest.gaps).map_err(io::Error::from)?);
        if let Some(tables) = fields.get_mut("tables").and_then(Value::as_array_mut) {
            tables.iter_mut().filter_map(Value::as_object_mut).for_each(|table| drop(table.remove("files")));
        }
    }
    Ok(value)
}
