//! The purpose of each table and index, from which `docs/schema.md` is generated. A test fails for an index without a
//! reason, and for a reason without an index.

/// The contents of each table.
pub(super) const TABLES: [(&str, &str); 17] = [
    ("users", "The accounts."),
    ("secret_tags", "The tags whose entries are encrypted in the browser."),
    (
        "journal_entries",
        "What people write: readable, or under a secret tag and sealed, never both (`ck_journal_entries_plain_or_sealed`).",
    ),
    ("tags", "A user's words to find entries by; `name_key` is the name as it is compared."),
    ("journal_entry_tags", "Which entry has which tag, both of the same user."),
    ("reminders", "When a user wants to be asked to write."),
    ("opaque_sessions", "Opening a secret tag: the login between its two steps, and then how long it stays open."),
    ("login_sessions", "The logins of a user; a refresh token names one and its generation."),
    ("attachments", "The recordings of entries; what was recorded is in the store of attachments."),
    ("attachment_store", "Whose the store of attachments is, when it is swept next, and what stopped the last sweep."),
    ("freed_attachments", "Recordings that were deleted, and whose objects still have to be."),
    ("identities", "Who a user is to other providers: a login through one of them leads to the account."),
    ("api_tokens", "Tokens that a user created for programs, each as a SHA-256."),
    (
        "idempotency_keys",
        "Which row a create with an `Idempotency-Key` has made; hashes of the key and the request, and no copy of them.",
    ),
    ("security_events", "What happened to an account and its logins, for its owner to read; kept for 90 days."),
    ("deleted_secret_tags", "Ids of deleted secret tags, which are never used again."),
    ("search_documents", "On SQLite, the number by which the full text index knows an entry."),
];

/// The purpose of each index, including those of unique constraints.
pub(super) const INDEXES: [(&str, &str); 36] = [
    ("idx_users_email", "signing in; one account per address"),
    ("idx_users_google_id", "signing in with Google; one account per identity"),
    ("idx_secret_tags_server_keys", "which of the server's keys are still needed, of all users"),
    ("uq_secret_tags_user_tag", "what entries refer to, together with their owner"),
    ("uq_journal_entries_user_entry", "what tags refer to, together with their owner; an entry by its id"),
    ("idx_journal_entries_user_id", "deleting an account; `idx_journal_entries_user_date` could serve that, too"),
    ("idx_journal_entries_user_date", "the list, newest first, and its pages"),
    ("idx_journal_entries_user_day", "the calendar, \"on this day\", and filters by date"),
    ("idx_journal_entries_secret_tag_id", "the entries under a secret tag, newest first; deleting a secret tag"),
    ("idx_journal_entries_user_secret_tag", "the page of a secret tag, and how many entries are under it"),
    ("idx_journal_entries_search", "full text on PostgreSQL; SQLite has `journal_entries_fts` for it"),
    ("uq_tags_user_tag", "what links refer to, together with their owner; a tag by its id"),
    ("uq_tags_user_name", "no two tags of a user have the same name"),
    ("uq_tags_user_name_key", "no two tags of a user differ in case alone; a tag by its name"),
    ("idx_tags_user_id", "deleting an account; `idx_tags_user_created` could serve that, too"),
    ("idx_tags_user_created", "the list of tags, and its pages"),
    ("idx_journal_entry_tags_entry_id", "the tags of an entry; deleting an entry"),
    ("idx_journal_entry_tags_tag_id", "the entries with a tag; deleting a tag"),
    ("uq_reminders_user_reminder", "what is delivered refers to it, together with its owner; a reminder by its id"),
    ("idx_reminders_user_id", "the list of reminders; deleting an account"),
    (
        "idx_reminders_next_due_at",
        "the reminders that are due, of all users; those that are switched off are not in it",
    ),
    ("idx_opaque_sessions_user_id", "deleting an account"),
    ("idx_opaque_sessions_expires_at", "clearing away what has expired, of all users"),
    ("idx_opaque_sessions_binary_tag_id", "the sessions of a secret tag"),
    ("idx_login_sessions_user_id", "the list of logins; ending all of them; deleting an account"),
    ("idx_login_sessions_expires_at", "clearing away what has expired, of all users"),
    ("uq_attachments_entry", "the recording of an entry; one for each; how much a user has; deleting an entry"),
    ("uq_attachment_store_name", "one row, by its only name"),
    ("uq_identities_issuer_subject", "signing in through a provider; one account per identity"),
    ("idx_identities_user_id", "the identities of a user; deleting an account"),
    ("uq_api_tokens_token_hash", "the token that a request shows"),
    ("idx_api_tokens_user_id", "the list of tokens; deleting an account"),
    ("idx_idempotency_keys_created_at", "clearing away what is a day old, of all users"),
    ("idx_security_events_user_created", "recent activity, newest first, and its pages; deleting an account"),
    ("idx_security_events_created_at", "deleting what is older than 90 days, of all users"),
    ("uq_search_documents_entry", "the number of an entry when it changes or goes"),
];

/// The reason for `name`; empty if there is none.
pub(super) fn find<'r>(list: &'r [(&str, &str)], name: &str) -> &'r str {
    list.iter().find(|(one, _)| *one == name).map(|(_, reason)| *reason).unwrap_or_default()
}
