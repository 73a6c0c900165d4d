-- When the address of an account was verified, and when a user last proved who they are in a session.
ALTER TABLE users ADD COLUMN email_verified_at INTEGER;
ALTER TABLE login_sessions ADD COLUMN confirmed_at INTEGER;

-- What happened to an account and its logins, for its owner to read. Kept for 90 days.
CREATE TABLE security_events (
    id                BLOB    NOT NULL CHECK (length(id) = 16),
    user_id           BLOB    NOT NULL CHECK (length(user_id) = 16),
    kind              TEXT    NOT NULL,
    client            TEXT,
    user_agent        TEXT,
    created_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    CONSTRAINT pk_security_events PRIMARY KEY (id),
    CONSTRAINT fk_security_events_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX idx_security_events_user_created ON security_events (user_id, created_at, id);
CREATE INDEX idx_security_events_created_at ON security_events (created_at);

-- Ids of deleted secret tags. An id determines the OPRF key of a secret tag, so it is never used again.
CREATE TABLE deleted_secret_tags (
    user_id           BLOB    NOT NULL CHECK (length(user_id) = 16),
    tag_id            BLOB    NOT NULL CHECK (length(tag_id) = 16),
    created_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    CONSTRAINT pk_deleted_secret_tags PRIMARY KEY (user_id, tag_id),
    CONSTRAINT fk_deleted_secret_tags_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) STRICT;
