//! Tests of the schema on real databases of both engines.

mod actions;
mod check;
mod constraints;
mod coverage;
mod generate;
mod generated_constraints;
mod generated_types;
mod page;
mod parity;
mod project;
mod reading;
mod repair;
mod standards;
mod upgrade;

use super::Schema;
use crate::DatabaseUrl;
use crate::migrate::{self, postgres::connect};
use crate::testing::Scratch;

/// A database with the newest schema and two users who have rows in every table.
///
/// Statements are the same on both engines: `#7` stands for a UUID, `#time`, `#day` and `#bytes` for a value of that
/// kind, `#b61` for 61 bytes, `#h1` for a hash of 32 bytes, `#true` and `#false` for booleans.
struct Database {
    engine: Engine,
    schema: Schema,
    scratch: Scratch,
}

enum Engine {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
}

const POPULATION: [&str; 16] = [
    "INSERT INTO users (id, email, google_id) VALUES (#1, 'ada@example.org', 'ada'), (#2, 'bob@example.org', NULL)",
    "INSERT INTO secret_tags (tag_id, user_id, registration_record, wrapped_master_key, server_keys, metadata, \
     recovery_wrap, recovery_verifier) VALUES (#31, #1, #b192, #b61, #b16, #b61, #b61, #b32), (#32, #2, #b192, #b61, \
     #b16, #b157, #b61, #b32), (#33, #1, #b192, #b61, #b16, #b93, #b61, #b32)",
    "INSERT INTO journal_entries (id, title, content, entry_date, entry_day, user_id) VALUES (#21, 'first', 'text', \
     #time, #day, #1), (#22, 'second', 'text', #time, #day, #1), (#23, 'his', 'text', #time, #day, #2)",
    "INSERT INTO tags (id, name, name_key, user_id) VALUES (#11, 'One', 'one', #1), (#12, 'Two', 'two', #1), (#13, \
     'His', 'his', #2)",
    "INSERT INTO journal_entry_tags (entry_id, tag_id, user_id) VALUES (#21, #11, #1), (#21, #12, #1), (#22, #11, #1), \
     (#23, #13, #2)",
    "INSERT INTO reminders (id, title, message, frequency, time, user_id) VALUES (#41, 'evening', 'Write!', 'daily', \
     #time, #1), (#42, 'his', 'Write!', 'daily', #time, #2)",
    "INSERT INTO opaque_sessions (session_id, user_id, expires_at) VALUES (#51, #1, #time), (#52, #2, #time)",
    "INSERT INTO login_sessions (id, user_id, expires_at) VALUES (#61, #1, #time), (#62, #2, #time)",
    "INSERT INTO attachments (id, user_id, entry_id, kind, media_type, byte_length, sha256, sealed) VALUES (#71, #1, \
     #22, 'audio', 'audio/ogg', 7, #b32, #false), (#72, #2, #23, 'audio', 'audio/ogg', 7, #b32, #false)",
    "INSERT INTO attachment_store (id, name, next_sweep_at) VALUES (#101, 'attachments', #time)",
    "INSERT INTO freed_attachments (id, user_id) VALUES (#111, #1), (#112, #2)",
    "INSERT INTO identities (id, user_id, issuer, subject) VALUES (#81, #1, 'https://id.example.org', 'ada'), (#82, \
     #2, 'https://id.example.org', 'bob')",
    "INSERT INTO api_tokens (id, user_id, name, token_hash, scopes) VALUES (#91, #1, 'phone', #h1, 'entries:read'), \
     (#92, #2, 'phone', #h2, 'entries:read')",
    "INSERT INTO idempotency_keys (user_id, key_hash, request_hash, created_id) VALUES (#1, #h1, #h5, #11), (#2, #h2, \
     #h5, #13)",
    "INSERT INTO security_events (id, user_id, kind, client) VALUES (#121, #1, 'signed_in', '192.0.2.1'), (#122, #2, \
     'signed_in', NULL)",
    "INSERT INTO deleted_secret_tags (user_id, tag_id) VALUES (#1, #38), (#2, #38)",
];

/// A sealed entry of the first user, with all required columns.
const SEALED: &str = "INSERT INTO journal_entries (id, content, entry_date, entry_day, user_id, secret_tag_id, \
                      encrypted_content, wrapped_key, encryption_iv, wrap_iv) VALUES (#24, '', #time, #day, #1, #31, \
                      #bytes, #bytes, #bytes, #bytes)";

impl Database {
    async fn both() -> [Self; 2] {
        [Self::populated(Scratch::sqlite()).await, Self::populated(Scratch::postgres().await).await]
    }

    async fn populated(scratch: Scratch) -> Self {
        migrate::upgrade(&scratch.url).await.unwrap();
        let database = Self::open(scratch).await;
        for statement in POPULATION {
            database.accept(statement).await;
        }
        database
    }

    /// Opens a database at any revision.
    async fn open(scratch: Scratch) -> Self {
        let engine = match &scratch.url {
            DatabaseUrl::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.pragma_update(None, "foreign_keys", true).unwrap();
                Engine::Sqlite(connection)
            }
            url @ DatabaseUrl::Postgres(_) => Engine::Postgres(connect(url).await.unwrap()),
        };
        Self { engine, schema: super::read(&scratch.url).await.unwrap(), scratch }
    }

    fn is_sqlite(&self) -> bool {
        matches!(self.engine, Engine::Sqlite(_))
    }

    /// Runs a statement that must succeed, and returns the number of changed rows.
    async fn accept(&self, statement: &str) -> u64 {
        self.execute(statement).await.unwrap_or_else(|error| panic!("{}: {statement}: {error}", self.scratch.url))
    }

    /// Runs a statement that must be refused, and returns the constraint that refused it. SQLite does not name foreign
    /// keys, so there it is `FOREIGN KEY`.
    async fn refuse(&self, statement: &str) -> String {
        match self.execute(statement).await {
            Ok(_) => panic!("{}: accepted: {statement}", self.scratch.url),
            Err(error) => error,
        }
    }

    async fn execute(&self, statement: &str) -> Result<u64, String> {
        let statement = self.spell(statement);
        match &self.engine {
            Engine::Sqlite(connection) => connection
                .execute(&statement, [])
                .map(|rows| rows as u64)
                .map_err(|error| self.constraint_in(&error.to_string())),
            Engine::Postgres(client) => client.execute(&statement, &[]).await.map_err(|error| {
                let refusal = error.as_db_error().unwrap_or_else(|| panic!("{error}"));
                refusal.constraint().unwrap_or(refusal.message()).to_owned()
            }),
        }
    }

    /// The first column of each row, which must be text.
    async fn list(&self, query: &str) -> Vec<String> {
        let query = self.spell(query);
        match &self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare(&query).unwrap();
                let rows = statement.query_map([], |row| row.get(0)).unwrap();
                rows.map(Result::unwrap).collect()
            }
            Engine::Postgres(client) => client.query(&query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect(),
        }
    }

    async fn count(&self, table: &str, condition: &str) -> usize {
        self.list(&format!("SELECT 'x' FROM {table} WHERE {condition}")).await.len()
    }

    /// SQLite names the columns of a unique constraint, and the name of a check.
    fn constraint_in(&self, error: &str) -> String {
        let Some((kind, what)) = error.split_once(" constraint failed") else { return error.to_owned() };
        let what = what.trim_start_matches(": ");
        if kind != "UNIQUE" {
            return if what.is_empty() { kind.to_owned() } else { what.to_owned() };
        }
        let (table, _) = what.split_once('.').unwrap();
        let columns: Vec<&str> = what.split(", ").map(|column| column.split_once('.').unwrap().1).collect();
        let table = &self.schema.tables[table];
        let keys = table.primary_key.iter().chain(&table.uniques).map(|key| (&key.name, &key.columns));
        let indexes = table.indexes.iter().filter(|index| index.unique).map(|index| (&index.name, &index.columns));
        let found = keys.chain(indexes).find(|(_, of)| **of == columns);
        found.unwrap_or_else(|| panic!("no constraint on {what}")).0.clone()
    }

    fn spell(&self, statement: &str) -> String {
        let mut parts = statement.split('#');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(part.len());
            let (word, rest) = part.split_at(end);
            text += &self.value(word);
            text += rest;
        }
        text
    }

    fn value(&self, word: &str) -> String {
        let sqlite = self.is_sqlite();
        match word {
            "time" if sqlite => "1767225600000000".into(),
            "time" => "TIMESTAMPTZ '2026-01-01T00:00:00Z'".into(),
            "day" if sqlite => "'2026-01-01'".into(),
            "day" => "DATE '2026-01-01'".into(),
            "bytes" if sqlite => "x'0102'".into(),
            "bytes" => r"'\x0102'::bytea".into(),
            bytes if bytes.starts_with('b') => {
                let length: usize = bytes[1..].parse().unwrap_or_else(|_| panic!("#{bytes}"));
                let zeros = "00".repeat(length);
                if sqlite { format!("x'{zeros}'") } else { format!(r"'\x{zeros}'::bytea") }
            }
            hash if hash.starts_with('h') => {
                let number: u128 = hash[1..].parse().unwrap_or_else(|_| panic!("#{hash}"));
                if sqlite { format!("x'{number:064x}'") } else { format!(r"'\x{number:064x}'::bytea") }
            }
            "true" => if sqlite { "1" } else { "TRUE" }.into(),
            "false" => if sqlite { "0" } else { "FALSE" }.into(),
            number => {
                let number: u128 = number.parse().unwrap_or_else(|_| panic!("#{number}"));
                if sqlite { format!("x'{number:032x}'") } else { format!("'{number:032x}'::uuid") }
            }
        }
    }
}
