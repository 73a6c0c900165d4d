//! Rows that other programs have inserted into the database, or delete from it.

use sotto_domain::account::Administered;
use sotto_domain::storage::{Entries, Reminders, StorageError, Users};

use super::{Journal, new_entry, now};

const SEALED: &str = "
    INSERT INTO secret_tags (tag_id, user_id, registration_record, wrapped_master_key, server_keys, metadata, recovery_wrap,
        recovery_verifier)
    SELECT '00000000-0000-0000-0000-0000000000aa', '00000000-0000-0000-0000-000000000001', decode(repeat('00', 192), 'hex'),
        box, decode(repeat('00', 16), 'hex'), box, box, decode(repeat('00', 32), 'hex')
    FROM decode(repeat('00', 61), 'hex') AS box;
    INSERT INTO journal_entries (id, content, entry_date, entry_day, secret_tag_id, encrypted_content, wrapped_key,
        encryption_iv, wrap_iv, user_id)
    VALUES ('00000000-0000-0000-0000-0000000000bb', '', '2025-01-22', '2025-01-22',
        '00000000-0000-0000-0000-0000000000aa', 'x', 'x', 'x', 'x', '00000000-0000-0000-0000-000000000001');";

async fn rows(journal: &Journal, table: &str) -> i64 {
    journal.admin.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn deleting_a_user_deletes_sealed_entries() {
    let journal = Journal::new().await;
    journal.admin.batch_execute(SEALED).await.unwrap();
    journal.admin.batch_execute("DELETE FROM users").await.unwrap();
    assert_eq!(rows(&journal, "secret_tags").await + rows(&journal, "journal_entries").await, 0);

    let journal = Journal::new().await;
    journal.admin.batch_execute(SEALED).await.unwrap();
    Entries::create(&journal.storage, journal.user, &new_entry(1, "text"), None, now()).await.unwrap();
    assert_eq!(Users::delete(&journal.storage, journal.user).await.unwrap(), Administered::Done(()));
    assert_eq!(rows(&journal, "secret_tags").await + rows(&journal, "journal_entries").await, 0);
}

#[tokio::test]
async fn a_value_that_violates_the_schema_is_reported() {
    let journal = Journal::new().await;
    journal.admin.batch_execute("UPDATE users SET created_at = 'infinity'").await.unwrap();
    match Users::get(&journal.storage, journal.user).await {
        Err(StorageError::Corrupt(sentence)) => assert!(sentence.contains("created_at: "), "{sentence}"),
        other => panic!("{other:?}"),
    }
    journal
        .admin
        .batch_execute(
            "INSERT INTO reminders (id, title, message, frequency, custom_days, time, user_id)
            SELECT id, '', '', 'custom', 'someday', now(), id FROM users",
        )
        .await
        .unwrap();
    let reminders = Reminders::list(&journal.storage, journal.user, None, 10).await;
    assert!(matches!(reminders, Err(StorageError::Corrupt(_))), "{reminders:?}");
}
