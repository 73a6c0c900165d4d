//! Rows for every table, with the values that are most likely to be damaged in a transfer.

use sotto_domain::Timestamp;
use uuid::Uuid;

use crate::DatabaseUrl;
use crate::testing::Scratch;
use crate::transfer::value::Value;

pub const USERS: u128 = 3;
pub const ENTRIES: u128 = 24;

/// A database with rows in every table.
pub struct Populated {
    pub scratch: Scratch,
}

impl Populated {
    pub async fn sqlite() -> Self {
        Self::on(Scratch::sqlite()).await
    }

    pub async fn postgres() -> Self {
        Self::on(Scratch::postgres().await).await
    }

    async fn on(scratch: Scratch) -> Self {
        crate::migrate::upgrade(&scratch.url).await.unwrap();
        let mut writer = Writer::open(&scratch.url).await;
        for user in 1..=USERS {
            fill(&mut writer, user).await;
        }
        // The longest possible entry.
        let longest = "ünïcödé 😀 \u{1} ".repeat(55_000);
        writer.insert("journal_entries", entry(id(3, 1), id(1, 1), &longest, at(0))).await;
        writer.close().await;
        Self { scratch }
    }

    pub fn url(&self) -> &DatabaseUrl {
        &self.scratch.url
    }

    /// Adds entries until a backup has about this many MiB.
    pub async fn grow(self, mebibytes: u128) -> Self {
        let mut writer = Writer::open(self.url()).await;
        for number in 0..mebibytes * 4 {
            let noise: String = (0..256 << 10).map(|at| letter(number * 1_000_003 + at)).collect();
            let row = entry(id(9, number), id(1, 1), &noise, at(0));
            writer.insert("journal_entries", row).await;
        }
        writer.close().await;
        self
    }
}

/// Texts that a careless transfer might change.
pub fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "plain words",
        "null",
        "\"quoted\" and \\back\\slashed, it's",
        "line\nbreak\r\ntab\tbell\u{7} delete\u{7f} escape\u{1b}",
        "👩‍👩‍👧‍👦 🏳️‍🌈 e\u{301} é",
        "\u{feff}\u{fffd}\u{10ffff}\u{2028}\u{2029}\u{e000}",
        "שלום مرحبا",
        "\\N \\. \\x00 {} [] $1 ?1 %s",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("ünïcödé 😀 \u{1} ".repeat(40));
    texts
}

/// Instants in microseconds.
pub fn instants() -> [i64; 7] {
    let noon = 1_737_540_000_000_001;
    [Timestamp::MIN.as_micros(), -1, 0, 1, noon, 946_684_800_000_000, Timestamp::MAX.as_micros()]
}

pub fn id(kind: u128, number: u128) -> Uuid {
    // The ids of a table are not in the order of its rows' creation.
    Uuid::from_u128((kind << 120) | (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) & ((1 << 64) - 1)))
}

fn letter(seed: u128) -> char {
    let mixed = (seed ^ (seed >> 7)).wrapping_mul(0x2545_f491_4f6c_dd1d) >> 20;
    char::from(b' ' + u8::try_from(mixed % 95).unwrap())
}

/// A user with rows in every table.
async fn fill(writer: &mut Writer, user: u128) {
    let owner = id(1, user);
    let account = [
        ("id", owner.into()),
        ("email", format!("user-{user}@example.org").as_str().into()),
        ("hashed_password", some(user)),
        ("full_name", some(user + 6)),
        ("is_active", Value::Boolean(user != 2)),
        ("is_superuser", Value::Boolean(user == 1)),
        ("google_id", if user == 1 { Value::Null } else { format!("google-{user}").as_str().into() }),
        ("avatar_url", some(user + 1)),
        ("time_zone", "Europe/Berlin".into()),
        ("draft_key", if user == 1 { Value::Null } else { Value::Bytes((0..32).collect()) }),
        ("preferences", some(user)),
        ("email_verified_at", if user == 1 { Value::Null } else { instant(user) }),
    ];
    writer.insert("users", account.into_iter().chain(times(user))).await;
    let secret = id(2, user);
    let sealed = |length: u8| Value::Bytes((0..length).collect());
    let tag = [
        ("tag_id", secret.into()),
        ("user_id", owner.into()),
        ("registration_record", sealed(192)),
        ("wrapped_master_key", sealed(61)),
        ("server_keys", sealed(16)),
        ("metadata", sealed(93)),
        ("recovery_wrap", sealed(61)),
        ("recovery_verifier", sealed(32)),
        ("version", Value::Integer(i32::MAX.into())),
        ("opened_at", if user == 1 { Value::Null } else { instant(user) }),
    ];
    writer.insert("secret_tags", tag.into_iter().chain(times(user))).await;
    for number in user * 100..user * 100 + ENTRIES {
        journal(writer, number, owner, secret).await;
        others(writer, number, owner, secret).await;
    }
}

/// An entry, sealed or not, a tag and the link between them.
async fn journal(writer: &mut Writer, number: u128, owner: Uuid, secret: Uuid) {
    let sealed = number.is_multiple_of(5);
    let under = |value: Value| if sealed { value } else { Value::Null };
    let open = |value: Value, empty: Value| if sealed { empty } else { value };
    let day = ["0001-01-01", "1969-12-31", "2024-02-29", "9999-12-31"][place(number, 4)];
    let entry = [
        ("id", id(3, number).into()),
        ("title", open(some(number + 3), Value::Null)),
        ("content", open(text(number), "".into())),
        ("audio_url", open(some(number + 1), Value::Null)),
        ("entry_date", instant(number)),
        ("entry_zone", "America/Argentina/ComodRivadavia".into()),
        ("entry_day", Value::Day(day.into())),
        ("word_count", open(Value::Integer(i32::MAX.into()), Value::Integer(0))),
        ("secret_tag_id", under(secret.into())),
        ("encrypted_content", under(bytes(number))),
        ("wrapped_key", under(bytes(number + 1))),
        ("encryption_iv", under(Value::Bytes(vec![]))),
        ("wrap_iv", under(bytes(number + 2))),
        ("user_id", owner.into()),
        ("revision", Value::Integer(i32::MAX.into())),
    ];
    writer.insert("journal_entries", entry.into_iter().chain(times(number))).await;
    let name = format!("tag {number} {}", &texts()[6]);
    let tag = [
        ("id", id(4, number).into()),
        ("name", name.as_str().into()),
        ("name_key", name.to_lowercase().as_str().into()),
        ("color", some(number + 2)),
        ("user_id", owner.into()),
    ];
    writer.insert("tags", tag.into_iter().chain(times(number))).await;
    let link = [("entry_id", id(3, number).into()), ("tag_id", id(4, number).into()), ("user_id", owner.into())];
    writer.insert("journal_entry_tags", link).await;
}

/// A row of each table that is not about entries.
async fn others(writer: &mut Writer, number: u128, owner: Uuid, secret: Uuid) {
    let even = number.is_multiple_of(2);
    let reminder = [
        ("id", id(5, number).into()),
        ("title", text(number)),
        ("message", "".into()),
        ("frequency", if even { "custom".into() } else { "daily".into() }),
        ("time", instant(number)),
        ("time_zone", "localtime".into()),
        ("is_active", Value::Boolean(even)),
        ("custom_days", if even { "mon,sun".into() } else { Value::Null }),
        ("next_due_at", if even { instant(number + 1) } else { Value::Null }),
        ("user_id", owner.into()),
    ];
    writer.insert("reminders", reminder.into_iter().chain(times(number))).await;
    let opaque = [
        ("session_id", id(6, number).into()),
        ("user_id", owner.into()),
        ("binary_tag_id", if even { Value::Bytes(secret.as_bytes().to_vec()) } else { Value::Null }),
        ("session_state", "initialized".into()),
        ("session_data", if even { bytes(number) } else { Value::Null }),
        ("expires_at", instant(number)),
        ("last_activity", instant(number)),
    ];
    writer.insert("opaque_sessions", opaque.into_iter().chain(times(number))).await;
    let login = [
        ("id", id(7, number).into()),
        ("user_id", owner.into()),
        ("generation", Value::Integer(1)),
        ("rotated_at", instant(number)),
        ("expires_at", instant(number)),
        ("user_agent", some(number)),
        ("confirmed_at", if even { instant(number) } else { Value::Null }),
    ];
    writer.insert("login_sessions", login.into_iter().chain(times(number))).await;
    let recording = [
        ("id", id(8, number).into()),
        ("user_id", owner.into()),
        ("entry_id", id(3, number).into()),
        ("kind", "audio".into()),
        ("media_type", "audio/webm".into()),
        ("byte_length", Value::Integer(i32::MAX.into())),
        ("sha256", hash(number)),
        ("sealed", Value::Boolean(number.is_multiple_of(5))),
    ];
    writer.insert("attachments", recording.into_iter().chain(times(number))).await;
    let freed = [("id", id(12, number).into()), ("user_id", owner.into())];
    writer.insert("freed_attachments", freed.into_iter().chain(times(number))).await;
    let identity = [
        ("id", id(10, number).into()),
        ("user_id", owner.into()),
        ("issuer", "https://id.example.org".into()),
        ("subject", number.to_string().as_str().into()),
        ("email", some(number)),
    ];
    writer.insert("identities", identity.into_iter().chain(times(number))).await;
    let token = [
        ("id", id(11, number).into()),
        ("user_id", owner.into()),
        ("name", text(number)),
        ("token_hash", hash(number)),
        ("scopes", "entries:read entries:write".into()),
        ("expires_at", if even { instant(number) } else { Value::Null }),
        ("last_used_at", if even { Value::Null } else { instant(number) }),
    ];
    writer.insert("api_tokens", token.into_iter().chain(times(number))).await;
    let key = [
        ("user_id", owner.into()),
        ("key_hash", hash(number)),
        ("request_hash", hash(number + 1)),
        ("created_id", id(13, number).into()),
    ];
    writer.insert("idempotency_keys", key.into_iter().chain(times(number))).await;
    let event = [
        ("id", id(14, number).into()),
        ("user_id", owner.into()),
        ("kind", text(number)),
        ("client", some(number)),
        ("user_agent", some(number + 1)),
    ];
    writer.insert("security_events", event.into_iter().chain(times(number))).await;
    let deleted = [("user_id", owner.into()), ("tag_id", id(15, number).into())];
    writer.insert("deleted_secret_tags", deleted.into_iter().chain(times(number))).await;
}

fn place(number: u128, count: usize) -> usize {
    usize::try_from(number).unwrap() % count
}

fn text(number: u128) -> Value {
    let texts = texts();
    texts[place(number, texts.len())].as_str().into()
}

/// A text or NULL.
fn some(number: u128) -> Value {
    if number.is_multiple_of(4) { Value::Null } else { text(number) }
}

fn bytes(number: u128) -> Value {
    Value::Bytes((0..=255).cycle().take(place(number * 61, 700)).collect())
}

fn hash(number: u128) -> Value {
    Value::Bytes(number.to_be_bytes().repeat(2))
}

fn instant(number: u128) -> Value {
    at(instants()[place(number, 7)])
}

fn times(number: u128) -> [(&'static str, Value); 2] {
    [("created_at", instant(number)), ("updated_at", instant(number + 1))]
}

fn at(micros: i64) -> Value {
    Value::Integer(micros)
}

/// The columns of a plain entry.
pub fn entry(id: Uuid, owner: Uuid, content: &str, moment: Value) -> Vec<(&'static str, Value)> {
    vec![
        ("id", id.into()),
        ("content", content.into()),
        ("entry_date", moment),
        ("entry_day", Value::Day("2025-01-22".into())),
        ("user_id", owner.into()),
        ("created_at", at(0)),
        ("updated_at", at(0)),
    ]
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Uuid> for Value {
    fn from(uuid: Uuid) -> Self {
        Self::Uuid(uuid)
    }
}

/// Writes rows directly, without the storage contract.
pub enum Writer {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
}

impl Writer {
    pub async fn open(url: &DatabaseUrl) -> Self {
        match url {
            DatabaseUrl::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF; BEGIN").unwrap();
                Self::Sqlite(connection)
            }
            url @ DatabaseUrl::Postgres(_) => {
                let client = crate::migrate::postgres::connect(url).await.unwrap();
                client.batch_execute("SET application_name = 'a test'; BEGIN").await.unwrap();
                Self::Postgres(client)
            }
        }
    }

    pub async fn insert(&mut self, table: &str, values: impl IntoIterator<Item = (&'static str, Value)>) {
        let (columns, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        let sign = if matches!(self, Self::Sqlite(_)) { '?' } else { '$' };
        let places: Vec<_> = (1..=columns.len()).map(|place| format!("{sign}{place}")).collect();
        let sql = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "));
        match self {
            Self::Sqlite(connection) => {
                connection.prepare_cached(&sql).unwrap().execute(rusqlite::params_from_iter(values)).map(drop).unwrap();
            }
            Self::Postgres(client) => {
                let values: Vec<_> =
                    values.iter().map(|value| value as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
                client.execute(&sql, &values).await.unwrap();
            }
        }
    }

    pub async fn execute(&mut self, sql: &str) {
        match self {
            Self::Sqlite(connection) => connection.execute_batch(sql).unwrap(),
            Self::Postgres(client) => client.batch_execute(sql).await.unwrap(),
        }
    }

    pub async fn close(mut self) {
        self.execute("COMMIT").await;
    }
}
