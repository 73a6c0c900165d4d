//! Advice on indexes: invalid, duplicate, redundant, unused and missing ones.

use super::advice::{Advice, AdviceKind, YOUNG, duration, size};
use super::{ForeignKey, IndexHealth, Snapshot};

/// The indexes that the founding document requires. The advice on them always says to keep them.
const NAMED_BY_THE_ROADMAP: [&str; 13] = [
    "idx_journal_entries_secret_tag_id",
    "idx_journal_entries_user_date",
    "idx_journal_entries_user_id",
    "idx_journal_entry_tags_entry_id",
    "idx_journal_entry_tags_tag_id",
    "idx_opaque_sessions_binary_tag_id",
    "idx_opaque_sessions_expires_at",
    "idx_opaque_sessions_user_id",
    "idx_reminders_user_id",
    "idx_tags_user_created",
    "idx_tags_user_id",
    "idx_users_email",
    "idx_users_google_id",
];

/// Returns at most one piece of advice per index, and one per foreign key without an index.
pub fn advise(period: &Snapshot) -> Vec<Advice> {
    let found = period.indexes.iter().filter_map(|index| {
        invalid(index, period)
            .or_else(|| duplicate(index, period))
            .or_else(|| redundant(index, period))
            .or_else(|| unused(index, period))
    });
    found.chain(period.foreign_keys.iter().filter_map(|key| missing(key, period))).collect()
}

fn invalid(index: &IndexHealth, period: &Snapshot) -> Option<Advice> {
    (!index.valid).then(|| Advice {
        kind: AdviceKind::InvalidIndex,
        subject: index.name.clone(),
        what: format!("The index {} is invalid: its making failed or was broken off.", index.name),
        why: format!(
            "No query uses it, every write to {} keeps it up, and it takes {}.",
            index.table,
            size(index.bytes)
        ),
        command: Some(format!("{}  -- then make it again: {};", drop(index, period), index.definition)),
        leave: None,
    })
}

/// Of two equal indexes, advises to drop the one that backs no constraint and is not unique; otherwise the one with the
/// name that sorts last.
fn duplicate(index: &IndexHealth, period: &Snapshot) -> Option<Advice> {
    if index.constraint {
        return None;
    }
    let rank = |one: &IndexHealth| (one.constraint, one.unique, is_named(one), std::cmp::Reverse(one.name.clone()));
    let twin = others(index, period).find(|other| {
        alike(index, other)
            && index.columns == other.columns
            && (!index.unique || other.unique)
            && rank(other) > rank(index)
    })?;
    Some(Advice {
        kind: AdviceKind::DuplicateIndex,
        subject: index.name.clone(),
        what: format!("The index {} is the same as {}.", index.name, twin.name),
        why: format!("Both are on {} ({}); it takes {}.", index.table, index.columns.join(", "), size(index.bytes)),
        command: Some(drop(index, period)),
        leave: named(index),
    })
}

fn redundant(index: &IndexHealth, period: &Snapshot) -> Option<Advice> {
    if index.constraint || index.unique {
        return None;
    }
    let wider = others(index, period).find(|other| {
        alike(index, other) && other.columns.len() > index.columns.len() && other.columns.starts_with(&index.columns)
    })?;
    Some(Advice {
        kind: AdviceKind::RedundantIndex,
        subject: index.name.clone(),
        what: format!("The index {} is the beginning of {}.", index.name, wider.name),
        why: format!(
            "{} ({}) serves every query that ({}) does; the narrow one takes {}.",
            wider.name,
            wider.columns.join(", "),
            index.columns.join(", "),
            size(index.bytes)
        ),
        command: Some(drop(index, period)),
        leave: named(index),
    })
}

/// An index that only serves a foreign key is used when a referenced row is deleted, which may be rare.
fn unused(index: &IndexHealth, period: &Snapshot) -> Option<Advice> {
    if index.constraint || index.unique || index.scans > 0 {
        return None;
    }
    let needed = period
        .foreign_keys
        .iter()
        .any(|key| serves(index, key) && !others(index, period).any(|other| other.valid && serves(other, key)));
    if needed {
        return None;
    }
    Some(Advice {
        kind: AdviceKind::UnusedIndex,
        subject: index.name.clone(),
        what: format!("The index {} has not been used.", index.name),
        why: format!(
            "No statement has read it{}; it takes {} and every write to {} keeps it up.",
            period.seconds().map_or_else(String::new, |seconds| format!(" in {}", duration(seconds))),
            size(index.bytes),
            index.table
        ),
        command: Some(drop(index, period)),
        leave: named(index).or_else(|| {
            let is_young = period.seconds().is_none_or(|seconds| seconds < YOUNG);
            is_young.then(|| "It takes a week of use to tell that nobody needs it.".to_owned())
        }),
    })
}

fn missing(key: &ForeignKey, period: &Snapshot) -> Option<Advice> {
    if period.indexes.iter().any(|index| index.valid && index.table == key.table && serves(index, key)) {
        return None;
    }
    let columns = match key.columns.as_slice() {
        // The owner comes first in a composite key and is not selective, so the index starts with the referenced id.
        [owner, id] if owner == "user_id" => format!("{id}, {owner}"),
        columns => columns.join(", "),
    };
    let concurrently = if period.engine == "postgres" { "CONCURRENTLY " } else { "" };
    let name = format!("idx_{}_{}", key.table, columns.split(", ").next().unwrap_or_default());
    Some(Advice {
        kind: AdviceKind::MissingIndex,
        subject: key.name.clone(),
        what: format!("No index serves the foreign key {} on {}.", key.name, key.table),
        why: format!(
            "To delete a row that is referred to, all {} rows of {} are read.",
            period.table(&key.table).map_or(0, |table| table.rows),
            key.table
        ),
        command: Some(format!("CREATE INDEX {concurrently}{name} ON {} ({columns});", key.table)),
        leave: None,
    })
}

/// For a composite key that begins with the owner, an index that starts with the referenced id serves as well. A
/// partial index serves a column if the rows that it leaves out have NULL in that column.
fn serves(index: &IndexHealth, key: &ForeignKey) -> bool {
    let first = index.columns.first();
    let owned = key.columns.len() == 2 && key.columns.first().is_some_and(|owner| owner == "user_id");
    let covers = match &index.predicate {
        None => true,
        Some(predicate) => key
            .columns
            .iter()
            .any(|column| predicate.trim_matches(['(', ')']).eq_ignore_ascii_case(&format!("{column} IS NOT NULL"))),
    };
    index.table == key.table
        && covers
        && (index.columns.starts_with(&key.columns) || (owned && first.is_some() && first == key.columns.last()))
}

fn others<'a>(index: &'a IndexHealth, period: &'a Snapshot) -> impl Iterator<Item = &'a IndexHealth> {
    period.indexes.iter().filter(move |other| other.name != index.name && other.table == index.table && other.valid)
}

fn alike(one: &IndexHealth, other: &IndexHealth) -> bool {
    one.method == other.method && one.predicate == other.predicate
}

fn is_named(index: &IndexHealth) -> bool {
    NAMED_BY_THE_ROADMAP.contains(&index.name.as_str())
}

fn named(index: &IndexHealth) -> Option<String> {
    is_named(index).then(|| "The roadmap names this index, so every database keeps it.".to_owned())
}

fn drop(index: &IndexHealth, period: &Snapshot) -> String {
    let concurrently = if period.engine == "postgres" { "CONCURRENTLY " } else { "" };
    format!("DROP INDEX {concurrently}{};", index.name)
}
