//! New constraints of existing tables on PostgreSQL. `ADD CONSTRAINT` blocks all access while it reads the table. So a
//! foreign key or check is first added as NOT VALID, which takes a moment, and a unique constraint takes over an index
//! that is built CONCURRENTLY. The last migration validates the constraints in a separate transaction, which blocks
//! nothing. (In the same transaction, the lock of the addition would be held until all rows are read.)
//!
//! Down migrations add constraints in one step, because the servers are stopped then.

use super::diff::{Direction, SchemaDiff, constraint, create_index};
use super::migration::{SqlPair, head, nothing_to_do};
use crate::schema::{Engine, Index, KeyConstraint, SchemaPart, Table};

/// The constraints that an up migration adds to existing tables.
pub(super) struct Additions<'s> {
    /// Foreign keys and checks, each with its table.
    validated: Vec<(&'s str, &'s Table, SchemaPart, String)>,
    /// Unique constraints, each with its table.
    uniques: Vec<(&'s str, &'s KeyConstraint)>,
}

/// Whether the up migration adds this constraint as NOT VALID.
pub(super) fn is_validated_later(diff: &SchemaDiff<'_>, table: &str, part: SchemaPart, name: &str) -> bool {
    let Some(table) = diff.to.tables.get(table) else { return false };
    diff.direction == Direction::Up
        && match part {
            SchemaPart::ForeignKey => table.foreign_keys.iter().any(|key| key.name == name && key.validated),
            SchemaPart::Check => table.checks.iter().any(|check| check.name == name && check.validated),
            _ => false,
        }
}

/// Whether this unique constraint is new and takes over an index. A constraint that a new foreign key may refer to must
/// exist earlier, so it does not.
pub(super) fn takes_over_an_index(diff: &SchemaDiff<'_>, table: &str, name: &str) -> bool {
    // In a down migration, the two schemas are swapped.
    let (old, new) = match diff.direction {
        Direction::Up => (diff.from, diff.to),
        Direction::Down => (diff.to, diff.from),
    };
    let has = |table: Option<&Table>| table.is_some_and(|table| table.uniques.iter().any(|key| key.name == name));
    let referred = diff.in_part(SchemaPart::ForeignKey).any(|one| {
        let keys = new.tables.get(&one.table).map(|table| table.foreign_keys.as_slice()).unwrap_or_default();
        keys.iter().any(|key| key.name == one.name && key.table == table)
    });
    old.tables.contains_key(table) && !has(old.tables.get(table)) && has(new.tables.get(table)) && !referred
}

impl<'s> Additions<'s> {
    /// Collects the additions of an up migration.
    pub(super) fn new(diff: &SchemaDiff<'s>) -> Self {
        let added = |part: SchemaPart| diff.in_part(part).filter(|one| one.expected.is_some());
        let table = |name: &str| diff.to.tables.get_key_value(name).map(|(name, table)| (name.as_str(), table));
        let validated = [SchemaPart::Check, SchemaPart::ForeignKey].into_iter().flat_map(|part| {
            let later = added(part).filter(move |one| is_validated_later(diff, &one.table, part, &one.name));
            later.filter_map(move |one| table(&one.table).map(|(name, table)| (name, table, part, one.name.clone())))
        });
        let uniques = added(SchemaPart::Unique).filter(|one| takes_over_an_index(diff, &one.table, &one.name));
        let uniques = uniques.filter_map(|one| {
            let (name, table) = table(&one.table)?;
            Some((name, table.uniques.iter().find(|key| key.name == one.name)?))
        });
        Self { validated: validated.collect(), uniques: uniques.collect() }
    }

    /// The indexes that unique constraints take over, each with its table.
    pub(super) fn indexes(&self) -> Vec<(&'s str, Index)> {
        let index = |key: &KeyConstraint| Index {
            name: key.name.clone(),
            columns: key.columns.clone(),
            unique: true,
            predicate: None,
            method: "btree".to_owned(),
            valid: true,
            definition: key.to_string(),
        };
        self.uniques.iter().map(|(table, key)| (*table, index(key))).collect()
    }

    /// The files of the last migration; `None` if there is nothing to validate.
    pub(super) fn finish(&self, message: &str) -> Option<[SqlPair; 2]> {
        let mut up: Vec<String> = self
            .validated
            .iter()
            .map(|(name, _, _, one)| format!("ALTER TABLE {name} VALIDATE CONSTRAINT {one};"))
            .collect();
        // This locks the table until the end of the transaction, so it comes last.
        up.extend(self.uniques.iter().map(|(table, key)| {
            format!("ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name};", name = key.name)
        }));
        if up.is_empty() {
            return None;
        }
        // Dropping the constraint also drops its index.
        let back = self.indexes().into_iter().map(|(table, index)| {
            let again = create_index(table, &index, "");
            format!("ALTER TABLE {table} DROP CONSTRAINT {};\n{again}", index.name)
        });
        let mut down: Vec<String> = back.collect();
        down.extend(self.validated.iter().filter_map(|(name, table, part, one)| {
            let text = constraint(table, *part, one)?;
            Some(format!("ALTER TABLE {name} DROP CONSTRAINT {one};\nALTER TABLE {name} ADD {text} NOT VALID;"))
        }));
        let pair = |up: &str, down: &str| SqlPair {
            up: format!("{}\n\n{up}\n", head(message)),
            down: format!("-- loses: nothing\n{}\n\n{down}\n", head(message)),
        };
        let nothing = nothing_to_do(Engine::Sqlite);
        Some([pair(&nothing, &nothing), pair(&up.join("\n"), &down.join("\n"))])
    }
}
