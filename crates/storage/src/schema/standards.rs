//! The standards for every table: rules over the schema model, and exceptions with their reasons.

use super::{Column, ColumnKind, Engine, Schema, Table};

/// A rule that every table must follow.
pub struct Rule {
    /// The identifier in reports and exceptions.
    pub id: &'static str,
    /// The rule as a clause.
    pub sentence: &'static str,
    check: fn(&Context<'_>) -> Vec<Finding>,
}

/// A violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The id of the rule.
    pub rule: &'static str,
    pub table: String,
    /// The column, index or constraint; empty if the table itself violates the rule.
    pub name: String,
    /// The violation as a clause: "is INVALID: …".
    pub what: String,
}

/// A table that may break rules.
#[derive(Debug)]
pub struct Exception {
    /// The ids of the rules, separated by blanks; `*` for all.
    pub rule: &'static str,
    pub table: &'static str,
    pub reason: &'static str,
}

pub const RULES: [Rule; 11] = [
    Rule { id: "uuid-key", sentence: "the primary key of a table is one UUID", check: uuid_key },
    Rule {
        id: "names",
        sentence: "constraints and indexes are named pk_, fk_, uq_, ck_ or idx_ and their table",
        check: names,
    },
    Rule {
        id: "foreign-key-index",
        sentence: "a valid index starts with the columns of each foreign key, or with the referenced id if the owner \
                   comes first",
        check: foreign_key_index,
    },
    Rule {
        id: "foreign-key-target",
        sentence: "a foreign key refers to a primary key or a unique constraint, with columns of the same kinds",
        check: foreign_key_target,
    },
    Rule {
        id: "composite-set-null",
        sentence: "no composite foreign key sets its columns to NULL, since one of them is the owner",
        check: composite_set_null,
    },
    Rule { id: "valid", sentence: "no index is INVALID, and no constraint is NOT VALID", check: valid },
    Rule { id: "duplicate-index", sentence: "no two indexes of a table are the same", check: duplicate_index },
    Rule { id: "zoned-time", sentence: "times are instants, with their zone", check: zoned_time },
    Rule {
        id: "row-times",
        sentence: "a row has the times of its creation and last change: created_at and updated_at, NOT NULL, with a \
                   default",
        check: row_times,
    },
    Rule {
        id: "not-null",
        sentence: "a column is NOT NULL unless it is optional in the journal's data model",
        check: not_null,
    },
    Rule { id: "strict", sentence: "the engine enforces the types of columns (STRICT on SQLite)", check: strict },
];

const FTS: &str = "SQLite's FTS5 creates and maintains it";

/// Exceptions from the rules. `sotto db check` does not report them.
pub const EXCEPTIONS: [Exception; 9] = [
    Exception {
        rule: "*",
        table: "schema_migrations",
        reason: "it belongs to the migration runner and is numbered like the migration files",
    },
    Exception {
        rule: "uuid-key names row-times",
        table: "search_documents",
        reason: "FTS5 identifies rows by whole numbers, so it numbers the entries: its key is SQLite's own, without a \
                 name, and its rows are created and deleted with the entries",
    },
    Exception { rule: "*", table: "journal_entries_fts", reason: FTS },
    Exception { rule: "*", table: "journal_entries_fts_config", reason: FTS },
    Exception { rule: "*", table: "journal_entries_fts_data", reason: FTS },
    Exception { rule: "*", table: "journal_entries_fts_idx", reason: FTS },
    Exception {
        rule: "uuid-key row-times",
        table: "journal_entry_tags",
        reason: "a link is the pair of an entry and a tag; it is created and deleted, never changed",
    },
    Exception {
        rule: "uuid-key",
        table: "idempotency_keys",
        reason: "clients choose the keys, so a row is identified by its owner and the hash of the key",
    },
    Exception {
        rule: "uuid-key",
        table: "deleted_secret_tags",
        reason: "clients choose the ids of secret tags, so a row is identified by its owner and the id",
    },
];

/// Columns that may be NULL, because their domain types are optional (`Option`).
pub(super) const OPTIONAL: [(&str, &str); 11] = [
    ("users", "hashed_password full_name google_id avatar_url draft_key preferences email_verified_at"),
    ("journal_entries", "title audio_url secret_tag_id encrypted_content wrapped_key encryption_iv wrap_iv"),
    ("tags", "color"),
    ("reminders", "custom_days next_due_at"),
    ("opaque_sessions", "binary_tag_id session_data"),
    ("login_sessions", "user_agent confirmed_at"),
    ("secret_tags", "opened_at"),
    ("attachment_store", "trouble"),
    ("identities", "email"),
    ("api_tokens", "expires_at last_used_at"),
    ("security_events", "client user_agent"),
];

/// All violations in `schema`.
pub fn violations(schema: &Schema, engine: Engine) -> Vec<Violation> {
    let tables = schema.tables.iter();
    let contexts = tables.map(|(name, table)| Context { schema, engine, name, table });
    contexts.flat_map(|context| RULES.iter().flat_map(move |rule| context.violations(rule))).collect()
}

/// Whether a table may break a rule; for `*`, whether it may break all rules.
pub fn is_exempt(rule: &str, table: &str) -> bool {
    let rules = EXCEPTIONS.iter().filter(|one| one.table == table).flat_map(|one| one.rule.split(' '));
    rules.into_iter().any(|one| one == rule || one == "*")
}

/// The input of a rule.
struct Context<'s> {
    schema: &'s Schema,
    engine: Engine,
    name: &'s str,
    table: &'s Table,
}

/// The name of a part, and what is wrong with it.
type Finding = (String, String);

impl Context<'_> {
    fn violations(&self, rule: &Rule) -> Vec<Violation> {
        if is_exempt(rule.id, self.name) {
            return Vec::new();
        }
        let found = (rule.check)(self).into_iter();
        found.map(|(name, what)| Violation { rule: rule.id, table: self.name.to_owned(), name, what }).collect()
    }

    fn columns(&self, wrong: impl Fn(&Column) -> Option<String>) -> Vec<Finding> {
        self.table.columns.iter().filter_map(|column| Some((column.name.clone(), wrong(column)?))).collect()
    }
}

fn uuid_key(at: &Context<'_>) -> Vec<Finding> {
    let Some(key) = &at.table.primary_key else { return vec![(String::new(), "has no primary key".into())] };
    let good = match key.columns.as_slice() {
        [one] => at.table.column(one).is_some_and(|column| column.kind == ColumnKind::Uuid && !column.nullable),
        _ => false,
    };
    if good { Vec::new() } else { vec![(key.name.clone(), format!("is {key}, which is not one UUID"))] }
}

fn names(at: &Context<'_>) -> Vec<Finding> {
    let key = format!("pk_{}", at.name);
    let primary = at.table.primary_key.iter().filter(|one| one.name != key);
    let mut found: Vec<Finding> =
        primary.map(|one| (one.name.clone(), format!("is the primary key, and not named {key}"))).collect();
    let lists: [(&str, Vec<&String>); 4] = [
        ("uq", at.table.uniques.iter().map(|one| &one.name).collect()),
        ("fk", at.table.foreign_keys.iter().map(|one| &one.name).collect()),
        ("ck", at.table.checks.iter().map(|one| &one.name).collect()),
        ("idx", at.table.indexes.iter().map(|one| &one.name).collect()),
    ];
    for (prefix, list) in lists {
        let start = format!("{prefix}_{}_", at.name);
        let wrong = list.into_iter().filter(|name| !name.starts_with(&start));
        found.extend(wrong.map(|name| (name.clone(), format!("does not begin with {start}"))));
    }
    found
}

fn foreign_key_index(at: &Context<'_>) -> Vec<Finding> {
    let lists: Vec<&[String]> = at.table.indexed().collect();
    let unserved = at.table.foreign_keys.iter().filter(|key| {
        let owned = key.columns.len() == 2 && key.columns[0] == "user_id";
        !lists.iter().any(|list| list.starts_with(&key.columns) || (owned && list.first() == key.columns.last()))
    });
    unserved
        .map(|key| {
            (
                key.name.clone(),
                format!(
                    "has no valid index that starts with its columns: ({}) is searched row by row",
                    key.columns.join(", ")
                ),
            )
        })
        .collect()
}

fn foreign_key_target(at: &Context<'_>) -> Vec<Finding> {
    let wrong = at.table.foreign_keys.iter().filter_map(|key| {
        let Some(target) = at.schema.tables.get(&key.table) else {
            return Some((key.name.clone(), format!("refers to {}, which does not exist", key.table)));
        };
        if !target.primary_key.iter().chain(&target.uniques).any(|one| one.columns == key.references) {
            return Some((key.name.clone(), format!("refers to columns that are no key of {}", key.table)));
        }
        let kind = |table: &Table, column: &String| table.column(column).map(|column| column.kind.clone());
        let pairs = key.columns.iter().zip(&key.references);
        let different = pairs.into_iter().find(|(from, to)| kind(at.table, from) != kind(target, to));
        different.map(|(from, to)| (key.name.clone(), format!("compares {from} with {to}, which is of another kind")))
    });
    wrong.collect()
}

fn composite_set_null(at: &Context<'_>) -> Vec<Finding> {
    let wrong = at.table.foreign_keys.iter().filter(|key| {
        key.columns.len() > 1 && [&key.on_delete, &key.on_update].iter().any(|action| action.starts_with("SET "))
    });
    wrong.map(|key| (key.name.clone(), "would remove the row from its owner".to_owned())).collect()
}

fn valid(at: &Context<'_>) -> Vec<Finding> {
    let indexes = at.table.indexes.iter().filter(|index| !index.valid).map(|index| {
        (index.name.clone(), format!("is INVALID, so no query uses it: `REINDEX INDEX CONCURRENTLY {}`", index.name))
    });
    let keys = at.table.foreign_keys.iter().filter(|key| !key.validated).map(|key| &key.name);
    let checks = at.table.checks.iter().filter(|check| !check.validated).map(|check| &check.name);
    let constraints = keys.chain(checks).map(|name| {
        let repair = format!("`ALTER TABLE {} VALIDATE CONSTRAINT {name}`", at.name);
        (name.clone(), format!("is NOT VALID, so older rows may break it: {repair}"))
    });
    indexes.chain(constraints).collect()
}

fn duplicate_index(at: &Context<'_>) -> Vec<Finding> {
    let keys = at.table.primary_key.iter().chain(&at.table.uniques);
    let keys = keys.map(|key| (&key.name, key.to_string()));
    let indexes = at.table.indexes.iter().map(|index| (&index.name, index.definition.clone()));
    let all: Vec<(&String, String)> = keys.chain(indexes).collect();
    let twice = all.iter().enumerate().filter_map(|(place, (name, definition))| {
        let first = all[..place].iter().find(|(_, other)| other == definition)?;
        Some(((*name).clone(), format!("is the same as {}: {definition}", first.0)))
    });
    twice.collect()
}

fn zoned_time(at: &Context<'_>) -> Vec<Finding> {
    let instant = match at.engine {
        Engine::Sqlite => ColumnKind::Integer,
        Engine::Postgres => ColumnKind::Instant,
    };
    at.columns(|column| match &column.kind {
        ColumnKind::Other(kind) if kind.starts_with("time") => Some(format!("is a {kind}, which is no instant")),
        kind if column.name.ends_with("_at") && *kind != instant => {
            Some(format!("is {kind}, where a time is expected"))
        }
        _ => None,
    })
}

fn row_times(at: &Context<'_>) -> Vec<Finding> {
    let wrong = ["created_at", "updated_at"].into_iter().filter_map(|name| {
        let what = match at.table.column(name) {
            None => "is missing",
            Some(column) if column.nullable => "may be NULL",
            Some(column) if column.default.is_none() => "has no default",
            Some(_) => return None,
        };
        Some((name.to_owned(), what.to_owned()))
    });
    wrong.collect()
}

fn not_null(at: &Context<'_>) -> Vec<Finding> {
    let optional = OPTIONAL.iter().filter(|(table, _)| *table == at.name).flat_map(|(_, columns)| columns.split(' '));
    let optional: Vec<&str> = optional.collect();
    at.columns(|column| {
        let wrong = column.nullable && column.generated.is_none() && !optional.contains(&column.name.as_str());
        wrong.then(|| "may be NULL".to_owned())
    })
}

fn strict(at: &Context<'_>) -> Vec<Finding> {
    if at.table.strict { Vec::new() } else { vec![(String::new(), "is not STRICT".to_owned())] }
}
