-- Which row a create with an Idempotency-Key has made, so that the same request again makes none. Hashes of the key and the
-- request under a key of the server's, and no copy of either. created_id refers to a row of any kind, which may be gone.
CREATE TABLE idempotency_keys (
    user_id           BLOB    NOT NULL CHECK (length(user_id) = 16),
    key_hash          BLOB    NOT NULL,
    request_hash      BLOB    NOT NULL,
    created_id        BLOB    NOT NULL CHECK (length(created_id) = 16),
    created_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (user_id, key_hash),
    CONSTRAINT fk_idempotency_keys_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_idempotency_keys_key_hash CHECK (length(key_hash) = 32),
    CONSTRAINT ck_idempotency_keys_request_hash CHECK (length(request_hash) = 32)
) STRICT;
CREATE INDEX idx_idempotency_keys_created_at ON idempotency_keys (created_at);
