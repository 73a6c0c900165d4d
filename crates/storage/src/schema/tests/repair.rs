//! Changes a real database in every way that a schema can differ; the check must name each change, and the printed
//! statements must repair it.

use super::Database;
use crate::migrate::{self, Migrator, Target};
use crate::schema::{self, Engine, Report, script};
use crate::testing::{Scratch, dump, run_script};

async fn check(scratch: &Scratch) -> Report {
    schema::check(&scratch.url, &Migrator::new(&scratch.url).unwrap()).await.unwrap()
}

/// Runs the printed script, including the statements that delete data.
fn repair(scratch: &Scratch, report: &Report) {
    let mut repairs = report.repairs.clone();
    for one in &mut repairs {
        one.loses = None;
    }
    let output = run_script(&scratch.url, &script(Engine::from(&scratch.url), &repairs));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !message.to_lowercase().contains("error"), "{message}\n{repairs:#?}");
}

/// Makes each change, finds it by its name and repairs it before the next one.
async fn find_and_repair(scratch: &Scratch, changes: &[(&str, &str)]) {
    migrate::upgrade(&scratch.url).await.unwrap();
    for (change, expected) in changes {
        scratch.execute(change).await.unwrap_or_else(|error| panic!("{change}: {error}"));
        let report = check(scratch).await;
        let lines: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{change}\n{expected}\n{lines:#?}");
        let mentioned: Vec<&String> = report.repairs.iter().flat_map(|one| &one.differences).collect();
        assert_eq!(mentioned.len(), lines.len(), "every difference has statements: {:#?}", report.repairs);
        repair(scratch, &report);
        let left = check(scratch).await;
        assert_eq!(left.differences, [], "{change}\n{}", script(Engine::from(&scratch.url), &report.repairs));
    }
}

/// Changes on PostgreSQL, each with the start of the difference that it causes.
const ON_POSTGRES: &[(&str, &str)] = &[
    (
        "ALTER TABLE tags DROP CONSTRAINT uq_tags_user_name,
                 ADD CONSTRAINT uq_tags_user_name UNIQUE (user_id, name) DEFERRABLE INITIALLY DEFERRED",
        "unique constraint uq_tags_user_name of tags: expected (user_id, name), found (user_id, name) DEFERRABLE \
         INITIALLY DEFERRED",
    ),
    (
        "ALTER TABLE tags DROP CONSTRAINT uq_tags_user_name,
                 ADD CONSTRAINT uq_tags_user_name UNIQUE NULLS NOT DISTINCT (user_id, name)",
        "unique constraint uq_tags_user_name of tags: expected (user_id, name), found NULLS NOT DISTINCT (user_id, name)",
    ),
    (
        "ALTER TABLE tags DROP CONSTRAINT uq_tags_user_name,
                 ADD CONSTRAINT uq_tags_user_name UNIQUE (user_id, name) INCLUDE (color)",
        "unique constraint uq_tags_user_name of tags: expected (user_id, name), found (user_id, name) INCLUDE (color)",
    ),
    (
        "ALTER TABLE tags ADD CONSTRAINT ex_planted EXCLUDE USING btree (color WITH =)",
        "exclusion constraint ex_planted of tags: expected nothing, found USING btree (color WITH =)",
    ),
    (
        "ALTER TABLE journal_entries DROP CONSTRAINT ck_journal_entries_revision,
                 ADD CONSTRAINT ck_journal_entries_revision CHECK (revision >= 1) NO INHERIT",
        "check ck_journal_entries_revision of journal_entries: expected (revision >= 1), found (revision >= 1) NO INHERIT",
    ),
    (
        "ALTER TABLE reminders DROP CONSTRAINT ck_reminders_frequency",
        "check ck_reminders_frequency of reminders: expected (frequency = ANY",
    ),
    ("ALTER TABLE identities SET UNLOGGED", "table identities: expected a plain table, found UNLOGGED"),
    (
        "CREATE RULE planted AS ON INSERT TO tags DO INSTEAD NOTHING",
        "rule planted of tags: expected nothing, found CREATE RULE planted AS",
    ),
    (
        "ALTER TABLE attachments DROP CONSTRAINT fk_attachments_entry, ADD CONSTRAINT fk_attachments_entry
                 FOREIGN KEY (user_id, entry_id) REFERENCES journal_entries (user_id, id) MATCH FULL ON DELETE CASCADE",
        "foreign key fk_attachments_entry of attachments: expected (user_id, entry_id) REFERENCES journal_entries \
         (user_id, id) ON DELETE CASCADE, found (user_id, entry_id) REFERENCES journal_entries (user_id, id) MATCH \
         FULL",
    ),
    (
        "ALTER TABLE journal_entries DROP CONSTRAINT fk_journal_entries_secret_tag,
                 ADD CONSTRAINT fk_journal_entries_secret_tag FOREIGN KEY (user_id, secret_tag_id)
                 REFERENCES secret_tags (user_id, tag_id) ON DELETE SET NULL (secret_tag_id)",
        "foreign key fk_journal_entries_secret_tag of journal_entries: expected (user_id, secret_tag_id) REFERENCES \
         secret_tags (user_id, tag_id), found (user_id, secret_tag_id) REFERENCES secret_tags (user_id, tag_id) ON \
         DELETE SET NULL (secret_tag_id)",
    ),
    (
        "ALTER TABLE tags DROP CONSTRAINT fk_tags_user",
        "foreign key fk_tags_user of tags: expected (user_id) REFERENCES users (id) ON DELETE CASCADE, found nothing",
    ),
    (
        "ALTER TABLE tags DROP CONSTRAINT fk_tags_user, ADD CONSTRAINT fk_tags_user
                 FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE NOT VALID",
        "foreign key fk_tags_user of tags: expected (user_id) REFERENCES users (id) ON DELETE CASCADE, found (user_id) \
         REFERENCES users (id) ON DELETE CASCADE NOT VALID",
    ),
    (
        "ALTER TABLE reminders DISABLE TRIGGER ALL",
        "foreign key fk_reminders_user of reminders: expected (user_id) REFERENCES users (id) ON DELETE CASCADE, found \
         (user_id) REFERENCES users (id) ON DELETE CASCADE (not enforced",
    ),
    (
        "ALTER TABLE users DISABLE TRIGGER ALL",
        "foreign key fk_api_tokens_user of api_tokens: expected (user_id) REFERENCES users (id) ON DELETE CASCADE, \
         found (user_id) REFERENCES users (id) ON DELETE CASCADE (not enforced",
    ),
    ("CREATE TYPE mood AS ENUM ('good', 'bad')", "type mood: expected nothing, found AS ENUM ('good', 'bad')"),
    (
        "CREATE TYPE mood AS ENUM ('good'); ALTER TABLE tags ALTER COLUMN color TYPE mood USING NULL",
        "column color of tags: expected TEXT, found mood",
    ),
    ("CREATE DOMAIN word AS TEXT CHECK (value <> '')", "type word: expected nothing, found DOMAIN text CHECK"),
    ("CREATE SEQUENCE numbers", "sequence numbers: expected nothing, found AS bigint INCREMENT BY 1"),
    ("CREATE MATERIALIZED VIEW names AS SELECT name FROM tags", "materialized view names: expected nothing, found "),
    ("CREATE VIEW names AS SELECT name FROM tags", "view names: expected nothing, found "),
    (
        "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
             CREATE TRIGGER planted BEFORE INSERT ON tags FOR EACH ROW EXECUTE FUNCTION planted()",
        "trigger planted of tags: expected nothing, found CREATE TRIGGER planted BEFORE INSERT ON tags",
    ),
    (
        "ALTER TABLE api_tokens ENABLE ROW LEVEL SECURITY",
        "table api_tokens: expected a plain table, found ROW LEVEL SECURITY",
    ),
    (
        "ALTER TABLE api_tokens FORCE ROW LEVEL SECURITY; CREATE POLICY planted ON api_tokens USING (user_id IS NOT NULL)",
        "policy planted of api_tokens: expected nothing, found AS PERMISSIVE FOR ALL TO PUBLIC USING (user_id IS NOT NULL)",
    ),
    (
        "CREATE TABLE parent (name TEXT NOT NULL); ALTER TABLE api_tokens INHERIT parent",
        "table api_tokens: expected a plain table, found INHERITS (parent)",
    ),
    ("DROP INDEX idx_tags_user_id", "index idx_tags_user_id of tags: expected (user_id), found nothing"),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_tags_user_id'::regclass",
        "index idx_tags_user_id of tags: expected (user_id), found (user_id) INVALID",
    ),
    (
        "DROP INDEX idx_tags_user_id; CREATE UNIQUE INDEX idx_tags_user_id ON tags (user_id) NULLS NOT DISTINCT",
        "index idx_tags_user_id of tags: expected (user_id), found UNIQUE (user_id) NULLS NOT DISTINCT",
    ),
    (
        "ALTER TABLE reminders ALTER COLUMN title DROP NOT NULL, ALTER COLUMN title SET DEFAULT 'x'",
        "column title of reminders: expected TEXT NOT NULL, found TEXT DEFAULT 'x'::text",
    ),
    (
        "ALTER TABLE tags ALTER COLUMN color TYPE VARCHAR(20)",
        "column color of tags: expected TEXT, found character varying(20)",
    ),
    ("ALTER TABLE tags DROP COLUMN color", "column color of tags: expected TEXT, found nothing"),
    ("ALTER TABLE tags ADD COLUMN \"Odd one\" TEXT", "column Odd one of tags: expected nothing, found TEXT"),
    ("DROP TABLE opaque_sessions", "table opaque_sessions: expected a table of 9 columns, found nothing"),
    ("CREATE TABLE moods (name TEXT)", "table moods: expected nothing, found a table of 1 column"),
];

#[tokio::test]
async fn postgres_differences_are_named_and_repaired() {
    // A column that is dropped and added again is the last one, and no statement changes the order: so this change
    // comes last.
    let scratch = Scratch::postgres().await;
    let (order, others): (Vec<_>, Vec<_>) =
        ON_POSTGRES.iter().copied().partition(|(change, _): &(&str, &str)| change.contains("DROP COLUMN"));
    find_and_repair(&scratch, &others).await;
    scratch.execute(order[0].0).await.unwrap();
    let report = check(&scratch).await;
    assert!(report.differences[0].to_string().starts_with(order[0].1), "{report:?}");
    repair(&scratch, &report);
    let left = check(&scratch).await.differences;
    assert!(left.iter().all(|one| one.part == schema::SchemaPart::Order), "{left:?}");
}

/// Replaces a text in the SQL that SQLite has stored for a table.
fn rewrite(table: &str, from: &str, to: &str) -> String {
    let quoted = |text: &str| text.replace('\'', "''");
    format!(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, '{}', '{}') WHERE name = '{table}' AND instr(sql, '{}');
         SELECT CASE changes() WHEN 1 THEN 1 ELSE json('the text is not there') END;",
        quoted(from),
        quoted(to),
        quoted(from)
    )
}

#[tokio::test]
async fn sqlite_differences_are_named_and_repaired() {
    let changes = [
        (
            rewrite("tags", "UNIQUE (user_id, name)", "UNIQUE (user_id, name) ON CONFLICT REPLACE"),
            "unique constraint uq_tags_user_name of tags: expected (user_id, name), found (user_id, name) ON CONFLICT REPLACE",
        ),
        (
            rewrite("tags", "PRIMARY KEY (id)", "primary key(id) on conflict ignore"),
            "primary key pk_tags of tags: expected (id), found (id) ON CONFLICT IGNORE",
        ),
        (
            rewrite("reminders", "title             TEXT    NOT NULL", "title TEXT NOT NULL ON CONFLICT REPLACE"),
            "column title of reminders: expected TEXT NOT NULL, found TEXT NOT NULL ON CONFLICT REPLACE",
        ),
        (
            rewrite(
                "reminders",
                "CONSTRAINT ck_reminders_frequency",
                "constraint ck_planted\n check\n(title<>''), CONSTRAINT ck_reminders_frequency",
            ),
            "check ck_planted of reminders: expected nothing, found (title <> '')",
        ),
        (
            rewrite(
                "reminders",
                "CONSTRAINT ck_reminders_frequency",
                "constraint `ck_planted` check([title] <> '') CONSTRAINT ck_reminders_frequency",
            ),
            "check ck_planted of reminders: expected nothing, found (title <> '')",
        ),
        (
            rewrite("reminders", "'monthly', 'custom'", "'monthly', 'Custom'"),
            "check ck_reminders_frequency of reminders: expected (frequency IN (",
        ),
        (
            rewrite(
                "tags",
                "REFERENCES users (id) ON DELETE CASCADE",
                "references [users](`id`) on delete restrict deferrable initially deferred",
            ),
            "foreign key fk_tags_user of tags: expected (user_id) REFERENCES users (id) ON DELETE CASCADE, found \
             (user_id) REFERENCES users (id) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED",
        ),
        (
            rewrite("tags", "color             TEXT", "color text collate nocase"),
            "column color of tags: expected TEXT, found TEXT COLLATE NOCASE",
        ),
        (rewrite("reminders", ") STRICT", ")"), "table reminders: expected STRICT, found a plain table"),
        (
            "DROP INDEX idx_tags_user_id; create unique index [idx_tags_user_id] on tags(user_id collate nocase desc)"
                .into(),
            "index idx_tags_user_id of tags: expected (user_id), found UNIQUE (user_id COLLATE NOCASE DESC)",
        ),
        (
            "DROP INDEX idx_reminders_next_due_at".into(),
            "index idx_reminders_next_due_at of reminders: expected (next_due_at) WHERE",
        ),
        (
            "DROP TRIGGER journal_entries_search_insert".into(),
            "trigger journal_entries_search_insert of journal_entries: expected CREATE TRIGGER",
        ),
        ("ALTER TABLE tags ADD COLUMN note TEXT".into(), "column note of tags: expected nothing, found TEXT"),
        ("ALTER TABLE tags DROP COLUMN color".into(), "column color of tags: expected TEXT, found nothing"),
        (
            "CREATE VIEW names AS SELECT name FROM tags".into(),
            "view names: expected nothing, found CREATE VIEW names AS",
        ),
        ("DROP TABLE opaque_sessions".into(), "table opaque_sessions: expected a table of 9 columns, found nothing"),
        ("CREATE TABLE moods (name TEXT)".into(), "table moods: expected nothing, found a table of 1 column"),
    ];
    let changes: Vec<_> = changes.iter().map(|(change, expected)| (change.as_str(), *expected)).collect();
    find_and_repair(&Scratch::sqlite(), &changes).await;
}

/// Rebuilding a table keeps its rows and their index entries.
#[tokio::test]
async fn a_table_that_is_repaired_keeps_its_rows() {
    for database in Database::both().await {
        let change = if database.is_sqlite() {
            rewrite("journal_entries", "CHECK (revision >= 1)", "CHECK (revision >= 0)")
        } else {
            "ALTER TABLE journal_entries DROP CONSTRAINT ck_journal_entries_revision".to_owned()
        };
        let before = database.count("journal_entries", "title IS NOT NULL").await;
        database.scratch.execute(&change).await.unwrap();
        repair(&database.scratch, &check(&database.scratch).await);
        assert!(check(&database.scratch).await.is_clean());
        let again = Database::open(Scratch::sharing(&database.scratch)).await;
        assert_eq!(again.count("journal_entries", "title IS NOT NULL").await, before);
        assert_eq!(again.count("journal_entry_tags", "entry_id IS NOT NULL").await, 4);
    }
}

/// Statements that delete data are left to the operator.
#[tokio::test]
async fn deleting_statements_are_commented_out() {
    for database in Database::both().await {
        database
            .scratch
            .execute("CREATE TABLE moods (name TEXT); ALTER TABLE tags ADD COLUMN note TEXT")
            .await
            .unwrap();
        let report = check(&database.scratch).await;
        let engine = Engine::from(&database.scratch.url);
        let script = script(engine, &report.repairs);
        assert!(script.contains("\n-- DROP TABLE moods;\n") && script.contains("all rows of moods"), "{script}");
        assert!(
            script.contains("\n-- ALTER TABLE tags DROP COLUMN note;\n") && script.contains("tags.note"),
            "{script}"
        );
        run_script(&database.scratch.url, &script);
        assert_eq!(check(&database.scratch).await.differences, report.differences);
    }
}

/// Statements with the same meaning are equal, however they are written.
#[tokio::test]
async fn another_spelling_is_not_a_difference() {
    let scratch = Scratch::sqlite();
    migrate::upgrade(&scratch.url).await.unwrap();
    for (table, from, to) in [
        (
            "tags",
            "CONSTRAINT uq_tags_user_name UNIQUE (user_id, name)",
            "constraint [uq_tags_user_name]\n unique(`user_id`,\"name\")",
        ),
        ("tags", "REFERENCES users (id) ON DELETE CASCADE", "references USERS(ID) -- why\n on delete cascade"),
        ("reminders", "CHECK (frequency IN ('daily', 'weekdays',", "check(frequency in('daily','weekdays',"),
        ("reminders", "NOT NULL", "not /* never */ null"),
    ] {
        scratch.execute(&rewrite(table, from, to)).await.unwrap();
    }
    assert_eq!(check(&scratch).await.differences, []);
}

#[tokio::test]
async fn every_revision_is_clean_on_the_way_up_and_down() {
    let newest = Scratch::sqlite();
    migrate::upgrade(&newest.url).await.unwrap();
    let count = Migrator::new(&newest.url).unwrap().history().await.unwrap().len();
    for scratch in [Scratch::sqlite(), Scratch::postgres().await] {
        let migrator = Migrator::new(&scratch.url).unwrap();
        let versions: Vec<usize> = (1..=count).collect();
        let down = versions.iter().rev().skip(1);
        for version in &versions {
            migrator.upgrade(&version.to_string().parse::<Target>().unwrap()).await.unwrap();
            assert_eq!(check(&scratch).await.differences, [], "{} up to {version}", scratch.url);
        }
        for version in down {
            migrator.downgrade(&version.to_string().parse::<Target>().unwrap(), true).await.unwrap();
            assert_eq!(check(&scratch).await.differences, [], "{} down to {version}", scratch.url);
        }
        migrate::upgrade(&scratch.url).await.unwrap();
        assert_eq!(check(&scratch).await.differences, [], "{} up again", scratch.url);
    }
}

#[tokio::test]
async fn copies_by_the_engines_own_tools_are_clean() {
    for database in Database::both().await {
        let other = if database.is_sqlite() { Scratch::sqlite() } else { Scratch::postgres().await };
        if database.is_sqlite() {
            database.scratch.execute("VACUUM; ANALYZE; REINDEX").await.unwrap();
            assert_eq!(check(&database.scratch).await.differences, [], "after VACUUM");
        }
        // `.dump` omits the application id.
        let mark = format!("PRAGMA application_id = {};\n", i32::from_be_bytes(*b"Sott"));
        let script = dump(&database.scratch.url);
        let output = run_script(&other.url, &if database.is_sqlite() { mark + &script } else { script });
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(check(&other).await.differences, [], "{}", other.url);
    }
}
