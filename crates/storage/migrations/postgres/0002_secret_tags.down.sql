-- Without what opens its secret tag, a sealed entry can never be read again, so it goes as well.
-- loses: secret_tags, journal_entries.encrypted_content, opaque_sessions

DELETE FROM opaque_sessions;
DELETE FROM journal_entries WHERE secret_tag_id IS NOT NULL;
DELETE FROM secret_tags;
DROP INDEX idx_journal_entries_user_secret_tag;
DROP INDEX idx_secret_tags_server_keys;
ALTER TABLE secret_tags
    DROP COLUMN registration_record,
    DROP COLUMN wrapped_master_key,
    DROP COLUMN server_keys,
    DROP COLUMN metadata,
    DROP COLUMN recovery_wrap,
    DROP COLUMN recovery_verifier,
    DROP COLUMN version,
    DROP COLUMN opened_at;
