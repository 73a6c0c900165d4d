//! 2,000 people, a few of whom write much, and most of whom write little: 26,000 entries, 3,000 of them by the first.

use uuid::Uuid;

/// How many people there are.
const PEOPLE: u32 = 2000;

/// What an id belongs to.
#[derive(Clone, Copy)]
pub enum Kind {
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
}

/// The id of number `n` of a person.
pub fn id(kind: Kind, person: u32, n: u32) -> Uuid {
    Uuid::from_u128((kind as u128) << 96 | u128::from(person) << 32 | u128::from(n))
}

/// How an engine spells things.
pub struct Spelling {
    /// Makes a table `numbers (n)` of the numbers from 1 to 3000.
    pub numbers: &'static str,
    /// A UUID from the 32 digits that an expression gives.
    pub uuid: fn(&str) -> String,
    /// The instant so many hours, an expression, after 2025-01-22T10:00:00Z.
    pub instant: fn(&str) -> String,
    /// The day of that instant.
    pub day: fn(&str) -> String,
    /// A number in so many hexadecimal digits.
    pub hex: fn(&str) -> String,
    /// The 16 bytes of a UUID, an expression.
    pub id_bytes: fn(&str) -> String,
    /// So many bytes.
    pub bytes: fn(u32) -> String,
    /// The bytes of the digits that an expression gives.
    pub unhex: fn(&str) -> String,
}

/// The statements that fill a database.
pub fn statements(spelling: &Spelling) -> String {
    let Spelling { numbers, uuid, instant, day, hex, bytes, id_bytes, unhex } = spelling;
    let id = |kind: Kind, person: &str, n: &str| {
        uuid(&format!("{} || {} || {} || {}", hex(&(kind as u32).to_string()), hex("0"), hex(person), hex(n)))
    };
    // Entry n of a person is n hours old and has tag 1, every tenth has tag 2 and every hundredth tag 3 as well.
    format!(
        "{numbers};
        INSERT INTO users (id, email) SELECT {user}, 'person' || n || '@example.org' FROM numbers WHERE n <= {PEOPLE};
        INSERT INTO tags (id, name, name_key, user_id, created_at)
            SELECT {tag}, 'tag' || t.n, 'tag' || t.n, {of_u}, {made} FROM numbers u, numbers t
            WHERE u.n <= {PEOPLE} AND t.n <= 5;
        INSERT INTO journal_entries (id, title, content, entry_date, entry_day, word_count, user_id)
            SELECT {entry}, 'day ' || e.n, 'common word' || e.n || ' person' || u.n, {then}, {on_day}, 3, {of_u}
            FROM numbers u, numbers e WHERE u.n <= {PEOPLE} AND e.n <= 3000 / u.n + 5;
        INSERT INTO journal_entry_tags (entry_id, tag_id, user_id)
            SELECT {entry}, {tag}, {of_u} FROM numbers u, numbers e, numbers t
            WHERE u.n <= {PEOPLE} AND e.n <= 3000 / u.n + 5
            AND (t.n = 1 OR (t.n = 2 AND e.n % 10 = 0) OR (t.n = 3 AND e.n % 100 = 0));
        INSERT INTO secret_tags (tag_id, user_id, registration_record, wrapped_master_key, server_keys, metadata,
                recovery_wrap, recovery_verifier, created_at)
            SELECT {secret}, {of_u}, {record}, {wrap}, {server_keys}, {metadata}, {wrap}, {verifier}, {made}
            FROM numbers u, numbers t WHERE u.n <= {PEOPLE} AND t.n <= 2;
        INSERT INTO journal_entries (id, content, entry_date, entry_day, user_id, secret_tag_id, encrypted_content,
                wrapped_key, encryption_iv, wrap_iv)
            SELECT {sealed}, '', {then}, {on_day}, {of_u}, {secret}, {content}, {key}, {iv}, {iv}
            FROM numbers u, numbers e, numbers t WHERE u.n <= {PEOPLE} / 10 AND e.n <= 500 / u.n + 5 AND t.n = 1;
        INSERT INTO reminders (id, title, message, frequency, time, next_due_at, user_id, created_at)
            SELECT {reminder}, 'evening', 'Write!', 'daily', {then}, {then}, {of_u}, {then}
            FROM numbers u, numbers e WHERE u.n <= {PEOPLE} AND e.n <= 2;
        INSERT INTO login_sessions (id, user_id, expires_at, rotated_at, created_at)
            SELECT {session}, {of_u}, {soon}, {then}, {then}
            FROM numbers u, numbers e WHERE u.n <= {PEOPLE} AND e.n <= 3;
        INSERT INTO opaque_sessions (session_id, user_id, binary_tag_id, session_state, expires_at, last_activity,
                created_at, updated_at)
            SELECT {opaque}, {of_u}, {tag_bytes}, CASE WHEN e.n = 1 THEN 'unlocked' ELSE 'failed' END, {soon}, {then},
                {then}, {then}
            FROM numbers u, numbers e, numbers t WHERE u.n <= {PEOPLE} AND e.n <= 3 AND t.n = 1;
        INSERT INTO attachments (id, user_id, entry_id, kind, media_type, byte_length, sha256, sealed)
            SELECT {attachment}, {of_u}, {entry}, 'audio', 'audio/ogg', 1000, {verifier}, FALSE
            FROM numbers u, numbers e WHERE u.n <= {PEOPLE} AND e.n <= 300 / u.n + 1;
        INSERT INTO identities (id, user_id, issuer, subject)
            SELECT {identity}, {of_u}, 'https://id.example.org/' || e.n, 'person' || u.n
            FROM numbers u, numbers e WHERE u.n <= {PEOPLE} AND e.n <= 2;
        INSERT INTO api_tokens (id, user_id, name, token_hash, scopes)
            SELECT {token}, {of_u}, 'phone', {token_hash}, 'entries:read'
            FROM numbers u, numbers e WHERE u.n <= {PEOPLE} AND e.n <= 2;
        DROP TABLE numbers;",
        user = id(Kind::User, "n", "0"),
        of_u = id(Kind::User, "u.n", "0"),
        tag = id(Kind::Tag, "u.n", "t.n"),
        entry = id(Kind::Entry, "u.n", "e.n"),
        sealed = id(Kind::Entry, "u.n", "4000 + e.n"),
        secret = id(Kind::SecretTag, "u.n", "t.n"),
        tag_bytes = id_bytes(&id(Kind::SecretTag, "u.n", "t.n")),
        record = bytes(192),
        wrap = bytes(61),
        server_keys = bytes(16),
        metadata = bytes(93),
        verifier = bytes(32),
        content = bytes(49),
        key = bytes(48),
        iv = bytes(12),
        reminder = id(Kind::Reminder, "u.n", "e.n"),
        session = id(Kind::Session, "u.n", "e.n"),
        attachment = id(Kind::Attachment, "u.n", "e.n"),
        identity = id(Kind::Identity, "u.n", "e.n"),
        token = id(Kind::Token, "u.n", "e.n"),
        token_hash = unhex(&vec![format!("{} || {}", hex("u.n"), hex("e.n")); 4].join(" || ")),
        opaque = id(Kind::OpaqueSession, "u.n", "e.n"),
        then = instant("-e.n"),
        made = instant("-t.n"),
        on_day = day("-e.n"),
        soon = instant("u.n"),
    )
}
