-- What opens a secret tag: lengths are those of docs/protocol.md. A row that was made before this cannot be opened by
-- anybody; should there be one, this step fails, and the row is kept.
-- opened_at: tries that failed are counted from there on.

CREATE TABLE secret_tags_new (
    tag_id              BLOB    NOT NULL CHECK (length(tag_id) = 16),
    user_id             BLOB    NOT NULL CHECK (length(user_id) = 16),
    created_at          INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at          INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    registration_record BLOB    NOT NULL,
    wrapped_master_key  BLOB    NOT NULL,
    server_keys         BLOB    NOT NULL,
    metadata            BLOB    NOT NULL,
    recovery_wrap       BLOB    NOT NULL,
    recovery_verifier   BLOB    NOT NULL,
    version             INTEGER NOT NULL DEFAULT 1,
    opened_at           INTEGER,
    CONSTRAINT pk_secret_tags PRIMARY KEY (tag_id),
    CONSTRAINT uq_secret_tags_user_tag UNIQUE (user_id, tag_id),
    CONSTRAINT fk_secret_tags_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_secret_tags_registration_record CHECK (length(registration_record) = 192),
    CONSTRAINT ck_secret_tags_wrapped_master_key CHECK (length(wrapped_master_key) = 61),
    CONSTRAINT ck_secret_tags_server_keys CHECK (length(server_keys) = 16),
    CONSTRAINT ck_secret_tags_metadata CHECK (length(metadata) BETWEEN 61 AND 157),
    CONSTRAINT ck_secret_tags_recovery_wrap CHECK (length(recovery_wrap) = 61),
    CONSTRAINT ck_secret_tags_recovery_verifier CHECK (length(recovery_verifier) = 32),
    CONSTRAINT ck_secret_tags_version CHECK (version >= 1)
) STRICT;
INSERT INTO secret_tags_new (tag_id, user_id, created_at, updated_at)
    SELECT tag_id, user_id, created_at, updated_at FROM secret_tags;
DROP TABLE secret_tags;
ALTER TABLE secret_tags_new RENAME TO secret_tags;
CREATE INDEX idx_secret_tags_server_keys ON secret_tags (server_keys);

-- A page of a secret tag is read off this one. The other one that has this order does not begin with the owner, and
-- PostgreSQL, which does not know that a secret tag has one owner, would sort all entries of the secret tag instead.
CREATE INDEX idx_journal_entries_user_secret_tag ON journal_entries (user_id, secret_tag_id, entry_date, id)
    WHERE secret_tag_id IS NOT NULL;
