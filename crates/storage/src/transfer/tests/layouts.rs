//! Which tables can be transferred, and in which order.

use rusqlite::Connection;

use super::{assert_contains, sentence};
use crate::DatabaseUrl;
use crate::migrate::source::Source;
use crate::schema;
use crate::transfer::Result;
use crate::transfer::layout::Layout;

fn layout(sql: &str) -> Result<Layout> {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(sql).unwrap();
    Layout::from_schema(schema::read_connection(&connection).unwrap())
}

#[test]
fn every_shipped_revision_can_be_transferred() {
    let source = Source::embedded(&DatabaseUrl::Sqlite("none".into())).unwrap();
    for count in 1..=source.migrations().len() {
        let connection = Connection::open_in_memory().unwrap();
        for migration in &source.migrations()[..count] {
            connection.execute_batch(&migration.up.sql).unwrap();
        }
        let schema = schema::read_connection(&connection).unwrap().neutral();
        let layout = Layout::after_migrations(&source, count).unwrap();
        let carried = schema.tables.keys().filter(|name| *name != "attachment_store").count();
        assert_eq!(layout.tables.len(), carried);
        for (place, table) in layout.tables.iter().enumerate() {
            for key in &schema.tables[&table.name].foreign_keys {
                let parent = layout.tables.iter().position(|one| one.name == key.table).unwrap();
                assert!(parent < place, "{} comes before {}", key.table, table.name);
            }
        }
    }
}

#[test]
fn tables_that_cannot_be_transferred_are_named() {
    for (sql, message) in [
        ("CREATE TABLE notes (id BLOB NOT NULL CHECK (length(id) = 16)) STRICT", "notes has no primary key"),
        ("CREATE TABLE notes (id INTEGER NOT NULL PRIMARY KEY, weight REAL) STRICT", "notes.weight"),
        (
            "CREATE TABLE notes (id INTEGER NOT NULL PRIMARY KEY, parent INTEGER REFERENCES notes (id)) STRICT",
            "notes form a circle",
        ),
        (
            "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY, b INTEGER REFERENCES b (id)) STRICT;
             CREATE TABLE b (id INTEGER NOT NULL PRIMARY KEY, a INTEGER REFERENCES a (id)) STRICT",
            "a, b form a circle",
        ),
    ] {
        assert_contains(&sentence(layout(sql)), &[message]);
    }
}
