//! Both engines have the same schema, also after a downgrade and an upgrade.

use super::Database;
use crate::migrate::{self, Migrator, Target};
use crate::schema::{self, ColumnKind, Difference, NOT_COMPARED, SchemaPart};
use crate::testing::Scratch;

#[tokio::test]
async fn both_engines_have_the_same_schema() {
    let [sqlite, postgres] = Database::both().await;
    let differences = sqlite.schema.clone().neutral().differences(&postgres.schema.clone().neutral());
    assert_eq!(differences, [], "expected is SQLite, found is PostgreSQL");
    assert_eq!(sqlite.schema.neutral(), postgres.schema.neutral());
}

#[tokio::test]
async fn both_engines_have_the_same_revisions() {
    let (sqlite, postgres) = (Scratch::sqlite(), Scratch::postgres().await);
    let of = async |scratch: &Scratch| {
        crate::migrate::upgrade(&scratch.url).await.unwrap();
        let history = Migrator::new(&scratch.url).unwrap().history().await.unwrap();
        history.into_iter().map(|one| (one.revision, one.loses)).collect::<Vec<_>>()
    };
    assert_eq!(of(&sqlite).await, of(&postgres).await);
}

#[tokio::test]
async fn exceptions_of_the_comparison_exist_on_one_engine_alone() {
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
        assert_eq!(schema::read(&scratch.url).await.unwrap().differences(&first), [], "{}", scratch.url);
    }
}

/// Every kind of difference is detected; otherwise "no differences" would mean nothing.
#[tokio::test]
async fn a_difference_in_any_part_is_detected() {
    let [sqlite, _] = Database::both().await;
    let original = sqlite.schema.neutral();
    let changed = |change: &dyn Fn(&mut schema::Table)| {
        let mut copy = original.clone();
        change(copy.tables.get_mut("journal_entries").unwrap());
        let found = original.differences(&copy);
        assert!(!found.is_empty());
        found
    };
    let part = |change: &dyn Fn(&mut schema::Table)| changed(change)[0].part;
    assert_eq!(part(&|table| table.columns[0].nullable = true), SchemaPart::Column);
    assert_eq!(part(&|table| table.columns[0].kind = ColumnKind::Text), SchemaPart::Column);
    assert_eq!(part(&|table| table.columns[0].generated = Some("1".into())), SchemaPart::Column);
    assert_eq!(part(&|table| table.columns.swap(0, 1)), SchemaPart::Order);
    assert_eq!(part(&|table| table.primary_key = None), SchemaPart::PrimaryKey);
    assert_eq!(part(&|table| table.uniques[0].columns.reverse()), SchemaPart::Unique);
    assert_eq!(part(&|table| table.foreign_keys[0].on_delete = "SET NULL".into()), SchemaPart::ForeignKey);
    assert_eq!(part(&|table| table.foreign_keys[0].on_update = "CASCADE".into()), SchemaPart::ForeignKey);
    assert_eq!(part(&|table| table.foreign_keys[0].deferrable = "DEFERRABLE".into()), SchemaPart::ForeignKey);
    assert_eq!(part(&|table| table.foreign_keys[0].validated = false), SchemaPart::ForeignKey);
    assert_eq!(part(&|table| drop(table.checks.pop())), SchemaPart::Check);
    assert_eq!(part(&|table| table.indexes[0].predicate = None), SchemaPart::Index);
    assert_eq!(part(&|table| table.indexes[0].unique = true), SchemaPart::Index);
    assert_eq!(part(&|table| table.indexes[0].valid = false), SchemaPart::Index);
    assert_eq!(part(&|table| table.indexes[0].method = "gin".into()), SchemaPart::Index);
    assert_eq!(part(&|table| table.strict = false), SchemaPart::Table);
    assert_eq!(part(&|table| table.without_rowid = true), SchemaPart::Table);
    let renamed = changed(&|table| table.indexes[0].name = "idx_other".into());
    let sides: Vec<_> = renamed.iter().map(|one| (one.expected.is_some(), one.found.is_some())).collect();
    assert_eq!(sides, [(true, false), (false, true)], "{renamed:?}");
    let mut fewer = original.clone();
    fewer.tables.remove("tags");
    let lines = |found: Vec<Difference>| found.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(lines(original.differences(&fewer)), ["table tags: expected a table of 7 columns, found nothing"]);
    assert_eq!(lines(fewer.differences(&original)), ["table tags: expected nothing, found a table of 7 columns"]);
}
