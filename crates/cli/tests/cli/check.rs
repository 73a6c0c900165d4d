//! `sotto db check`, `erd` and `revision`, as an operator and a developer use them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::program::{Finished, Home, Serving};

/// The name of the revision that comes `place` after those that are shipped.
fn next(place: usize, name: &str) -> String {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../storage/migrations/sqlite");
    format!("{:04}_{name}", fs::read_dir(shipped).unwrap().count() / 2 + place)
}

/// Indexes and a column that are not as they should be, by a migration that is then taken for another. Works on both engines.
fn broken_by_hand(home: &Home) {
    home.run(&["db", "upgrade"]).ok();
    let (up, down) = (next(1, "break.up.sql"), next(1, "break.down.sql"));
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
async fn exit_codes_tell_clean_from_broken_from_unknown() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let empty = home.run(&["db", "check"]).refused();
        assert!(empty.contains("empty"), "{empty}");
        home.run(&["db", "upgrade"]).ok();
        assert!(home.run(&["db", "check"]).ok().contains("is what its migrations make"));
        assert_eq!(home.run(&["db", "check", "--json"]).json()["clean"], true);

        broken_by_hand(&home);
        let found = home.run(&["db", "check"]);
        assert_eq!(found.code, Some(2), "{}{}", found.out, found.err);
        for part in ["idx_tags_user_created", "column color", "duplicate-index", "is the same as idx_tags_again"] {
            assert!(found.out.contains(part), "{part}: {}", found.out);
        }
        assert!(found.err.contains("3 differences") && found.err.contains("1 place"), "{}", found.err);
        let found = home.run(&["db", "check", "--json"]);
        assert_eq!(found.code, Some(2));
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
        assert!(unknown.contains("is unknown") && unknown.contains(&next(1, "break")), "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_started_warns() {
    for home in [Home::sqlite(), Home::postgres().await] {
        broken_by_hand(&home);
        let mut server = Serving::start(&home, &[]);
        // It serves, whatever is found.
        assert_eq!(server.request(reqwest::Method::GET, "/health/ready").send().await.unwrap().status(), 200);
        let log = BufReader::new(server.child.stderr.take().unwrap());
        let mut seen = log.lines().map(Result::unwrap).filter(|line| line.contains("WARN"));
        assert!(seen.any(|line| line.contains("idx_tags_user_created")), "the difference");
        assert!(seen.any(|line| line.contains("idx_tags_user_id")), "the standard");
        assert!(seen.any(|line| line.contains("`sotto db check` lists all of it")), "what to do");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_diagram_is_of_the_database_or_of_the_migrations() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let line = "users ||--o{ tags : fk_tags_user";
        if home.database.starts_with("sqlite") {
            // There is none yet, and none is made.
            assert!(home.run(&["db", "erd"]).ok().contains(line));
            assert!(!home.path("data").exists());
        }
        home.run(&["db", "upgrade"]).ok();
        assert!(home.run(&["db", "erd"]).ok().contains(line));
        broken_by_hand(&home);
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
    assert!(written.contains(&next(1, "color_tags.up.sql")) && written.contains("sotto db upgrade"), "{written}");
    home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
    assert!(home.run(&["db", "check", "--migrations", &migrations]).ok().contains(&next(1, "color_tags")));

    let skeleton = ["db", "revision", "--message", "By hand", "--directory", &migrations];
    assert!(home.run(&skeleton).ok().contains("until then the files are refused"));
    let refusal = home.run(&["db", "upgrade", "--migrations", &migrations]).refused();
    assert!(refusal.contains(&next(2, "by_hand")) && refusal.contains("in line 2"), "{refusal}");

    let refusal = home.run(&["db", "revision", "-m", "", "--directory", &migrations]).refused();
    assert!(refusal.contains("the message is empty"), "{refusal}");
    let sqlite = home.command(&generate).env("SOTTO_DATABASE", "sqlite:none.db").output().unwrap();
    assert!(Finished::of(sqlite).refused().contains("needs a PostgreSQL server"));
    let refusal = home.run(&["db", "revision", "-m", "x", "--directory", "/nowhere"]).refused();
    assert!(refusal.contains("/nowhere cannot be read"), "{refusal}");
}
