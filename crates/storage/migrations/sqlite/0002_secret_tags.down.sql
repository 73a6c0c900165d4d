-- Without what opens its secret tag, a sealed entry can never be read again, so it goes as well.
-- loses: secret_tags, journal_entries.encrypted_content, opaque_sessions

DELETE FROM opaque_sessions;
DELETE FROM journal_entry_tags
    WHERE entry_id IN (SELECT id FROM journal_entries WHERE secret_tag_id IS NOT NULL);
DELETE FROM journal_entries WHERE secret_tag_id IS NOT NULL;
DROP INDEX idx_journal_entries_user_secret_tag;
DROP TABLE secret_tags;
CREATE TABLE secret_tags (
    tag_id            BLOB    NOT NULL CHECK (length(tag_id) = 16),
    user_id           BLOB    NOT NULL CHECK (length(user_id) = 16),
    created_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    CONSTRAINT pk_secret_tags PRIMARY KEY (tag_id),
    CONSTRAINT uq_secret_tags_user_tag UNIQUE (user_id, tag_id),
    CONSTRAINT fk_secret_tags_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) STRICT;
