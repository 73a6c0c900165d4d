-- Recordings themselves stay in the store of attachments; the version that knows them clears them away when it next runs.
-- loses: api_tokens, attachments, identities, users.draft_key, users.preferences

DROP TABLE api_tokens;
DROP TABLE identities;
DROP TABLE attachments;

CREATE TABLE users_new (
    id                BLOB    NOT NULL CHECK (length(id) = 16),
    email             TEXT    NOT NULL,
    hashed_password   TEXT,
    full_name         TEXT,
    is_active         INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    is_superuser      INTEGER NOT NULL DEFAULT 0 CHECK (is_superuser IN (0, 1)),
    google_id         TEXT,
    avatar_url        TEXT,
    time_zone         TEXT    NOT NULL DEFAULT 'UTC',
    created_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    CONSTRAINT pk_users PRIMARY KEY (id)
) STRICT;
INSERT INTO users_new (id, email, hashed_password, full_name, is_active, is_superuser, google_id, avatar_url, time_zone,
        created_at, updated_at)
    SELECT id, email, hashed_password, full_name, is_active, is_superuser, google_id, avatar_url, time_zone, created_at,
        updated_at
    FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
CREATE UNIQUE INDEX idx_users_email ON users (email);
CREATE UNIQUE INDEX idx_users_google_id ON users (google_id);
