//! Constraints that autogenerate adds to populated tables block nothing, and the first three commands of the founding
//! document work.

use std::fs;

use super::project::Project;
use crate::DatabaseUrl;
use crate::migrate::postgres::connect;
use crate::migrate::{Locks, Migrator, Target};
use crate::schema::{self, generate::missing};
use crate::testing::Scratch;

fn shop(id: &str, end: &str, items: &str) -> String {
    format!(
        "CREATE TABLE shops (id {id} NOT NULL, CONSTRAINT pk_shops PRIMARY KEY (id)){end};
         CREATE TABLE items (id {id} NOT NULL, shop {id} NOT NULL, price INTEGER NOT NULL, CONSTRAINT pk_items PRIMARY KEY (id){items}){end};"
    )
}

const CONSTRAINTS: &str = ", CONSTRAINT uq_items_price UNIQUE (price), CONSTRAINT ck_items_price CHECK (price > 0),
    CONSTRAINT fk_items_shop FOREIGN KEY (shop) REFERENCES shops (id)";

#[tokio::test]
async fn new_constraints_do_not_block_other_sessions() {
    let before = [shop("BLOB", " STRICT", ""), shop("UUID", "", "")];
    let after = [shop("BLOB", " STRICT", CONSTRAINTS), shop("UUID", "", CONSTRAINTS)];
    let project = Project::with_migration([&before[0], &before[1]], "nothing", [&after[0], &after[1]]);
    let (sqlite, postgres) = (Scratch::sqlite(), Scratch::postgres().await);
    let migrator = |scratch: &Scratch| Migrator::with_directory(&scratch.url, &project.migrations()).unwrap();
    for scratch in [&sqlite, &postgres] {
        migrator(scratch).upgrade(&Target::Head).await.unwrap();
    }
    let written = project.generate(&postgres.url).await.unwrap();
    assert!(!written.undecided);
    let read = |name: &str| fs::read_to_string(project.migrations().join("postgres").join(name)).unwrap();
    let main = read("0002_change_it.up.sql");
    assert!(!main.contains("uq_items_price"), "{main}");
    assert_eq!(main.matches("NOT VALID;").count(), 2, "{main}");
    let index = read("0003_change_it_create_uq_items_price.up.sql");
    assert!(index.contains("CREATE UNIQUE INDEX CONCURRENTLY uq_items_price ON items (price);"), "{index}");
    let last = read("0004_change_it_validate.up.sql");
    assert_eq!(last.matches("VALIDATE CONSTRAINT").count(), 2, "{last}");

    // The runner's locks block readers and writers for a moment only: no table is read under such a lock.
    let rehearsal = migrator(&postgres).rehearse_upgrade(&Target::Head).await.unwrap();
    let locks: Vec<_> = rehearsal.steps.iter().map(|step| &step.locks).collect();
    let Locks::Known(building) = locks[1] else { panic!("{locks:?}") };
    assert_eq!(building[0].mode, "SHARE UPDATE EXCLUSIVE");

    for scratch in [&sqlite, &postgres] {
        let before = schema::read(&scratch.url).await.unwrap();
        let migrator = migrator(scratch);
        // Every intermediate revision has the schema of its migrations, also on the way back.
        for revision in ["2", "3", "4", "3", "2", "1", "4"] {
            let target: Target = revision.parse().unwrap();
            if migrator.upgrade(&target).await.is_err() {
                migrator.downgrade(&target, false).await.unwrap();
            }
            let report = schema::check(&scratch.url, &migrator).await.unwrap();
            assert_eq!(report.differences, [], "{} at {revision}", scratch.url);
            if revision == "1" {
                assert_eq!(before.differences(&schema::read(&scratch.url).await.unwrap()), []);
            }
        }
        assert_eq!(missing(&project.migrations(), &project.desired(), &scratch.url).await.unwrap(), []);
    }
}

/// A foreign key to columns that become unique needs the unique constraint first.
#[tokio::test]
async fn a_key_that_refers_to_a_new_unique_constraint_works() {
    let [before, after] = [("", ""), (", CONSTRAINT uq_shops_code UNIQUE (code)", ", CONSTRAINT fk_items_code FOREIGN KEY (code) REFERENCES shops (code)")]
        .map(|(unique, key)| {
            ["STRICT", ""].map(|end| {
                format!(
                    "CREATE TABLE shops (id INTEGER NOT NULL, code INTEGER, CONSTRAINT pk_shops PRIMARY KEY (id){unique}) {end};
                     CREATE TABLE items (id INTEGER NOT NULL, code INTEGER, CONSTRAINT pk_items PRIMARY KEY (id){key}) {end};"
                )
            })
        });
    let project = Project::with_migration([&before[0], &before[1]], "nothing", [&after[0], &after[1]]);
    let postgres = Scratch::postgres().await;
    project.generate(&postgres.url).await.unwrap();
    for scratch in [Scratch::sqlite(), postgres] {
        let migrator = Migrator::with_directory(&scratch.url, &project.migrations()).unwrap();
        migrator.upgrade(&Target::Head).await.unwrap();
        migrator.downgrade(&"1".parse().unwrap(), false).await.unwrap();
    }
}

/// Starting without migrations: `revision --autogenerate`, `upgrade head`, `downgrade -1`.
#[tokio::test]
async fn the_documented_commands_work() {
    let project = Project::from_nothing();
    let postgres = Scratch::postgres().await;
    let written = project.generate(&postgres.url).await.unwrap();
    assert!(!written.undecided);
    let down =
        |engine: &str| fs::read_to_string(project.migrations().join(engine).join("0001_change_it.down.sql")).unwrap();
    let loses = |engine: &str| down(engine).lines().next().unwrap().to_owned();
    assert!(!loses("sqlite").contains("_fts") && loses("sqlite").contains("journal_entries"), "{}", loses("sqlite"));
    assert!(!loses("postgres").contains("search_documents"), "{}", loses("postgres"));
    for scratch in [Scratch::sqlite(), postgres] {
        let migrator = Migrator::with_directory(&scratch.url, &project.migrations()).unwrap();
        migrator.upgrade(&Target::Head).await.unwrap();
        assert_eq!(migrator.rehearse_downgrade(&Target::Down(1)).await.unwrap().losses().0, []);
        assert_eq!(migrator.downgrade(&Target::Down(1), false).await.unwrap().to, "base");

        // With rows, the downgrade asks for permission.
        migrator.upgrade(&Target::Head).await.unwrap();
        insert_user(&scratch.url).await;
        let refused = migrator.downgrade(&Target::Down(1), false).await.unwrap_err().to_string();
        assert!(refused.contains("1 row of users") && refused.contains("--allow-data-loss"), "{refused}");
        assert_eq!(migrator.downgrade(&Target::Down(1), true).await.unwrap().to, "base");
    }
}

async fn insert_user(url: &DatabaseUrl) {
    match url {
        DatabaseUrl::Sqlite(path) => {
            let sql = "INSERT INTO users (id, email) VALUES (randomblob(16), 'ada@example.org')";
            rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
        }
        DatabaseUrl::Postgres(_) => {
            let sql = "INSERT INTO users (id, email) VALUES (gen_random_uuid(), 'ada@example.org')";
            connect(url).await.unwrap().batch_execute(sql).await.unwrap();
        }
    }
}
