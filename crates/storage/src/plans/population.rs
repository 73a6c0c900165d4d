//! A population of 2,000 users, a few of whom write much and most of whom write little: 26,000 entries, 3,000 of them
//! by the first user.

use uuid::Uuid;

/// The number of users.
const USERS: u32 = 2000;

/// The kind of row that an id belongs to.
#[derive(Clone, Copy)]
pub enum RowKind {
    User = 1,
    Entry,
    Tag,
    Reminder,
    Session,
    SecretTag,
    OpaqueSession,
    Attachment,
    Identity,
    Token,
    SecurityEvent,
}

/// The id of row number `n` of a user.
pub fn id(kind: RowKind, person: u32, n: u32) -> Uuid {
    Uuid::from_u128((kind as u128) << 96 | u128::from(person) << 32 | u128::from(n))
}

/// The engine's spelling of expressions.
pub struct Spelling {
    /// Creates a table `numbers (n)` of the numbers from 1 to 3000.
    pub numbers: &'static str,
    /// A UUID from an expression for its 32 digits.
    pub uuid: fn(&str) -> String,
    /// The instant 2025-01-22T10:00:00Z plus the number of hours that the expression gives.
    pub instant: fn(&str) -> String,
    /// The day of the same instant.
    pub day: fn(&str) -> String,
    /// A number as eight hexadecimal digits.
    pub hex: fn(&str) -> String,
    /// The 16 bytes of a UUID expression.
    pub id_bytes: fn(&str) -> String,
    /// A value of the given length in bytes.
    pub bytes: fn(u32) -> String,
    /// The bytes of an expression for hexadecimal digits.
    pub unhex: fn(&str) -> String,
}

/// The statements that fill a database.
pub fn statements(spelling: &Spelling) -> String {
    let Spelling { numbers, uuid, instant, day, hex, bytes, id_bytes, unhex } = spelling;
    let id = |kind: RowKind, person: &str, n: &str| {
        uuid(&format!("{} || {} || {} || {}", hex(&(kind as u32).to_string()), hex("0"), hex(person), hex(n)))
    };
    // Entry n of a user is n hours old and has tag 1; every tenth has tag 2 too, and every hundredth tag 3.
    format!(
        "{numbers};
        INSERT INTO users (id, email) SELECT {user}, 'person' || n || '@example.org' FROM numbers WHERE n <= {USERS};
        INSERT INTO tags (id, name, name_key, user_id, created_at)
            SELECT {tag}, 'tag' || t.n, 'tag' || t.n, {of_u}, {made} FROM numbers u, numbers t
            WHERE u.n <= {USERS} AND t.n <= 5;
        INSERT INTO journal_entries (id, title, content, entry_date, entry_day, word_count, user_id)
            SELECT {entry}, 'day ' || e.n, 'common word' || e.n || ' person' || u.n, {then}, {on_day}, 3, {of_u}
            FROM numbers u, numbers e WHERE u.n <= {USERS} AND e.n <= 3000 / u.n + 5;
        INSERT INTO journal_entry_tags (entry_id, tag_id, user_id)
            SELECT {entry}, {tag}, {of_u} FROM numbers u, numbers e, numbers t
            WHERE u.n <= {USERS} AND e.n <= 3000 / u.n + 5
            AND (t.n = 1 OR (t.n = 2 AND e.n % 10 = 0) OR (t.n = 3 AND e.n % 100 = 0));
        INSERT INTO secret_tags (tag_id, user_id, registration_record, wrapped_master_key, server_keys, metadata,
                recovery_wrap, recovery_verifier, created_at)
            SELECT {secret}, {of_u}, {record}, {wrap}, {server_keys}, {metadata}, {wrap}, {verifier}, {made}
            FROM numbers u, numbers t WHERE u.n <= {USERS} AND t.n <= 2;
        INSERT INTO journal_entries (id, content, entry_date, entry_day, user_id, secret_tag_id, encrypted_content,
                wrapped_key, encryption_iv, wrap_iv)
            SELECT {sealed}, '', {then}, {on_day}, {of_u}, {secret}, {content}, {key}, {iv}, {iv}
            FROM numbers u, numbers e, numbers t WHERE u.n <= {USERS} / 10 AND e.n <= 500 / u.n + 5 AND t.n = 1;
        INSERT INTO reminders (id, title, message, frequency, time, next_due_at, user_id, created_at)
            SELECT {reminder}, 'evening', 'Write!', 'daily', {then}, {then}, {of_u}, {then}
            FROM numbers u, numbers e WHERE u.n <= {USERS} AND e.n <= 2;
        INSERT INTO login_sessions (id, user_id, expires_at, rotated_at, created_at)
            SELECT {session}, {of_u}, {soon}, {then}, {then}
            FROM numbers u, numbers e WHERE u.n <= {USERS} AND e.n <= 3;
        INSERT INTO opaque_sessions (session_id, user_id, binary_tag_id, session_state, expires_at, last_activity,
                created_at, updated_at)
            SELECT {opaque}, {of_u}, {tag_bytes}, CASE WHEN e.n = 1 THEN 'unlocked' ELSE 'failed' END, {soon}, {then},
                {then}, {then}
            FROM numbers u, numbers e, numbers t WHERE u.n <= {USERS} AND e.n <= 3 AND t.n = 1;
        INSERT INTO attachments (id, user_id, entry_id, kind, media_type, byte_length, sha256, sealed)
            SELECT {attachment}, {of_u}, {entry}, 'audio', 'audio/ogg', 1000, {verifier}, FALSE
            FROM numbers u, numbers e WHERE u.n <= {USERS} AND e.n <= 300 / u.n + 1;
        INSERT INTO freed_attachments (id, user_id)
            SELECT {freed}, {of_u} FROM numbers u, numbers e WHERE u.n <= {USERS} AND e.n <= 2;
        INSERT INTO identities (id, user_id, issuer, subject)
            SELECT {identity}, {of_u}, 'https://id.example.org/' || e.n, 'person' || u.n
            FROM numbers u, numbers e WHERE u.n <= {USERS} AND e.n <= 2;
        INSERT INTO api_tokens (id, user_id, name, token_hash, scopes)
            SELECT {token}, {of_u}, 'phone', {token_hash}, 'entries:read'
            FROM numbers u, numbers e WHERE u.n <= {USERS} AND e.n <= 2;
        INSERT INTO idempotency_keys (user_id, key_hash, request_hash, created_id, created_at)
            SELECT {of_u}, {token_hash}, {verifier}, {tag}, {then}
            FROM numbers u, numbers e, numbers t WHERE u.n <= {USERS} AND e.n <= 8 AND t.n = 1;
        INSERT INTO security_events (id, user_id, kind, created_at)
            SELECT {event}, {of_u}, 'signed_in', {then} FROM numbers u, numbers e WHERE u.n <= {USERS} AND e.n <= 8;
        INSERT INTO deleted_secret_tags (user_id, tag_id)
            SELECT {of_u}, {deleted} FROM numbers u, numbers t WHERE u.n <= {USERS} AND t.n <= 2;
        DROP TABLE numbers;",
        user = id(RowKind::User, "n", "0"),
        of_u = id(RowKind::User, "u.n", "0"),
        tag = id(RowKind::Tag, "u.n", "t.n"),
        entry = id(RowKind::Entry, "u.n", "e.n"),
        sealed = id(RowKind::Entry, "u.n", "4000 + e.n"),
        secret = id(RowKind::SecretTag, "u.n", "t.n"),
        tag_bytes = id_bytes(&id(RowKind::SecretTag, "u.n", "t.n")),
        record = bytes(192),
        wrap = bytes(61),
        server_keys = bytes(16),
        metadata = bytes(93),
        verifier = bytes(32),
        content = bytes(49),
        key = bytes(48),
        iv = bytes(12),
        reminder = id(RowKind::Reminder, "u.n", "e.n"),
        session = id(RowKind::Session, "u.n", "e.n"),
        attachment = id(RowKind::Attachment, "u.n", "e.n"),
        freed = id(RowKind::Attachment, "u.n", "9100 + e.n"),
        identity = id(RowKind::Identity, "u.n", "e.n"),
        token = id(RowKind::Token, "u.n", "e.n"),
        token_hash = unhex(&vec![format!("{} || {}", hex("u.n"), hex("e.n")); 4].join(" || ")),
        event = id(RowKind::SecurityEvent, "u.n", "e.n"),
        deleted = id(RowKind::SecretTag, "u.n", "9000 + t.n"),
        opaque = id(RowKind::OpaqueSession, "u.n", "e.n"),
        then = instant("-e.n"),
        made = instant("-t.n"),
        on_day = day("-e.n"),
        soon = instant("u.n"),
    )
}
