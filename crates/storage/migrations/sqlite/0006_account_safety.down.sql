-- After a downgrade no address is verified, and ids of deleted secret tags can be registered again.
-- loses: deleted_secret_tags, security_events, login_sessions.confirmed_at, users.email_verified_at

DROP TABLE deleted_secret_tags;
DROP TABLE security_events;
ALTER TABLE login_sessions DROP COLUMN confirmed_at;
ALTER TABLE users DROP COLUMN email_verified_at;
