//! `sotto db check`, `erd` and `revision` as operators and developers use them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use sotto_storage::testing::run_script;

use crate::program::{Finished, Home, RunningServer};
use crate::recordings::{recorded, with_store};

/// The exit code when a check finds differences or damage.
const CODE_FOUND: i32 = 3;

/// The file name of the revision that is `steps` after the newest shipped one.
fn later_revision(steps: usize, name: &str) -> String {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../storage/migrations/sqlite");
    format!("{:04}_{name}", fs::read_dir(shipped).unwrap().count() / 2 + steps)
}

/// Breaks indexes and a column with a migration, and then stamps the database as unchanged. Works on both engines.
fn break_schema(home: &Home) {
    home.run(&["db", "upgrade"]).ok();
    let (up, down) = (later_revision(1, "break.up.sql"), later_revision(1, "break.down.sql"));
    let migrations = home.migrations(&[
        (
            &up,
            "DROP INDEX idx_tags_user_created;\nCREATE INDEX idx_tags_again ON tags (user_id);\nALTER TABLE tags DROP COLUMN color;\n",
        ),
        (&down, "-- loses: nothing\nSELECT 1;\n"),
    ]);
    home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
    home.run(&["db", "stamp", "head"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_distinguish_clean_broken_and_unknown() {
    for home in [Home::sqlite(), Home::postgres().await] {
        home.run(&["db", "upgrade"]).ok();
        assert!(home.run(&["db", "check"]).ok().contains("matches its migrations"));
        assert_eq!(home.run(&["db", "check", "--json"]).json()["clean"], true);

        break_schema(&home);
        let found = home.run(&["db", "check"]);
        assert_eq!(found.code, Some(CODE_FOUND), "{}{}", found.out, found.err);
        for part in ["idx_tags_user_created", "column color", "duplicate-index", "is the same as idx_tags_again"] {
            assert!(found.out.contains(part), "{part}: {}", found.out);
        }
        assert!(found.err.contains("3 differences") && found.err.contains("1 place"), "{}", found.err);
        let found = home.run(&["db", "check", "--json"]);
        assert_eq!(found.code, Some(CODE_FOUND));
        let json: serde_json::Value = serde_json::from_str(&found.out).unwrap();
        let index = json["differences"].as_array().unwrap().iter().find(|one| one["name"] == "idx_tags_user_created");
        let index = index.unwrap();
        assert_eq!((&index["table"], &index["part"]), (&"tags".into(), &"index".into()));
        assert_eq!((&index["expected"], &index["found"]), (&"(user_id, created_at)".into(), &serde_json::Value::Null));
        assert_eq!(json["violations"][0]["rule"], "duplicate-index");

        // A revision that this program does not know.
        let migrations = home.migrations(&[]);
        home.run(&["db", "stamp", "head", "--migrations", &migrations]).ok();
        let unknown = home.run(&["db", "check"]).refused();
        assert!(unknown.contains("cannot be checked") && unknown.contains(&later_revision(1, "break")), "{unknown}");
    }
}

/// Orphans and an emptied search index under a running server are reported, printed as statements, and repaired.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_checked_and_the_search_index_is_rebuilt() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let server = RunningServer::start(&home, &[]);
        let token = server.person("ada@example.org").await;
        assert!(server.write(&token, "zanzibar").await);
        let clean = home.run(&["db", "check", "--rows"]).ok();
        assert!(clean.contains("The rows, the search index and the recordings are intact"), "{clean}");
        assert_eq!(clean.contains("as far as they were checked"), clean.contains("Not checked: "), "{clean}");

        let off = match home.file() {
            Some(_) => "PRAGMA foreign_keys = OFF",
            None => "SET session_replication_role = replica",
        };
        home.execute(&format!(
            "{off}; INSERT INTO tags (id, name, name_key, user_id) SELECT id, 'x', 'x', id FROM journal_entries"
        ))
        .await
        .unwrap();
        let found = home.run(&["db", "check", "--rows"]);
        assert_eq!(found.code, Some(CODE_FOUND), "{}{}", found.out, found.err);
        assert!(
            found.out.contains("foreign key fk_tags_user") && found.out.contains("1 row that refers to none"),
            "{}",
            found.out
        );
        assert!(found.err.contains("rows, file or recordings have 1 problem"), "{}", found.err);
        let json = home.run(&["db", "check", "--rows", "--json"]);
        let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!((&json["clean"], &json["rows"]["findings"][0]["name"]), (&false.into(), &"fk_tags_user".into()));
        assert!(!json.to_string().contains("zanzibar"));
        let script = home.run(&["db", "check", "--rows", "--sql"]).out;
        let statement = script.lines().find_map(|line| line.strip_prefix("-- DELETE")).unwrap();
        assert!(script.contains("This deletes the rows (1 row of tags)"), "{script}");
        home.execute(&format!("DELETE{statement}")).await.unwrap();
        home.run(&["db", "check", "--rows"]).ok();

        if home.file().is_some() {
            home.execute("INSERT INTO journal_entries_fts (journal_entries_fts) VALUES ('delete-all')").await.unwrap();
            let found = home.run(&["db", "check", "--rows"]);
            assert!(found.out.contains("search index journal_entries_fts"), "{}", found.out);
        }
        let rebuilt = home.run(&["db", "reindex"]).ok();
        assert!(rebuilt.contains("it contains 1 entry"), "{rebuilt}");
        home.run(&["db", "check", "--rows"]).ok();
        server.stop();
    }
}

/// With `--migrations`, the recordings are compared at a revision that only those migrations have.
#[tokio::test(flavor = "multi_thread")]
async fn recordings_are_compared_at_a_revision_of_other_migrations() {
    for home in [with_store(Home::sqlite()), with_store(Home::postgres().await)] {
        let server = RunningServer::start(&home, &[]);
        let token = server.person("ada@example.org").await;
        recorded(&server, &token, 1).await;
        server.stop();
        let (up, down) = (later_revision(1, "moods.up.sql"), later_revision(1, "moods.down.sql"));
        let migrations = home.migrations(&[
            (&up, "CREATE INDEX idx_tags_user_updated ON tags (user_id, updated_at);\n"),
            (&down, "-- loses: nothing\nDROP INDEX idx_tags_user_updated;\n"),
        ]);
        home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
        let check = ["db", "check", "--rows", "--hashes", "--migrations", &migrations];
        let clean = home.run(&check).ok();
        assert!(clean.contains("recordings are intact"), "{clean}");
        // The indexes of PostgreSQL can be checked only if the extension amcheck exists.
        assert!(!clean.lines().any(|line| line.starts_with("Not checked") && !line.contains("amcheck")), "{clean}");

        fs::remove_dir_all(home.path("store")).unwrap();
        let found = home.run(&check);
        assert_eq!(found.code, Some(CODE_FOUND), "{}{}", found.out, found.err);
        assert!(found.out.contains("none of this name"), "{}", found.out);
    }
}

/// The statements of `--sql` repair what was found.
#[tokio::test(flavor = "multi_thread")]
async fn the_printed_statements_repair_the_schema() {
    for home in [Home::sqlite(), Home::postgres().await] {
        home.run(&["db", "upgrade"]).ok();
        home.execute("DROP INDEX idx_tags_user_created; CREATE TABLE moods (name TEXT)").await.unwrap();
        let printed = home.run(&["db", "check", "--sql"]);
        assert_eq!(printed.code, Some(CODE_FOUND));
        assert!(
            printed
                .out
                .contains("-- index idx_tags_user_created of tags: expected (user_id, created_at), found nothing"),
            "{}",
            printed.out
        );
        assert!(printed.out.contains("-- DROP TABLE moods;"), "{}", printed.out);
        run_script(&home.url(), &printed.out.replace("-- DROP", "DROP"));
        home.run(&["db", "check"]).ok();
        assert!(home.run(&["db", "check", "--sql"]).ok().trim().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_started_server_warns_about_drift() {
    for home in [Home::sqlite(), Home::postgres().await] {
        break_schema(&home);
        let mut server = RunningServer::start(&home, &[]);
        // The server serves despite the findings.
        assert_eq!(server.request(reqwest::Method::GET, "/health/ready").send().await.unwrap().status(), 200);
        let log = BufReader::new(server.child.stderr.take().unwrap());
        let mut seen = log.lines().map(Result::unwrap).filter(|line| line.contains("WARN"));
        assert!(seen.any(|line| line.contains("idx_tags_user_created")), "the difference");
        assert!(seen.any(|line| line.contains("idx_tags_user_id")), "the standard");
        assert!(seen.any(|line| line.contains("run `sotto db check` for the full list")), "what to do");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_diagram_shows_the_database_or_else_the_migrations() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let line = "users ||--o{ tags : fk_tags_user";
        if home.database.starts_with("sqlite") {
            // There is no database, and none is created.
            assert!(home.run(&["db", "erd"]).ok().contains(line));
            assert!(!home.path("data").exists());
        }
        home.run(&["db", "upgrade"]).ok();
        assert!(home.run(&["db", "erd"]).ok().contains(line));
        break_schema(&home);
        let diagram = home.run(&["db", "erd"]).ok();
        assert!(diagram.contains(line) && !diagram.contains("color"), "{diagram}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_writes_revisions() {
    let home = Home::postgres().await;
    let migrations = home.migrations(&[]);
    let schema = home.path("schema");
    fs::create_dir(&schema).unwrap();
    for engine in ["sqlite", "postgres"] {
        let file = format!("{engine}.sql");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../storage/schema").join(&file);
        fs::copy(shipped, schema.join(&file)).unwrap();
    }
    let schema = schema.to_str().unwrap();
    let generate =
        ["db", "revision", "-m", "Color tags", "--autogenerate", "--directory", &migrations, "--schema", schema];
    assert!(home.run(&generate).ok().contains("nothing to generate"));

    for engine in ["sqlite", "postgres"] {
        let file = format!("{schema}/{engine}.sql");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}\nCREATE INDEX idx_tags_color ON tags (color);\n")).unwrap();
    }
    let written = home.run(&generate).ok();
    assert!(
        written.contains(&later_revision(1, "color_tags.up.sql")) && written.contains("sotto db upgrade"),
        "{written}"
    );
    home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
    assert!(home.run(&["db", "check", "--migrations", &migrations]).ok().contains(&later_revision(1, "color_tags")));

    let skeleton = ["db", "revision", "--message", "By hand", "--directory", &migrations];
    assert!(home.run(&skeleton).ok().contains("until then the files are refused"));
    let refusal = home.run(&["db", "upgrade", "--migrations", &migrations]).refused();
    assert!(refusal.contains(&later_revision(2, "by_hand")) && refusal.contains("in line 2"), "{refusal}");

    let refusal = home.run(&["db", "revision", "-m", "", "--directory", &migrations]).refused();
    assert!(refusal.contains("the message is empty"), "{refusal}");
    let sqlite = home.command(&generate).env("SOTTO_DATABASE", "sqlite:none.db").output().unwrap();
    assert!(Finished::from_output(sqlite).refused().contains("needs a PostgreSQL server"));
    let refusal = home.run(&["db", "revision", "-m", "x", "--directory", "/nowhere"]).refused();
    assert!(refusal.contains("/nowhere cannot be read"), "{refusal}");
}
