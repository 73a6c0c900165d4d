-- The schema that Sotto is to have on PostgreSQL: edit it, then `sotto db revision -m "…" --autogenerate` writes the
-- migrations that lead there. A test fails while they do not. The order of columns does not matter: new ones are appended.
--
-- The standardized schema: UUID keys, UTC instants, named constraints, an index under every foreign key.
--
-- Composite foreign keys such as (user_id, tag_id) -> tags (user_id, id) keep every row with its owner: no row
-- can point at another user's row, whatever the code does.

CREATE TABLE users (
    id                UUID        NOT NULL,
    email             TEXT        NOT NULL,
    hashed_password   TEXT,
    full_name         TEXT,
    is_active         BOOLEAN     NOT NULL DEFAULT TRUE,
    is_superuser      BOOLEAN     NOT NULL DEFAULT FALSE,
    google_id         TEXT,
    avatar_url        TEXT,
    time_zone         TEXT        NOT NULL DEFAULT 'UTC',
    created_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    draft_key         BYTEA,
    preferences       TEXT,
    email_verified_at TIMESTAMPTZ,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT ck_users_draft_key CHECK (length(draft_key) = 32),
    CONSTRAINT ck_users_preferences CHECK (octet_length(preferences) <= 16384)
);
CREATE UNIQUE INDEX idx_users_email ON users (email);
CREATE UNIQUE INDEX idx_users_google_id ON users (google_id);

-- Its foreign key to users comes at the end: PostgreSQL cascades in the order in which the keys were made, and a
-- user's entries have to go before the secret tags that they are under.
CREATE TABLE secret_tags (
    tag_id              UUID        NOT NULL,
    user_id             UUID        NOT NULL,
    created_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    registration_record BYTEA       NOT NULL,
    wrapped_master_key  BYTEA       NOT NULL,
    server_keys         BYTEA       NOT NULL,
    metadata            BYTEA       NOT NULL,
    recovery_wrap       BYTEA       NOT NULL,
    recovery_verifier   BYTEA       NOT NULL,
    version             INTEGER     NOT NULL DEFAULT 1,
    opened_at           TIMESTAMPTZ,
    CONSTRAINT pk_secret_tags PRIMARY KEY (tag_id),
    CONSTRAINT uq_secret_tags_user_tag UNIQUE (user_id, tag_id),
    CONSTRAINT ck_secret_tags_registration_record CHECK (length(registration_record) = 192),
    CONSTRAINT ck_secret_tags_wrapped_master_key CHECK (length(wrapped_master_key) = 61),
    CONSTRAINT ck_secret_tags_server_keys CHECK (length(server_keys) = 16),
    CONSTRAINT ck_secret_tags_metadata CHECK (length(metadata) BETWEEN 61 AND 157),
    CONSTRAINT ck_secret_tags_recovery_wrap CHECK (length(recovery_wrap) = 61),
    CONSTRAINT ck_secret_tags_recovery_verifier CHECK (length(recovery_verifier) = 32),
    CONSTRAINT ck_secret_tags_version CHECK (version >= 1)
);
CREATE INDEX idx_secret_tags_server_keys ON secret_tags (server_keys);

CREATE TABLE journal_entries (
    id                UUID        NOT NULL,
    title             TEXT,
    content           TEXT        NOT NULL,
    audio_url         TEXT,
    entry_date        TIMESTAMPTZ NOT NULL,
    entry_zone        TEXT        NOT NULL DEFAULT 'UTC',
    entry_day         DATE        NOT NULL,
    word_count        INTEGER     NOT NULL DEFAULT 0,
    secret_tag_id     UUID,
    encrypted_content BYTEA,
    wrapped_key       BYTEA,
    encryption_iv     BYTEA,
    wrap_iv           BYTEA,
    user_id           UUID        NOT NULL,
    revision          INTEGER     NOT NULL DEFAULT 1,
    created_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at        TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_journal_entries PRIMARY KEY (id),
    CONSTRAINT uq_journal_entries_user_entry UNIQUE (user_id, id),
    CONSTRAINT fk_journal_entries_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_journal_entries_secret_tag
        FOREIGN KEY (user_id, secret_tag_id) REFERENCES secret_tags (user_id, tag_id),
    CONSTRAINT ck_journal_entries_revision CHECK (revision >= 1),
    CONSTRAINT ck_journal_entries_plain_or_sealed CHECK (
        (secret_tag_id IS NULL AND encrypted_content IS NULL AND wrapped_key IS NULL
            AND encryption_iv IS NULL AND wrap_iv IS NULL)
        OR (secret_tag_id IS NOT NULL AND encrypted_content IS NOT NULL AND wrapped_key IS NOT NULL
            AND encryption_iv IS NOT NULL AND wrap_iv IS NOT NULL
            AND content = '' AND title IS NULL AND audio_url IS NULL AND word_count = 0)
    )
);
CREATE INDEX idx_journal_entries_user_id ON journal_entries (user_id);
CREATE INDEX idx_journal_entries_user_date ON journal_entries (user_id, entry_date, id);
CREATE INDEX idx_journal_entries_user_day ON journal_entries (user_id, entry_day);
CREATE INDEX idx_journal_entries_secret_tag_id ON journal_entries (secret_tag_id, entry_date, id)
    WHERE secret_tag_id IS NOT NULL;
CREATE INDEX idx_journal_entries_user_secret_tag ON journal_entries (user_id, secret_tag_id, entry_date, id)
    WHERE secret_tag_id IS NOT NULL;
-- Punctuation is blanked, so that `example.org` is two words and `<b>` one, as they are for SQLite. The text is cut
-- where its lexemes could outgrow a tsvector (1 MB).
CREATE INDEX idx_journal_entries_search ON journal_entries USING gin (to_tsvector('simple', translate(
    left(coalesce(title, '') || ' ' || content, 200000),
    '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~’',
    '                                 '
)));

CREATE TABLE tags (
    id         UUID        NOT NULL,
    name       TEXT        NOT NULL,
    name_key   TEXT        NOT NULL,
    color      TEXT,
    user_id    UUID        NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_tags PRIMARY KEY (id),
    CONSTRAINT uq_tags_user_tag UNIQUE (user_id, id),
    CONSTRAINT uq_tags_user_name UNIQUE (user_id, name),
    CONSTRAINT uq_tags_user_name_key UNIQUE (user_id, name_key),
    CONSTRAINT fk_tags_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX idx_tags_user_id ON tags (user_id);
CREATE INDEX idx_tags_user_created ON tags (user_id, created_at);

CREATE TABLE journal_entry_tags (
    entry_id UUID NOT NULL,
    tag_id   UUID NOT NULL,
    user_id  UUID NOT NULL,
    CONSTRAINT pk_journal_entry_tags PRIMARY KEY (entry_id, tag_id),
    CONSTRAINT fk_journal_entry_tags_entry
        FOREIGN KEY (user_id, entry_id) REFERENCES journal_entries (user_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_journal_entry_tags_tag
        FOREIGN KEY (user_id, tag_id) REFERENCES tags (user_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_journal_entry_tags_entry_id ON journal_entry_tags (entry_id);
CREATE INDEX idx_journal_entry_tags_tag_id ON journal_entry_tags (tag_id, entry_id);

CREATE TABLE reminders (
    id          UUID        NOT NULL,
    title       TEXT        NOT NULL,
    message     TEXT        NOT NULL,
    frequency   TEXT        NOT NULL,
    time        TIMESTAMPTZ NOT NULL,
    time_zone   TEXT        NOT NULL DEFAULT 'UTC',
    is_active   BOOLEAN     NOT NULL DEFAULT TRUE,
    custom_days TEXT,
    next_due_at TIMESTAMPTZ,
    user_id     UUID        NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_reminders PRIMARY KEY (id),
    CONSTRAINT uq_reminders_user_reminder UNIQUE (user_id, id),
    CONSTRAINT fk_reminders_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_reminders_frequency
        CHECK (frequency IN ('daily', 'weekdays', 'weekends', 'weekly', 'monthly', 'custom')),
    CONSTRAINT ck_reminders_custom_days CHECK ((frequency = 'custom') = (custom_days IS NOT NULL))
);
CREATE INDEX idx_reminders_user_id ON reminders (user_id);
CREATE INDEX idx_reminders_next_due_at ON reminders (next_due_at) WHERE next_due_at IS NOT NULL;

CREATE TABLE opaque_sessions (
    session_id    UUID        NOT NULL,
    user_id       UUID        NOT NULL,
    binary_tag_id BYTEA,
    session_state TEXT        NOT NULL DEFAULT 'initialized',
    session_data  BYTEA,
    expires_at    TIMESTAMPTZ NOT NULL,
    last_activity TIMESTAMPTZ NOT NULL DEFAULT now(),
    created_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_opaque_sessions PRIMARY KEY (session_id),
    CONSTRAINT fk_opaque_sessions_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_opaque_sessions_binary_tag_id CHECK (length(binary_tag_id) = 16),
    CONSTRAINT ck_opaque_sessions_state CHECK (length(session_state) <= 20)
);
CREATE INDEX idx_opaque_sessions_user_id ON opaque_sessions (user_id);
CREATE INDEX idx_opaque_sessions_expires_at ON opaque_sessions (expires_at);
CREATE INDEX idx_opaque_sessions_binary_tag_id ON opaque_sessions (binary_tag_id);

CREATE TABLE login_sessions (
    id           UUID        NOT NULL,
    user_id      UUID        NOT NULL,
    generation   INTEGER     NOT NULL DEFAULT 1,
    rotated_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at   TIMESTAMPTZ NOT NULL,
    user_agent   TEXT,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    confirmed_at TIMESTAMPTZ,
    CONSTRAINT pk_login_sessions PRIMARY KEY (id),
    CONSTRAINT fk_login_sessions_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_login_sessions_generation CHECK (generation >= 1)
);
CREATE INDEX idx_login_sessions_user_id ON login_sessions (user_id);
CREATE INDEX idx_login_sessions_expires_at ON login_sessions (expires_at);

-- The object itself is in the store of attachments, under a key that follows from user_id and id: an id names one recording,
-- and one that replaces it has another.
CREATE TABLE attachments (
    id          UUID        NOT NULL,
    user_id     UUID        NOT NULL,
    entry_id    UUID        NOT NULL,
    kind        TEXT        NOT NULL,
    media_type  TEXT        NOT NULL,
    byte_length INTEGER     NOT NULL,
    sha256      BYTEA       NOT NULL,
    sealed      BOOLEAN     NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_attachments PRIMARY KEY (id),
    CONSTRAINT uq_attachments_entry UNIQUE (user_id, entry_id),
    CONSTRAINT fk_attachments_entry
        FOREIGN KEY (user_id, entry_id) REFERENCES journal_entries (user_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_attachments_kind CHECK (kind IN ('audio')),
    CONSTRAINT ck_attachments_byte_length CHECK (byte_length >= 0),
    CONSTRAINT ck_attachments_sha256 CHECK (length(sha256) = 32)
);

-- Whose the store of attachments is: one row at most. The same identity is written beside the objects, so that a server never
-- clears away what another database knows. Backups and copies leave it out: it belongs to this database and no other.
-- sweeps counts the sweeps; the store notes the number, too, so that an older copy of this database is found out.
CREATE TABLE attachment_store (
    id            UUID        NOT NULL,
    name          TEXT        NOT NULL,
    sweeps        INTEGER     NOT NULL DEFAULT 0,
    next_sweep_at TIMESTAMPTZ NOT NULL,
    trouble       TEXT,
    created_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_attachment_store PRIMARY KEY (id),
    CONSTRAINT uq_attachment_store_name UNIQUE (name),
    CONSTRAINT ck_attachment_store_name CHECK (name = 'attachments'),
    CONSTRAINT ck_attachment_store_sweeps CHECK (sweeps >= 0)
);

-- Recordings that were taken from their entries on purpose, and whose objects are still to be deleted. A row is written in the
-- unit that deletes the recording's row, and refers to nothing: it outlives the account until the object is gone.
CREATE TABLE freed_attachments (
    id         UUID        NOT NULL,
    user_id    UUID        NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_freed_attachments PRIMARY KEY (id)
);

CREATE TABLE identities (
    id         UUID        NOT NULL,
    user_id    UUID        NOT NULL,
    issuer     TEXT        NOT NULL,
    subject    TEXT        NOT NULL,
    email      TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_identities PRIMARY KEY (id),
    CONSTRAINT uq_identities_issuer_subject UNIQUE (issuer, subject),
    CONSTRAINT fk_identities_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX idx_identities_user_id ON identities (user_id);

CREATE TABLE api_tokens (
    id           UUID        NOT NULL,
    user_id      UUID        NOT NULL,
    name         TEXT        NOT NULL,
    token_hash   BYTEA       NOT NULL,
    scopes       TEXT        NOT NULL,
    expires_at   TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_api_tokens PRIMARY KEY (id),
    CONSTRAINT uq_api_tokens_token_hash UNIQUE (token_hash),
    CONSTRAINT fk_api_tokens_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_api_tokens_token_hash CHECK (length(token_hash) = 32)
);
CREATE INDEX idx_api_tokens_user_id ON api_tokens (user_id);

-- Which row a create with an Idempotency-Key has made, so that the same request again makes none. Hashes of the key and the
-- request under a key of the server's, and no copy of either. created_id refers to a row of any kind, which may be gone.
CREATE TABLE idempotency_keys (
    user_id      UUID        NOT NULL,
    key_hash     BYTEA       NOT NULL,
    request_hash BYTEA       NOT NULL,
    created_id   UUID        NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (user_id, key_hash),
    CONSTRAINT fk_idempotency_keys_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_idempotency_keys_key_hash CHECK (length(key_hash) = 32),
    CONSTRAINT ck_idempotency_keys_request_hash CHECK (length(request_hash) = 32)
);
CREATE INDEX idx_idempotency_keys_created_at ON idempotency_keys (created_at);

-- What happened to an account and its logins, for its owner to read. Kept for 90 days.
CREATE TABLE security_events (
    id         UUID        NOT NULL,
    user_id    UUID        NOT NULL,
    kind       TEXT        NOT NULL,
    client     TEXT,
    user_agent TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_security_events PRIMARY KEY (id),
    CONSTRAINT fk_security_events_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX idx_security_events_user_created ON security_events (user_id, created_at, id);
CREATE INDEX idx_security_events_created_at ON security_events (created_at);

-- Ids of deleted secret tags. An id determines the OPRF key of a secret tag, so it is never used again.
CREATE TABLE deleted_secret_tags (
    user_id    UUID        NOT NULL,
    tag_id     UUID        NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_deleted_secret_tags PRIMARY KEY (user_id, tag_id),
    CONSTRAINT fk_deleted_secret_tags_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

ALTER TABLE secret_tags
    ADD CONSTRAINT fk_secret_tags_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
