-- loses: users, secret_tags, journal_entries, tags, journal_entry_tags, reminders, opaque_sessions, login_sessions

DROP TABLE login_sessions;
DROP TABLE opaque_sessions;
DROP TABLE reminders;
DROP TABLE journal_entry_tags;
DROP TABLE tags;
DROP TABLE journal_entries_fts;
DROP TABLE search_documents;
DROP TABLE journal_entries;
DROP TABLE secret_tags;
DROP TABLE users;
