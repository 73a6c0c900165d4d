//! Rows in every table, with the values that are most likely to be spoilt on the way.

use sotto_domain::Timestamp;
use uuid::Uuid;

use crate::DatabaseUrl;
use crate::testing::Scratch;
use crate::transfer::value::Value;

pub const USERS: u128 = 3;
pub const ENTRIES: u128 = 24;

/// A database with the schema and rows in every table.
pub struct Full {
    pub scratch: Scratch,
}

impl Full {
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
        // As long as an entry can be.
        let longest = "ünïcödé 😀 \u{1} ".repeat(55_000);
        writer.insert("journal_entries", entry(id(3, 1), id(1, 1), &longest, at(0))).await;
        writer.close().await;
        Self { scratch }
    }

    pub fn url(&self) -> &DatabaseUrl {
        &self.scratch.url
    }

    /// Adds as much text again as makes a backup so long, in MiB.
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

/// Texts that something on the way might change.
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
    // Ids of one table are not in the order in which their rows are made.
    Uuid::from_u128((kind << 120) | (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) & ((1 << 64) - 1)))
}

fn letter(seed: u128) -> char {
    let mixed = (seed ^ (seed >> 7)).wrapping_mul(0x2545_f491_4f6c_dd1d) >> 20;
    char::from(b' ' + u8::try_from(mixed % 95).unwrap())
}

async fn fill(writer: &mut Writer, user: u128) {
    let owner = id(1, user);
    let (texts, instants) = (texts(), instants());
    let some = |number: u128| {
        let text = &texts[usize::try_from(number).unwrap() % texts.len()];
        if number.is_multiple_of(4) { Value::Null } else { text.as_str().into() }
    };
    let at = |number: u128| Value::Integer(instants[usize::try_from(number).unwrap() % instants.len()]);
    let bytes =
        |number: u128| Value::Bytes((0..=255).cycle().take(usize::try_from(number * 61 % 700).unwrap()).collect());
    let times = || [("created_at", at(user)), ("updated_at", at(user + 1))];
    writer
        .insert(
            "users",
            [
                ("id", owner.into()),
                ("email", format!("user-{user}@example.org").as_str().into()),
                ("hashed_password", some(user)),
                ("full_name", some(user + 6)),
                ("is_active", Value::Boolean(user != 2)),
                ("is_superuser", Value::Boolean(user == 1)),
                ("google_id", if user == 1 { Value::Null } else { format!("google-{user}").as_str().into() }),
                ("avatar_url", some(user + 1)),
                ("time_zone", "Europe/Berlin".into()),
            ]
            .into_iter()
            .chain(times()),
        )
        .await;
    let secret = id(2, user);
    writer
        .insert("secret_tags", [("tag_id", secret.into()), ("user_id", owner.into())].into_iter().chain(times()))
        .await;
    for number in user * 100..user * 100 + ENTRIES {
        let (entry_id, tag_id) = (id(3, number), id(4, number));
        let sealed = number.is_multiple_of(5);
        let under = |value: Value| if sealed { value } else { Value::Null };
        let open = |value: Value, empty: Value| if sealed { empty } else { value };
        let text = texts[usize::try_from(number).unwrap() % texts.len()].as_str();
        let day = ["0001-01-01", "1969-12-31", "2024-02-29", "9999-12-31"][usize::try_from(number % 4).unwrap()];
        writer
            .insert(
                "journal_entries",
                [
                    ("id", entry_id.into()),
                    ("title", open(some(number + 3), Value::Null)),
                    ("content", open(text.into(), "".into())),
                    ("audio_url", open(some(number + 1), Value::Null)),
                    ("entry_date", at(number)),
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
                ]
                .into_iter()
                .chain(times()),
            )
            .await;
        let name = format!("tag {number} {}", &texts[6]);
        writer
            .insert(
                "tags",
                [
                    ("id", tag_id.into()),
                    ("name", name.as_str().into()),
                    ("name_key", name.to_lowercase().as_str().into()),
                    ("color", some(number + 2)),
                    ("user_id", owner.into()),
                ]
                .into_iter()
                .chain(times()),
            )
            .await;
        let link = [("entry_id", entry_id.into()), ("tag_id", tag_id.into()), ("user_id", owner.into())];
        writer.insert("journal_entry_tags", link).await;
        let custom = number.is_multiple_of(2);
        writer
            .insert(
                "reminders",
                [
                    ("id", id(5, number).into()),
                    ("title", text.into()),
                    ("message", "".into()),
                    ("frequency", if custom { "custom".into() } else { "daily".into() }),
                    ("time", at(number)),
                    ("time_zone", "UTC".into()),
                    ("is_active", Value::Boolean(custom)),
                    ("custom_days", if custom { "mon,sun".into() } else { Value::Null }),
                    ("next_due_at", if custom { at(number + 1) } else { Value::Null }),
                    ("user_id", owner.into()),
                ]
                .into_iter()
                .chain(times()),
            )
            .await;
        writer
            .insert(
                "opaque_sessions",
                [
                    ("session_id", id(6, number).into()),
                    ("user_id", owner.into()),
                    ("binary_tag_id", under(Value::Bytes(secret.as_bytes().to_vec()))),
                    ("session_state", "initialized".into()),
                    ("session_data", if custom { bytes(number) } else { Value::Null }),
                    ("expires_at", at(number)),
                    ("last_activity", at(number)),
                ]
                .into_iter()
                .chain(times()),
            )
            .await;
        writer
            .insert(
                "login_sessions",
                [
                    ("id", id(7, number).into()),
                    ("user_id", owner.into()),
                    ("generation", Value::Integer(1)),
                    ("rotated_at", at(number)),
                    ("expires_at", at(number)),
                    ("user_agent", some(number)),
                ]
                .into_iter()
                .chain(times()),
            )
            .await;
    }
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

/// Stores rows past the contract.
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
            url => {
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
