-- Recordings themselves stay in the store of attachments; the version that knows them clears them away when it next runs.
-- loses: api_tokens, attachments, identities, users.draft_key, users.preferences

DROP TABLE api_tokens;
DROP TABLE identities;
DROP TABLE attachments;
ALTER TABLE users
    DROP COLUMN draft_key,
    DROP COLUMN preferences;
