-- A create that is repeated after a downgrade makes a second row.
-- loses: idempotency_keys

DROP TABLE idempotency_keys;
