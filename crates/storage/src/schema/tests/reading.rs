//! Reads parts of a catalogue that the journal's own schema does not have.

use super::Database;
use crate::schema::{self, ColumnKind, Table};

impl Database {
    async fn schema_after(&self, statements: &str) -> schema::Schema {
        self.batch(statements).await;
        schema::read(&self.scratch.url).await.unwrap()
    }
}

fn table<'s>(schema: &'s schema::Schema, name: &str) -> &'s Table {
    &schema.tables[name]
}

#[tokio::test]
async fn both_catalogues_contain_columns_keys_and_views() {
    for database in Database::both().await {
        let schema = database
            .schema_after(
                "CREATE TABLE parts (
                     id INTEGER NOT NULL PRIMARY KEY, size INTEGER, double INTEGER GENERATED ALWAYS AS (size * 2) STORED,
                     a INTEGER, b INTEGER,
                     CONSTRAINT fk_parts_a FOREIGN KEY (a) REFERENCES parts (id) ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
                     CONSTRAINT fk_parts_b FOREIGN KEY (b) REFERENCES parts (id) DEFERRABLE INITIALLY IMMEDIATE,
                     CHECK (size > 0)
                 );
                 CREATE INDEX idx_parts_later ON parts (size DESC, a);
                 CREATE VIEW sizes AS SELECT size FROM parts;",
            )
            .await;
        let parts = table(&schema, "parts");
        let double = parts.column("double").unwrap();
        assert!(double.generated.as_ref().is_some_and(|sql| sql.contains("size * 2")), "{double:?}");
        assert!(double.default.is_none() && double.definition.contains("STORED"), "{double:?}");
        assert_eq!(parts.column("size").unwrap().kind, ColumnKind::Integer);
        let keys: Vec<_> = parts
            .foreign_keys
            .iter()
            .map(|key| (key.name.as_str(), key.on_update.as_str(), key.deferrable.as_str(), key.validated))
            .collect();
        assert_eq!(
            keys,
            [
                ("fk_parts_a", "CASCADE", "DEFERRABLE INITIALLY DEFERRED", true),
                ("fk_parts_b", "NO ACTION", "DEFERRABLE", true)
            ]
        );
        assert!(parts.checks.len() == 1 && parts.checks[0].expression.contains("size > 0"), "{:?}", parts.checks);
        let index = &parts.indexes[0];
        assert_eq!((index.method.as_str(), index.definition.as_str()), ("btree", "(size DESC, a)"));
        assert!(schema.views["sizes"].contains("FROM parts"), "{:?}", schema.views);
        assert_eq!(parts.strict, !database.is_sqlite());
    }
}

#[tokio::test]
async fn sqlite_catalogue_contains_the_storage_of_tables() {
    let [sqlite, _] = Database::both().await;
    let schema = sqlite
        .schema_after(
            "CREATE TABLE plain (id INTEGER PRIMARY KEY);
             CREATE TABLE both (id BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
             CREATE VIRTUAL TABLE words USING fts5 (a, b, detail = none);",
        )
        .await;
    let marks = |name: &str| (table(&schema, name).strict, table(&schema, name).without_rowid);
    assert_eq!((marks("plain"), marks("both")), ((false, false), (true, true)));
    assert_eq!(table(&schema, "words").module.as_deref(), Some("fts5 (a, b, detail = none)"));
    assert_eq!(table(&schema, "words").columns.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test]
async fn postgres_catalogue_contains_methods_collations_and_unvalidated_constraints() {
    let [_, postgres] = Database::both().await;
    let schema = postgres
        .schema_after(
            "CREATE TABLE words (id INTEGER GENERATED ALWAYS AS IDENTITY, a TEXT COLLATE \"C\" NOT NULL DEFAULT 'x', b TEXT[]);
             CREATE INDEX idx_words_b ON words USING gin (b);
             ALTER TABLE words ADD CONSTRAINT ck_words_a CHECK (a <> '') NOT VALID;
             ALTER TABLE tags ADD CONSTRAINT fk_tags_odd FOREIGN KEY (user_id) REFERENCES users (id) NOT VALID;",
        )
        .await;
    let words = table(&schema, "words");
    assert_eq!(words.column("id").unwrap().definition, "INTEGER NOT NULL GENERATED ALWAYS AS IDENTITY");
    assert_eq!(words.column("a").unwrap().definition, "TEXT COLLATE \"C\" NOT NULL DEFAULT 'x'::text");
    assert_eq!(words.column("b").unwrap().kind, ColumnKind::Other("text[]".into()));
    assert_eq!((words.indexes[0].method.as_str(), words.indexes[0].definition.as_str()), ("gin", "USING gin (b)"));
    assert!(!words.checks[0].validated);
    let odd = table(&schema, "tags").foreign_keys.iter().find(|key| key.name == "fk_tags_odd").unwrap();
    assert!(!odd.validated && odd.to_string().ends_with(" NOT VALID"), "{odd}");
}
