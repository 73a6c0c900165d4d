//! Determines what a down migration destroys, and compares that with the declaration `-- loses:` in its file.
//!
//! An engine takes an [`Inventory`] before and after a step, in the transaction of the step. It lists every table and
//! column with an identity that survives a rename, the number of rows and of values, and a digest of the values of each
//! column. Data counts as destroyed if it is gone, became NULL, or changed without a row being added or removed. Tables
//! and columns that are computed from others (generated columns, search indexes) contain no data of users.

use std::collections::BTreeSet;
use std::fmt;

use super::rehearsal::Cut;
use super::source::Loss;

/// The contents of a database at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Inventory(pub(super) Vec<Table>);

#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Unique to the table, and unchanged by a rename.
    pub(super) id: i64,
    pub(super) name: String,
    /// Whether the contents are computed from other tables.
    pub(super) derived: bool,
    pub(super) columns: Vec<Column>,
    pub(super) keys: Vec<ForeignKey>,
    pub(super) rows: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Column {
    /// Unique to the column within its table, and unchanged by a rename.
    pub(super) id: i64,
    pub(super) name: String,
    /// The type, in the engine's syntax.
    pub(super) kind: String,
    /// Whether the engine computes the column.
    pub(super) derived: bool,
    /// The number of values that are not NULL.
    pub(super) values: u64,
    /// A sum over all values, so that the order of rows does not matter.
    pub(super) digest: String,
}

/// Columns that refer to a table.
#[derive(Debug, Clone)]
pub(super) struct ForeignKey {
    pub(super) columns: Vec<String>,
    pub(super) table: String,
}

/// The errors in a declaration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DeclarationErrors {
    /// Losses that are not declared.
    pub(super) undeclared: Vec<Destroyed>,
    /// Declared losses that do not exist.
    pub(super) unknown: Vec<Loss>,
}

/// Data that a step destroys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destroyed {
    what: Loss,
    how: Destruction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destruction {
    /// The table or column is gone, with this many rows or values.
    Dropped(u64),
    /// This many rows are gone.
    Rows(u64),
    /// This many values became NULL.
    Values(u64),
    /// The column's new type would cut this many values.
    Cut(u64),
    /// The number of values is the same, but the values differ.
    Changed,
}

/// A column whose type a step changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Retyped {
    /// The name before the step.
    pub(super) what: Loss,
    /// The type after the step.
    pub(super) kind: String,
}

impl DeclarationErrors {
    /// Compares the declared losses of a step with its actual losses; `None` if the declaration is right.
    pub(super) fn find(declared: &[Loss], before: &Inventory, after: &Inventory) -> Option<Self> {
        let unknown: Vec<Loss> = declared.iter().filter(|loss| !before.has(loss)).cloned().collect();
        let undeclared = undeclared(declared, before, after);
        (!unknown.is_empty() || !undeclared.is_empty()).then_some(Self { undeclared, unknown })
    }

    /// Checks that a down migration declares the values that a change of type would cut.
    pub(super) fn cuts(declared: &[Loss], cuts: &[Cut]) -> Option<Self> {
        let is_declared = |what: &Loss| {
            declared.iter().any(|one| one.table == what.table && (one.column.is_none() || one.column == what.column))
        };
        let open = cuts.iter().filter(|(what, ..)| !is_declared(what));
        let undeclared: Vec<Destroyed> =
            open.map(|(what, _, count)| Destroyed { what: what.clone(), how: Destruction::Cut(*count) }).collect();
        (!undeclared.is_empty()).then_some(Self { undeclared, unknown: Vec::new() })
    }
}

impl Inventory {
    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.0.iter().find(|table| table.name == name)
    }

    fn has(&self, loss: &Loss) -> bool {
        let column =
            |table: &Table| loss.column.as_ref().is_none_or(|name| table.columns.iter().any(|c| c.name == *name));
        self.table(&loss.table).is_some_and(column)
    }

    /// The columns whose types differ between this inventory and `after`.
    pub(super) fn retyped(&self, after: &Self) -> Vec<Retyped> {
        let pairs = self.0.iter().filter_map(|table| Some((table, table.successor(after)?)));
        let columns = pairs.flat_map(|(table, now)| {
            table.columns.iter().filter(|column| !column.derived).filter_map(move |column| {
                let kind = &column.successor(table, now)?.kind;
                (*kind != column.kind).then(|| Retyped { what: table.loss(Some(&column.name)), kind: kind.clone() })
            })
        });
        columns.collect()
    }
}

impl Table {
    /// The same table in `after`, or the table that replaced it.
    fn successor<'i>(&self, after: &'i Inventory) -> Option<&'i Self> {
        after.0.iter().find(|table| table.id == self.id).or_else(|| after.table(&self.name))
    }

    fn loss(&self, column: Option<&str>) -> Loss {
        Loss { table: self.name.clone(), column: column.map(str::to_owned) }
    }

    /// The number of rows that are gone.
    fn rows_lost(&self, after: &Inventory) -> u64 {
        self.rows - self.successor(after).map_or(0, |now| now.rows.min(self.rows))
    }
}

impl Column {
    /// The same column in `now`, or the column that replaced it.
    fn successor<'i>(&self, table: &Table, now: &'i Table) -> Option<&'i Self> {
        let same = (table.id == now.id).then(|| now.columns.iter().find(|column| column.id == self.id)).flatten();
        same.or_else(|| now.columns.iter().find(|column| column.name == self.name))
    }

    fn values_lost(&self, table: &Table, after: &Inventory) -> u64 {
        let now = table.successor(after).and_then(|now| self.successor(table, now));
        self.values - now.map_or(0, |now| now.values.min(self.values))
    }
}

fn undeclared(declared: &[Loss], before: &Inventory, after: &Inventory) -> Vec<Destroyed> {
    let accounted = accounted_for(declared, before, after);
    let mut found = Vec::new();
    for table in before.0.iter().filter(|table| !table.derived) {
        if declared.contains(&table.loss(None)) {
            continue;
        }
        let Some(now) = table.successor(after) else {
            found.push(Destroyed { what: table.loss(None), how: Destruction::Dropped(table.rows) });
            continue;
        };
        let rows = table.rows_lost(after);
        if rows > 0 && !accounted.contains(table.name.as_str()) {
            found.push(Destroyed { what: table.loss(None), how: Destruction::Rows(rows) });
        }
        let open = table.columns.iter().filter(|column| !column.derived);
        for column in open.filter(|column| !declared.contains(&table.loss(Some(&column.name)))) {
            let how = match column.successor(table, now) {
                None => Some(Destruction::Dropped(column.values)),
                Some(_) if refers_to(table, column, &accounted) => None,
                // A deleted row takes its values with it.
                Some(_) if column.values_lost(table, after) > rows => {
                    Some(Destruction::Values(column.values_lost(table, after) - rows))
                }
                Some(same) if now.rows == table.rows && same.values == column.values => {
                    (same.digest != column.digest).then_some(Destruction::Changed)
                }
                Some(_) => None,
            };
            found.extend(how.map(|how| Destroyed { what: table.loss(Some(&column.name)), how }));
        }
    }
    found
}

/// The tables whose missing rows are accounted for: declared tables, tables of which a declared column has lost at
/// least as many values as there are missing rows, and tables whose rows refer to such a table, because a row cannot
/// exist without the row that it belongs to.
fn accounted_for<'i>(declared: &[Loss], before: &'i Inventory, after: &Inventory) -> BTreeSet<&'i str> {
    let by_itself = |table: &&Table| {
        let lost = table.rows_lost(after);
        let column = |column: &Column| {
            declared.contains(&table.loss(Some(&column.name))) && column.values_lost(table, after) >= lost
        };
        lost > 0 && (declared.contains(&table.loss(None)) || table.columns.iter().any(column))
    };
    let mut found: BTreeSet<&str> = before.0.iter().filter(by_itself).map(|table| table.name.as_str()).collect();
    loop {
        let follows = |table: &&Table| table.keys.iter().any(|key| found.contains(key.table.as_str()));
        let more: Vec<&str> = before
            .0
            .iter()
            .filter(|table| !found.contains(table.name.as_str()) && table.rows_lost(after) > 0)
            .filter(follows)
            .map(|table| table.name.as_str())
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// Whether a column belongs to a foreign key to a table with missing rows: `ON DELETE SET NULL` clears it.
fn refers_to(table: &Table, column: &Column, with_missing_rows: &BTreeSet<&str>) -> bool {
    table.keys.iter().any(|key| with_missing_rows.contains(key.table.as_str()) && key.columns.contains(&column.name))
}

impl fmt::Display for Destroyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = |count: u64, one: &'static str| match (one, count) {
            ("row", 1) => "row",
            ("row", _) => "rows",
            (_, 1) => "value",
            _ => "values",
        };
        let whole = if self.what.column.is_some() { "value" } else { "row" };
        match self.how {
            Destruction::Dropped(count) => write!(f, "drops {} ({count} {})", self.what, unit(count, whole)),
            Destruction::Rows(count) => write!(f, "deletes {count} {} of {}", unit(count, "row"), self.what),
            Destruction::Values(count) => write!(f, "deletes {count} {} of {}", unit(count, "value"), self.what),
            Destruction::Cut(count) => write!(f, "cuts {count} {} of {}", unit(count, "value"), self.what),
            Destruction::Changed => write!(f, "changes values of {}", self.what),
        }
    }
}

impl fmt::Display for DeclarationErrors {
    /// `it drops notes.color (1 value) and does not declare that; it declares notes.hue, which does not exist`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: Vec<String>| items.join(", ");
        if !self.undeclared.is_empty() {
            let items = list(self.undeclared.iter().map(ToString::to_string).collect());
            write!(f, "it {items} without declaring that")?;
        }
        if !self.unknown.is_empty() {
            let separator = if self.undeclared.is_empty() { "" } else { "; " };
            let items = list(self.unknown.iter().map(ToString::to_string).collect());
            write!(f, "{separator}it declares the loss of {items}, which does not exist before this step")?;
        }
        Ok(())
    }
}
