-- Whose the store of attachments is: one row at most. The same identity is written beside the objects, so that a server never
-- clears away what another database knows. Backups and copies leave it out: it belongs to this database and no other.
-- sweeps counts the sweeps; the store notes the number, too, so that an older copy of this database is found out.
CREATE TABLE attachment_store (
    id                BLOB    NOT NULL CHECK (length(id) = 16),
    name              TEXT    NOT NULL,
    sweeps            INTEGER NOT NULL DEFAULT 0,
    next_sweep_at     INTEGER NOT NULL,
    trouble           TEXT,
    created_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    CONSTRAINT pk_attachment_store PRIMARY KEY (id),
    CONSTRAINT uq_attachment_store_name UNIQUE (name),
    CONSTRAINT ck_attachment_store_name CHECK (name = 'attachments'),
    CONSTRAINT ck_attachment_store_sweeps CHECK (sweeps >= 0)
) STRICT;

-- Recordings that were taken from their entries on purpose, and whose objects are still to be deleted. A row is written in the
-- unit that deletes the recording's row, and refers to nothing: it outlives the account until the object is gone.
CREATE TABLE freed_attachments (
    id                BLOB    NOT NULL CHECK (length(id) = 16),
    user_id           BLOB    NOT NULL CHECK (length(user_id) = 16),
    created_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    updated_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),
    CONSTRAINT pk_freed_attachments PRIMARY KEY (id)
) STRICT;
