-- What the web app needs: a key for drafts and preferences for each account, recordings of entries, identities of other
-- providers, and tokens for programs.

ALTER TABLE users
    ADD COLUMN draft_key   BYTEA,
    ADD COLUMN preferences TEXT,
    ADD CONSTRAINT ck_users_draft_key CHECK (length(draft_key) = 32),
    ADD CONSTRAINT ck_users_preferences CHECK (octet_length(preferences) <= 16384);

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
