-- What the web app needs: a key for drafts and preferences for each account, recordings of entries, identities of other
-- providers, and tokens for programs.

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
    draft_key         BLOB,
    preferences       TEXT,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT ck_users_draft_key CHECK (length(draft_key) = 32),
    CONSTRAINT ck_users_preferences CHECK (length(CAST(preferences AS BLOB)) <= 16384)
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

-- The object itself is in the store of attachments, under a key that follows from user_id and id: an id names one recording,
-- and one that replaces it has another.
CREATE TABLE attachments (
    id                BLOB    NOT NULL CHECK (length(id) = 16),
    user_id           BLOB    NOT NULL CHECK (length(user_id) = 16),
    entry_id          BLOB    NOT NULL CHECK (length(entry_id) = 16),
    kind              TEXT    NOT NULL,
    media_type        TEXT    NOT NULL,
    byte_length       INTEGER NOT NULL,
    sha256            BLOB    NOT NULL,
    sealed            INTEGER NOT NULL CHECK (sealed IN (0, 1)),
    created_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    CONSTRAINT pk_attachments PRIMARY KEY (id),
    CONSTRAINT uq_attachments_entry UNIQUE (user_id, entry_id),
    CONSTRAINT fk_attachments_entry
        FOREIGN KEY (user_id, entry_id) REFERENCES journal_entries (user_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_attachments_kind CHECK (kind IN ('audio')),
    CONSTRAINT ck_attachments_byte_length CHECK (byte_length >= 0),
    CONSTRAINT ck_attachments_sha256 CHECK (length(sha256) = 32)
) STRICT;

CREATE TABLE identities (
    id                BLOB    NOT NULL CHECK (length(id) = 16),
    user_id           BLOB    NOT NULL CHECK (length(user_id) = 16),
    issuer            TEXT    NOT NULL,
    subject           TEXT    NOT NULL,
    email             TEXT,
    created_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    CONSTRAINT pk_identities PRIMARY KEY (id),
    CONSTRAINT uq_identities_issuer_subject UNIQUE (issuer, subject),
    CONSTRAINT fk_identities_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX idx_identities_user_id ON identities (user_id);

CREATE TABLE api_tokens (
    id                BLOB    NOT NULL CHECK (length(id) = 16),
    user_id           BLOB    NOT NULL CHECK (length(user_id) = 16),
    name              TEXT    NOT NULL,
    token_hash        BLOB    NOT NULL,
    scopes            TEXT    NOT NULL,
    expires_at        INTEGER,
    last_used_at      INTEGER,
    created_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    CONSTRAINT pk_api_tokens PRIMARY KEY (id),
    CONSTRAINT uq_api_tokens_token_hash UNIQUE (token_hash),
    CONSTRAINT fk_api_tokens_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_api_tokens_token_hash CHECK (length(token_hash) = 32)
) STRICT;
CREATE INDEX idx_api_tokens_user_id ON api_tokens (user_id);
