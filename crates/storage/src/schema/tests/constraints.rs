//! Every constraint rejects invalid rows. The lists are complete: the test fails for a constraint of the schema that is
//! in none of them.

use std::collections::BTreeSet;

use super::{Database, SEALED};

const SECRET: &str = "INSERT INTO secret_tags (tag_id, user_id, registration_record, wrapped_master_key, server_keys, \
                      metadata, recovery_wrap, recovery_verifier, version)";
const ENTRY: &str = "INSERT INTO journal_entries (id, content, entry_date, entry_day, user_id)";
const TAG: &str = "INSERT INTO tags (id, name, name_key, user_id)";
const LINK: &str = "INSERT INTO journal_entry_tags (entry_id, tag_id, user_id)";
const REMINDER: &str = "INSERT INTO reminders (id, title, message, frequency, custom_days, time, user_id)";
const OPAQUE: &str = "INSERT INTO opaque_sessions (session_id, binary_tag_id, session_state, expires_at, user_id)";
const LOGIN: &str = "INSERT INTO login_sessions (id, generation, expires_at, user_id)";
const ATTACHMENT: &str =
    "INSERT INTO attachments (id, user_id, entry_id, kind, media_type, byte_length, sha256, sealed)";
const IDENTITY: &str = "INSERT INTO identities (id, user_id, issuer, subject)";
const TOKEN: &str = "INSERT INTO api_tokens (id, user_id, name, token_hash, scopes)";
const KEY: &str = "INSERT INTO idempotency_keys (user_id, key_hash, request_hash, created_id)";
const EVENT: &str = "INSERT INTO security_events (id, user_id, kind)";
const DELETED_TAG: &str = "INSERT INTO deleted_secret_tags (user_id, tag_id)";
const STORE: &str = "INSERT INTO attachment_store (id, name, next_sweep_at, sweeps)";

#[tokio::test]
async fn every_key_is_unique() {
    let duplicates = keys();
    for database in Database::both().await {
        let mut expected = BTreeSet::new();
        for (_, table) in database.schema.clone().neutral().tables {
            expected.extend(table.primary_key.into_iter().chain(table.uniques).map(|key| key.name));
            expected.extend(table.indexes.into_iter().filter(|index| index.unique).map(|index| index.name));
        }
        assert_eq!(expected, names(&duplicates));
        for (name, statement) in &duplicates {
            let refused_by = database.refuse(statement).await;
            // Keys of owner and id contain the primary key, which rejects the row first.
            let contains_primary = database.schema.tables.values().any(|table| {
                let primary = table.primary_key.as_ref();
                let key = table.uniques.iter().find(|key| key.name == *name);
                key.zip(primary).is_some_and(|(key, primary)| {
                    refused_by == primary.name && primary.columns.iter().all(|column| key.columns.contains(column))
                })
            });
            // A table of one row: both its name and its id exist already.
            let is_single = (*name, &*refused_by) == ("pk_attachment_store", "uq_attachment_store_name");
            assert!(refused_by == *name || contains_primary || is_single, "{name}: {refused_by}");
        }
        // Another user may use the same names and keys.
        database.accept(&format!("{TAG} VALUES (#19, 'One', 'one', #2)")).await;
    }
}

#[tokio::test]
async fn every_foreign_key_rejects_missing_rows_and_rows_of_other_users() {
    let dangling = references();
    for database in Database::both().await {
        let keys = database.schema.tables.values().flat_map(|table| &table.foreign_keys);
        assert_eq!(keys.map(|key| key.name.clone()).collect::<BTreeSet<_>>(), names(&dangling));
        for (name, statement) in &dangling {
            let expected = if database.is_sqlite() { "FOREIGN KEY" } else { name };
            assert_eq!(database.refuse(statement).await, expected, "{name}");
        }
        database.accept(SEALED).await;
    }
}

#[tokio::test]
async fn every_check_constraint_rejects() {
    let violations = checks();
    for database in Database::both().await {
        let checks = database.schema.tables.values().flat_map(|table| &table.checks);
        assert_eq!(checks.map(|check| check.name.clone()).collect::<BTreeSet<_>>(), names(&violations));
        for (name, statement) in &violations {
            assert_eq!(database.refuse(statement).await, *name, "{statement}");
        }
        for (number, frequency) in ["daily", "weekdays", "weekends", "weekly", "monthly"].iter().enumerate() {
            let id = 45 + number;
            database.accept(&format!("{REMINDER} VALUES (#{id}, 't', 'm', '{frequency}', NULL, #time, #1)")).await;
        }
        database.accept(&format!("{REMINDER} VALUES (#43, 't', 'm', 'custom', 'mon', #time, #1)")).await;
    }
}

/// An entry is either readable with nothing sealed, or sealed with nothing readable.
#[tokio::test]
async fn an_entry_is_plain_or_sealed() {
    const CHECK: &str = "ck_journal_entries_plain_or_sealed";
    let sealed_columns = [
        ("secret_tag_id", "#31"),
        ("encrypted_content", "#bytes"),
        ("wrapped_key", "#bytes"),
        ("encryption_iv", "#bytes"),
        ("wrap_iv", "#bytes"),
    ];
    let readable = [("content", "'readable'"), ("title", "'readable'"), ("audio_url", "'/a'"), ("word_count", "1")];
    for database in Database::both().await {
        database.accept(SEALED).await;
        let set = async |column: &str, value: &str, id: &str| {
            database
                .refuse(&format!("UPDATE journal_entries SET {column} = {value} WHERE user_id = #1 AND id = {id}"))
                .await
        };
        for (column, value) in sealed_columns {
            assert_eq!(set(column, value, "#21").await, CHECK, "a plain entry with {column}");
            assert_eq!(set(column, "NULL", "#24").await, CHECK, "a sealed entry without {column}");
        }
        for (column, value) in readable {
            assert_eq!(set(column, value, "#24").await, CHECK, "a sealed entry with {column}");
        }
        let whole = "UPDATE journal_entries SET content = 'open', secret_tag_id = NULL, encrypted_content = NULL, \
                     wrapped_key = NULL, encryption_iv = NULL, wrap_iv = NULL WHERE user_id = #1 AND id = #24";
        assert_eq!(database.accept(whole).await, 1);
    }
}

/// Types reject values on PostgreSQL; unnamed checks and STRICT do on SQLite.
#[tokio::test]
async fn values_of_another_type_are_rejected() {
    for database in Database::both().await {
        for statement in [
            "INSERT INTO users (id, email) VALUES ('ada', 'new@example.org')",
            "INSERT INTO users (id, email, is_active) VALUES (#9, 'new@example.org', 2)",
            "INSERT INTO users (id, email, created_at) VALUES (#9, 'new@example.org', 'today, late')",
            "UPDATE journal_entries SET entry_day = 'someday' WHERE user_id = #1",
            "UPDATE journal_entries SET word_count = 'many' WHERE user_id = #1",
            "UPDATE journal_entries SET content = NULL WHERE user_id = #1",
        ] {
            database.refuse(statement).await;
        }
    }
}

/// For each key and unique index, a duplicate row.
pub(super) fn keys() -> Vec<(&'static str, String)> {
    vec![
        ("pk_users", "INSERT INTO users (id, email) VALUES (#1, 'new@example.org')".to_owned()),
        ("idx_users_email", "INSERT INTO users (id, email) VALUES (#9, 'ada@example.org')".to_owned()),
        (
            "idx_users_google_id",
            "INSERT INTO users (id, email, google_id) VALUES (#9, 'new@example.org', 'ada')".to_owned(),
        ),
        ("pk_secret_tags", secret("#31", "#2")),
        ("uq_secret_tags_user_tag", secret("#31", "#1")),
        ("pk_journal_entries", format!("{ENTRY} VALUES (#21, '', #time, #day, #2)")),
        ("uq_journal_entries_user_entry", format!("{ENTRY} VALUES (#21, '', #time, #day, #1)")),
        ("pk_tags", format!("{TAG} VALUES (#11, 'New', 'new', #2)")),
        ("uq_tags_user_tag", format!("{TAG} VALUES (#11, 'New', 'new', #1)")),
        ("uq_tags_user_name", format!("{TAG} VALUES (#19, 'One', 'other', #1)")),
        ("uq_tags_user_name_key", format!("{TAG} VALUES (#19, 'ONE', 'one', #1)")),
        ("pk_journal_entry_tags", format!("{LINK} VALUES (#21, #11, #1)")),
        ("pk_reminders", format!("{REMINDER} VALUES (#41, 't', 'm', 'daily', NULL, #time, #2)")),
        ("uq_reminders_user_reminder", format!("{REMINDER} VALUES (#41, 't', 'm', 'daily', NULL, #time, #1)")),
        ("pk_opaque_sessions", format!("{OPAQUE} VALUES (#51, NULL, 'x', #time, #2)")),
        ("pk_login_sessions", format!("{LOGIN} VALUES (#61, 1, #time, #2)")),
        ("pk_attachments", format!("{ATTACHMENT} VALUES (#71, #1, #21, 'audio', 't', 0, #b32, #false)")),
        ("uq_attachments_entry", format!("{ATTACHMENT} VALUES (#79, #1, #22, 'audio', 't', 0, #b32, #false)")),
        ("pk_attachment_store", format!("{STORE} VALUES (#101, 'attachments', #time, 0)")),
        ("uq_attachment_store_name", format!("{STORE} VALUES (#109, 'attachments', #time, 0)")),
        ("pk_freed_attachments", "INSERT INTO freed_attachments (id, user_id) VALUES (#111, #2)".to_owned()),
        ("pk_identities", format!("{IDENTITY} VALUES (#81, #2, 'https://id.example.org', 'new')")),
        ("uq_identities_issuer_subject", format!("{IDENTITY} VALUES (#89, #2, 'https://id.example.org', 'ada')")),
        ("pk_api_tokens", format!("{TOKEN} VALUES (#91, #2, 'new', #h9, '')")),
        ("uq_api_tokens_token_hash", format!("{TOKEN} VALUES (#99, #2, 'new', #h1, '')")),
        ("pk_idempotency_keys", format!("{KEY} VALUES (#1, #h1, #h6, #12)")),
        ("pk_security_events", format!("{EVENT} VALUES (#121, #2, 'signed_in')")),
        ("pk_deleted_secret_tags", format!("{DELETED_TAG} VALUES (#1, #38)")),
    ]
}

/// For each foreign key, a row that refers to nothing, or to another user's row.
pub(super) fn references() -> Vec<(&'static str, String)> {
    vec![
        ("fk_secret_tags_user", secret("#39", "#9")),
        ("fk_journal_entries_user", format!("{ENTRY} VALUES (#29, '', #time, #day, #9)")),
        ("fk_journal_entries_secret_tag", SEALED.replace("#31", "#32")),
        ("fk_tags_user", format!("{TAG} VALUES (#19, 'New', 'new', #9)")),
        ("fk_journal_entry_tags_entry", format!("{LINK} VALUES (#23, #12, #1)")),
        ("fk_journal_entry_tags_tag", format!("{LINK} VALUES (#22, #13, #1)")),
        ("fk_reminders_user", format!("{REMINDER} VALUES (#49, 't', 'm', 'daily', NULL, #time, #9)")),
        ("fk_opaque_sessions_user", format!("{OPAQUE} VALUES (#59, NULL, 'x', #time, #9)")),
        ("fk_login_sessions_user", format!("{LOGIN} VALUES (#69, 1, #time, #9)")),
        ("fk_attachments_entry", format!("{ATTACHMENT} VALUES (#79, #2, #21, 'audio', 't', 0, #b32, #false)")),
        ("fk_identities_user", format!("{IDENTITY} VALUES (#89, #9, 'https://id.example.org', 'new')")),
        ("fk_api_tokens_user", format!("{TOKEN} VALUES (#99, #9, 'new', #h9, '')")),
        ("fk_idempotency_keys_user", format!("{KEY} VALUES (#9, #h9, #h6, #12)")),
        ("fk_security_events_user", format!("{EVENT} VALUES (#129, #9, 'signed_in')")),
        ("fk_deleted_secret_tags_user", format!("{DELETED_TAG} VALUES (#9, #38)")),
    ]
}

/// For each check, a row that violates it.
pub(super) fn checks() -> Vec<(&'static str, String)> {
    let secret = |what: &str| format!("{SECRET} VALUES (#39, #1, {what})");
    vec![
        ("ck_secret_tags_registration_record", secret("#b191, #b61, #b16, #b61, #b61, #b32, 1")),
        ("ck_secret_tags_registration_record", secret("#b193, #b61, #b16, #b61, #b61, #b32, 1")),
        ("ck_secret_tags_wrapped_master_key", secret("#b192, #b60, #b16, #b61, #b61, #b32, 1")),
        ("ck_secret_tags_server_keys", secret("#b192, #b61, #b17, #b61, #b61, #b32, 1")),
        ("ck_secret_tags_metadata", secret("#b192, #b61, #b16, #b60, #b61, #b32, 1")),
        ("ck_secret_tags_metadata", secret("#b192, #b61, #b16, #b158, #b61, #b32, 1")),
        ("ck_secret_tags_recovery_wrap", secret("#b192, #b61, #b16, #b61, #b62, #b32, 1")),
        ("ck_secret_tags_recovery_verifier", secret("#b192, #b61, #b16, #b61, #b61, #b0, 1")),
        ("ck_secret_tags_version", secret("#b192, #b61, #b16, #b61, #b61, #b32, 0")),
        (
            "ck_journal_entries_revision",
            "INSERT INTO journal_entries (id, content, entry_date, entry_day, user_id, revision) VALUES (#29, '', #time, #day, #1, 0)".to_owned(),
        ),
        ("ck_journal_entries_plain_or_sealed", SEALED.replace("''", "'readable'")),
        ("ck_reminders_frequency", format!("{REMINDER} VALUES (#49, 't', 'm', 'hourly', NULL, #time, #1)")),
        ("ck_reminders_custom_days", format!("{REMINDER} VALUES (#49, 't', 'm', 'custom', NULL, #time, #1)")),
        ("ck_reminders_custom_days", format!("{REMINDER} VALUES (#49, 't', 'm', 'daily', 'mon', #time, #1)")),
        ("ck_opaque_sessions_binary_tag_id", format!("{OPAQUE} VALUES (#59, #bytes, 'x', #time, #1)")),
        (
            "ck_opaque_sessions_state",
            format!("{OPAQUE} VALUES (#59, NULL, '{}', #time, #1)", "x".repeat(21)),
        ),
        ("ck_login_sessions_generation", format!("{LOGIN} VALUES (#69, 0, #time, #1)")),
        ("ck_users_draft_key", "UPDATE users SET draft_key = #b31 WHERE id = #1".to_owned()),
        // The check counts bytes, not characters.
        (
            "ck_users_preferences",
            format!("UPDATE users SET preferences = '{}' WHERE id = #1", "ü".repeat((16 << 10) / 2 + 1)),
        ),
        ("ck_attachments_kind", format!("{ATTACHMENT} VALUES (#79, #1, #21, 'video', 't', 0, #b32, #false)")),
        ("ck_attachments_byte_length", format!("{ATTACHMENT} VALUES (#79, #1, #21, 'audio', 't', -1, #b32, #false)")),
        ("ck_attachments_sha256", format!("{ATTACHMENT} VALUES (#79, #1, #21, 'audio', 't', 0, #b31, #false)")),
        ("ck_attachment_store_name", format!("{STORE} VALUES (#109, 'others', #time, 0)")),
        ("ck_attachment_store_sweeps", format!("{STORE} VALUES (#109, 'attachments', #time, -1)")),
        ("ck_api_tokens_token_hash", format!("{TOKEN} VALUES (#99, #1, 'new', #b33, '')")),
        ("ck_idempotency_keys_key_hash", format!("{KEY} VALUES (#1, #b31, #h6, #12)")),
        ("ck_idempotency_keys_request_hash", format!("{KEY} VALUES (#1, #h9, #b33, #12)")),
    ]
}

fn secret(id: &str, user: &str) -> String {
    format!("{SECRET} VALUES ({id}, {user}, #b192, #b61, #b16, #b61, #b61, #b32, 1)")
}

fn names(list: &[(&str, String)]) -> BTreeSet<String> {
    list.iter().map(|(name, _)| (*name).to_owned()).collect()
}
