//! Tests the health snapshot of a database.

use sotto_domain::Timestamp;
use sotto_domain::entry::{EntryQuery, TagFilter};
use sotto_domain::health::advice::{AdviceKind, advise};
use sotto_domain::health::{SchemaState, Snapshot, Thresholds};

use super::world::{World, at, up_to};

async fn snapshot(world: &World, seconds: i64) -> Snapshot {
    world.health().snapshot(at(seconds)).await.unwrap()
}

pub async fn snapshot_describes_the_database(world: &World) {
    let user = world.user().await;
    world.write(user, "text").await;
    let snapshot = snapshot(world, 7).await;
    assert_eq!((snapshot.engine, snapshot.taken_at), (world.engine(), at(7)));
    assert!(snapshot.version.starts_with(|c: char| c.is_ascii_digit()), "{}", snapshot.version);
    assert!(snapshot.bytes > 100_000, "{}", snapshot.bytes);
    assert_eq!(snapshot.schema.state, SchemaState::UpToDate);
    assert!(snapshot.schema.revision.starts_with("00"), "{:?}", snapshot.schema);
    let tables: Vec<_> = snapshot.tables.iter().map(|table| table.name.as_str()).collect();
    for table in ["journal_entries", "journal_entry_tags", "opaque_sessions", "reminders", "tags", "users"] {
        assert!(tables.contains(&table), "{tables:?}");
    }
    assert!(!tables.iter().any(|table| table.contains("fts") || table.contains("sqlite")), "{tables:?}");
    assert!(snapshot.table("users").unwrap().bytes > 0);
    let index = snapshot.indexes.iter().find(|index| index.name == "idx_journal_entries_user_date").unwrap();
    assert_eq!(
        (index.table.as_str(), &index.columns[..]),
        ("journal_entries", &["user_id", "entry_date", "id"].map(str::to_owned)[..])
    );
    assert!(index.valid && !index.unique && !index.constraint && index.bytes > 0 && index.predicate.is_none());
    let partial = snapshot.indexes.iter().find(|index| index.name == "idx_reminders_next_due_at").unwrap();
    assert!(partial.predicate.as_ref().unwrap().contains("next_due_at IS NOT NULL"));
    let key = snapshot.indexes.iter().find(|index| index.table == "reminders" && index.columns == ["id"]).unwrap();
    assert!(key.unique && key.constraint);
    assert!(
        snapshot
            .foreign_keys
            .iter()
            .any(|key| key.table == "journal_entry_tags" && key.columns == ["user_id", "tag_id"])
    );
    assert_eq!((snapshot.damage, snapshot.notes), (vec![], vec![]));
}

pub async fn the_clock_is_that_of_the_database_server(world: &World) {
    let clock = world.health().clock().await.unwrap();
    assert_eq!(clock.is_some(), world.engine() == "postgres");
    let past = Timestamp::parse("2025-01-01T00:00:00Z").unwrap();
    assert!(clock.is_none_or(|shown| shown > past), "{clock:?}");
}

/// Text as users write it, in each place where they can write text.
const SECRETS: [&str; 6] = ["zanzibar", "quetzal", "ocelot", "wombat", "kakapo", "2031-07-19"];

pub async fn statement_texts_contain_no_user_data(world: &World) {
    let mut new = world.new_user("zanzibar@example.org");
    new.full_name = Some("O'quetzal".into());
    let user = world.users().create(&new, None, at(0)).await.unwrap().id;
    world.users().credentials(&new.email).await.unwrap();
    let mut entry = world.new_entry("Der 'ocelot' -- und sein zanzibar");
    entry.body.title = Some("wombat".into());
    entry.tags = vec![world.named("kakapo")];
    let entry = world.store(user, &entry).await;
    world.reminder(user, "wombat").await;
    let day = jiff::civil::date(2031, 7, 19);
    for query in [
        EntryQuery { words: vec!["ocelot".into(), "o'zanzibar".into()], ..up_to(5) },
        EntryQuery { tag: Some(TagFilter::Key("kakapo".into())), from: Some(day), to: Some(day), ..up_to(77) },
    ] {
        world.entries().list(user, &query).await.unwrap();
    }
    world.entries().on_days(user, &[day], 3).await.unwrap();
    world.users().delete(user).await.unwrap();

    let snapshot = snapshot(world, 0).await;
    let texts: Vec<_> = snapshot.statements.iter().map(|statement| statement.text.as_str()).collect();
    for table in ["users", "journal_entries", "reminders"] {
        assert!(texts.iter().any(|text| text.contains(&format!("INSERT INTO {table}"))), "{table}: {texts:#?}");
    }
    let id = entry.id.0.simple().to_string();
    for text in texts {
        let lower = text.to_lowercase();
        assert!(!SECRETS.iter().any(|secret| lower.contains(secret)), "{text}");
        assert!(!lower.contains('\'') && !lower.contains(&id), "{text}");
    }
    // All other fields of the snapshot are about the schema.
    let all = format!("{:?} {:?} {:?}", snapshot.tables, snapshot.indexes, snapshot.foreign_keys).to_lowercase();
    assert!(!SECRETS.iter().any(|secret| all.contains(secret)), "{all}");
}

pub async fn a_period_counts_its_statements(world: &World) {
    let user = world.user().await;
    let entry = world.write(user, "text").await;
    world.entries().get(user, entry.id).await.unwrap();
    let before = snapshot(world, 0).await;
    for _ in 0..7 {
        world.entries().get(user, entry.id).await.unwrap();
    }
    let period = snapshot(world, 60).await.since(&before);
    assert_eq!(period.seconds(), Some(60));
    let calls: Vec<_> = period.statements.iter().map(|statement| (statement.calls, statement.text.as_str())).collect();
    assert!(calls.iter().any(|(_, text)| text.contains("FROM journal_entries")), "{calls:#?}");
    assert!(calls.iter().all(|(calls, _)| *calls == 7), "{calls:#?}");
    let later = snapshot(world, 120).await;
    assert_eq!(later.since(&snapshot(world, 60).await).statements, [], "watching is not counted");
}

pub async fn another_schema_is_reported(world: &World) {
    let state = async || {
        let schema = world.health().schema().await.unwrap();
        assert_eq!(snapshot(world, 0).await.schema, schema);
        schema
    };
    assert_eq!(state().await.state, SchemaState::UpToDate);
    world.execute("UPDATE schema_migrations SET up_checksum = 'edited' WHERE version = 1").await;
    let schema = state().await;
    assert_eq!(schema.state, SchemaState::Contradictory);
    assert!(schema.sentence.contains("was changed after it had been applied"), "{schema:?}");
    world
        .execute("INSERT INTO schema_migrations (version, name, up_checksum, down_checksum) VALUES (9000, 'x', '', '')")
        .await;
    let schema = state().await;
    assert_eq!((schema.state, schema.revision.as_str()), (SchemaState::Unknown, "9000_x"));
    world.execute("DELETE FROM schema_migrations").await;
    assert_eq!(state().await.state, SchemaState::Behind);
    world.execute("DROP TABLE schema_migrations").await;
    let schema = state().await;
    assert_eq!((schema.state, schema.revision.as_str()), (SchemaState::Behind, "base"));
}

pub async fn advice_covers_unnecessary_and_missing_indexes(world: &World) {
    let found = async || {
        let advice = advise(&snapshot(world, 0).await, &Thresholds::default());
        advice.into_iter().map(|one| (one.kind, one.subject)).collect::<Vec<_>>()
    };
    let before = found().await;
    for kind in [AdviceKind::InvalidIndex, AdviceKind::MissingIndex, AdviceKind::DuplicateIndex] {
        assert!(!before.iter().any(|(found, _)| *found == kind), "{before:?}");
    }
    assert!(before.contains(&(AdviceKind::RedundantIndex, "idx_tags_user_id".into())), "{before:?}");
    for sql in [
        "CREATE INDEX idx_planted_duplicate ON tags (user_id, created_at)",
        "CREATE INDEX idx_planted_redundant ON journal_entries (user_id, entry_date)",
        "CREATE INDEX idx_planted_unused ON users (avatar_url)",
        "DROP INDEX idx_login_sessions_user_id",
    ] {
        world.execute(sql).await;
    }
    let after = found().await;
    let is_there = |kind, part: &str| after.iter().any(|(found, subject)| *found == kind && subject.contains(part));
    assert!(is_there(AdviceKind::DuplicateIndex, "idx_planted_duplicate"), "{after:?}");
    assert!(is_there(AdviceKind::RedundantIndex, "idx_planted_redundant"), "{after:?}");
    assert!(is_there(AdviceKind::UnusedIndex, "idx_planted_unused"), "{after:?}");
    assert!(is_there(AdviceKind::MissingIndex, "login_sessions"), "{after:?}");
}

pub async fn write_cost_is_measured_on_a_copy(world: &World) {
    world.write(world.user().await, "text").await;
    let before = snapshot(world, 0).await;
    for index in
        ["idx_journal_entries_user_id", "idx_tags_user_id", "idx_journal_entry_tags_entry_id", "idx_reminders_user_id"]
    {
        let cost = world.health().write_cost(index).await.unwrap().unwrap();
        // The cost depends on the load of the machine.
        assert!(cost.rows > 100 && cost.without_ms > 0.0 && cost.with_ms > 0.0, "{cost:?}");
        assert!(cost.ratio().is_finite(), "{index}: {cost:?}");
    }
    // Indexes of keys, and indexes that do not exist.
    for index in ["idx_users_email", "pk_tags", "uq_tags_user_tag", "sqlite_autoindex_tags_1", "no'such"] {
        assert_eq!(world.health().write_cost(index).await.unwrap(), None, "{index}");
    }
    let after = snapshot(world, 0).await;
    let indexes = |snapshot: &Snapshot| -> Vec<_> {
        snapshot.indexes.iter().map(|index| (index.name.clone(), index.definition.clone(), index.bytes)).collect()
    };
    assert_eq!(indexes(&after), indexes(&before));
    let tables = |snapshot: &Snapshot| -> Vec<_> {
        snapshot.tables.iter().map(|table| (table.name.clone(), table.bytes)).collect()
    };
    assert_eq!(tables(&after), tables(&before));
}
