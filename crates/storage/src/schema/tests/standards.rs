//! The standards for every table, and the index names of the founding document.

use super::Database;
use crate::schema::standards::{self, EXCEPTIONS, OPTIONAL, RULES, Violation};
use crate::schema::{self, Engine};

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
async fn every_table_keeps_the_standards() {
    for database in Database::both().await {
        assert_eq!(database.violations().await, [], "{}", database.scratch.url);
        let keys = database.schema.tables.values().flat_map(|table| &table.foreign_keys);
        assert_eq!(keys.count(), 15, "the rules had something to look at");
    }
}

#[tokio::test]
async fn every_exception_is_used_and_has_a_reason() {
    let both = Database::both().await;
    for exception in &EXCEPTIONS {
        let needed = both.iter().any(|database| database.schema.tables.contains_key(exception.table));
        assert!(needed && !exception.reason.is_empty(), "{exception:?}");
        for rule in exception.rule.split(' ').filter(|rule| *rule != "*") {
            assert!(RULES.iter().any(|one| one.id == rule), "{exception:?}");
        }
    }
    for (table, columns) in OPTIONAL {
        for name in columns.split(' ') {
            let column = both[0].schema.tables[table].column(name);
            assert!(column.is_some_and(|column| column.nullable), "{table}.{name} is listed, and never NULL");
        }
    }
}

/// Manual changes of a database on either engine, and the rule that detects each.
#[tokio::test]
async fn every_rule_finds_its_violations() {
    let common = [
        ("CREATE INDEX idx_tags_again ON tags (user_id)", "duplicate-index tags idx_tags_user_id"),
        ("CREATE INDEX tags_by_color ON tags (color)", "names tags tags_by_color"),
        ("DROP INDEX idx_journal_entry_tags_tag_id", "foreign-key-index journal_entry_tags fk_journal_entry_tags_tag"),
        ("ALTER TABLE tags ADD COLUMN note TEXT", "not-null tags note"),
    ];
    let sqlite = [
        ("CREATE TABLE moods (name TEXT)", "uuid-key moods", "strict moods", "row-times moods created_at"),
        (
            "CREATE TABLE mood_days (id BLOB NOT NULL CHECK (length(id) = 16) PRIMARY KEY, seen_at TEXT NOT NULL) STRICT",
            "names mood_days",
            "zoned-time mood_days seen_at",
            "row-times mood_days updated_at",
        ),
        (
            "CREATE TABLE mood_links (tag_id BLOB NOT NULL, user_id BLOB NOT NULL, CONSTRAINT fk_mood_links_tag \
             FOREIGN KEY (user_id, tag_id) REFERENCES tags (user_id, name) ON DELETE SET NULL) STRICT",
            "foreign-key-target mood_links fk_mood_links_tag",
            "composite-set-null mood_links fk_mood_links_tag",
            "foreign-key-index mood_links fk_mood_links_tag",
        ),
    ];
    let postgres = [
        ("CREATE TABLE moods (name TEXT)", "uuid-key moods", "not-null moods name", "row-times moods created_at"),
        (
            "CREATE TABLE mood_days (id UUID PRIMARY KEY, seen_at TIMESTAMP NOT NULL)",
            "names mood_days mood_days_pkey",
            "zoned-time mood_days seen_at",
            "row-times mood_days updated_at",
        ),
        (
            "CREATE TABLE mood_links (tag_id UUID, user_id UUID, CONSTRAINT fk_mood_links_tag FOREIGN KEY (user_id, \
             tag_id) REFERENCES tags (user_id, id) ON DELETE SET NULL); ALTER TABLE reminders ADD CONSTRAINT \
             ck_reminders_title CHECK (title <> 'x') NOT VALID",
            "valid reminders ck_reminders_title",
            "composite-set-null mood_links fk_mood_links_tag",
            "foreign-key-index mood_links fk_mood_links_tag",
        ),
    ];
    for database in Database::both().await {
        for (statement, expected) in common {
            database.batch(statement).await;
            database.expect(expected).await;
        }
        for (statement, first, second, third) in if database.is_sqlite() { sqlite } else { postgres } {
            database.batch(statement).await;
            for expected in [first, second, third] {
                database.expect(expected).await;
            }
        }
    }
}

/// A unique index whose build failed is INVALID and unused.
#[tokio::test]
async fn an_invalid_index_is_a_violation_and_covers_nothing() {
    let [_, database] = Database::both().await;
    database.batch("DROP INDEX idx_tags_user_id, idx_tags_user_created").await;
    database.batch("ALTER TABLE tags DROP CONSTRAINT uq_tags_user_name, DROP CONSTRAINT uq_tags_user_name_key").await;
    database.batch("ALTER TABLE journal_entry_tags DROP CONSTRAINT fk_journal_entry_tags_tag").await;
    database.batch("ALTER TABLE tags DROP CONSTRAINT uq_tags_user_tag").await;
    let build = "CREATE UNIQUE INDEX CONCURRENTLY idx_tags_user_id ON tags (user_id)";
    assert!(database.refuse(build).await.contains("idx_tags_user_id"));
    database.expect("valid tags idx_tags_user_id").await;
    database.expect("foreign-key-index tags fk_tags_user").await;
}

impl Database {
    async fn violations(&self) -> Vec<Violation> {
        let schema = schema::read(&self.scratch.url).await.unwrap();
        standards::violations(&schema, Engine::from(&self.scratch.url))
    }

    /// Expects a violation, written as rule, table and name.
    async fn expect(&self, expected: &str) {
        let found = self.violations().await;
        let lines: Vec<String> = found.iter().map(|one| format!("{} {} {}", one.rule, one.table, one.name)).collect();
        assert!(lines.iter().any(|line| line.trim_end() == expected), "{expected}: {lines:#?}");
    }

    pub(super) async fn batch(&self, statements: &str) {
        match &self.engine {
            super::Engine::Sqlite(connection) => connection.execute_batch(statements).unwrap(),
            super::Engine::Postgres(client) => client.batch_execute(statements).await.unwrap(),
        }
    }
}
