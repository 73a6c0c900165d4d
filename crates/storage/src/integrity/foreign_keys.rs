//! Finds rows that refer to a row that does not exist, with one anti-join for each foreign key, the same on both
//! engines.

use super::{FindingKind, Integrity, quoted, rows};
use crate::schema::{ForeignKey, Schema};

/// The statements that count and repair the orphans of one foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphans {
    /// The name of the foreign key.
    pub name: String,
    /// The referencing table.
    pub table: String,
    /// The referenced table.
    pub parent: String,
    /// The query that counts the orphans.
    pub count: String,
    /// The statement that deletes the orphans, or sets their references to NULL.
    mend: String,
    loses: &'static str,
}

/// Returns one value for each foreign key with existing columns and tables. Missing ones are schema differences, which
/// another check reports.
pub fn orphans(schema: &Schema) -> Vec<Orphans> {
    let keys = schema.tables.iter().flat_map(|(name, table)| table.foreign_keys.iter().map(move |key| (name, key)));
    keys.filter_map(|(table, key)| of(schema, table, key)).collect()
}

fn of(schema: &Schema, table: &str, key: &ForeignKey) -> Option<Orphans> {
    let parent = schema.tables.get(&key.table)?;
    let primary = parent.primary_key.as_ref().map(|key| key.columns.clone()).unwrap_or_default();
    let references = if key.references.is_empty() { &primary } else { &key.references };
    let exist = references.iter().all(|column| parent.column(column).is_some());
    (exist && references.len() == key.columns.len()).then(|| {
        let sets_null = key.on_delete.starts_with("SET NULL");
        Orphans::new(&key.name, (table, &key.columns), (&key.table, references), sets_null)
    })
}

impl Orphans {
    /// The checks of the foreign key `name` from columns of one table to columns of another.
    pub fn new(name: &str, child: (&str, &[String]), parent: (&str, &[String]), sets_null: bool) -> Self {
        let ((child, columns), (parent, references)) = (child, parent);
        let set = columns.iter().map(|column| format!("child.{} IS NOT NULL", quoted(column)));
        let pairs = columns.iter().zip(references);
        let equal = pairs.map(|(child, parent)| format!("parent.{} = child.{}", quoted(parent), quoted(child)));
        let condition = format!(
            "{} AND NOT EXISTS (SELECT 1 FROM {} AS parent WHERE {})",
            set.collect::<Vec<_>>().join(" AND "),
            quoted(parent),
            equal.collect::<Vec<_>>().join(" AND ")
        );
        let rows = format!("{} AS child", quoted(child));
        let (mend, loses) = if sets_null {
            // The owner in a composite key is not set to NULL.
            let nulls = columns.iter().filter(|column| *column != "user_id" || columns.len() == 1);
            let nulls: Vec<_> = nulls.map(|column| format!("{} = NULL", quoted(column))).collect();
            (format!("UPDATE {rows} SET {} WHERE {condition};", nulls.join(", ")), "what they refer with")
        } else {
            (format!("DELETE FROM {rows} WHERE {condition};"), "the rows")
        };
        Self {
            name: name.to_owned(),
            table: child.to_owned(),
            parent: parent.to_owned(),
            count: format!("SELECT count(*) FROM {rows} WHERE {condition}"),
            mend,
            loses,
        }
    }
}

impl Orphans {
    /// The sentence with which the monitor reports this number of orphans.
    pub fn sentence(&self, count: u64) -> String {
        format!(
            "In {}, references to rows of {} that do not exist ({}): {count}. `sotto db check --rows --sql` prints what \
             mends it.",
            self.table, self.parent, self.name
        )
    }

    pub(super) fn report(&self, count: u64, found: &mut Integrity) {
        if count > 0 {
            found
                .add(FindingKind::ForeignKey, &self.table, &self.name)
                .differs(
                    format!("that every row refers to a row of {}", self.parent),
                    format!("{} that refer{} to none", rows(count), if count == 1 { "s" } else { "" }),
                )
                .mended_by(self.mend.clone())
                .losing(format!(
                    "{} ({} of {}); a backup may have what they refer to",
                    self.loses,
                    rows(count),
                    self.table
                ));
        }
    }
}
