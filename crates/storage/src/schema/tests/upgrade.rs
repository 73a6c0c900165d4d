//! The shipped migrations on populated databases.

use sotto_domain::UserId;
use sotto_domain::entry::EntryQuery;
use uuid::Uuid;

use super::{Database, POPULATION, SEALED};
use crate::migrate::{Migrator, Target};
use crate::testing::Scratch;

/// The tables of revision 0001 with rows of users.
const ORIGINAL_TABLES: [&str; 6] =
    ["users", "journal_entries", "tags", "journal_entry_tags", "reminders", "login_sessions"];

/// Tables that did not exist at revision 0001.
const NEWER_TABLES: [&str; 9] = [
    "secret_tags",
    "opaque_sessions",
    "attachments",
    "attachment_store",
    "identities",
    "api_tokens",
    "idempotency_keys",
    "security_events",
    "deleted_secret_tags",
];

impl Database {
    /// Databases at revision 0001, with two users and rows in every table of that revision.
    async fn both_at_0001() -> [Self; 2] {
        [Self::at_0001(Scratch::sqlite()).await, Self::at_0001(Scratch::postgres().await).await]
    }

    async fn at_0001(scratch: Scratch) -> Self {
        Migrator::new(&scratch.url).unwrap().upgrade(&"0001".parse().unwrap()).await.unwrap();
        let database = Self::open(scratch).await;
        for statement in POPULATION.iter().filter(|one| !NEWER_TABLES.iter().any(|table| one.contains(table))) {
            database.accept(statement).await;
        }
        database
    }

    fn migrator(&self) -> Migrator {
        Migrator::new(&self.scratch.url).unwrap()
    }

    /// All rows of a table, with all columns as text.
    async fn rows(&self, table: &str) -> Vec<String> {
        let row = if self.is_sqlite() {
            let columns = &self.schema.tables[table].columns;
            columns.iter().map(|column| format!("quote({})", column.name)).collect::<Vec<_>>().join(" || '|' || ")
        } else {
            format!("{table}::text")
        };
        self.list(&format!("SELECT {row} FROM {table} ORDER BY 1")).await
    }

    async fn kept(&self) -> Vec<Vec<String>> {
        self.rows_of(&ORIGINAL_TABLES).await
    }

    async fn rows_of(&self, tables: &[&str]) -> Vec<Vec<String>> {
        let mut all = vec![];
        for table in tables {
            all.push(self.rows(table).await);
            assert!(!all[all.len() - 1].is_empty(), "{table}");
        }
        all
    }
}

#[tokio::test]
async fn upgrade_to_secret_tags_and_back_loses_nothing() {
    for database in Database::both_at_0001().await {
        let (before, schema) = (database.kept().await, database.schema.clone());
        let migrator = database.migrator();
        let up = migrator.upgrade(&"0002".parse().unwrap()).await.unwrap();
        assert_eq!(up.snapshot.is_some(), database.is_sqlite(), "a file is copied first");
        assert_eq!(database.kept().await, before);
        let storage = database.scratch.url.open().await.unwrap();
        let query = EntryQuery { words: vec!["fir".into()], limit: 10, ..EntryQuery::default() };
        let found = storage.entries().list(UserId(Uuid::from_u128(1)), &query).await.unwrap();
        assert_eq!(found.iter().map(|entry| entry.body.title.as_deref()).collect::<Vec<_>>(), [Some("first")]);
        storage.close().await;
        // An entry still cannot refer to a missing secret tag.
        database.refuse(SEALED).await;

        migrator.downgrade(&"0001".parse().unwrap(), false).await.unwrap();
        assert_eq!(database.kept().await, before);
        let after = crate::schema::read(&database.scratch.url).await.unwrap();
        assert_eq!(after.differences(&schema), []);
    }
}

#[tokio::test]
async fn an_unusable_secret_tag_stops_the_upgrade_and_is_kept() {
    for database in Database::both_at_0001().await {
        database.accept("INSERT INTO secret_tags (tag_id, user_id) VALUES (#31, #1)").await;
        database.accept(SEALED).await;
        let before = (database.rows("secret_tags").await, database.kept().await);
        let refused = database.migrator().upgrade(&Target::Head).await.unwrap_err().to_string();
        for part in ["0002_secret_tags.up.sql", "registration_record", "at revision 0001"] {
            assert!(refused.contains(part), "{refused}");
        }
        assert_eq!((database.rows("secret_tags").await, database.kept().await), before);
    }
}

#[tokio::test]
async fn downgrade_from_the_web_app_and_back_keeps_older_tables() {
    for database in Database::both().await {
        database.accept("UPDATE users SET preferences = '{}', draft_key = #b32 WHERE id = #1").await;
        let migrator = database.migrator();
        let refused = migrator.downgrade(&"0002".parse().unwrap(), false).await.unwrap_err().to_string();
        for part in [
            "2 rows of attachments",
            "2 rows of identities",
            "2 rows of api_tokens",
            "2 rows of idempotency_keys",
            "2 rows of security_events",
            "2 rows of deleted_secret_tags",
            "1 value of users.draft_key",
        ] {
            assert!(refused.contains(part), "{refused}");
        }
        let kept = async || {
            let users = "SELECT email || ' ' || coalesce(google_id, '') FROM users ORDER BY id";
            // Without the columns that are newer.
            let logins = "SELECT generation || ' ' || coalesce(user_agent, '') FROM login_sessions ORDER BY id";
            (database.list(users).await, database.list(logins).await, database.rows_of(&ORIGINAL_TABLES[1..5]).await)
        };
        let before = kept().await;
        migrator.downgrade(&"0002".parse().unwrap(), true).await.unwrap();
        assert_eq!(kept().await, before);
        migrator.upgrade(&Target::Head).await.unwrap();
        assert_eq!(kept().await, before);
        for statement in &POPULATION[8..] {
            database.accept(statement).await;
        }
    }
}

#[tokio::test]
async fn a_downgrade_deletes_sealed_entries_only_if_allowed() {
    for database in Database::both().await {
        let plain = database.rows("journal_entries").await;
        database.accept(SEALED).await;
        let migrator = database.migrator();
        let refused = migrator.downgrade(&"0001".parse().unwrap(), false).await.unwrap_err().to_string();
        for part in ["3 rows of secret_tags", "1 value of journal_entries.encrypted_content", "--allow-data-loss"] {
            assert!(refused.contains(part), "{refused}");
        }
        assert_eq!(database.rows("journal_entries").await.len(), plain.len() + 1);
        migrator.downgrade(&"0001".parse().unwrap(), true).await.unwrap();
        assert_eq!(database.rows("journal_entries").await, plain);
        assert_eq!(database.count("secret_tags", "1 = 1").await, 0);
        migrator.upgrade(&Target::Head).await.unwrap();
        database.accept(POPULATION[1]).await;
        database.accept(SEALED).await;
    }
}
