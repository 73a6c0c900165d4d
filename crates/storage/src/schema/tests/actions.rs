//! What a delete cascades to, and in which order lookups find rows.

use super::{Database, SEALED};

const OWNED: [&str; 13] = [
    "secret_tags",
    "journal_entries",
    "tags",
    "journal_entry_tags",
    "reminders",
    "opaque_sessions",
    "login_sessions",
    "attachments",
    "identities",
    "api_tokens",
    "idempotency_keys",
    "security_events",
    "deleted_secret_tags",
];

/// Ids of objects that must still be deleted outlive the account.
const OUTLIVES: &str = "freed_attachments";

#[tokio::test]
async fn deleting_a_user_deletes_the_rows_of_this_user_alone() {
    for database in Database::both().await {
        database.accept(SEALED).await;
        for table in OWNED {
            assert!(database.count(table, "user_id = #1").await > 0, "{table}");
        }
        assert_eq!(database.accept("DELETE FROM users WHERE id = #1").await, 1);
        for table in OWNED {
            assert_eq!(database.count(table, "user_id = #1").await, 0, "{table}");
            assert_eq!(database.count(table, "user_id = #2").await, 1, "{table}");
        }
        let owners =
            database.schema.tables.iter().filter(|(_, table)| table.columns.iter().any(|one| one.name == "user_id"));
        let owners = owners.filter(|(name, _)| *name != OUTLIVES);
        assert_eq!(database.count(OUTLIVES, "user_id = #1").await, 1);
        assert_eq!(owners.count(), OWNED.len(), "a table with owners is missing from the list");
    }
}

#[tokio::test]
async fn deleting_an_entry_deletes_its_recording() {
    for database in Database::both().await {
        database.accept("DELETE FROM journal_entries WHERE user_id = #1 AND id = #22").await;
        assert_eq!(database.count("attachments", "user_id = #1").await, 0);
        assert_eq!(database.count("attachments", "user_id = #2").await, 1);
    }
}

#[tokio::test]
async fn deleting_an_entry_or_a_tag_deletes_only_their_links() {
    for database in Database::both().await {
        database.accept("DELETE FROM journal_entries WHERE user_id = #1 AND id = #21").await;
        assert_eq!(database.count("journal_entry_tags", "user_id = #1").await, 1);
        assert_eq!(database.count("tags", "user_id = #1").await, 2);
        database.accept("DELETE FROM tags WHERE user_id = #1 AND id = #11").await;
        assert_eq!(database.count("journal_entry_tags", "user_id = #1").await, 0);
        assert_eq!(database.count("journal_entries", "user_id = #1").await, 1);
    }
}

#[tokio::test]
async fn a_secret_tag_with_entries_cannot_be_deleted() {
    for database in Database::both().await {
        database.accept(SEALED).await;
        let refused_by = database.refuse("DELETE FROM secret_tags WHERE user_id = #1 AND tag_id = #31").await;
        let expected = if database.is_sqlite() { "FOREIGN KEY" } else { "fk_journal_entries_secret_tag" };
        assert_eq!(refused_by, expected);
        database.accept("DELETE FROM journal_entries WHERE user_id = #1 AND id = #24").await;
        assert_eq!(database.accept("DELETE FROM secret_tags WHERE user_id = #1 AND tag_id = #31").await, 1);
    }
}

#[tokio::test]
async fn relationships_load_in_both_directions() {
    let ways = [
        (
            "the tags of an entry",
            "SELECT t.name FROM journal_entry_tags l JOIN tags t ON t.user_id = l.user_id AND t.id = l.tag_id WHERE \
             l.user_id = #1 AND l.entry_id = #21 ORDER BY t.name",
            vec!["One", "Two"],
        ),
        (
            "the entries of a tag",
            "SELECT e.title FROM journal_entry_tags l JOIN journal_entries e ON e.user_id = l.user_id AND e.id = \
             l.entry_id WHERE l.user_id = #1 AND l.tag_id = #11 ORDER BY e.title",
            vec!["first", "second"],
        ),
        (
            "the secret tag of an entry, and its owner",
            "SELECT u.email FROM journal_entries e JOIN secret_tags s ON s.user_id = e.user_id AND s.tag_id = \
             e.secret_tag_id JOIN users u ON u.id = s.user_id WHERE e.user_id = #1 AND e.id = #24",
            vec!["ada@example.org"],
        ),
        (
            "the entries under a secret tag",
            "SELECT 'sealed' FROM secret_tags s JOIN journal_entries e ON e.user_id = s.user_id AND e.secret_tag_id = \
             s.tag_id WHERE s.user_id = #1",
            vec!["sealed"],
        ),
    ];
    let of_users = [
        ("journal_entries", "title", vec!["first", "second"], "title IS NOT NULL"),
        ("tags", "name", vec!["One", "Two"], "1 = 1"),
        ("reminders", "title", vec!["evening"], "1 = 1"),
        ("opaque_sessions", "session_state", vec!["initialized"], "1 = 1"),
    ];
    for database in Database::both().await {
        database.accept(SEALED).await;
        for (what, query, expected) in &ways {
            assert_eq!(database.list(query).await, *expected, "{what}");
        }
        for (table, column, expected, condition) in &of_users {
            let theirs = format!(
                "SELECT x.{column} FROM users u JOIN {table} x ON x.user_id = u.id WHERE u.email = 'ada@example.org' \
                 AND {condition} ORDER BY x.{column}"
            );
            assert_eq!(database.list(&theirs).await, *expected, "from a user to {table}");
            let owner = format!(
                "SELECT DISTINCT u.email FROM {table} x JOIN users u ON u.id = x.user_id WHERE x.{column} IN ('{}') \
                 AND u.id = #1",
                expected.join("', '")
            );
            assert_eq!(database.list(&owner).await, ["ada@example.org"], "from {table} to a user");
        }
    }
}
