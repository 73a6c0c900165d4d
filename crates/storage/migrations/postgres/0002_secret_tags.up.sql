-- What opens a secret tag: lengths are those of docs/protocol.md. A row that was made before this cannot be opened by
-- anybody; should there be one, this step fails, and the row is kept.
-- opened_at: tries that failed are counted from there on.

ALTER TABLE secret_tags
    ADD COLUMN registration_record BYTEA       NOT NULL,
    ADD COLUMN wrapped_master_key  BYTEA       NOT NULL,
    ADD COLUMN server_keys         BYTEA       NOT NULL,
    ADD COLUMN metadata            BYTEA       NOT NULL,
    ADD COLUMN recovery_wrap       BYTEA       NOT NULL,
    ADD COLUMN recovery_verifier   BYTEA       NOT NULL,
    ADD COLUMN version             INTEGER     NOT NULL DEFAULT 1,
    ADD COLUMN opened_at           TIMESTAMPTZ,
    ADD CONSTRAINT ck_secret_tags_registration_record CHECK (length(registration_record) = 192),
    ADD CONSTRAINT ck_secret_tags_wrapped_master_key CHECK (length(wrapped_master_key) = 61),
    ADD CONSTRAINT ck_secret_tags_server_keys CHECK (length(server_keys) = 16),
    ADD CONSTRAINT ck_secret_tags_metadata CHECK (length(metadata) BETWEEN 61 AND 157),
    ADD CONSTRAINT ck_secret_tags_recovery_wrap CHECK (length(recovery_wrap) = 61),
    ADD CONSTRAINT ck_secret_tags_recovery_verifier CHECK (length(recovery_verifier) = 32),
    ADD CONSTRAINT ck_secret_tags_version CHECK (version >= 1);
CREATE INDEX idx_secret_tags_server_keys ON secret_tags (server_keys);

-- A page of a secret tag is read off this one. The other one that has this order does not begin with the owner, and
-- PostgreSQL, which does not know that a secret tag has one owner, would sort all entries of the secret tag instead.
CREATE INDEX idx_journal_entries_user_secret_tag ON journal_entries (user_id, secret_tag_id, entry_date, id)
    WHERE secret_tag_id IS NOT NULL;
