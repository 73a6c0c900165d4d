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
