//! The standards that every table keeps, and the names that the founding document gives.

use super::Database;
use crate::schema::{Kind, Table};

/// What is no part of the journal's own data: the runner's bookkeeping, and SQLite's full text.
const NOT_OF_THE_JOURNAL: [&str; 6] = [
    "schema_migrations",
    "search_documents",
    "journal_entries_fts",
    "journal_entries_fts_config",
    "journal_entries_fts_data",
    "journal_entries_fts_idx",
];

const ROADMAP_COLUMNS: [(&str, &str); 7] = [
    ("users", "id email hashed_password full_name is_active is_superuser google_id avatar_url created_at updated_at"),
    (
        "journal_entries",
        "id title content audio_url entry_date secret_tag_id encrypted_content wrapped_key encryption_iv wrap_iv \
         user_id created_at updated_at",
    ),
    ("tags", "id name color user_id created_at updated_at"),
    ("journal_entry_tags", "entry_id tag_id"),
    ("reminders", "id title message frequency time is_active custom_days user_id created_at updated_at"),
    (
        "opaque_sessions",
        "session_id user_id binary_tag_id session_state session_data expires_at last_activity created_at updated_at",
    ),
    ("secret_tags", "tag_id"),
];

const ROADMAP_FOREIGN_KEYS: [&str; 6] = [
    "fk_journal_entries_user",
    "fk_journal_entries_secret_tag",
    "fk_tags_user",
    "fk_journal_entry_tags_entry",
    "fk_journal_entry_tags_tag",
    "fk_reminders_user",
];

/// Name, table, leading columns, unique.
const ROADMAP_INDEXES: [(&str, &str, &[&str], bool); 13] = [
    ("idx_journal_entries_user_id", "journal_entries", &["user_id"], false),
    ("idx_journal_entries_secret_tag_id", "journal_entries", &["secret_tag_id"], false),
    ("idx_tags_user_id", "tags", &["user_id"], false),
    ("idx_journal_entry_tags_entry_id", "journal_entry_tags", &["entry_id"], false),
    ("idx_journal_entry_tags_tag_id", "journal_entry_tags", &["tag_id"], false),
    ("idx_reminders_user_id", "reminders", &["user_id"], false),
    ("idx_opaque_sessions_user_id", "opaque_sessions", &["user_id"], false),
    ("idx_journal_entries_user_date", "journal_entries", &["user_id", "entry_date"], false),
    ("idx_tags_user_created", "tags", &["user_id", "created_at"], false),
    ("idx_opaque_sessions_expires_at", "opaque_sessions", &["expires_at"], false),
    ("idx_opaque_sessions_binary_tag_id", "opaque_sessions", &["binary_tag_id"], false),
    ("idx_users_email", "users", &["email"], true),
    ("idx_users_google_id", "users", &["google_id"], true),
];

impl Database {
    fn journal(&self) -> impl Iterator<Item = (&String, &Table)> {
        self.schema.tables.iter().filter(|(name, _)| !NOT_OF_THE_JOURNAL.contains(&name.as_str()))
    }
}

#[tokio::test]
async fn every_name_of_the_roadmap_exists() {
    for database in Database::both().await {
        let at = &database.scratch.url;
        let tables = &database.schema.tables;
        for (table, columns) in ROADMAP_COLUMNS {
            let present: Vec<&str> = tables[table].columns.iter().map(|column| column.name.as_str()).collect();
            for column in columns.split_whitespace() {
                assert!(present.contains(&column), "{at}: {table}.{column}");
            }
        }
        for name in ROADMAP_FOREIGN_KEYS {
            assert!(tables.values().any(|table| table.foreign_keys.iter().any(|key| key.name == name)), "{at}: {name}");
        }
        for (name, table, leading, unique) in ROADMAP_INDEXES {
            let index = tables[table].indexes.iter().find(|index| index.name == name);
            let index = index.unwrap_or_else(|| panic!("{at}: {name}"));
            assert!(
                index.columns.iter().map(String::as_str).collect::<Vec<_>>().starts_with(leading),
                "{at}: {index:?}"
            );
            assert_eq!(index.unique, unique, "{at}: {name}");
        }
        let name = tables["tags"].uniques.iter().find(|key| key.name == "uq_tags_user_name").unwrap();
        assert_eq!(name.columns, ["user_id", "name"], "{at}");
    }
}

#[tokio::test]
async fn every_primary_key_is_uuid() {
    for database in Database::both().await {
        for (name, table) in database.journal() {
            let key = table.primary_key.as_ref().unwrap_or_else(|| panic!("{name} has no primary key"));
            assert_eq!(key.name, format!("pk_{name}"));
            for column in &key.columns {
                let column = table.columns.iter().find(|one| one.name == *column).unwrap();
                assert_eq!(column.kind, Kind::Uuid, "{}: {name}.{}", database.scratch.url, column.name);
                assert!(!column.nullable, "{name}.{}", column.name);
            }
        }
    }
}

/// For a composite key that begins with the owner, an index that leads with the id referred to serves as well.
#[tokio::test]
async fn every_foreign_key_leads_an_index() {
    for database in Database::both().await {
        let mut seen = 0;
        for (name, table) in database.journal() {
            let keys = table.primary_key.iter().chain(&table.uniques).map(|key| &key.columns);
            let lists: Vec<_> = keys.chain(table.indexes.iter().map(|index| &index.columns)).collect();
            for key in &table.foreign_keys {
                let owned = key.columns.len() == 2 && key.columns[0] == "user_id";
                let served = lists.iter().any(|columns| {
                    columns.starts_with(&key.columns) || (owned && columns.first() == key.columns.last())
                });
                assert!(served, "{}: {name}: {}", database.scratch.url, key.name);
                seen += 1;
            }
        }
        assert_eq!(seen, 9);
    }
}

#[tokio::test]
async fn every_constraint_and_index_has_a_name_of_the_standard() {
    for database in Database::both().await {
        for (table, parts) in database.journal() {
            let named = |name: &str, prefix: &str| {
                assert!(
                    name.starts_with(&format!("{prefix}_{table}_")),
                    "{}: '{name}' on {table}",
                    database.scratch.url
                );
            };
            parts.uniques.iter().for_each(|key| named(&key.name, "uq"));
            parts.foreign_keys.iter().for_each(|key| named(&key.name, "fk"));
            parts.checks.iter().for_each(|check| named(&check.name, "ck"));
            parts.indexes.iter().for_each(|index| named(&index.name, "idx"));
        }
    }
}

#[tokio::test]
async fn every_table_knows_when_its_rows_were_made_and_changed() {
    for database in Database::both().await {
        // A link between an entry and a tag is made and removed, never changed.
        for (name, table) in database.journal().filter(|(name, _)| *name != "journal_entry_tags") {
            for column in ["created_at", "updated_at"] {
                let column =
                    table.columns.iter().find(|one| one.name == column).unwrap_or_else(|| panic!("{name}.{column}"));
                assert!(!column.nullable && column.default.is_some(), "{name}.{}", column.name);
                let kind = if database.is_sqlite() { Kind::Integer } else { Kind::Instant };
                assert_eq!(column.kind, kind, "{name}.{}", column.name);
            }
        }
    }
}

#[tokio::test]
async fn foreign_keys_refer_to_keys_of_the_same_kind() {
    for database in Database::both().await {
        for (name, table) in database.journal() {
            for key in &table.foreign_keys {
                let target = &database.schema.tables[&key.table];
                let unique = target.primary_key.iter().chain(&target.uniques).any(|one| one.columns == key.references);
                assert!(unique, "{name}: {}", key.name);
                for (from, to) in key.columns.iter().zip(&key.references) {
                    let kind = |table: &Table, column: &str| {
                        table.columns.iter().find(|one| one.name == column).unwrap().kind.clone()
                    };
                    assert_eq!(kind(table, from), kind(target, to), "{name}: {}", key.name);
                }
            }
        }
    }
}
