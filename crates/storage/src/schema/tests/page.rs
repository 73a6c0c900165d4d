//! The diagram and the generated page about the schema.

use super::Database;
use crate::DatabaseUrl;
use crate::schema::page::named_indexes;
use crate::schema::reasons::{INDEXES, TABLES};
use crate::schema::{self, mermaid, standards};
use crate::testing::Scratch;

#[tokio::test]
async fn schema_md_is_current() {
    let sqlite = schema::after_migrations(&DatabaseUrl::Sqlite("".into())).await.unwrap();
    let postgres = schema::after_migrations(&Scratch::postgres().await.url).await.unwrap();
    let page = schema::page(&sqlite, &postgres);
    let committed = include_str!("../../../../../docs/schema.md");
    assert!(committed == page, "docs/schema.md is stale: run `make schema-docs` and commit it");
}

#[tokio::test]
async fn every_table_and_index_has_a_reason_and_every_reason_is_used() {
    let (mut tables, mut indexes) = (Vec::new(), Vec::new());
    for database in Database::both().await {
        for (name, table) in &database.schema.tables {
            if !standards::is_exempt("*", name) {
                tables.push(name.clone());
                indexes.extend(named_indexes(table).map(|(name, _)| name.to_owned()));
            }
        }
    }
    for (names, reasons) in [(tables, &TABLES[..]), (indexes, &INDEXES[..])] {
        for name in &names {
            assert!(reasons.iter().any(|(one, why)| one == name && !why.is_empty()), "{name} has no reason");
        }
        for (name, _) in reasons {
            assert!(names.iter().any(|one| one == name), "{name} has a reason, and does not exist");
        }
    }
}

#[tokio::test]
async fn the_diagram_shows_foreign_keys() {
    for database in Database::both().await {
        let diagram = mermaid(&database.schema);
        assert!(diagram.starts_with("erDiagram\n"));
        for line in [
            "    users ||--o{ tags : fk_tags_user\n",
            "    secret_tags |o--o{ journal_entries : fk_journal_entries_secret_tag\n",
            "    tags {\n        uuid id PK\n        text name\n",
            "        uuid user_id FK\n",
            "        text email UK\n",
        ] {
            assert!(diagram.contains(line), "{line}: {diagram}");
        }
        assert!(!diagram.contains("schema_migrations") && !diagram.contains("_fts"), "{diagram}");
    }
}
