//! The two engines have the same schema, and it survives going down and up again.

use super::Database;
use crate::migrate::{self, Migrator, Target};
use crate::schema::{self, Kind, NOT_COMPARED};
use crate::testing::Scratch;

#[tokio::test]
async fn both_engines_have_the_same_schema() {
    let [sqlite, postgres] = Database::both().await;
    let differences = sqlite.schema.clone().neutral().differences(&postgres.schema.clone().neutral());
    assert!(differences.is_empty(), "SQLite first, PostgreSQL second:\n{}", differences.join("\n"));
    assert_eq!(sqlite.schema.neutral(), postgres.schema.neutral());
}

#[tokio::test]
async fn both_engines_have_the_same_revisions() {
    let (sqlite, postgres) = (Scratch::sqlite(), Scratch::postgres().await);
    let of = async |scratch: &Scratch| {
        let history = Migrator::new(&scratch.url).unwrap().history().await.unwrap();
        history.into_iter().map(|one| (one.revision, one.loses)).collect::<Vec<_>>()
    };
    assert_eq!(of(&sqlite).await, of(&postgres).await);
}

#[tokio::test]
async fn what_is_left_out_of_the_comparison_exists_on_one_engine_alone() {
    let [sqlite, postgres] = Database::both().await;
    for (table, index) in NOT_COMPARED {
        let has = |database: &Database| {
            database
                .schema
                .tables
                .get(table)
                .is_some_and(|table| index.is_none_or(|index| table.indexes.iter().any(|one| one.name == index)))
        };
        let expected = if table == "schema_migrations" { 2 } else { 1 };
        assert_eq!(usize::from(has(&sqlite)) + usize::from(has(&postgres)), expected, "{table} {index:?}");
    }
}

#[tokio::test]
async fn up_down_up_gives_the_same_schema() {
    for scratch in [Scratch::sqlite(), Scratch::postgres().await] {
        let migrator = Migrator::new(&scratch.url).unwrap();
        migrate::upgrade(&scratch.url).await.unwrap();
        let first = schema::read(&scratch.url).await.unwrap();
        migrator.downgrade(&Target::Base, false).await.unwrap();
        let bottom = schema::read(&scratch.url).await.unwrap();
        assert_eq!(bottom.tables.keys().collect::<Vec<_>>(), ["schema_migrations"], "{}", scratch.url);
        migrate::upgrade(&scratch.url).await.unwrap();
        assert_eq!(schema::read(&scratch.url).await.unwrap().differences(&first), [""; 0], "{}", scratch.url);
    }
}

/// Or "no differences" would mean nothing.
#[tokio::test]
async fn a_difference_in_any_part_is_seen() {
    let [sqlite, _] = Database::both().await;
    let original = sqlite.schema.neutral();
    let changed = |change: &dyn Fn(&mut schema::Table)| {
        let mut copy = original.clone();
        change(copy.tables.get_mut("journal_entries").unwrap());
        let found = original.differences(&copy);
        assert!(!found.is_empty());
        found
    };
    changed(&|table| table.columns[0].nullable = true);
    changed(&|table| table.columns[0].kind = Kind::Text);
    changed(&|table| table.columns.swap(0, 1));
    changed(&|table| table.primary_key = None);
    changed(&|table| table.uniques[0].columns.reverse());
    changed(&|table| table.foreign_keys[0].on_delete = "SET NULL".into());
    changed(&|table| drop(table.checks.pop()));
    changed(&|table| table.indexes[0].predicate = None);
    changed(&|table| table.indexes[0].unique = true);
    let lines = changed(&|table| table.indexes[0].name = "idx_other".into());
    assert!(lines.iter().all(|line| line.starts_with("journal_entries: only the ")), "{lines:?}");
    let mut fewer = original.clone();
    fewer.tables.remove("tags");
    assert_eq!(original.differences(&fewer), ["only the first has the table tags"]);
    assert_eq!(fewer.differences(&original), ["only the second has the table tags"]);
}
