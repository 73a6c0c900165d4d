//! Generates migrations from a desired schema and runs them up and down on populated databases of both engines.

use std::fs;
use std::path::{Path, PathBuf};

use super::Database;
use super::project::Project;
use crate::DatabaseUrl;
use crate::migrate::Migrator;
use crate::schema::Engine;
use crate::schema::generate::{LONGEST_MESSAGE, RevisionError, missing, revision};
use crate::testing::Scratch;

/// Holds the shipped migrations to the desired schema.
#[tokio::test]
async fn the_migrations_create_the_desired_schema() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
    for scratch in [Scratch::sqlite(), Scratch::postgres().await] {
        let missing = missing(&crates.join("migrations"), &crates.join("schema"), &scratch.url).await.unwrap();
        assert_eq!(missing, [], "expected is what {} desires", scratch.url);
    }
}

#[tokio::test]
async fn no_migration_is_generated_without_a_difference() {
    let (project, server) = (Project::new(), Scratch::postgres().await);
    let written = project.generate(&server.url).await.unwrap();
    assert_eq!((written.files.len(), written.undecided), (0, false));
    assert_eq!(project.files(), [""; 0]);
}

#[tokio::test]
async fn unambiguous_differences_are_generated_completely() {
    let [sqlite, postgres] = Database::both().await;
    let project = Project::new();
    project.edit(
        Engine::Sqlite,
        &[
            // A computed default, which ADD COLUMN rejects, on the table with the triggers.
            (
                "    CONSTRAINT pk_journal_entries PRIMARY",
                "    read_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000000 AS INTEGER)),\n    CONSTRAINT pk_journal_entries PRIMARY",
            ),
            (
                "    CONSTRAINT pk_tags PRIMARY",
                "    note TEXT, -- what for\n    weight INTEGER NOT NULL DEFAULT 0,\n    CONSTRAINT pk_tags PRIMARY",
            ),
            ("CREATE TABLE login_sessions (", "CREATE TABLE moods (\n    id BLOB NOT NULL CHECK (length(id) = 16),\n    user_id BLOB NOT NULL CHECK (length(user_id) = 16),\n    name TEXT NOT NULL,\n    CONSTRAINT pk_moods PRIMARY KEY (id),\n    CONSTRAINT uq_moods_user_name UNIQUE (user_id, name),\n    CONSTRAINT ck_moods_name CHECK (name <> ''),\n    CONSTRAINT fk_moods_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE\n) STRICT;\nCREATE INDEX idx_moods_name ON moods (name);\nCREATE TABLE login_sessions ("),
            ("    confirmed_at      INTEGER,", "    device TEXT,\n    confirmed_at      INTEGER,"),
        ],
    );
    project.edit(
        Engine::Postgres,
        &[
            (
                "    CONSTRAINT pk_journal_entries PRIMARY",
                "    read_at TIMESTAMPTZ NOT NULL DEFAULT now(),\n    CONSTRAINT pk_journal_entries PRIMARY",
            ),
            (
                "    CONSTRAINT pk_tags PRIMARY",
                "    note TEXT,\n    weight INTEGER NOT NULL DEFAULT 0,\n    CONSTRAINT pk_tags PRIMARY",
            ),
            ("CREATE TABLE login_sessions (", "CREATE TABLE moods (\n    id UUID NOT NULL,\n    user_id UUID NOT NULL,\n    name TEXT NOT NULL,\n    CONSTRAINT pk_moods PRIMARY KEY (id),\n    CONSTRAINT uq_moods_user_name UNIQUE (user_id, name),\n    CONSTRAINT ck_moods_name CHECK (name <> ''),\n    CONSTRAINT fk_moods_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE\n);\nCREATE INDEX idx_moods_name ON moods (name);\nCREATE TABLE login_sessions ("),
            ("    confirmed_at TIMESTAMPTZ,", "    device TEXT,\n    confirmed_at TIMESTAMPTZ,"),
            // A change on one engine only.
            ("CREATE INDEX idx_login_sessions_user_id", "CREATE INDEX idx_login_sessions_agent ON login_sessions USING gin (to_tsvector('simple', user_agent));\nCREATE INDEX idx_login_sessions_user_id"),
        ],
    );
    project.edit_both(&[
        // Indexes: new, changed, dropped.
        ("CREATE INDEX idx_tags_user_id", "CREATE UNIQUE INDEX idx_tags_note ON tags (user_id, note) WHERE note IS NOT NULL;\nCREATE INDEX idx_tags_user_id"),
        ("idx_tags_user_created ON tags (user_id, created_at)", "idx_tags_user_created ON tags (user_id, created_at DESC, id)"),
        ("CREATE INDEX idx_opaque_sessions_binary_tag_id ON opaque_sessions (binary_tag_id);", ""),
        // Constraints: changed, new, dropped, and a foreign key with another action.
        ("'monthly', 'custom')),", "'monthly', 'yearly', 'custom')),\n    CONSTRAINT ck_reminders_title CHECK (title <> ''),"),
        ("    CONSTRAINT uq_reminders_user_reminder UNIQUE (user_id, id),\n", ""),
        ("REFERENCES tags (user_id, id) ON DELETE CASCADE", "REFERENCES tags (user_id, id) ON UPDATE CASCADE ON DELETE CASCADE"),
        // Columns: another default, and one that becomes nullable.
        ("DEFAULT 'initialized'", "DEFAULT 'new'"),
        ("CREATE TABLE tags (", "CREATE VIEW entry_words AS SELECT user_id, word_count FROM journal_entries;\nCREATE TABLE tags ("),
    ]);
    project.edit(Engine::Sqlite, &[("message           TEXT    NOT NULL", "message TEXT")]);
    project.edit(Engine::Postgres, &[("message     TEXT        NOT NULL", "message TEXT")]);

    let written = project.generate(&postgres.scratch.url).await.unwrap();
    assert!(!written.undecided);
    // One main migration, one each for a new, a changed (dropped and created), a dropped and a PostgreSQL-only index,
    // and one that validates.
    assert_eq!(written.files.len(), 4 * 7, "{:?}", written.files);
    let down = project.read("postgres", 3, "change_it.down");
    let loses = "-- loses: journal_entries.read_at, login_sessions.device, moods, tags.note, tags.weight\n";
    assert!(down.starts_with(loses), "{down}");
    assert!(project.read("sqlite", 3, "change_it.down").starts_with(loses));
    let concurrent = project.read("postgres", 5, "change_it_create_idx_tags_note.up");
    assert!(concurrent.starts_with("-- no-transaction\n") && concurrent.contains("CONCURRENTLY idx_tags_note ON tags"));

    for database in [&sqlite, &postgres] {
        project.there_and_back(database).await;
        for (table, rows) in [("journal_entries", 3), ("journal_entry_tags", 4), ("tags", 3), ("reminders", 2)] {
            assert_eq!(database.count(table, "1 = 1").await, rows, "{table}");
        }
    }
    // Search still finds old entries, and finds new ones.
    let found = "SELECT 'x' FROM journal_entries_fts JOIN search_documents ON document = journal_entries_fts.rowid \
                 WHERE journal_entries_fts MATCH 'first OR later'";
    assert_eq!(sqlite.list(found).await.len(), 1);
    sqlite.accept("INSERT INTO journal_entries (id, content, entry_date, entry_day, user_id) VALUES (#25, 'later', #time, #day, #1)").await;
    assert_eq!(sqlite.list(found).await.len(), 2);
    let again = project.generate(&postgres.scratch.url).await.unwrap();
    assert_eq!(again.files, Vec::<PathBuf>::new());
}

/// Tables that refer to each other, and parts that only one engine has.
#[tokio::test]
async fn circular_tables_and_engine_specific_parts_are_generated() {
    let [sqlite, postgres] = Database::both().await;
    let project = Project::new();
    let circle = |id: &str, late: &str, end: &str| {
        format!(
            "CREATE TABLE albums (id {id} NOT NULL, photo_id {id}, CONSTRAINT pk_albums PRIMARY KEY (id){late}){end};\n\
             CREATE TABLE photos (id {id} NOT NULL, album_id {id}, size INTEGER, double INTEGER GENERATED ALWAYS AS (size * 2) STORED, \
             CONSTRAINT pk_photos PRIMARY KEY (id), CONSTRAINT fk_photos_album FOREIGN KEY (album_id) REFERENCES albums (id)){end};\n\
             CREATE TABLE tags ("
        )
    };
    let key = "CONSTRAINT fk_albums_photo FOREIGN KEY (photo_id) REFERENCES photos (id) DEFERRABLE INITIALLY DEFERRED";
    project.edit(Engine::Sqlite, &[
        ("CREATE TABLE tags (", &circle("BLOB", &format!(", {key}"), " STRICT, WITHOUT ROWID")),
        ("CREATE TABLE journal_entry_tags", "CREATE VIRTUAL TABLE tags_fts USING fts5 (name);\nCREATE TRIGGER tags_fts_insert AFTER INSERT ON tags BEGIN INSERT INTO tags_fts (name) VALUES (new.name); END;\nCREATE TABLE journal_entry_tags"),
        ("TRIGGER journal_entries_search_insert AFTER INSERT ON journal_entries WHEN", "TRIGGER journal_entries_search_insert AFTER INSERT ON journal_entries WHEN 1 = 1 AND"),
    ]);
    project.edit(
        Engine::Postgres,
        &[
            ("CREATE TABLE tags (", &circle("UUID", "", "")),
            (
                "CREATE TABLE journal_entry_tags",
                &format!("ALTER TABLE albums ADD {key};\nCREATE TABLE journal_entry_tags"),
            ),
            ("entry_zone        TEXT        NOT NULL", "entry_zone TEXT COLLATE \"C\" NOT NULL"),
        ],
    );
    let undecided = project.generate(&postgres.scratch.url).await.unwrap();
    let text = project.read("postgres", 1, "change_it.up");
    assert!(undecided.undecided && text.contains("decide: journal_entries.entry_zone changes from"), "{text}");
    // The person decides otherwise.
    for file in &undecided.files {
        fs::remove_file(file).unwrap();
    }
    project.edit(Engine::Postgres, &[("entry_zone TEXT COLLATE \"C\" NOT NULL", "entry_zone TEXT NOT NULL")]);

    let written = project.generate(&postgres.scratch.url).await.unwrap();
    assert_eq!((written.files.len(), written.undecided), (4, false));
    for database in [&sqlite, &postgres] {
        project.there_and_back(database).await;
    }
    sqlite.accept("INSERT INTO tags (id, name, name_key, user_id) VALUES (#19, 'New', 'new', #1)").await;
    assert_eq!(sqlite.count("tags_fts", "tags_fts MATCH 'new'").await, 1);
}

/// An open question blocks everything until a person has decided.
#[tokio::test]
async fn ambiguous_differences_become_questions() {
    let server = Scratch::postgres().await;
    for (sqlite, postgres, question) in [
        (
            &[("color             TEXT,", "")][..],
            &[("color      TEXT,", "")][..],
            "tags.color is dropped: is it renamed, or are its values to be deleted?",
        ),
        (
            &[("color             TEXT,", "hue TEXT,")],
            &[("color      TEXT,", "hue TEXT,")],
            "tags.color is dropped and tags.hue is new: is it renamed?",
        ),
        (
            &[("color             TEXT,", "color INTEGER,")],
            &[("color      TEXT,", "color INTEGER,")],
            "tags.color changes from TEXT to INTEGER: how are its values converted?",
        ),
        (
            &[("color             TEXT,", "color TEXT NOT NULL,")],
            &[("color      TEXT,", "color TEXT NOT NULL,")],
            "tags.color may no longer be NULL: which values do rows with NULL get?",
        ),
        (
            &[("color             TEXT,", "color TEXT,\n    weight INTEGER NOT NULL,")],
            &[("color      TEXT,", "color TEXT,\n    weight INTEGER NOT NULL,")],
            "tags.weight is NOT NULL without a default: which values do existing rows get?",
        ),
        (
            &[
                ("CREATE TABLE login_sessions", "CREATE TABLE logins"),
                ("ON login_sessions", "ON logins"),
                ("ON login_sessions", "ON logins"),
            ],
            &[
                ("CREATE TABLE login_sessions", "CREATE TABLE logins"),
                ("ON login_sessions", "ON logins"),
                ("ON login_sessions", "ON logins"),
            ],
            "login_sessions is dropped and logins, which has the same columns, is new: is it renamed?",
        ),
    ] {
        let project = Project::new();
        project.edit(Engine::Sqlite, sqlite);
        project.edit(Engine::Postgres, postgres);
        let written = project.generate(&server.url).await.unwrap();
        assert!(written.undecided && !written.files.is_empty());
        for engine in ["sqlite", "postgres"] {
            for direction in ["up", "down"] {
                let text = project.read(engine, 1, &format!("change_it.{direction}"));
                let decide: Vec<&str> = text.lines().filter(|line| line.starts_with("-- decide:")).collect();
                assert!(decide.len() == 1 && decide[0].ends_with(question), "{question}: {engine} {direction}: {text}");
                // Statements with an open question are comments; only the rebuild of a table is ready.
                let ready = text.lines().filter(|line| !line.starts_with("--") && line.contains("color"));
                assert!(text.contains("CREATE TABLE new_tags") || ready.count() == 0, "{text}");
            }
        }
        for url in [&server.url, &DatabaseUrl::Sqlite(PathBuf::new())] {
            let refused = Migrator::with_directory(url, &project.migrations()).unwrap_err().to_string();
            assert!(
                refused.contains("_change_it.") && refused.contains("in line ") && refused.contains(question),
                "{refused}"
            );
        }
    }
}

#[tokio::test]
async fn a_migration_runs_once_its_questions_are_answered() {
    let [sqlite, postgres] = Database::both().await;
    let project = Project::new();
    project.edit(Engine::Sqlite, &[("color             TEXT,", "hue TEXT,")]);
    project.edit(Engine::Postgres, &[("color      TEXT,", "hue TEXT,")]);
    assert!(project.generate(&postgres.scratch.url).await.unwrap().undecided);
    for engine in ["sqlite", "postgres"] {
        let up = project.path(engine, 1, "change_it.up");
        let text = fs::read_to_string(&up).unwrap();
        let chosen = "-- ALTER TABLE tags RENAME COLUMN color TO hue;";
        let kept = text.lines().filter(|line| !line.starts_with("-- decide:"));
        let decided: Vec<&str> = kept.map(|line| if line == chosen { &line[3..] } else { line }).collect();
        assert!(text.contains(chosen), "{text}");
        fs::write(up, decided.join("\n")).unwrap();
        let down = "-- loses: nothing\nALTER TABLE tags RENAME COLUMN hue TO color;\n";
        fs::write(project.path(engine, 1, "change_it.down"), down).unwrap();
    }
    for database in [&sqlite, &postgres] {
        project.there_and_back(database).await;
    }
}

#[tokio::test]
async fn an_invalid_desired_schema_is_named() {
    let (project, server) = (Project::new(), Scratch::postgres().await);
    project.edit(Engine::Postgres, &[("CREATE TABLE tags", "CREATE TABEL tags")]);
    let refused = project.generate(&server.url).await.unwrap_err().to_string();
    assert!(
        refused.contains("postgres.sql") && refused.contains("TABEL") && refused.contains("PostgreSQL"),
        "{refused}"
    );
    fs::remove_file(project.desired().join("sqlite.sql")).unwrap();
    let refused = project.generate(&server.url).await.unwrap_err().to_string();
    assert!(refused.contains("sqlite.sql cannot be read"), "{refused}");
    assert_eq!(project.files().len(), 0);
}

/// Generated migrations that do not create the desired schema are not written.
#[tokio::test]
async fn migrations_with_another_result_are_not_written() {
    let (project, server) = (Project::new(), Scratch::postgres().await);
    // A name that needs quotes, which no standard name does.
    project.edit_both(&[("    CONSTRAINT pk_tags PRIMARY", "    \"order\" INTEGER,\n    CONSTRAINT pk_tags PRIMARY")]);
    let refused = project.generate(&server.url).await.unwrap_err();
    assert!(matches!(refused, RevisionError::WrongResult { .. }), "{refused}");
    assert!(
        refused.to_string().contains("does not lead to the desired schema") && refused.to_string().contains("order"),
        "{refused}"
    );
    assert_eq!(project.files(), [""; 0]);
}

#[test]
fn a_skeleton_is_refused_until_it_is_filled_in() {
    let project = Project::new();
    let written = revision("Add moods; really -- 'now'/../!", &project.migrations()).unwrap();
    assert_eq!(written.files.len(), 4);
    assert_eq!(project.files().iter().filter(|file| file.contains("_add_moods_really_now.")).count(), 4);
    for url in [DatabaseUrl::Sqlite(PathBuf::new()), DatabaseUrl::Postgres(String::new())] {
        let refused = Migrator::with_directory(&url, &project.migrations()).unwrap_err().to_string();
        assert!(refused.contains("_add_moods_really_now.") && refused.contains("how to go"), "{refused}");
    }
    // No further migration can be generated before this one is complete.
    assert!(revision("More", &project.migrations()).unwrap_err().to_string().contains("waits for a decision"));
}

#[test]
fn a_message_becomes_a_file_name_or_is_rejected() {
    let project = Project::new();
    let long = "x".repeat(LONGEST_MESSAGE + 1);
    for (message, reason) in [
        ("", "is empty"),
        (" \t ", "is empty"),
        (long.as_str(), "more than 72"),
        ("two\nlines", "more than one line"),
        ("\u{7}", "cannot be seen"),
        ("Stimmung hinzufügen", "letters other than a to z"),
        ("2 factors", "does not begin with a letter"),
        ("…", "does not begin with a letter"),
    ] {
        let refused = revision(message, &project.migrations()).unwrap_err().to_string();
        assert!(refused.contains(reason), "{message}: {refused}");
    }
    assert_eq!(project.files().len(), 0);
}

#[test]
fn one_of_two_concurrent_generations_writes() {
    let project = Project::new();
    let lock = fs::File::open(project.migrations()).unwrap();
    lock.lock().unwrap();
    assert!(matches!(revision("Add moods", &project.migrations()).unwrap_err(), RevisionError::Busy(_)));
    drop(lock);
    let results = std::thread::scope(|scope| {
        let rivals = [0, 1].map(|_| scope.spawn(|| revision("Add moods", &project.migrations())));
        rivals.map(|rival| rival.join().unwrap().is_ok())
    });
    // The second process finds the folder locked, or the incomplete files of the first.
    assert_eq!(results.iter().filter(|written| **written).count(), 1);
    assert_eq!(project.files().len(), 4);
}

#[test]
fn unexpected_folder_contents_are_rejected() {
    let project = Project::new();
    for direction in ["up", "down"] {
        fs::write(project.path("sqlite", 1, &format!("odd.{direction}")), "-- loses: nothing\nSELECT 1;").unwrap();
    }
    let refused = revision("Add moods", &project.migrations()).unwrap_err().to_string();
    assert!(refused.contains("do not hold the same revisions") && refused.contains("_odd and "), "{refused}");
    assert_eq!(project.files().len(), 2);

    let missing = revision("Add moods", &project.0.path().join("nowhere")).unwrap_err().to_string();
    assert!(missing.contains("nowhere cannot be read"), "{missing}");
}
